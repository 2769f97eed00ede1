"""From runs to records: one run (a notebook's), or several seeds (`make results`)."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from wsss.analysis.score import Score
from wsss.depth.methods import METHODS, split_method
from wsss.depth.specs import innermost, source_identity, source_name
from wsss.io import content_hash
from wsss.pipeline import ALGORITHM_VERSION, FULL_SUPERVISION, NO_FULL_SUPERVISION, SCORING_VERSION, Run
from wsss.processes import is_main
from wsss.pseudo.refinement import REFINEMENTS, split_refinement
from wsss.report.records import build_record, find_record, write_record
from wsss.report.store import inputs_read, name_it, record_path, require_names_apart, require_same_inputs

__all__ = [
    "FULL_SUPERVISION",
    "STAGES",
    "config_hash",
    "data_hash",
    "display_name",
    "hashed_splits",
    "record_of",
    "write_all",
    "write_stage",
]

Stage = Literal["cam", "pseudo", "segmentation"]
STAGES: tuple[Stage, ...] = ("cam", "pseudo", "segmentation")

Scores = Mapping[str, Sequence[Score]]
"""Method name → one score per seed."""


def config_hash(run: Run) -> str:
    """Hash of the settings that a record depends on, and of how scores are counted.

    The seed does not enter, and the data by its name instead of its place; what is in it is in its own hash.
    """
    settings = run.config.dictionary() | {"classifier": run.config.classifier.identity()}
    for name in (
        "seed",
        "root",
        "methods",
        "pseudo_methods",
        "label_methods",
        "depth",
        "series_groups",
        "sources",
        "kinds",
    ):
        settings.pop(name, None)
    if own := run.depths.kinds.get(innermost(run.config.depth)):
        settings["depth_kind"] = own
    if run.crop_settings and run.crop_settings.given:
        settings["given"] = run.crop_settings.given
    return content_hash(
        {**settings, "depth": source_name(run.config.depth, run.source_names), "scoring": SCORING_VERSION}
    )


def display_name(run: Run, method: str) -> str:
    """Full name of a method in records and tables: `depth@sensor` where it uses depth, with its `+refinement`."""
    plain, refinement = split_refinement(method)
    base, source = split_method(plain)
    suffix = f"+{refinement}" if refinement else ""
    if base not in METHODS or not METHODS[base].uses_depth:
        return base + suffix
    return f"{base}@{source_name(source or run.config.depth, run.source_names)}{suffix}"


def record_of(run: Run, records: Sequence[Mapping[str, Any]], stage: Stage, name: str) -> Mapping[str, Any]:
    """The record of a method of this run, named as in its configuration: `cam`, `depth+par-depth`, `depth@learned`.

    Full supervision without masks has no record: what stands in for one has no number, and says in `not_trained` why.

    Raises:
        WsssError: there is none.
    """
    if stage == "segmentation" and name == FULL_SUPERVISION and not run.has_masks:
        return {"method": name, "refinement": None, "miou": {"mean": float("nan")}, "not_trained": NO_FULL_SUPERVISION}
    plain, refinement = split_refinement(display_name(run, name))
    return find_record(records, data=run.data_name, stage=stage, method=plain, refinement=refinement)


def data_hash(run: Run, stage: str) -> str:
    """Hash of the images that a record of a stage depends on: those that are learnt from, chosen on and scored."""
    return content_hash([run.data(split).fingerprint() for split in hashed_splits(stage)])


def hashed_splits(stage: str) -> tuple[str, ...]:
    """The splits that `data_hash` covers."""
    return ("train", "tune") if stage == "pseudo" else ("train", "tune", "report")


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
    """What each method's record says of the inputs that it is made from, which no other record is or was made from under its name.

    See `wsss.report.store.require_same_inputs` and `require_names_apart`.
    """
    split, contents = run.data("train" if stage == "pseudo" else "report").split, data_hash(run, stage)
    found, shown, depths = {}, {}, {}
    for name in _stage_methods(run, stage):
        plain, refinement = split_refinement(name)
        base, source = split_method(plain)
        named = base in METHODS and METHODS[base].uses_depth
        uses_depth = named or (refinement is not None and REFINEMENTS[refinement].uses_depth)
        spec = run.depths.spec(source)
        found[name] = inputs_read(run.root, contents, spec if uses_depth else None)
        shown[name] = display_name(run, name)
        depths[name] = (source_identity(spec), run.depths.kind(source)) if uses_depth else None
        names = {"data": run.data_name, "stage": stage, "split": split}
        path = record_path(folder, names | {"method": display_name(run, plain), "refinement": refinement})
        require_same_inputs(path, found[name], name_it(spec, f"{base}@NAME") if named else None)
    require_names_apart(shown, depths)
    return found


def write_stage(
    runs: Sequence[Run], stage: Stage, folder: Path, on_written: Callable[[Path], None] | None = None
) -> list[dict[str, Any]]:
    """Compute (or load) a stage for every seed and write one record per method.

    Args:
        runs: the same configuration with different seeds.
        stage: `cam` (seeds on the reported split), `pseudo` (on train) or `segmentation` (networks, reported split).
        folder: root of the record tree.

    Where no training image has a mask, there is no network of full supervision, and that is printed.

    Returns:
        The records; none in processes other than the main one, which alone writes.
    """
    runs[0].require_apart(folder)
    runs[0].require_runs_apart()
    read = _require_same_inputs(runs[0], stage, folder)
    if stage == "segmentation" and not runs[0].has_masks and is_main():
        print(NO_FULL_SUPERVISION)
    start = time.perf_counter()
    by_seed = [_stage_scores(run, stage) for run in runs]
    if not is_main():
        return []
    scores: Scores = {name: [of_seed[name] for of_seed in by_seed] for name in by_seed[0]}
    first = runs[0]
    first.say_left_out()
    split = first.data("train" if stage == "pseudo" else "report")
    records = []
    for name, own in scores.items():
        record = build_record(
            own,
            data=first.data_name, split=split.split, profile=first.config.profile, stage=stage,
            method=display_name(first, split_refinement(name)[0]),
            refinement=split_refinement(name)[1], backbone=first.config.classifier.backbone,
            image_labels="none" if stage == "segmentation" else "given",
            seeds=[run.config.seed for run in runs],
            against={display_name(first, other): theirs for other, theirs in scores.items() if other != name},
            config_sha256=config_hash(first), data_sha256=data_hash(first, stage),
            algorithm_version=ALGORITHM_VERSION[stage], device=str(first.device), threads=torch.get_num_threads(),
            wall_s=time.perf_counter() - start,
        )  # fmt: skip
        record["provenance"]["settings"] = first.config.portable()
        record["provenance"]["read"] = read[name]
        if left_out := first.left_out():
            record["provenance"]["left_out"] = left_out
        path = write_record(folder, record)
        if on_written:
            on_written(path)
        records.append(record)
    return records


def write_all(runs: Sequence[Run], folder: Path, say: Callable[[str], None], stages: Sequence[Stage] = STAGES) -> None:
    """The records of one configuration over its seeds, stage by stage."""
    for stage in stages:
        start = time.perf_counter()
        write_stage(runs, stage, folder)
        say(f"{runs[0].data_name} {stage}: {len(runs)} seed(s) in {(time.perf_counter() - start) / 60:.1f} min")
