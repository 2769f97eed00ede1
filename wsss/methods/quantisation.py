"""Depth that is stored in steps: how high they are where, and depth without them.

A sensor tells apart so many depths. Kinect depth in 8 bit has steps of 4 cm, in inverse depth high ones near and low
ones far away. A step is no border of a thing; a Gaussian that blurs it away blurs borders too.
"""

import numpy as np
from numpy.typing import NDArray

from wsss.methods.trust import overlap

__all__ = ["evened", "level_gaps", "without_steps"]

FloatMap = NDArray[np.float32]


TOLERANCE = 1.5
"""Steps by which values of one surface may differ: a slope has neighbours one step apart, a border more."""


def evened(depth: FloatMap, radius: int) -> FloatMap:
    """Inverse depth `H×W` without the steps of its quantisation; see `without_steps`. Radius 0 returns it as it is."""
    return without_steps(depth, TOLERANCE * level_gaps(depth), radius) if radius else depth


def level_gaps(depth: FloatMap) -> FloatMap:
    """How far the neighbouring value lies from each pixel's, among the values of the map, `H×W`; 0 on a flat map.

    Of the two neighbours, the farther one. Where depth is not quantised this is close to 0 nearly everywhere.
    """
    values, place = np.unique(depth, return_inverse=True)
    gaps = np.diff(values, prepend=values[:1], append=values[-1:])
    return np.asarray(np.maximum(gaps[:-1], gaps[1:])[place].reshape(depth.shape), np.float32)


def without_steps(depth: FloatMap, tolerance: FloatMap, radius: int) -> FloatMap:
    """Mean over a square window of those pixels that differ by at most `tolerance` (sigma filter, Lee, CVGIP 1983).

    Args:
        depth: `H×W`.
        tolerance: `H×W`, ≥ 0, of each window's centre.
        radius: of the window in pixels, cut off at the image's edge; 0 returns the depth as it is.
    """
    height, width = depth.shape
    total, count = np.zeros_like(depth, np.float64), np.zeros(depth.shape, np.int32)
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            (rows, moved_rows), (columns, moved_columns) = overlap(height, down), overlap(width, right)
            here, there = (rows, columns), (moved_rows, moved_columns)
            like = np.abs(depth[there] - depth[here]) <= tolerance[here]
            total[here] += depth[there] * like
            count[here] += like
    return np.asarray(total / count, np.float32)
