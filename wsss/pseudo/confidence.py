"""How sure the labels of a photograph are, without a mask: by how far the scores of regions pass the threshold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from skimage.measure import label as components

__all__ = ["region_facts"]

SMALLEST = 0.001
"""Share of the image below which a connected piece of a label is a speck, and not listed."""


def region_facts(
    label: NDArray[np.uint8],
    scores: NDArray[np.float32],
    classes: NDArray[np.int64],
    threshold: float,
    size: tuple[int, int] | None = None,
) -> list[dict[str, Any]]:
    """What is known of each region of a label map, the largest first.

    A region is a connected piece of one class. Its `margin` is how far the score of its class lies above the threshold
    and above the scores of all other classes, mean over its pixels, as a share of the way from the threshold to 1.

    Args:
        label: `H×W`, 0 background, 1…C, 255 ignored.
        scores: `(K,H,W)` in [0, 1], of `classes (K,)`.
        threshold: scores below it are background.
        size: `(H, W)` of the photograph, in whose pixels boxes are; None where the label map has its size.

    Returns:
        `class` (1…C), `area` (share of the image), `margin` in [0, 1] and `box` (top, left, bottom, right).
    """
    found = []
    for own, number in enumerate(classes.tolist()):
        pieces = components(label == number, connectivity=2)
        rivals = np.delete(scores, own, axis=0).max(axis=0, initial=threshold)
        above = ((scores[own] - rivals) / max(1 - threshold, 1e-6)).clip(0, 1)
        for piece, place in enumerate(find_objects(pieces), start=1):
            inside = pieces[place] == piece
            area = float(inside.sum() / label.size)
            if area >= SMALLEST:
                margin = float(above[place][inside].mean())
                box = _box(place, label.shape, size or label.shape)
                found.append({"class": number, "area": area, "margin": margin, "box": box})
    return sorted(found, key=lambda one: -one["area"])


def _box(place: Sequence[slice], seen: Sequence[int], size: Sequence[int]) -> list[int]:
    """Top, left, bottom and right of a place in a map of the size `seen`, in pixels of one of `size`."""
    edges = place[0].start, place[1].start, place[0].stop, place[1].stop
    return [round(edge * size[axis % 2] / seen[axis % 2]) for axis, edge in enumerate(edges)]
