"""From runs to records, by way of their parts: what a stage of one run, with its training seed, adds to records."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from wsss.analysis.score import Score
from wsss.config import algorithms_of
from wsss.data.base import scene_numbers
from wsss.depth.specs import source_identity
from wsss.experiments.constants import constants_tried
from wsss.machine.processes import is_main
from wsss.machine.stopwatch import Stopwatch
from wsss.methods.names import MethodName
from wsss.methods.registry import uses_depth
from wsss.pipeline.run import Run
from wsss.pseudo.refinement import REFINEMENTS
from wsss.records.inputs import inputs_read, name_it, require_names_apart, require_same_inputs
from wsss.records.merging import merge_parts
from wsss.records.parts import StagePart
from wsss.records.provenance import provenance
from wsss.records.record import Record, RecordPlace, Stage
from wsss.records.store import FULL_SUPERVISION, NO_FULL_SUPERVISION, find_record, record_path, write_record

__all__ = ["record_of", "stage_methods", "stage_part", "write_stage"]


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


def _stage_scores(run: Run, stage: str, folder: Path) -> dict[str, Score]:
    methods = stage_methods(run, stage)
    if stage == "cam":
        scores = run.seeds(methods)
        known = {"mAP": run.average_precision()["report"]}
        return {
            name: replace(score, facts=score.facts | known | {"constants_tried": constants_tried(run, name, folder)})
            for name, score in scores.items()
        }
    return run.labels(methods) if stage == "pseudo" else run.networks(methods)


def stage_methods(run: Run, stage: str) -> Sequence[str]:
    """The methods, label methods or training labels whose records a stage of a run makes."""
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
    for name in stage_methods(run, stage):
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


def stage_part(run: Run, stage: Stage, folder: Path, clock: Stopwatch | None = None) -> StagePart:
    """Compute (or load) a stage of a run: everything that its records need.

    Args:
        folder: root of the record tree; records there of other inputs of the same names are not replaced.
        clock: counts the time, as of earlier tries that were broken off; None starts at 0.

    Where no training image has a mask, there is no network of full supervision, and where no image of the split has
    one, there are no scores; that is printed, and `notes` says it.
    """
    with clock or Stopwatch() as clock:
        read = _require_same_inputs(run, stage, folder)
        not_scored = run.not_scored(_split(stage))  # asked by all processes: they find it out together
        untaught = NO_FULL_SUPERVISION if stage == "segmentation" and not run.has_masks else None
        for line in (not_scored, untaught):
            if line and is_main():
                print(line)
        scores = _stage_scores(run, stage, folder)
    made = provenance(
        config_sha256=run.config_hash,
        data_sha256=run.data_hash(stage),
        algorithms=algorithms_of(stage),
        device=str(run.device),
        threads=torch.get_num_threads(),
        wall_s=round(clock.wall_s, 1),
        cpu_s=round(clock.cpu_s, 1),
    )
    return StagePart(
        data=run.data_name,
        split=run.data(_split(stage)).split,
        profile=run.config.profile,
        stage=stage,
        backbone=run.config.classifier.backbone,
        image_labels="none" if stage == "segmentation" else "given",
        seed=run.config.seed,
        settings=run.config.portable(),
        made=made,
        read={run.full_name(name): found for name, found in read.items()},
        notes={"not_scored": not_scored, "left_out": run.left_out()},
        scores={run.full_name(name): score for name, score in scores.items()},
        scenes=tuple(scene_numbers(run.data(_split(stage))).tolist()),
    )


def write_stage(
    runs: Sequence[Run], stage: Stage, folder: Path, on_written: Callable[[Path], None] | None = None
) -> list[Record]:
    """Compute (or load) a stage for every seed and write one record per method.

    Args:
        runs: the same configuration with different seeds.
        stage: `cam` (seeds on the reported split), `pseudo` (on train) or `segmentation` (networks, reported split).
        folder: root of the record tree.

    Returns:
        The records; none in processes other than the main one, which alone writes.
    """
    runs[0].require_apart(folder)
    runs[0].require_runs_apart()
    parts = [stage_part(run, stage, folder) for run in runs]
    if not is_main():
        return []
    runs[0].say_left_out()
    records = merge_parts(parts)
    for record in records:
        path = write_record(folder, record)
        if on_written:
            on_written(path)
    return records
