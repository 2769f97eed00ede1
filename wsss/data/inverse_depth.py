"""The one depth convention: inverse depth in [0, 1], larger = nearer, float32, made once, at the source."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from wsss.errors import WsssError

__all__ = ["inverse_depth", "normalise_inverse_depth"]

FLAT = 1e-6
"""A range below this share of the values' own size is rounding noise, not depth."""


HUGE = 1e300
"""Differences of numbers beyond this may be infinite."""


def inverse_depth(values: np.ndarray, kind: str) -> np.ndarray:
    """Turn depth values of a stated kind into inverse depth, larger = nearer, not yet normalised.

    Args:
        values: any shape. `"metric"`: distance in any unit, larger = farther. `"inverse"`: larger = nearer already, up
            to scale and shift (disparity, MiDaS, Depth Anything).
        kind: `"metric"` or `"inverse"`; stated by the user, never guessed.

    Returns:
        float64 of the same shape. Metric values ≤ 0 mean "not measured" and become NaN, a hole; infinitely far becomes
        0. Among inverse values 0 is one, the farthest; holes are what is not finite.

    Raises:
        WsssError: another kind.

    >>> inverse_depth(np.array([0.5, 4.0, 0.0]), "metric").tolist()
    [2.0, 0.25, nan]
    """
    values = np.asarray(values, dtype=np.float64)
    if kind == "inverse":
        return values.copy()
    if kind != "metric":
        raise WsssError(
            f"unknown depth kind {kind!r}. State 'metric' (larger = farther) or 'inverse' (larger = nearer)."
        )
    measured = values > 0
    with np.errstate(over="ignore"):
        return np.asarray(np.divide(1.0, values, out=np.full(values.shape, np.nan), where=measured))


def normalise_inverse_depth(inverse: np.ndarray, low: float = 1.0, high: float = 99.0) -> np.ndarray:
    """Normalise inverse depth robustly: the `low`…`high` percentiles of the finite values become 0…1, the rest is cut.

    Args:
        inverse: `H×W`, any range; NaN and infinity are holes and take the value of the nearest finite pixel.
        low: percentile that becomes 0.
        high: percentile that becomes 1.

    Returns:
        `H×W float32` in [0, 1], all finite. A map that is flat (constant but for rounding) or has no finite value is
        all 0, which is legal and means "one layer".

    Raises:
        WsssError: the map is not two-dimensional.

    >>> normalise_inverse_depth(np.array([[1.0, 2.0, np.nan, 3.0]]), low=0, high=100).tolist()
    [[0.0, 0.5, 0.5, 1.0]]
    """
    inverse = np.asarray(inverse, dtype=np.float64)
    if inverse.ndim != 2:
        raise WsssError(f"a depth map must be H×W, not {inverse.shape}. Drop the channel or batch axis.")
    finite = np.isfinite(inverse)
    if not finite.any():
        return np.zeros(inverse.shape, dtype=np.float32)
    largest = np.abs(inverse[finite]).max()
    if largest > HUGE:
        inverse = inverse / largest
    bottom, top = np.percentile(inverse[finite], [low, high])
    if top - bottom <= FLAT * max(abs(bottom), abs(top)):
        return np.zeros(inverse.shape, dtype=np.float32)
    filled = inverse if finite.all() else inverse[tuple(_nearest(finite))]
    normalised: np.ndarray = np.clip((filled - bottom) / (top - bottom), 0.0, 1.0).astype(np.float32)
    return normalised


def _nearest(known: np.ndarray) -> np.ndarray:
    """Indices `(2, H, W)` of the known pixel that is nearest to each pixel."""
    return np.asarray(distance_transform_edt(~known, return_distances=False, return_indices=True))
