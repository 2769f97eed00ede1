"""How far depth is to be believed in this image, judged by the image alone.

The borders of regions cut from right depth lie on image edges. Those cut from wrong depth lie anywhere. Textured images
have edges everywhere, so the borders are compared with themselves, moved aside by a few pixels.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

from wsss.methods.parameters import FULL_TRUST, NO_TRUST

__all__ = ["border_alignment", "border_pixels", "edge_ranks", "overlap", "trust_in"]

SHIFT = 12
"""Pixels by which borders are moved aside for comparison: beyond the reach of one edge, within the same
surroundings."""

MOVES = ((0, SHIFT), (0, -SHIFT), (SHIFT, 0), (-SHIFT, 0), (SHIFT, SHIFT), (-SHIFT, -SHIFT))

EDGE_SCALE, TOLERANCE = 1.5, 3.0
"""Standard deviations in pixels of the Gaussian under the image gradient, and of the one over it: a border that is a
few
pixels off its edge still counts."""


def edge_ranks(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Rank in [0, 1] of the gradient magnitude around each pixel among those of the image, `H×W float32`; mean ½."""
    pixels = image.astype(np.float32)
    strength = np.add.reduce([gaussian_gradient_magnitude(pixels[..., c], EDGE_SCALE) for c in range(3)])
    strength = gaussian_filter(strength, TOLERANCE)
    # Ties share their mean rank: where nothing is to be seen, no pixel has a stronger edge than its neighbour. SciPy's
    # `rankdata` gives the same in four times as long.
    _, order, counts = np.unique(strength, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts + 1) / 2
    return np.asarray((ranks / max(1, strength.size - 1))[order].reshape(strength.shape), np.float32)


def border_pixels(labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Pixels `H×W` whose left or upper neighbour lies in another region."""
    border = np.zeros(labels.shape, bool)
    border[1:] |= labels[1:] != labels[:-1]
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    return border


def border_alignment(ranks: NDArray[np.float32], labels: NDArray[np.integer]) -> float:
    """Mean edge rank on region borders minus that on the same borders moved aside, in [−1, 1]; 0 without borders.

    Args:
        ranks: `H×W`, from `edge_ranks`.
        labels: `H×W` regions that have not been aligned with the image by force.
    """
    border = border_pixels(labels)
    differences = []
    for down, right in MOVES:
        (rows, moved_rows), (columns, moved_columns) = (
            overlap(length, move) for length, move in zip(border.shape, (down, right), strict=True)
        )
        inside = border[rows, columns]
        if inside.any():
            aside = ranks[moved_rows, moved_columns][inside].mean()
            differences.append(ranks[rows, columns][inside].mean() - aside)
    return float(np.mean(differences)) if differences else 0.0


def overlap(length: int, move: int) -> tuple[slice, slice]:
    """The positions p of a line of pixels for which p + `move` is on the line too, and those p + `move`."""
    kept = max(0, length - abs(move))  # none where the move is longer than the line
    start, moved = max(0, -move), max(0, move)
    return slice(start, start + kept), slice(moved, moved + kept)


def trust_in(alignment: float, none: float = NO_TRUST, full: float = FULL_TRUST) -> float:
    """Trust in [0, 1], linear in the alignment: 0 up to `none`, 1 from `full` on."""
    return float(np.clip((alignment - none) / (full - none), 0, 1))
