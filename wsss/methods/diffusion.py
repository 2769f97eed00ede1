"""Neighbouring regions that are alike share their votes.

Regions are smaller than objects: a dog is a dark and a light one. A random walk over the regions, which crosses a
border the more easily the longer it is and the more alike its two sides are, carries what is known of one to the rest
of the object. Right depth stops it where only colour agrees, and colour where only depth does.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["COLOUR_SCALE", "DEPTH_SCALE", "border_lengths", "diffusion", "region_values", "unlikeness", "walk"]

COLOUR_SCALE, DEPTH_SCALE = 10.0, 0.2
"""Differences in CIELAB (ΔE) and in normalised inverse depth that make a border e times harder to cross."""

Matrix = NDArray[np.float64]


def border_lengths(labels: NDArray[np.integer], count: int) -> Matrix:
    """Pixel edges between each two regions of `labels (H,W)` in 1…R: `(R,R)`, symmetric, 0 on the diagonal."""
    lengths = np.zeros((count, count))
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        apart = one != other
        np.add.at(lengths, (one[apart] - 1, other[apart] - 1), 1)
    return lengths + lengths.T


def region_values(labels: NDArray[np.integer], count: int, features: NDArray[np.floating]) -> Matrix:
    """Mean of `features (H,W,F)` over each region of `labels (H,W)` in 1…R: `(R,F)`."""
    flat = labels.ravel() - 1
    areas = np.maximum(np.bincount(flat, minlength=count), 1)
    sums = [np.bincount(flat, weights=each.ravel(), minlength=count) for each in np.moveaxis(features, -1, 0)]
    return np.stack(sums, axis=1) / areas[:, None]


def unlikeness(features: Matrix) -> Matrix:
    """Squared distance of each two rows of `features (R,F)`: `(R,R)`."""
    return np.asarray(((features[:, None] - features[None]) ** 2).sum(axis=-1))


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
    """Share of every other region in a region's vote, `(R,R)`; each row sums to 1 (personalised PageRank, Page et al.
    1999).

    The walk goes on with probability `reach` after each step, so that 0 keeps votes as they are.
    """
    return np.asarray((1 - reach) * np.linalg.inv(np.eye(len(step)) - reach * step))
