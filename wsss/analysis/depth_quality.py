"""How good a depth map is, up to the scale and shift of inverse depth that no monocular network can know."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from wsss.machine.lazy import lazy

__all__ = ["around_objects", "metric_errors", "rank_correlation"]

stats = lazy("scipy.stats")

REACH = 10
"""Pixels around objects that count: the depth that decides where an object ends."""

FLOOR = 1e-3
"""Smallest aligned inverse depth, in 1/m: nothing is farther than a kilometre."""


def around_objects(mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels `H×W` of objects (labels 1…254) and within `REACH` pixels of them."""
    objects = (mask > 0) & (mask < 255)
    return np.asarray(binary_dilation(objects, iterations=REACH)) if objects.any() else objects


def rank_correlation(predicted: NDArray[np.floating], truth: NDArray[np.floating], where: NDArray[np.bool_]) -> float:
    """Spearman's correlation of two depth maps over some pixels, in [−1, 1]; NaN where either is constant there."""
    if where.sum() < 2:
        return float("nan")
    ranks = [stats.rankdata(depth[where]) for depth in (predicted, truth)]
    if min(np.ptp(each) for each in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def metric_errors(inverse: NDArray[np.floating], metres: NDArray[np.floating]) -> dict[str, float]:
    """Errors of predicted depth after the scale and shift of its inverse have been fitted to the truth (least squares).

    Args:
        inverse: `H×W` predicted inverse depth, in any units.
        metres: `H×W` true distance; NaN or ≤ 0 where it was not measured.

    Returns:
        `abs_rel`, the mean of `|d − z| / z`, and `delta`, the share of pixels with `max(d/z, z/d) < 1.25` (Eigen et
        al., NeurIPS 2014); NaN where nothing was measured.
    """
    known = np.isfinite(metres) & (np.nan_to_num(metres) > 0)
    if known.sum() < 2:
        return {"abs_rel": float("nan"), "delta": float("nan")}
    z = metres[known].astype(np.float64)
    design = np.stack([inverse[known].astype(np.float64), np.ones(len(z))], axis=1)
    fitted = design @ np.linalg.lstsq(design, 1 / z, rcond=None)[0]
    distance = 1 / np.maximum(fitted, FLOOR)
    ratio = np.maximum(distance / z, z / distance)
    return {"abs_rel": float(np.mean(np.abs(distance - z) / z)), "delta": float(np.mean(ratio < 1.25))}
