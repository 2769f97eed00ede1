"""How good label maps are, image by image, and what the ignored band of pseudo-labels does."""

import numpy as np
from numpy.typing import NDArray

from wsss.analysis.confusion import coverage, mean_iou
from wsss.analysis.score import Score
from wsss.analysis.thresholds import threshold_place

__all__ = ["band_effect", "holds_classes", "image_differences", "pick_by_rule"]


def band_effect(score: Score) -> dict[str, float]:
    """What ignoring the undecided pixels does to pseudo-labels, all in percent.

    Args:
        score: at a threshold of the grid `THRESHOLDS`, with its curve, which knows no band.

    Returns:
        `mIoU` (ignored pixels are misses), `mIoU without band` (the plain threshold), `mIoU of labelled pixels`
        (ignored ones left out, as a network's loss does), `coverage`, `right where labelled` and `right in the band`:
        the share of correct pixels, the latter if the plain threshold had decided. NaN where there is no such pixel.

    Raises:
        ValueError: the score has no curve.
    """
    if not len(score.curve):
        raise ValueError("the effect of the band is read from the threshold curve, and this score has none")
    total = score.confusions.sum(axis=0)
    plain = score.curve[threshold_place(score.facts["threshold"])]
    labelled = np.concatenate([total[:, :-1], np.zeros_like(total[:, -1:])], axis=1)
    right, ignored = np.trace(total), total[:, -1].sum()
    return {
        "mIoU": float(mean_iou(total)),
        "mIoU without band": float(mean_iou(plain)),
        "mIoU of labelled pixels": float(mean_iou(labelled)),
        "coverage": float(coverage(total)),
        "right where labelled": _share(right, labelled.sum()),
        "right in the band": _share(np.trace(plain) - right, ignored),
    }


def _share(part: np.integer, whole: np.integer) -> float:
    return 100 * float(part) / float(whole) if whole else float("nan")


def image_differences(score: Score, other: Score) -> NDArray[np.float64]:
    """Per-image mIoU of `score` minus that of `other`, `(N,)` in points; NaN for an image without scored pixels.

    For finding images to look at. What is reported is the mIoU of the whole split, never a mean of these.

    Raises:
        ValueError: the scores are of different images.
    """
    if score.ids != other.ids:
        raise ValueError("differences need scores of the same images")
    return np.asarray(mean_iou(score.confusions) - mean_iou(other.confusions), dtype=np.float64)


def holds_classes(score: Score) -> NDArray[np.bool_]:
    """Which images hold a class at all, `(N,)`: in the others there is nothing to be found."""
    return np.asarray(score.confusions[:, 1:].sum(axis=(1, 2)) > 0)


def pick_by_rule(differences: NDArray[np.float64], wanted: NDArray[np.bool_] | None = None) -> dict[str, int]:
    """Indices of the images to show: the `best`, the `median` and the `worst` difference, so that nobody picks.

    The median is the image nearest to the median difference, other than the two extremes. The first index wins ties;
    NaN is left out. Fewer than three images give fewer entries.

    Args:
        wanted: `(N,)`, the images to choose from; None for all.
    """
    known = np.flatnonzero(~np.isnan(differences) & (True if wanted is None else wanted))
    if not len(known):
        return {}
    order = known[np.argsort(-differences[known], kind="stable")]
    picked = {"best": int(order[0])}
    between = np.sort(order[1:-1])
    if len(between):
        middle = np.median(differences[known])
        picked["median"] = int(between[np.argmin(np.abs(differences[between] - middle))])
    if len(order) > 1:
        picked["worst"] = int(order[-1])
    return picked
