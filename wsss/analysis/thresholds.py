"""The background threshold of class activation maps: the grid, the fixed value, and the rule that chooses.

The rule looks at the whole grid. A greedy search that stops at the first dip depends on where it starts. And it looks for a
plateau, not for a peak: on few images the highest point of the curve may be a narrow one that other images do not have.
"""

import numpy as np

from wsss.analysis.confusion import mean_iou
from wsss.errors import WsssError

__all__ = ["FIXED_THRESHOLD", "THRESHOLDS", "choose_threshold", "miou_curve"]

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
