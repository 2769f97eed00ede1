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
from scipy.ndimage import maximum_filter, minimum_filter

from wsss.data.base import IGNORE
from wsss.data.palette import label_to_rgb, overlay
from wsss.report.style import use_style

__all__ = [
    "MethodPanels",
    "draw_boxes",
    "image_grid",
    "label_on_image",
    "method_figure",
    "score_map_on_image",
    "truth_on_image",
]

Box = tuple[int, int, int, int]

MAP_COLOURS = "inferno"
DEPTH_COLOURS = "viridis"
PANEL_INCHES = 1.9
PAGE_INCHES = 9.6
"""Width of a page of a notebook at 80 pixels an inch: no grid is wider."""

_LINES = 110
"""Lines of a label's border on the longer side of a picture."""


def label_on_image(
    image: NDArray[np.uint8], label: NDArray[np.uint8], colours: NDArray[np.uint8], alpha: float = 0.5
) -> NDArray[np.uint8]:
    """`overlay` with borders: the full colour of the class inside, black outside.

    So a mask is seen on a background of its own colour, too.
    """
    laid = overlay(image, label, colours, alpha)
    size = 2 * max(1, round(max(label.shape) / _LINES / 2)) + 1
    border = maximum_filter(label, size) != minimum_filter(label, size)
    laid[border] = label_to_rgb(label, colours)[border]
    return laid


def truth_on_image(image: NDArray[np.uint8], truth: NDArray[np.uint8], colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`label_on_image` of a truth: pixels of unknown class show the image."""
    return label_on_image(image, np.where(truth == IGNORE, 0, truth).astype(np.uint8), colours)


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
        boxes: crops of things, `(top, left, bottom, right)`.
        part: box of the part that all but the first two panels show; it lies inside the image.
        cam_before, cam_after: `H×W` in [0, 1], one class's map, of plain CAM and of the depth-guided method.
        cam_label, pseudo_label, truth: `H×W uint8`; 255 is white in a label, and the plain image in the truth.
        name: title of the row.
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    boxes: Sequence[Box]
    part: Box
    cam_before: NDArray[np.floating]
    cam_after: NDArray[np.floating]
    cam_label: NDArray[np.uint8]
    pseudo_label: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    name: str = ""


METHOD_TITLES = ("image", "depth, crops", "CAM", "with depth", "label by CAM", "with depth", "truth")


def method_figure(panels: Sequence[MethodPanels], colours: NDArray[np.uint8]) -> Figure:
    """Figure 1, the idea: a row for each image, from the image over depth and crops to the pseudo-labels and truth.

    Raises:
        ValueError: no image, or a label has no colour.
    """
    names = [one.name for one in panels]
    if not panels:
        raise ValueError("the method figure needs at least one image")
    figure, axes = _panels(len(panels), len(METHOD_TITLES), METHOD_TITLES, names, _aspect([[p.image] for p in panels]))
    for one, row in zip(panels, axes, strict=True):
        row[0].imshow(one.image)
        draw_boxes(row[0], [one.part])
        row[1].imshow(one.depth, cmap=DEPTH_COLOURS, vmin=0, vmax=1)
        draw_boxes(row[1], one.boxes)
        seen = slice(one.part[0], one.part[2]), slice(one.part[1], one.part[3])
        score_map_on_image(row[2], one.image[seen], one.cam_before[seen])
        score_map_on_image(row[3], one.image[seen], one.cam_after[seen])
        row[4].imshow(label_on_image(one.image[seen], one.cam_label[seen], colours))
        row[5].imshow(label_on_image(one.image[seen], one.pseudo_label[seen], colours))
        row[6].imshow(truth_on_image(one.image[seen], one.truth[seen], colours))
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
        side = min(PANEL_INCHES, PAGE_INCHES / width)
        size = (side * width, (side * aspect + 0.05) * height + 0.25 * bool(column_titles))
        figure = Figure(figsize=size, layout="constrained")
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)  # type: ignore[union-attr, call-arg]
        axes = figure.subplots(height, width, squeeze=False)
        for ax in axes.flat:
            _bare(ax)
        for ax, title in zip(axes[0], column_titles, strict=False):
            ax.set_title(title, fontsize="medium" if side > 1.7 else "small")
        for ax, title in zip(axes[:, 0], row_titles, strict=False):
            ax.set_ylabel(title, fontsize="medium" if side > 1.7 else "small")
    return figure, axes


def _bare(ax: Axes) -> None:
    """Take away ticks, grid and frame; labels stay."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
