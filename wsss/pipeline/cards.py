"""Model cards of what a run has trained: made from its settings and, where there is one, its record."""

from pathlib import Path
from typing import Any

from wsss.checks import plain_settings
from wsss.config import algorithms_of
from wsss.io import read_table
from wsss.machine.processes import is_main
from wsss.methods.names import MethodName
from wsss.pipeline.run import Run
from wsss.records.record import RecordPlace, Stage
from wsss.records.store import record_path, stale_facts
from wsss.segmentation.any_checkpoint import load_any
from wsss.segmentation.pretrained import card_beside

__all__ = ["current_record", "stage_of", "trained_on", "training_settings", "write_card"]

_LEARNT = {
    "classifier": "with their image labels",
    "segmentation network": "with a label map of each",
    "depth network": "with their depth",
}


def stage_of(kind: str) -> Stage:
    """The stage whose records have the scores of a kind of network."""
    return "segmentation" if kind == "segmentation network" else "cam"


def trained_on(run: Run, kind: str) -> str:
    """What a network of the run has learnt from, in a sentence."""
    data = run.data("train")
    return f"{len(data):,} images of {data.name}, split {data.split}, {_LEARNT[kind]}."


def training_settings(run: Run, kind: str) -> dict[str, Any]:
    """The settings of the training of a kind of network, as plain values without any place on a disk."""
    config = run.config
    parts = {
        "classifier": lambda: config.classifier.identity(),
        "segmentation network": lambda: plain_settings(config.segmentation),
        "depth network": lambda: plain_settings(config.depth_training),
    }
    known = {name: value for name, value in parts[kind]().items() if value is not None}
    return {"profile": config.profile, "training seed": config.seed, **known}


def current_record(run: Run, folder: Path, stage: Stage, name: str) -> Path | None:
    """The record of a method of the run below the root of a record tree; None where there is none of these settings and
    data.

    Args:
        name: as in the run's settings.
    """
    parts = MethodName.parse(name)
    split = run.data("train" if stage == "pseudo" else "report").split
    place = RecordPlace(
        data=run.data_name, stage=stage, split=split, method=run.full_name(parts.seeds), refinement=parts.refinement
    )
    path = record_path(folder, place)
    if run.config.profile == "smoke" or not path.exists():  # smoke: its numbers are no results
        return None
    made = read_table(path).get("provenance", {})
    return None if stale_facts(made, run.config_hash, algorithms_of(stage), run.data_hash(stage)) else path


def write_card(run: Run, checkpoint: Path, labels: str | None = None) -> Path | None:
    """Write the model card of a checkpoint of the run beside it, `NAME.md` for `NAME.safetensors`.

    A card of the same weights that is there stays. Nothing is written where the checkpoint is not there, or by other
    processes than the main one.

    Args:
        labels: what a segmentation network has learnt from.

    Returns:
        The card; None where there is no checkpoint.
    """
    if not is_main() or not checkpoint.is_file():
        return None
    kind = load_any(checkpoint).kind
    record = current_record(run, run.folder / "results", stage_of(kind), labels) if labels else None
    return card_beside(
        checkpoint, trained_on=trained_on(run, kind), training=training_settings(run, kind), record=record
    )
