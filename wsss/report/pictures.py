"""Pictures of images, maps and labels. The functions take arrays and return figures or arrays; they read no file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from wsss.data.base import IGNORE
from wsss.data.palette import overlay
from wsss.report.style import use_style

__all__ = ["MethodPanels", "draw_boxes", "image_grid", "method_figure", "score_map_on_image"]

Box = tuple[int, int, int, int]

MAP_COLOURS = "inferno"
DEPTH_COLOURS = "viridis"
PANEL_INCHES = 1.9


def score_map_on_image(
    ax: Axes, image: NDArray[np.uint8], score_map: NDArray[np.floating], alpha: float = 0.75
) -> None:
    """Draw a class activation map over a greyed image: the higher the score, the brighter and the less transparent.

    Args:
        image: `H×W×3 uint8`.
        score_map: `H×W` in [0, 1]; values outside are clipped, NaN shows the image.
    """
    grey = image.astype(np.float64) @ (0.299, 0.587, 0.114)
    ax.imshow(grey, cmap="gray", vmin=0, vmax=255)
    scores = np.clip(np.nan_to_num(score_map), 0, 1)
    ax.imshow(scores, cmap=MAP_COLOURS, vmin=0, vmax=1, alpha=alpha * np.sqrt(scores))
    _bare(ax)


def draw_boxes(ax: Axes, boxes: Sequence[Box]) -> None:
    """Outline boxes `(top, left, bottom, right)`, half open, in pixels."""
    edged = [withStroke(linewidth=2.6, foreground="black")]  # white on black shows on any colour
    for top, left, bottom, right in boxes:
        corner, width, height = (left - 0.5, top - 0.5), right - left, bottom - top
        box = Rectangle(corner, width, height, fill=False, edgecolor="white", linewidth=1.3, path_effects=edged)
        ax.add_patch(box)


def image_grid(
    rows: Sequence[Sequence[NDArray[Any] | None]],
    column_titles: Sequence[str] = (),
    row_titles: Sequence[str] = (),
) -> Figure:
    """Panels in rows: `H×W×3 uint8` as it is, `H×W` (depth or scores in [0, 1]) in colours, None left empty.

    Raises:
        ValueError: no panel, rows of different lengths, or not one title for each row or column.
    """
    if not rows or not rows[0] or any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("a grid needs at least one panel and rows of equal length")
    figure, axes = _panels(len(rows), len(rows[0]), column_titles, row_titles, _aspect(rows))
    for row, row_axes in zip(rows, axes, strict=True):
        for panel, ax in zip(row, row_axes, strict=True):
            if panel is not None:
                ax.imshow(panel, cmap=DEPTH_COLOURS, vmin=0, vmax=1)
    return figure


@dataclass(frozen=True)
class MethodPanels:
    """One image and what the method makes of it.

    Attributes:
        image: `H×W×3 uint8`.
        depth: `H×W float32` inverse depth in [0, 1].
        boxes: crops, `(top, left, bottom, right)`.
        cam_before, cam_after: `H×W` in [0, 1], one class's map, of plain CAM and of the depth-guided method.
        pseudo_label, truth: `H×W uint8`; 255 is white in the label, and the plain image in the truth.
        name: title of the row.
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    boxes: Sequence[Box]
    cam_before: NDArray[np.floating]
    cam_after: NDArray[np.floating]
    pseudo_label: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    name: str = ""


METHOD_TITLES = ("image", "depth and crops", "CAM before", "CAM after", "pseudo-label", "truth")


def method_figure(panels: Sequence[MethodPanels], colours: NDArray[np.uint8]) -> Figure:
    """Figure 1, the idea: a row for each image, from the image over depth and crops to the pseudo-label and truth.

    Raises:
        ValueError: no image, or a label has no colour.
    """
    names = [one.name for one in panels]
    if not panels:
        raise ValueError("the method figure needs at least one image")
    figure, axes = _panels(len(panels), len(METHOD_TITLES), METHOD_TITLES, names, _aspect([[p.image] for p in panels]))
    for one, row in zip(panels, axes, strict=True):
        row[0].imshow(one.image)
        row[1].imshow(one.depth, cmap=DEPTH_COLOURS, vmin=0, vmax=1)
        draw_boxes(row[1], one.boxes)
        score_map_on_image(row[2], one.image, one.cam_before)
        score_map_on_image(row[3], one.image, one.cam_after)
        row[4].imshow(overlay(one.image, one.pseudo_label, colours))
        row[5].imshow(overlay(one.image, np.where(one.truth == IGNORE, 0, one.truth).astype(np.uint8), colours))
    return figure


def _aspect(rows: Sequence[Sequence[NDArray[Any] | None]]) -> float:
    """Height over width of the tallest panel, kept within what fits a page."""
    ratios = [panel.shape[0] / panel.shape[1] for row in rows for panel in row if panel is not None]
    return float(np.clip(max(ratios, default=1.0), 0.25, 3))


def _panels(
    height: int, width: int, column_titles: Sequence[str], row_titles: Sequence[str], aspect: float
) -> tuple[Figure, NDArray[Any]]:
    """A figure with bare axes `(height, width)`."""
    for titles, count in ((column_titles, width), (row_titles, height)):
        if len(titles) not in (0, count):
            raise ValueError(f"{len(titles)} titles for {count} rows or columns")
    with use_style(), matplotlib.rc_context({"axes.grid": False}):
        size = (PANEL_INCHES * width, (PANEL_INCHES * aspect + 0.05) * height + 0.25 * bool(column_titles))
        figure = Figure(figsize=size, layout="constrained")
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)  # type: ignore[union-attr, call-arg]
        axes = figure.subplots(height, width, squeeze=False)
        for ax in axes.flat:
            _bare(ax)
        for ax, title in zip(axes[0], column_titles, strict=False):
            ax.set_title(title)
        for ax, title in zip(axes[:, 0], row_titles, strict=False):
            ax.set_ylabel(title)
    return figure, axes


def _bare(ax: Axes) -> None:
    """Take away ticks, grid and frame; labels stay."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
