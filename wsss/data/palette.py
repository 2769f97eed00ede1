"""Colours of labels: for files the colour map of PASCAL VOC, which other viewers have, for pictures distinct ones."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from wsss.data.base import IGNORE

__all__ = ["class_colours", "label_to_rgb", "overlay", "voc_palette"]


def voc_palette() -> np.ndarray:
    """The VOC colour map, `(256, 3) uint8` RGB: black for background, cream for 255.

    Bit 3j + c of a label goes to bit 7 − j of colour channel c, as in `VOClabelcolormap` of the VOC development kit
    (Everingham et al., IJCV 2010).
    """
    labels = np.arange(256, dtype=np.uint8)[:, None]
    channels = np.arange(3, dtype=np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    for j in range(3):  # 3 channels × 3 bits cover the 8 bits of a label
        palette |= ((labels >> (3 * j + channels)) & 1) << (7 - j)
    return palette


OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Okabe & Ito (2008), https://jfly.uni-koeln.de/color/: told apart with any common colour vision. Black is left out."""

_VOID = (255, 255, 255)

STRIP = 1 << 20
"""Pixels of a picture that are worked on at a time."""

# Machado, Oliveira & Fernandes (2009): protanopia and deuteranopia, on linear RGB.
_VISIONS = np.array(
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ]
)

_WEIGHTS = np.array([0.5, 1, 1])[:, None]
"""Of distances with each vision: with equal ones two classes of ten would be the same green to most people."""


def class_colours(classes: Sequence[str]) -> NDArray[np.uint8]:
    """Colours of labels 0…C, `(C+1, 3) uint8` RGB: background black, classes as distinct as may be.

    The first seven are Okabe and Ito's. Each further one is the colour of a regular grid that is farthest from all
    before it, black and white included: by CIEDE2000, the least of protan, deutan and half of normal vision, in which
    colours are further apart. So a class list always has the same colours, and a longer list begins with those of the
    shorter one.
    """
    return _distinct_colours(len(classes)).copy()


@cache
def _distinct_colours(count: int) -> NDArray[np.uint8]:
    levels = np.linspace(0, 1, 9)
    candidates = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = rgb2lab(candidates)[:, 0]
    candidates = candidates[(lightness > 30) & (lightness < 93)]  # neither lost on black nor on white
    appearances = _appearances(candidates)
    chosen = [np.array(to_rgb(colour)) for colour in OKABE_ITO[:count]]
    taken = _appearances(np.array([(0, 0, 0), (1, 1, 1), *chosen], dtype=np.float64))
    distance = (_WEIGHTS * deltaE_ciede2000(appearances[:, :, None], taken[:, None]).min(axis=2)).min(axis=0)
    while len(chosen) < count:
        best = int(np.argmax(distance))
        chosen.append(candidates[best])
        new = (_WEIGHTS * deltaE_ciede2000(appearances, appearances[:, best : best + 1])).min(axis=0)
        distance = np.minimum(distance, new)
    return np.round(255 * np.array([np.zeros(3), *chosen])).astype(np.uint8)


def _appearances(colours: np.ndarray) -> np.ndarray:
    """CIELAB `(3, N, 3)` of `(N, 3)` sRGB colours in [0, 1], as seen with normal, protan and deutan vision."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.einsum("vij,nj->vni", _VISIONS, linear), 0, 1)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(encoded))


def label_to_rgb(label: NDArray[np.uint8], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A label map `H×W uint8` as a picture `H×W×3 uint8`; 255 is white.

    Raises:
        ValueError: a label has no colour.
    """
    unknown = np.setdiff1d(label, [*range(len(colours)), IGNORE])
    if len(unknown):
        raise ValueError(f"labels {unknown.tolist()} have no colour: there are {len(colours)} colours")
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(colours)] = colours
    table[IGNORE] = _VOID
    return table[label]


def overlay(
    image: NDArray[np.uint8], label: NDArray[np.uint8], colours: NDArray[np.uint8], alpha: float = 0.6
) -> NDArray[np.uint8]:
    """Lay a label map over an image; where it says background the image shows unchanged.

    Args:
        image: `H×W×3 uint8`.
        label: `H×W uint8`, 0…C or 255 (white).
        colours: `(C+1, 3) uint8`, see `class_colours`.
        alpha: weight of the label's colour, in [0, 1].

    Returns:
        `H×W×3 uint8`.

    Raises:
        ValueError: the shapes differ or a label has no colour.
    """
    if image.shape[:2] != label.shape:
        raise ValueError(f"the image is {image.shape}, but the label map {label.shape}")
    laid = np.empty(image.shape, np.uint8)
    step = max(1, STRIP // max(1, image.shape[1]))
    for first in range(0, len(image), step):  # float64 maps of a whole large photograph would take 50 times its bytes
        rows = slice(first, first + step)
        mixed = np.round((1 - alpha) * image[rows] + alpha * label_to_rgb(label[rows], colours).astype(np.float64))
        laid[rows] = np.where((label[rows] > 0)[..., None], mixed, image[rows])
    return laid
