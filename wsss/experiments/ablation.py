"""What each step of the method is worth: the tune split scored again with one setting changed at a time.

Ablations look at `tune` alone, with one training seed: the reported split stays unseen, and their numbers are those of the split
that parameters were chosen on, too high by the same rule in every row.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wsss.analysis import bootstrap_miou, paired_bootstrap
from wsss.analysis.score import Score
from wsss.depth.controls import NOISE_LEVELS
from wsss.experiments.results import config_hash, display_name
from wsss.io import write_json
from wsss.pipeline import Run
from wsss.pipeline.seeds import ALGORITHM_VERSION
from wsss.records.provenance import provenance

__all__ = ["VARIANTS", "Variant", "ablate", "ablation_path"]


@dataclass(frozen=True)
class Variant:
    """One row of an ablation.

    Attributes:
        group: rows of a group are compared with its first, in which nothing is changed.
        name: what is changed, in words.
        method: with `@source` for other depth than the run's.
        regions, crops: settings in place of the run's.
    """

    group: str
    name: str
    method: str = "depth"
    regions: Mapping[str, Any] = field(default_factory=dict)
    crops: Mapping[str, Any] = field(default_factory=dict)


_ALWAYS_TRUSTED = {"trust": (-2.0, -1.0)}  # border alignment is never below −1

VARIANTS = (
    Variant("steps", "the whole method"),
    Variant("steps", "no crops", "region-only"),
    Variant("steps", "no votes", "crop-only"),
    Variant("steps", "no planes", regions={"planes": 0}),
    Variant("steps", "levels instead of jumps", regions={"layering": "levels"}),
    Variant("steps", "no alignment with the image", regions={"guides": (0,)}),
    Variant("steps", "no trust: right depth", regions=_ALWAYS_TRUSTED),
    Variant("left out of crops", "other things", "crop-only"),
    Variant("left out of crops", "nearer things", "crop-only", crops={"exclude": "nearer"}),
    Variant("left out of crops", "all but the region", "crop-only", crops={"exclude": "fill"}),
    Variant("left out of crops", "other things, blurred", "crop-only", crops={"exclude": "blur"}),
    Variant("left out of crops", "nothing", "crop-only", crops={"exclude": "box"}),
    *(Variant("number of crops", str(n), "crop-only", crops={"count": n}) for n in (13, 3, 6, 20)),
    *(Variant("context of crops", f"{c:g}", "crop-only", crops={"context": c}) for c in (0.5, 0.1, 0.25, 1.0)),
    Variant("depth", "right"),
    *(Variant("depth", name, f"depth@{name}") for name in (*NOISE_LEVELS, "learned", "inverted", "constant", "shuffled")),
    Variant("depth", "shuffled, no trust", "depth@shuffled", regions=_ALWAYS_TRUSTED),
)  # fmt: skip


def ablation_path(folder: Path, data: str, seed: int) -> Path:
    """The file of an ablation below the root of the record tree."""
    return folder / data / "ablation" / "tune" / f"seed-{seed}.json"


def ablate(
    run: Run, folder: Path, variants: Sequence[Variant] = VARIANTS, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Score every variant on the tune split and write a record of it; what is in the cache is not computed again.

    Returns:
        `{"data", "split", "seed", "rows", …}`; of each row `miou` and `interval`, the paired `difference` from the first of
        its group with `ci`, what was chosen, megapixels per image, and mean `trust` (None without depth).
    """
    run.require_apart(folder)
    firsts: dict[str, Score] = {}
    rows = []
    for variant in variants:
        score = _score(run, variant)
        first = firsts.setdefault(variant.group, score)
        rows.append(_row(run, variant, score, first))
        say(f"{variant.group}: {variant.name}: {rows[-1]['miou']:.1f}")
    record = {
        "data": run.data_name, "split": "tune", "profile": run.config.profile, "seed": run.config.seed,
        "num_images": len(run.data("tune")), "rows": rows,
        "provenance": provenance(
            config_sha256=config_hash(run), data_sha256=run.data("tune").fingerprint(),
            algorithm_version=ALGORITHM_VERSION["cam"],
        ),
    }  # fmt: skip
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
    difference, interval = paired_bootstrap([score.confusions], [first.confusions])
    return {
        "group": variant.group, "variant": variant.name, "method": display_name(run, variant.method),
        "miou": round(score.miou, 3), "interval": _rounded(bootstrap_miou([score.confusions])),
        "difference": round(difference, 3), "ci": _rounded(interval),
        "threshold": score.facts["threshold"], "parameters": score.facts["parameters"],
        "megapixels_per_image": round(score.facts["megapixels"], 3), "trust": score.facts["trust"],
    }  # fmt: skip


def _rounded(interval: Sequence[float]) -> list[float]:
    return [round(float(end), 3) for end in interval]
