"""The background threshold of class activation maps: the grid, the fixed value, and the rule that chooses.

The rule looks at the whole grid. A greedy search that stops at the first dip depends on where it starts. And it looks
for a plateau, not for a peak: on few images the highest point of the curve may be a narrow one that other images do not
have.
"""

import numpy as np
from scipy.ndimage import uniform_filter

from wsss.analysis.confusion import mean_iou
from wsss.data.base import IGNORE
from wsss.errors import WsssError

__all__ = [
    "FIXED_THRESHOLD",
    "THRESHOLDS",
    "choose_threshold",
    "choose_two_thresholds",
    "miou_curve",
    "pseudo_label",
    "threshold_place",
    "with_ignored",
]

THRESHOLDS = np.round(0.02 * np.arange(1, 48), 2)
"""The grid 0.02, 0.04 … 0.94, on which thresholds are chosen and curves are drawn."""
THRESHOLDS.setflags(write=False)

FIXED_THRESHOLD = 0.3
"""A threshold that is never tuned; it lies on the grid."""


PLATEAU = 3
"""Grid points on either side of a threshold over which mIoU is averaged before the highest is taken."""


def threshold_place(threshold: float) -> int:
    """Which of `THRESHOLDS` a threshold is, or is nearest to."""
    return int(np.argmin(np.abs(THRESHOLDS - threshold)))


def miou_curve(total: np.ndarray) -> np.ndarray:
    """mIoU in percent at every threshold, `(T,)`, from the data set's confusions `(T, C+1, C+2)`."""
    return mean_iou(total)


def choose_threshold(
    total: np.ndarray, thresholds: np.ndarray = THRESHOLDS, plateau: int = PLATEAU
) -> tuple[float, float]:
    """The threshold around which the curve is highest on average; at the ends of the grid the average is one-sided.

    Args:
        total: `(T, C+1, C+2)` confusions summed over the images of the split that chooses.
        thresholds: `(T,)` ascending.
        plateau: see `PLATEAU`; fewer points are averaged at the ends of the grid. 0 takes the peak.

    Returns:
        (threshold, its mIoU in percent).

    Raises:
        ValueError: there is not one confusion for each threshold.
        WsssError: no pixel is scored.
    """
    curve = miou_curve(total)
    if curve.shape != np.shape(thresholds):
        raise ValueError(f"{len(thresholds)} thresholds, but confusions of shape {total.shape}")
    if np.all(np.isnan(curve)):
        raise WsssError("no pixel is scored: a threshold is chosen on at least one image that is not all 255")
    window = np.ones(2 * plateau + 1)
    smooth = np.convolve(curve, window)[plateau:][: len(curve)]
    smooth /= np.convolve(np.ones(len(curve)), window)[plateau:][: len(curve)]
    best = int(np.argmax(smooth))
    return float(thresholds[best]), float(curve[best])


def with_ignored(total: np.ndarray, low: int, high: int) -> np.ndarray:
    """Confusions `(C+1, C+2)` of background up to threshold number `low`, classes above number `high`, 255 between.

    Args:
        total: `(T, C+1, C+2)` confusions at each threshold, of which the last column is 0.
    """
    result: np.ndarray = total[high].copy()
    result[:, 0] = total[low][:, 0]
    result[:, -1] = total[high].sum(axis=1) - result[:, :-1].sum(axis=1)
    return result


def choose_two_thresholds(
    total: np.ndarray, thresholds: np.ndarray = THRESHOLDS, plateau: int = PLATEAU
) -> tuple[float, float, float]:
    """The thresholds of sure background and of sure classes around which mIoU is highest on average.

    Pixels between the two are ignored, and count as a miss. The whole grid of pairs is looked at, and pairs whose
    neighbours up to `plateau` points away are as good are preferred to a lonely peak.

    Args:
        total: `(T, C+1, C+2)` confusions summed over the images of the split that chooses.
        thresholds: `(T,)` ascending.
        plateau: see `PLATEAU`.

    Returns:
        (low, high, mIoU in percent of that pair); low ≤ high.

    Raises:
        ValueError: there is not one confusion for each threshold.
        WsssError: no pixel is scored.
    """
    count = len(thresholds)
    if len(total) != count:
        raise ValueError(f"{count} thresholds, but confusions of shape {total.shape}")
    if not total.any():
        raise WsssError("no pixel is scored: thresholds are chosen on at least one image that is not all 255")
    low, high = np.triu_indices(count)
    surface, known = np.zeros((count, count)), np.zeros((count, count))
    pairs = zip(low.tolist(), high.tolist(), strict=True)
    surface[low, high] = mean_iou(np.stack([with_ignored(total, *pair) for pair in pairs]))
    known[low, high] = 1
    side = 2 * plateau + 1
    smooth = uniform_filter(surface, side, mode="constant")[low, high]
    smooth /= uniform_filter(known, side, mode="constant")[low, high]
    best = int(np.argmax(smooth))
    i, j = int(low[best]), int(high[best])
    return float(thresholds[i]), float(thresholds[j]), float(surface[i, j])


def pseudo_label(scores: np.ndarray, classes: np.ndarray, low: float, high: float | None = None) -> np.ndarray:
    """Label each pixel with its strongest class, with background, or with 255 where the score is undecided.

    A pixel is background up to `low`, ignored (255) above that and up to `high`, and of its strongest class above. What
    is ignored between sure foreground and sure background follows AffinityNet (Ahn and Kwak, CVPR 2018).

    Args:
        scores: `(K, H, W) float32` in [0, 1], one map for each class that the image holds; K may be 0.
        classes: `(K,)` integers 1…254, the class of each map. The first of equal scores wins.
        low: threshold of sure background, in the unit of `scores`.
        high: threshold of sure classes, ≥ `low`; None is `low`, so that nothing is ignored.

    Returns:
        `H×W uint8`: 0 background, 1…254 classes, 255 ignore.

    Raises:
        ValueError: shapes do not agree, a class is outside 1…254, or `high` is below `low`.
    """
    classes = np.asarray(classes, dtype=np.int64)
    if scores.ndim != 3 or classes.shape != scores.shape[:1]:
        raise ValueError(f"expected scores (K, H, W) and classes (K,), got {scores.shape} and {classes.shape}")
    if ((classes < 1) | (classes >= IGNORE)).any():
        raise ValueError(f"classes must be 1…{IGNORE - 1}, got {classes.tolist()}")
    high = low if high is None else high
    if high < low:
        raise ValueError(f"the threshold of classes, {high}, lies below that of background, {low}")
    if len(classes) == 0:
        return np.zeros(scores.shape[1:], np.uint8)
    best = scores.max(axis=0)
    label: np.ndarray = classes.astype(np.uint8)[scores.argmax(axis=0)]
    # `~(a > b)` rather than `a <= b`: a pixel whose score is NaN has no evidence, so it is background.
    label[~(best > high)] = IGNORE
    label[~(best > low)] = 0
    return label
