"""Whether the segmentation networks have converged: the same trainings once more, with twice the iterations."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from wsss.analysis import paired_bootstrap
from wsss.data.base import scene_numbers
from wsss.experiments.record_facts import rounded, tune_record
from wsss.io import write_json
from wsss.pipeline import Run
from wsss.records.record import TuneRecord
from wsss.records.store import FULL_SUPERVISION, doubled_path

__all__ = ["double_trainings"]


def double_trainings(run: Run, folder: Path, say: Callable[[str], None] = lambda _: None) -> TuneRecord:
    """Train the networks of depth's labels and of true masks twice as long, and write a record of what that changes.

    They are scored on the tune split: the reported split stays unseen.

    Returns:
        `{"data", "split", "seed", "rows", …}`; of each row `labels`, `iterations` (as in the records), `miou` and
        `doubled` (mIoU in percent after so many, and after twice as many), their `difference` and its interval `ci`
        over scenes.
    """
    run.require_apart(folder)
    longer = replace(run.config.segmentation, iterations=2 * run.config.segmentation.iterations)
    doubled = Run(replace(run.config, segmentation=longer), run.cache, progress=run.progress)
    rows, scenes = [], scene_numbers(run.data("tune"))
    for labels in (run.label_method("depth"), FULL_SUPERVISION):
        once, twice = (one.networks([labels], "tune")[labels] for one in (run, doubled))
        difference, interval = paired_bootstrap([twice.confusions], [once.confusions], scenes=scenes)
        rows.append(
            {
                "labels": run.full_name(labels),
                "iterations": run.config.segmentation.iterations,
                "miou": round(once.miou, 3),
                "doubled": round(twice.miou, 3),
                "difference": round(difference, 3),
                "ci": rounded(interval),
            }
        )
        say(f"{labels}: {once.miou:.1f}, with twice the iterations {twice.miou:.1f}")
    record = tune_record(run, rows, run.data_hash("pseudo"), "segmentation")
    write_json(doubled_path(folder, run.data_name, run.config.seed), record)
    return record
