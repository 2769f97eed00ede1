"""Differences between two methods' scores, with the images as pairs."""

from collections.abc import Sequence

from wsss.analysis import object_miou, paired_bootstrap, paired_class_bootstrap, strata_table
from wsss.analysis.score import Score
from wsss.analysis.strata import MEASURES
from wsss.records.record import Numbers
from wsss.records.summaries import mean_objects, with_interval

__all__ = ["paired_differences", "require_alike"]


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


def paired_differences(scores: Sequence[Score], other: Sequence[Score], name: str) -> Numbers:
    """Differences from another method: mIoU, and objects by stratum, with the images as pairs."""
    require_alike(other, range(len(scores)))
    _require_same_images(scores[0], other[0])
    difference, interval = paired_bootstrap([s.confusions for s in scores], [s.confusions for s in other])
    objects, theirs = mean_objects(scores), mean_objects(other)
    for column in MEASURES:
        objects[column] = objects[column] - theirs[column].to_numpy(dtype=float)
    return {
        "against": name,
        "difference": difference,
        "ci": list(interval),
        "per_seed": [one.miou - two.miou for one, two in zip(scores, other, strict=True)],
        "classes": _class_differences(scores, other),
        "object_miou": with_interval(object_miou(objects), "difference"),
        "strata": strata_table(objects, differences=True),
    }


def _class_differences(scores: Sequence[Score], other: Sequence[Score]) -> dict[str, Numbers]:
    """Paired differences of the IoU of each label, background first, with their intervals."""
    estimates = paired_class_bootstrap([s.confusions for s in scores], [s.confusions for s in other])
    labels = ("background", *scores[0].classes)
    rows = zip(*(values.tolist() for values in estimates), strict=True)
    return {label: with_interval(row, "difference") for label, row in zip(labels, rows, strict=True)}
