"""What each step of the method is worth: the tune split scored again with one setting changed at a time.

Ablations look at `tune` alone, with one training seed: the reported split stays unseen, and their numbers are those of
the split that parameters were chosen on, too high by the same rule in every row.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wsss.analysis import bootstrap_miou, paired_bootstrap
from wsss.analysis.score import Score
from wsss.data.base import scene_numbers
from wsss.experiments.plan import VARIANTS, Variant
from wsss.experiments.record_facts import rounded, tune_record
from wsss.io import write_json
from wsss.pipeline import Run
from wsss.records.record import TuneRecord
from wsss.records.store import ablation_path

__all__ = ["ablate"]


def ablate(
    run: Run, folder: Path, variants: Sequence[Variant] = VARIANTS, say: Callable[[str], None] = lambda _: None
) -> TuneRecord:
    """Score every variant on the tune split and write a record of it; what is in the cache is not computed again.

    Returns:
        `{"data", "split", "seed", "rows", …}`; of each row `miou` and `interval`, the paired `difference` from the
        first of its group with `ci`, what was chosen, megapixels per image, and mean `trust` (None without depth).
    """
    run.require_apart(folder)
    firsts: dict[str, Score] = {}
    rows = []
    for variant in variants:
        score = _score(run, variant)
        first = firsts.setdefault(variant.group, score)
        rows.append(_row(run, variant, score, first))
        say(f"{variant.group}: {variant.name}: {rows[-1]['miou']:.1f}")
    record = tune_record(run, rows)
    write_json(ablation_path(folder, run.data_name, run.config.seed), record)
    return record


def _score(run: Run, variant: Variant) -> Score:
    """The variant's seeds on the tune split, with fusion parameters and threshold chosen for it."""
    config = replace(
        run.config,
        regions=replace(run.config.regions, **variant.regions),
        crops=replace(run.config.crops, **variant.crops),
    )
    changed = Run(config, run.cache, progress=run.progress)
    return changed.seeds([variant.method], "tune")[variant.method]


def _row(run: Run, variant: Variant, score: Score, first: Score) -> dict[str, Any]:
    scenes = scene_numbers(run.data("tune"))
    difference, interval = paired_bootstrap([score.confusions], [first.confusions], scenes=scenes)
    return {
        "group": variant.group,
        "variant": variant.name,
        "method": run.full_name(variant.method),
        "miou": round(score.miou, 3),
        "interval": rounded(bootstrap_miou([score.confusions], scenes=scenes)),
        "difference": round(difference, 3),
        "ci": rounded(interval),
        "threshold": score.facts["threshold"],
        "parameters": score.facts["parameters"],
        "megapixels_per_image": round(score.facts["megapixels"], 3),
        "trust": score.facts["trust"],
    }
