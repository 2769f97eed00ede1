"""From runs to records: one run (a notebook's), or several seeds (`make results`)."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from wsss.analysis.score import Score
from wsss.config import ALGORITHM_VERSION
from wsss.depth.specs import source_identity
from wsss.machine.processes import is_main
from wsss.methods.names import MethodName
from wsss.methods.registry import uses_depth
from wsss.pipeline.run import Run
from wsss.pseudo.refinement import REFINEMENTS
from wsss.records.build import Origin, Subject, build_record
from wsss.records.inputs import inputs_read, name_it, require_names_apart, require_same_inputs
from wsss.records.record import Record, RecordPlace, Stage
from wsss.records.store import FULL_SUPERVISION, NO_FULL_SUPERVISION, STAGES, find_record, record_path, write_record

__all__ = ["record_of", "write_all", "write_stage"]

Scores = Mapping[str, Sequence[Score]]
"""Method name → one score per seed."""


def record_of(run: Run, records: Sequence[Record], stage: Stage, name: str) -> Record:
    """The record of a method of this run, named as in its configuration: `cam`, `depth+par-depth`, `depth@learned`.

    Full supervision without masks has no record: what stands in for one has no number, and says in `not_trained` why.

    Raises:
        WsssError: there is none.
    """
    if stage == "segmentation" and name == FULL_SUPERVISION and not run.has_masks:
        return {
            "data": run.data_name,
            "stage": stage,
            "split": run.data("report").split,
            "method": name,
            "refinement": None,
            "miou": {"mean": float("nan")},
            "not_trained": NO_FULL_SUPERVISION,
        }
    parts = MethodName.parse(run.full_name(name))
    return find_record(records, data=run.data_name, stage=stage, method=parts.seeds, refinement=parts.refinement)


def _split(stage: str) -> str:
    """The split that a stage is scored on, by the name that runs have for it."""
    return "train" if stage == "pseudo" else "report"


def _stage_scores(run: Run, stage: str) -> dict[str, Score]:
    methods = _stage_methods(run, stage)
    if stage == "cam":
        scores = run.seeds(methods)
        known = {"mAP": run.average_precision()["report"]}
        return {name: replace(score, facts=score.facts | known) for name, score in scores.items()}
    return run.labels(methods) if stage == "pseudo" else run.networks(methods)


def _stage_methods(run: Run, stage: str) -> Sequence[str]:
    if stage == "cam":
        return run.config.methods
    return run.config.pseudo_methods if stage == "pseudo" else run.network_labels


def _require_same_inputs(run: Run, stage: Stage, folder: Path) -> dict[str, Any]:
    """What each method's record says of the inputs that it is made from, which no other record is or was made from
    under its name.

    See `wsss.records.inputs.require_same_inputs` and `require_names_apart`.
    """
    split, contents = run.data(_split(stage)).split, run.data_hash(stage)
    found, shown, depths = {}, {}, {}
    for name in _stage_methods(run, stage):
        parts = MethodName.parse(name)
        named, refinement = uses_depth(parts.base), REFINEMENTS.get(parts.refinement or "")
        reads_depth = named or (refinement is not None and refinement.uses_depth)
        spec = run.depths.spec(parts.source)
        found[name] = inputs_read(run.root, contents, spec if reads_depth else None)
        shown[name] = run.full_name(name)
        depths[name] = (source_identity(spec), run.depths.kind(parts.source)) if reads_depth else None
        place = RecordPlace(
            data=run.data_name, stage=stage, split=split, method=run.full_name(parts.seeds), refinement=parts.refinement
        )
        path = record_path(folder, place)
        require_same_inputs(path, found[name], name_it(spec, f"{parts.base}@NAME") if named else None)
    require_names_apart(shown, depths)
    return found


def write_stage(
    runs: Sequence[Run], stage: Stage, folder: Path, on_written: Callable[[Path], None] | None = None
) -> list[Record]:
    """Compute (or load) a stage for every seed and write one record per method.

    Args:
        runs: the same configuration with different seeds.
        stage: `cam` (seeds on the reported split), `pseudo` (on train) or `segmentation` (networks, reported split).
        folder: root of the record tree.

    Where no training image has a mask, there is no network of full supervision, and where no image of the split has
    one, the records have no scores; that is printed, and `not_scored` says it.

    Returns:
        The records; none in processes other than the main one, which alone writes.
    """
    runs[0].require_apart(folder)
    runs[0].require_runs_apart()
    read = _require_same_inputs(runs[0], stage, folder)
    if stage == "segmentation" and not runs[0].has_masks and is_main():
        print(NO_FULL_SUPERVISION)
    not_scored = runs[0].not_scored(_split(stage))  # asked by all processes: they find it out together
    if not_scored and is_main():
        print(not_scored)
    start = time.perf_counter()
    by_seed = [_stage_scores(run, stage) for run in runs]
    if not is_main():
        return []
    scores: Scores = {name: [of_seed[name] for of_seed in by_seed] for name in by_seed[0]}
    first = runs[0]
    first.say_left_out()
    subject, origin = _subject(runs, stage), _origin(first, stage)
    records = []
    for name, own in scores.items():
        parts = MethodName.parse(name)
        record = build_record(
            own,
            replace(subject, method=first.full_name(parts.seeds), refinement=parts.refinement),
            replace(origin, wall_s=time.perf_counter() - start),
            {first.full_name(other): theirs for other, theirs in scores.items() if other != name},
        )
        record["provenance"]["settings"] = first.config.portable()
        record["provenance"]["read"] = read[name]
        if not_scored:
            record["not_scored"] = not_scored
        if left_out := first.left_out():
            record["provenance"]["left_out"] = left_out
        path = write_record(folder, record)
        if on_written:
            on_written(path)
        records.append(record)
    return records


def _subject(runs: Sequence[Run], stage: Stage) -> Subject:
    """What the records of a stage share; each has its own method and refinement."""
    first = runs[0]
    return Subject(
        data=first.data_name,
        split=first.data(_split(stage)).split,
        profile=first.config.profile,
        stage=stage,
        method="",
        refinement=None,
        backbone=first.config.classifier.backbone,
        image_labels="none" if stage == "segmentation" else "given",
        seeds=[run.config.seed for run in runs],
    )


def _origin(run: Run, stage: Stage) -> Origin:
    """What the records of a stage were made from and with; each has its own time."""
    return Origin(
        config_sha256=run.config_hash,
        data_sha256=run.data_hash(stage),
        algorithm_version=ALGORITHM_VERSION[stage],
        device=str(run.device),
        threads=torch.get_num_threads(),
        wall_s=0.0,
    )


def write_all(runs: Sequence[Run], folder: Path, say: Callable[[str], None], stages: Sequence[Stage] = STAGES) -> None:
    """The records of one configuration over its seeds, stage by stage."""
    for stage in stages:
        start = time.perf_counter()
        write_stage(runs, stage, folder)
        say(f"{runs[0].data_name} {stage}: {len(runs)} seed(s) in {(time.perf_counter() - start) / 60:.1f} min")
