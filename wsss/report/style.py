"""Colours and fonts of all figures, and how figures are saved."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from wsss.data.base import IGNORE
from wsss.io import atomic_path
from wsss.machine.lazy import lazy

__all__ = ["METHOD_COLOURS", "class_colours", "label_to_rgb", "method_colour", "save_figure", "use_style"]

sns = lazy("seaborn")

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Okabe & Ito (2008), https://jfly.uni-koeln.de/color/: told apart with any common colour vision. Black is left out."""

METHOD_COLOURS = {
    "cam": "#7F7F7F",
    "zoom": "#56B4E9",
    "grid": "#F0E442",
    "random": "#BFBFBF",
    "cam-box": "#CC79A7",
    "rgb-region": "#009E73",
    "crop-only": "#E69F00",
    "region-only": "#8C510A",
    "depth": "#D55E00",
    "oracle-box": "#000000",
    "full-supervision": "#0072B2",
}
"""The same colour for a method in every figure. The order is that of the tables: controls, depth, upper bounds."""

WRONG_DEPTH = ("shuffled", "constant", "inverted", "noisy")
"""Depth sources that are controls: drawn paler than the method with true depth."""

_VOID = (255, 255, 255)

# Machado, Oliveira & Fernandes (2009): protanopia and deuteranopia, on linear RGB.
_VISIONS = np.array(
    [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ]
)


def use_style() -> AbstractContextManager[None]:
    """Context in which figures are made: `with use_style(): …`. Settings of the program around it are untouched."""
    settings = {
        **sns.axes_style("whitegrid"),
        **sns.plotting_context("notebook", font_scale=0.85),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": "medium",
        "grid.linewidth": 0.6,
        "image.interpolation": "nearest",
        "svg.hashsalt": "wsss",
    }
    return matplotlib.rc_context(settings)


def method_colour(name: str) -> tuple[float, float, float]:
    """Colour of a method by its full name, such as `depth@sensor+crf`; paler where the depth is a wrong one."""
    method, _, source = name.partition("+")[0].partition("@")
    colour = np.array(to_rgb(METHOD_COLOURS.get(method, "#4D4D4D")))
    red, green, blue = (0.55 + 0.45 * colour if source.startswith(WRONG_DEPTH) else colour).tolist()
    return red, green, blue


def class_colours(classes: Sequence[str]) -> NDArray[np.uint8]:
    """Colours of labels 0…C, `(C+1, 3) uint8` RGB: background black, classes as distinct as may be.

    The first seven are Okabe and Ito's. Each further one is the colour of a regular grid that is farthest (CIEDE2000,
    the least of normal, protan and deutan vision) from all before it, black and white included. So a class list always
    has the same colours, and a longer list begins with those of the shorter one.
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
    distance = deltaE_ciede2000(appearances[:, :, None], taken[:, None]).min(axis=(0, 2))
    while len(chosen) < count:
        best = int(np.argmax(distance))
        chosen.append(candidates[best])
        new = deltaE_ciede2000(appearances, appearances[:, best : best + 1]).min(axis=0)
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


def save_figure(figure: Figure, path: Path, provenance: Mapping[str, Any]) -> list[Path]:
    """Save as PNG and SVG, whole or not at all; the same figure gives the same bytes.

    Args:
        path: without suffix.
        provenance: what the figure was made from (records, commit), written into both files' metadata.

    Returns:
        The two paths.
    """
    source = "; ".join(f"{key}: {value}" for key, value in provenance.items())
    metadata = {"png": {"Source": source}, "svg": {"Source": source, "Date": None}}
    written = []
    for suffix, facts in metadata.items():
        target = path.with_name(f"{path.name}.{suffix}")
        with atomic_path(target) as temporary, use_style():
            figure.savefig(temporary, format=suffix, dpi=150, metadata=facts)
        written.append(target)
    return written
