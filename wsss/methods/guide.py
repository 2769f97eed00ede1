"""Aligns depth with the image: the guided filter, with the photograph as the guide.

Sensor depth has steps and ragged borders, predicted depth soft ones a few pixels beside the object's. In a small window
depth is taken to be an affine function of colour, so its edges move to where the image has edges, and nowhere else.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

__all__ = ["EPSILON", "guided_filter"]

Map = NDArray[np.floating]

EPSILON = 1e-3
"""Regularisation, in units of squared colour (range [0, 1]): contrast well below its root, 0.03, does not guide."""


def guided_filter(
    depth: NDArray[np.float32], image: NDArray[np.uint8], radius: int, epsilon: float = EPSILON
) -> NDArray[np.float32]:
    """Filter `depth` with a colour guide (He, Sun, Tang: Guided Image Filtering, TPAMI 2013, eq. 19–21).

    Args:
        depth: `H×W float32`.
        image: `H×W×3 uint8`.
        radius: of the square window, in pixels; 0 returns the depth as it is.
        epsilon: see `EPSILON`.

    Returns:
        `H×W float32`.

    Raises:
        ValueError: the sizes differ, or the radius is negative.
    """
    if image.shape[:2] != depth.shape:
        raise ValueError(f"depth is {depth.shape}, but the image {image.shape[:2]}")
    if radius < 0:
        raise ValueError(f"radius must not be negative, got {radius}")
    if radius == 0:
        return depth
    guide = np.moveaxis(image, -1, 0).astype(np.float32) / 255

    def mean(maps: Map) -> Map:
        return np.asarray(uniform_filter(maps, (0,) * (maps.ndim - 2) + (2 * radius + 1,) * 2, mode="nearest"))

    average, centre = mean(guide), mean(depth)
    covariance = mean(guide * depth) - average * centre
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    variance = {(a, b): mean(guide[a] * guide[b]) - average[a] * average[b] for a, b in pairs}
    slope = _solved(variance, covariance, epsilon)
    offset = centre - (slope * average).sum(axis=0)
    return np.asarray((mean(slope) * guide).sum(axis=0) + mean(offset), np.float32)


def _solved(variance: dict[tuple[int, int], Map], right: Map, epsilon: float) -> Map:
    """Solve `(V + εI) x = right` at every pixel, by the adjugate of the symmetric 3×3 matrix V; `(3,H,W)`."""
    a, b, c = variance[0, 0] + epsilon, variance[0, 1], variance[0, 2]
    d, e, f = variance[1, 1] + epsilon, variance[1, 2], variance[2, 2] + epsilon
    first, second, third = d * f - e * e, c * e - b * f, b * e - c * d
    middle, cross, last = a * f - c * c, b * c - a * e, a * d - b * b
    determinant = a * first + b * second + c * third
    x, y, z = right
    rows = (first * x + second * y + third * z, second * x + middle * y + cross * z, third * x + cross * y + last * z)
    return np.asarray(np.stack(rows) / determinant)
