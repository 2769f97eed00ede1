"""Wrong depth on purpose: the controls that tell what a method owes to depth, and how much bad depth costs it."""

import zlib

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

__all__ = ["NOISE_LEVELS", "degrade", "derangement", "inverted"]

FloatMap = NDArray[np.float32]

NOISE_LEVELS = {"noisy-09": 0.012, "noisy-08": 0.024, "noisy-06": 0.065}
"""Severities whose depth has about the Spearman correlation in the name with the truth, on `tabletop`'s tune split.

On the pixels of objects and within 10 pixels of them: 0.90, 0.80 and 0.60 (`tests/depth/test_controls.py` measures a
few scenes).
"""


def derangement(count: int, seed: int = 0) -> NDArray[np.int64]:
    """A permutation of 0…count − 1 that leaves nothing in its place (unless there is only one): a random cycle."""
    order = np.random.default_rng(seed).permutation(count)
    other = np.empty(count, np.int64)
    other[order] = np.roll(order, 1)
    return other


def inverted(depth: FloatMap) -> FloatMap:
    """Near becomes far: `1 − depth`. Every jump and plane stays where it was; only the order of the layers is wrong."""
    return np.asarray(1 - depth, np.float32)


def degrade(depth: FloatMap, severity: float, name: str, seed: int = 0) -> FloatMap:
    """Move depth about by a smooth random warp and blur it, as monocular predictions misplace and soften edges.

    Args:
        depth: `H×W float32` in [0, 1].
        severity: standard deviation of the displacement and of the blur's half width, as a share of the longer side; 0
            changes nothing.
        name: of the image; the warp is its own and the same in every run.
        seed: of all warps.

    Returns:
        `H×W float32` in [0, 1].

    Raises:
        ValueError: the severity is negative.
    """
    if severity < 0:
        raise ValueError(f"severity must not be negative, got {severity}")
    if severity == 0:
        return depth
    side = max(depth.shape)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    shift = np.stack([gaussian_filter(generator.normal(size=depth.shape), side / 12, mode="reflect") for _ in range(2)])
    shift *= severity * side / np.maximum(shift.std(axis=(1, 2), keepdims=True), 1e-12)
    rows, columns = np.indices(depth.shape)
    warped = map_coordinates(depth, [rows + shift[0], columns + shift[1]], order=1, mode="nearest")
    return np.asarray(gaussian_filter(warped, severity * side / 2).clip(0, 1), np.float32)
