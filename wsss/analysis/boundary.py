"""How well borders are met: precision, recall and F-score of boundary pixels within a tolerance."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from skimage.morphology import disk
from skimage.segmentation import find_boundaries

from wsss.data.base import IGNORE

__all__ = ["TOLERANCE", "boundary_counts", "boundary_scores"]

TOLERANCE = 2
"""Pixels by which a border may be off."""


def boundary_counts(
    truth: NDArray[np.uint8], label: NDArray[np.uint8], tolerance: int = TOLERANCE
) -> NDArray[np.int64]:
    """Boundary pixels of an image, summed over its classes, to be added up over images.

    A boundary pixel of a class is one of its pixels beside a pixel of something else. It is met if the other map has a
    boundary pixel of the same class within `tolerance` pixels. Where the truth is 255 nothing counts; a predicted 255
    is no class.

    Args:
        truth: `H×W uint8`.
        label: `H×W uint8`.
        tolerance: radius in pixels, ≥ 0.

    Returns:
        `(4,)`: predicted and met, predicted, true and met, true.

    Raises:
        ValueError: the shapes differ.
    """
    if truth.shape != label.shape:
        raise ValueError(f"truth is {truth.shape}, but the label map is {label.shape}")
    scored, near = truth != IGNORE, disk(tolerance)
    counts = np.zeros(4, np.int64)
    for number in np.union1d(truth, label):
        if number in (0, IGNORE):
            continue
        window = _around((truth == number) | (label == number), tolerance + 1)
        true, predicted = (
            find_boundaries(each[window] == number, mode="inner") & scored[window] for each in (truth, label)
        )
        met = predicted & binary_dilation(true, near), true & binary_dilation(predicted, near)
        counts += [np.count_nonzero(each) for each in (met[0], predicted, met[1], true)]
    return counts


def _around(pixels: NDArray[np.bool_], margin: int) -> tuple[slice, ...]:
    """The window that holds all of `pixels (H,W)`, of which there is one at least, and `margin` pixels on each side."""
    ends = [np.flatnonzero(pixels.any(axis=1 - axis))[[0, -1]].tolist() for axis in (0, 1)]
    return tuple(slice(max(0, first - margin), last + 1 + margin) for first, last in ends)


def boundary_scores(counts: NDArray[np.int64]) -> Mapping[str, float]:
    """`precision`, `recall` and their harmonic mean `f`, in percent, from summed `boundary_counts`; NaN without pixels."""
    met, predicted, found, true = (float(value) for value in counts)
    precision = 100 * met / predicted if predicted else float("nan")
    recall = 100 * found / true if true else float("nan")
    both = precision + recall
    return {"precision": precision, "recall": recall, "f": 2 * precision * recall / both if both else float("nan")}
