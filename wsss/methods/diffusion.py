"""Neighbouring regions that are alike share their scores.

Regions are smaller than objects: a dog is a dark and a light one. A random walk over the regions, which crosses a
border the more easily the longer it is and the more alike its two sides are, carries what is known of one to the rest
of the object. Right depth stops it where only colour agrees, and colour where only depth does.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

__all__ = [
    "COLOUR_SCALE",
    "border_jumps",
    "border_lengths",
    "border_means",
    "diffusion",
    "region_values",
    "unlikeness",
    "walk",
]

COLOUR_SCALE = 10.0
"""Difference in CIELAB (ΔE) of two regions that makes their border e times harder to cross."""

JUMP_SIDE = 5
"""Pixels: depth's own border may lie a little beside that of the regions."""

Matrix = NDArray[np.float64]


def border_lengths(labels: NDArray[np.integer], count: int) -> Matrix:
    """Pixel edges between each two regions of `labels (H,W)` in 1…R: `(R,R)`, symmetric, 0 on the diagonal."""
    lengths = np.zeros((count, count))
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        apart = one != other
        np.add.at(lengths, (one[apart] - 1, other[apart] - 1), 1)
    return lengths + lengths.T


def border_means(labels: NDArray[np.integer], count: int, values: NDArray[np.floating]) -> Matrix:
    """Mean of `values (H,W)` over the pixel edges between each two regions, of each edge's two pixels the larger one.

    Args:
        labels: `H×W` in 1…R.
        count: R.

    Returns:
        `(R,R)`, symmetric, 0 where two regions have no border.
    """
    sums, lengths = np.zeros(count * count), np.zeros(count * count)
    for ahead, behind in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        apart = labels[ahead] != labels[behind]
        pairs = (labels[ahead][apart].astype(np.intp) - 1) * count + labels[behind][apart] - 1
        larger = np.maximum(values[ahead], values[behind])[apart]
        sums += np.bincount(pairs, weights=larger, minlength=count * count)
        lengths += np.bincount(pairs, minlength=count * count)
    total, edges = (each.reshape(count, count) + each.reshape(count, count).T for each in (sums, lengths))
    return np.asarray(total / np.maximum(edges, 1))


def border_jumps(labels: NDArray[np.integer], count: int, depth: NDArray[np.float32]) -> Matrix:
    """How much `depth (H,W)` jumps along the border of each two regions, `(R,R)`.

    A difference of the regions' means would miss it: a large region is deep as a whole, and a table's top touches the
    wall behind it as little as a ball on it does.
    """
    jumps = maximum_filter(depth, JUMP_SIDE) - minimum_filter(depth, JUMP_SIDE)
    return border_means(labels, count, jumps)


def region_values(labels: NDArray[np.integer], count: int, features: NDArray[np.floating]) -> Matrix:
    """Mean of `features (H,W,F)` over each region of `labels (H,W)` in 1…R: `(R,F)`."""
    flat = labels.ravel() - 1
    areas = np.maximum(np.bincount(flat, minlength=count), 1)
    sums = [np.bincount(flat, weights=each.ravel(), minlength=count) for each in np.moveaxis(features, -1, 0)]
    return np.stack(sums, axis=1) / areas[:, None]


def unlikeness(features: Matrix) -> Matrix:
    """Squared distance of each two rows of `features (R,F)`: `(R,R)`."""
    return np.asarray(sum((column[:, None] - column[None]) ** 2 for column in features.T))


def walk(labels: NDArray[np.integer], distances: Matrix) -> Matrix:
    """One step of the walk: `(R,R)`, each row sums to 1.

    Args:
        labels: `H×W`, every pixel in a region 1…R.
        distances: `(R,R)` unlikeness of each two regions; a border is crossed with weight exp(−distance).

    The weight of staying is that of a border as long as the root of the region's area, about a quarter of its outline.
    """
    count = len(distances)
    steps = border_lengths(labels, count) * np.exp(-distances)
    stay = np.sqrt(np.maximum(np.bincount(labels.ravel() - 1, minlength=count), 1))
    steps[np.arange(count), np.arange(count)] = stay
    return np.asarray(steps / steps.sum(axis=1, keepdims=True))


def diffusion(step: Matrix, reach: float) -> Matrix:
    """Share of every other region in a region's score, `(R,R)`; each row sums to 1 (personalised PageRank, Page et al.
    1999).

    The walk goes on with probability `reach` after each step, so that 0 keeps scores as they are.
    """
    return np.asarray((1 - reach) * np.linalg.inv(np.eye(len(step)) - reach * step))
