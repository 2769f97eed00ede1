"""The picture of one image's result: what the classifier saw, what depth made of it, and the label map."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from wsss.data.palette import class_colours, overlay

__all__ = ["Shown", "image_figure"]

WIDTH, COLUMNS = 7.2, 3  # inches; panels in a row
MAP_COLOURS, DEPTH_COLOURS = "inferno", "viridis"
TITLE = 10  # points

Panel = tuple[str, Callable[[Axes], object]]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Shown:
    """What is shown of one image.

    Attributes:
        image: `H×W×3 uint8`.
        plain, scores: `H×W` in [0, 1], of the plain CAM and of the method.
        method: its name.
        names: of the classes that are looked for.
        depth: `H×W` inverse depth in [0, 1]; None without.
        boxes: of the crops, `(top, left, bottom, right)`.
        boxes_count: whether the crops have a weight in the scores.
        label: `H×W uint8`, 0 background, then the places of `names` from 1; None without a threshold.
        threshold: of the label map.
    """

    image: NDArray[np.uint8]
    plain: NDArray[np.float32]
    scores: NDArray[np.float32]
    method: str
    names: Sequence[str]
    depth: NDArray[np.float32] | None
    boxes: Sequence[Box]
    boxes_count: bool
    label: NDArray[np.uint8] | None
    threshold: float | None


def image_figure(shown: Shown) -> Figure:
    """Image, plain CAM, depth, crops, scores and label map, those of them that there are."""
    panels = _panels(shown)
    columns = COLUMNS if len(panels) > 4 else 2
    lines = math.ceil(len(panels) / columns)
    height, width = shown.image.shape[:2]
    rows_high = lines * (WIDTH / columns * min(2.0, height / width) + 0.3)
    has_legend = shown.label is not None and len(shown.names) > 0
    figure = Figure(figsize=(WIDTH, rows_high + 0.25 * has_legend), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.06, wspace=0.02, hspace=0)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, (title, draw) in zip(axes, panels, strict=False):
        draw(ax)
        ax.set_title(title, fontsize=TITLE)
    if has_legend:
        colours = class_colours(shown.names)[1:] / 255
        handles = [Patch(facecolor=c, edgecolor="black", label=n) for c, n in zip(colours, shown.names, strict=True)]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=TITLE)
    return figure


def _panels(shown: Shown) -> list[Panel]:
    image = shown.image
    panels: list[Panel] = [("image", lambda ax: ax.imshow(image))]
    panels.append(("plain CAM", lambda ax: _map_on(ax, image, shown.plain)))
    if (near := shown.depth) is not None:
        panels.append(("depth (bright is near)", lambda ax: ax.imshow(near, cmap=DEPTH_COLOURS, vmin=0, vmax=1)))
    if shown.boxes:
        title = f"{len(shown.boxes)} crops" + ("" if shown.boxes_count else " (weight 0)")
        panels.append((title, lambda ax: _boxes_on(ax, image, shown.boxes)))
    panels.append((f"scores, {shown.method}", lambda ax: _map_on(ax, image, shown.scores)))
    if shown.label is not None:
        laid = overlay(image, shown.label, class_colours(shown.names))
        panels.append((f"label, threshold {shown.threshold:.2f}", lambda ax: ax.imshow(laid)))
    return panels


def _map_on(ax: Axes, image: NDArray[np.uint8], scores: NDArray[np.float32]) -> None:
    """A map in [0, 1] over the greyed image: the higher the score, the brighter and the less transparent."""
    ax.imshow(image @ np.array([0.299, 0.587, 0.114]), cmap="gray", vmin=0, vmax=255)
    ax.imshow(scores, cmap=MAP_COLOURS, vmin=0, vmax=1, alpha=0.75 * np.sqrt(np.clip(scores, 0, 1)))


def _boxes_on(ax: Axes, image: NDArray[np.uint8], boxes: Sequence[Box]) -> None:
    """The image with boxes `(top, left, bottom, right)`, what lies outside of the image cut off."""
    ax.imshow(image)
    height, width = image.shape[:2]
    edged = [withStroke(linewidth=2.8, foreground="black")]  # white on black shows on any colour
    for box in boxes:
        top, left = max(0, box[0]), max(0, box[1])
        bottom, right = min(height, box[2]) - 1, min(width, box[3]) - 1
        ax.add_patch(
            Rectangle((left, top), right - left, bottom - top, fill=False, ec="white", lw=1.4, path_effects=edged)
        )
