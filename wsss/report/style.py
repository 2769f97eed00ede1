"""Colours and fonts of all figures, and how figures are saved."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from wsss.io import atomic_path
from wsss.machine.lazy import lazy
from wsss.methods.names import MethodName

__all__ = ["METHOD_COLOURS", "SIZE_TICKS", "method_colour", "save_figure", "use_style"]

sns = lazy("seaborn")


METHOD_COLOURS = {
    "cam": "#7F7F7F",
    "zoom": "#56B4E9",
    "grid": "#F0E442",
    "random": "#BFBFBF",
    "cam-box": "#CC79A7",
    "layers": "#999933",
    "rgb-region": "#009E73",
    "rgb-crop": "#66C2A5",
    "rgb": "#117733",
    "crop-only": "#0072B2",
    "depth-region": "#BF812D",
    "region-only": "#E69F00",
    "depth": "#D55E00",
    "code-as-published": "#882255",
    "oracle-box": "#3B3B3B",
    "full-supervision": "#000000",
}
"""The same colour for a method in every figure. Of `cam`, the best controls, `crop-only` and `depth` they are Okabe and
Ito's, which are told apart with any vision. The order is that of the tables: controls, depth, upper bounds."""

WRONG_DEPTH = ("shuffled", "constant", "inverted", "noisy")
"""Depth sources that are controls: drawn paler than the method with true depth."""

SIZE_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
"""Of axes of an object's size in percent of the image, which are logarithmic."""


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
    parts = MethodName.parse(name)
    colour = np.array(to_rgb(METHOD_COLOURS.get(parts.base, "#4D4D4D")))
    wrong = (parts.source or "").startswith(WRONG_DEPTH)
    red, green, blue = (0.55 + 0.45 * colour if wrong else colour).tolist()
    return red, green, blue


def save_figure(
    figure: Figure, path: Path, provenance: Mapping[str, Any], suffixes: Sequence[str] = ("png", "svg")
) -> list[Path]:
    """Save a file for each suffix, whole or not at all; the same figure gives the same bytes.

    Args:
        path: without suffix.
        provenance: what the figure was made from (records, commit), written into the metadata of each file.
        suffixes: of `png` and `svg`; an SVG of many pictures is large and no sharper than the PNG.

    Returns:
        The paths.
    """
    source = "; ".join(f"{key}: {value}" for key, value in provenance.items())
    metadata = {"png": {"Source": source}, "svg": {"Source": source, "Date": None}}
    written = []
    for suffix in suffixes:
        target = path.with_name(f"{path.name}.{suffix}")
        with atomic_path(target) as temporary, use_style():
            figure.savefig(temporary, format=suffix, dpi=150, metadata=metadata[suffix])
        written.append(target)
    return written
