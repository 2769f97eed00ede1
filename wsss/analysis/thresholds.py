"""The background threshold of class activation maps: the grid, the fixed value, and the rule that chooses.

The rule looks at the whole grid. A greedy search that stops at the first dip depends on where it starts.
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


def miou_curve(total: np.ndarray) -> np.ndarray:
    """mIoU in percent at every threshold, `(T,)`, from the data set's confusions `(T, C+1, C+2)`."""
    return mean_iou(total)


def choose_threshold(total: np.ndarray, thresholds: np.ndarray = THRESHOLDS) -> tuple[float, float]:
    """The threshold with the highest mIoU, the lowest one at ties.

    Args:
        total: `(T, C+1, C+2)` confusions summed over the images of the split that chooses.
        thresholds: `(T,)` ascending.

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
    best = int(np.nanargmax(curve))
    return float(thresholds[best]), float(curve[best])
