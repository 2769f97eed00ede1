"""Differences between two methods' scores, with the images as pairs."""

from collections.abc import Sequence

import numpy as np

from wsss.analysis import iou_per_class
from wsss.analysis.bootstrap import column_intervals, interval_of, ratio
from wsss.analysis.score import Score
from wsss.analysis.strata import strata_rows
from wsss.records.record import Numbers
from wsss.records.resampled import Resampled
from wsss.records.store import FULL_SUPERVISION
from wsss.records.summaries import with_interval

__all__ = ["paired_differences", "require_alike", "share_of"]


def require_alike(scores: Sequence[Score], seeds: Sequence[int]) -> None:
    if not scores or len(scores) != len(seeds):
        raise ValueError(f"{len(scores)} scores for {len(seeds)} seeds; a record needs one score for each of its seeds")
    for score in scores[1:]:
        _require_same_images(scores[0], score)


def _require_same_images(one: Score, other: Score) -> None:
    if one.ids != other.ids or one.classes != other.classes:
        raise ValueError("scores can only be joined or compared on the same images and classes")
    if len(one.instances) != len(other.instances):
        raise ValueError(f"scores of the same images list {len(one.instances)} and {len(other.instances)} objects")


def paired_differences(own: Resampled, other: Resampled, name: str) -> Numbers:
    """Differences from another method on the same images: mIoU, and objects by stratum, with intervals over scenes.

    Of the network that is trained on true masks, `name` as in `FULL_SUPERVISION`, also the `share` of its mIoU.
    """
    require_alike(other.scores, range(len(own.scores)))
    _require_same_images(own.scores[0], other.scores[0])
    per_seed = own.per_seed - other.per_seed
    value = own.object_iou.value - other.object_iou.value
    drawn = own.object_iou.drawn - other.object_iou.drawn
    share = {"share": share_of(own, other)} if name == FULL_SUPERVISION else {}
    return {
        "against": name,
        "difference": float(per_seed.mean()),
        "ci": list(interval_of(own.miou - other.miou)),
        "per_seed": per_seed.tolist(),
        **share,
        "classes": _class_differences(own, other),
        "object_miou": with_interval((value, *interval_of(drawn)), "difference"),
        "strata": strata_rows(own.strata, other.strata),
    }


def share_of(own: Resampled, whole: Resampled) -> Numbers:
    """What share of another method's mIoU a method reaches, in percent: of the means over seeds, with its interval."""
    shares = 100 * ratio(own.per_seed, whole.per_seed)
    value = 100 * ratio(own.per_seed.mean(), whole.per_seed.mean())
    return {
        "value": float(value),
        "ci": list(interval_of(100 * ratio(own.miou, whole.miou))),
        "per_seed": shares.tolist(),
    }


def _class_differences(own: Resampled, other: Resampled) -> dict[str, Numbers]:
    """Paired differences of the IoU of each label, background first, with their intervals."""
    totals = [iou_per_class(np.stack([s.confusions.sum(axis=0) for s in each.scores])) for each in (own, other)]
    values = (totals[0] - totals[1]).mean(axis=0)
    labels = ("background", *own.scores[0].classes)
    columns = (values, *column_intervals(own.class_iou - other.class_iou))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {label: with_interval(row, "difference") for label, row in zip(labels, rows, strict=True)}
