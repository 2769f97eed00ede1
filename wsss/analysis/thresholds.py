"""The background threshold of class activation maps: the grid, the fixed value, and the rule that chooses.

The rule looks at the whole grid. A greedy search that stops at the first dip depends on where it starts. And it looks for a
plateau, not for a peak: on few images the highest point of the curve may be a narrow one that other images do not have.
"""

import numpy as np
from scipy.ndimage import uniform_filter

from wsss.analysis.confusion import mean_iou
from wsss.errors import WsssError

__all__ = ["FIXED_THRESHOLD", "THRESHOLDS", "choose_threshold", "choose_two_thresholds", "miou_curve", "with_ignored"]

THRESHOLDS = np.round(0.02 * np.arange(1, 48), 2)
"""The grid 0.02, 0.04 … 0.94, on which thresholds are chosen and curves are drawn."""
THRESHOLDS.setflags(write=False)

FIXED_THRESHOLD = 0.3
"""A threshold that is never tuned; it lies on the grid."""


PLATEAU = 3
"""Grid points on either side of a threshold over which mIoU is averaged before the highest is taken."""


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

    Pixels between the two are ignored, and count as a miss. The whole grid of pairs is looked at, and pairs whose neighbours up
    to `plateau` points away are as good are preferred to a lonely peak.

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
