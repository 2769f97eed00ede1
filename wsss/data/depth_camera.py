"""Depth as a structured-light camera measures it: noise that grows with distance, holes, 16 bit.

Where there is nothing to measure, the map is 0: beside edges, where the camera sees what its projector does not light;
on surfaces that are dark, seen edge on, or shine straight back; and out of range.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_measured"]

_NOISE = 1.425e-3
"""Standard deviation in metres at 1 m; it grows with the square of distance (Khoshelham and Oude Elberink, Accuracy and
resolution of Kinect depth data, Sensors 2012)."""

_STEP = 2.85e-3  # metres between two depths that are told apart at 1 m, likewise (same source)
_RANGE = 0.5, 5.0  # metres, as its maker states
_FAINTEST = 0.03, 0.09  # of light that comes back: below the first nothing is measured, above the second all is
_LATERAL = 0.8  # pixels by which an edge wanders (Nguyen, Izadi and Lovell, 3DIMPVT 2012)


def as_measured(
    metres: NDArray[np.float32],
    returned: NDArray[np.float32],
    reached: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Millimetres `H×W uint16`, 0 where nothing is measured.

    Args:
        metres: `H×W`, true depth along the optical axis.
        returned: `H×W` in [0, 1], light that a surface throws straight back.
        reached: `H×W`, what the projector lights.
    """
    height, width = metres.shape
    rows, columns = np.mgrid[0:height, 0:width]
    wander = (_LATERAL / 2 * rng.normal(size=(2, height, width))).round().astype(int)
    seen = (rows + wander[0]).clip(0, height - 1), (columns + wander[1]).clip(0, width - 1)
    depth = metres[seen].astype(np.float64)
    depth += _NOISE * depth**2 * rng.normal(size=depth.shape)
    depth = 1 / (np.round(1 / depth / _STEP) * _STEP).clip(1e-3)  # steps are even in disparity
    low, high = _FAINTEST
    faint = returned[seen] < rng.uniform(low, high, depth.shape)
    hole = ~reached[seen] | faint | (depth < _RANGE[0]) | (depth > _RANGE[1])
    millimetres: NDArray[np.uint16] = np.where(hole, 0, (depth * 1000).round()).astype(np.uint16)
    return millimetres
