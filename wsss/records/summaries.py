"""The numbers of a record: of several training seeds on the same images, mostly their means."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from wsss.analysis import FIXED_THRESHOLD, THRESHOLDS, choose_threshold, mean_iou, miou_curve, object_miou
from wsss.analysis.activation import activation_means
from wsss.analysis.bootstrap import interval_of
from wsss.analysis.effects import occlusion_column
from wsss.analysis.score import Score
from wsss.records.record import Numbers
from wsss.records.resampled import Resampled

__all__ = [
    "activation_summary",
    "column_means",
    "mean_fact",
    "means",
    "miou_by_threshold",
    "object_summary",
    "predicted_miou",
    "statistics",
    "thresholds",
    "unseen_miou",
    "with_interval",
]

_FEASIBILITY = {("nyuv2", "test"): (654, slice(0, 650, 5)), ("voc-animals", "val"): (205, slice(0, 110))}
"""Images of the whole split, and those that a feasibility study had looked at: `[::5][:130]` and `[:110]`."""


def statistics(values: np.ndarray) -> Numbers:
    """Mean, sample standard deviation (None for one seed) and the values themselves."""
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": std, "per_seed": values.tolist()}


def column_means(values: np.ndarray) -> list[float]:
    """Means over seeds `(S, M)` → M values; NaN where no seed has one."""
    known = ~np.isnan(values)
    sums, counts = np.nansum(values, axis=0), known.sum(axis=0)
    averages: list[float] = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0).tolist()
    return averages


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean over seeds of each number."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def mean_fact(scores: Sequence[Score], key: str) -> float | None:
    """Mean over seeds of one of their `facts`; None where a seed has none."""
    values = [score.facts.get(key) for score in scores]
    return float(np.mean(values)) if None not in values else None  # type: ignore[arg-type]


def predicted_miou(scores: Sequence[Score]) -> Numbers | None:
    """mIoU with predicted image labels, where every seed has been scored with them."""
    if not all(len(score.predicted) for score in scores):
        return None
    values = np.array([float(mean_iou(score.predicted.sum(axis=0))) for score in scores])
    return {"miou": float(values.mean()), "per_seed": values.tolist()}


def unseen_miou(scores: Sequence[Score], data: str, split: str) -> Numbers | None:
    """mIoU on the images that the feasibility study had not seen; None for other data and for parts of a split."""
    total, seen = _FEASIBILITY.get((data, split), (None, slice(0)))
    num_images = len(scores[0].ids)
    if num_images != total:
        return None
    unseen = np.ones(num_images, dtype=bool)
    unseen[seen] = False
    values = [float(mean_iou(score.confusions[unseen].sum(axis=0))) for score in scores]
    return {"rest": {"n": int(unseen.sum()), "miou": float(np.mean(values))}}


def thresholds(scores: Sequence[Score]) -> Numbers | None:
    """The thresholds chosen on tune, and mIoU at the fixed and at the best one; None for methods without."""
    chosen = [score.facts.get("threshold") for score in scores]
    if None in chosen:
        return None
    chosen_on = scores[0].facts.get("chosen_on", "tune")
    threshold = {"chosen_on": chosen_on, "value": float(np.mean(chosen)), "per_seed": chosen}  # type: ignore[arg-type]
    if "low" in scores[0].facts:  # of pseudo-labels; what lies between is ignored
        threshold |= {name: [score.facts[name] for score in scores] for name in ("low", "high")}
    if not all(score.curve.any() for score in scores):
        return {**threshold, "fixed": None, "oracle": None}
    fixed = int(np.flatnonzero(THRESHOLDS == FIXED_THRESHOLD)[0])
    best = np.array([choose_threshold(score.curve, plateau=0) for score in scores])
    at_fixed = np.mean([miou_curve(score.curve)[fixed] for score in scores])
    return {
        **threshold,
        "fixed": {"value": FIXED_THRESHOLD, "miou": float(at_fixed)},
        "oracle": {
            "value": float(best[:, 0].mean()),
            "per_seed": best[:, 0].tolist(),
            "miou": float(best[:, 1].mean()),
        },
    }


def miou_by_threshold(scores: Sequence[Score]) -> Numbers | None:
    """mIoU at every threshold, mean over seeds; None where nothing was counted."""
    if not all(score.curve.any() for score in scores):
        return None
    curves = np.mean([miou_curve(score.curve) for score in scores], axis=0)
    return {"thresholds": THRESHOLDS.tolist(), "miou": curves.tolist()}


def activation_summary(objects: pd.DataFrame) -> Numbers:
    """See `activation_means`, and the measure of occlusion that it went by."""
    column = occlusion_column(objects)
    return {**activation_means(objects, column), "occlusion_measure": column}


def object_summary(own: Resampled) -> Numbers:
    """The mean over classes of the IoU of their objects, averaged over seeds, with its interval, and of each seed."""
    each = [object_miou(score.instances, resamples=1)[0] for score in own.scores]
    found = own.object_iou
    return {**with_interval((found.value, *interval_of(found.drawn)), "mean"), "per_seed": each}


def with_interval(estimate: tuple[float, float, float], name: str) -> Numbers:
    """A value under `name`, and its interval; `estimate` is (value, low, high)."""
    value, low, high = estimate
    return {name: value, "ci": [low, high]}
