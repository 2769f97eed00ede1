"""Draws the explorer's views: six panels each.

All pictures lie in one `Axes`, at fixed places in inches: six `Axes`, or a layout engine, take longer than a slider
has. For the same reason large pictures are reduced before they are coloured, to about as many pixels as a page shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray
from PIL import Image

from wsss.data.base import IGNORE
from wsss.data.palette import class_colours
from wsss.methods.trust import border_pixels
from wsss.report.pictures import DEPTH_COLOURS, MAP_COLOURS, Box, label_on_image, truth_on_image
from wsss.report.style import use_style
from wsss.widgets.explorer import Explorer, ExplorerView
from wsss.widgets.parameters import ExplorerParameters

__all__ = ["draw", "numbers_of", "render", "render_grid"]

Picture = NDArray[np.uint8]

WIDTH, TITLE, MARGIN, LEGEND, ROW_TITLE = 2.9, 0.42, 0.06, 0.34, 1.1  # inches
PIXELS = 256
"""About as many a picture has across: a page shows 261."""


@dataclass(frozen=True)
class Panel:
    """One picture with its title and the boxes on it."""

    title: str
    picture: Picture
    boxes: Sequence[Box] = ()


def numbers_of(view: ExplorerView) -> str:
    """IoU before and after, or the labels' area without a mask, forward passes, and how far depth is trusted."""
    whole, crops = view.passes
    shown = view.parameters.shown
    if not view.has_truth:
        areas = (100 * float((label > 0).mean()) for label in (view.before.label, view.label))
        texts = ["area of the label: {:.1f} % before, {:.1f} % after".format(*areas)]
    else:
        texts = [f"mIoU of this image: {view.iou(view.before.label):.1f} % before, {view.iou(view.label):.1f} % after"]
    if shown and view.has_truth:
        before, after = (view.iou(label, shown) for label in (view.before.label, view.label))
        texts.append(f"IoU of {_spaced(shown)}: {before:.1f} % before, {after:.1f} % after")
    texts.append(f"{whole + crops} forward passes ({whole} of the whole image, {crops} crops; {view.new_passes} new)")
    texts.append(f"{view.evidence.megapixels:.2f} megapixels")
    texts.append(f"trust in depth {view.evidence.trust:.2f}")
    return " · ".join(texts)


def render(parameters: ExplorerParameters, explorer: Explorer) -> Figure:
    """One scene with these parameters, see `draw`."""
    return draw(explorer.view(parameters))


def draw(view: ExplorerView) -> Figure:
    """Image with crops, depth with regions, CAM before and after, pseudo-label, and truth.

    Without a mask the control, regions of colour, is in its place.
    """
    panels = _panels(view)
    return _drawn([panels[:3], panels[3:]], [view])


def render_grid(grid: dict[str, ExplorerParameters], explorer: Explorer) -> Figure:
    """The same panels for several parameters, a row each."""
    views = [explorer.view(parameters) for parameters in grid.values()]
    return _drawn([_panels(view) for view in views], views, list(grid), scale=0.62)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _panels(view: ExplorerView) -> list[Panel]:
    step = max(1, round(view.sample.image.shape[1] / PIXELS))
    few = np.s_[::step, ::step]
    image = np.asarray(Image.fromarray(view.sample.image).reduce(step))
    colours = class_colours(view.names)
    regions, shown = view.evidence.regions, view.parameters.shown
    assert regions is not None
    boxes = sorted({one.box for one in view.evidence.plan})
    what = _spaced(shown) if shown else "strongest class"
    before, after = (_measure(view, label) for label in (view.before.label, view.label))
    return [
        Panel(f"image, {len(view.evidence.plan)} crops", image, [_shrunk(box, step) for box in boxes]),
        Panel(f"inverse depth, {len(regions)} regions", _regions(view.depth[few], regions.labels[few])),
        Panel(f"CAM before: {what}{before}", _heat(image, view.map_of(view.before.scores)[few])),
        Panel(f"CAM after: {what}{after}", _heat(image, view.map_of(view.scores)[few])),
        Panel("pseudo-label", label_on_image(image, view.label[few], colours)),
        _last_panel(view, image, few, colours),
    ]


def _measure(view: ExplorerView, label: NDArray[np.uint8]) -> str:
    """The second line of a map's title: IoU of what is shown; nothing without a mask."""
    if not view.has_truth:
        return ""
    shown = view.parameters.shown
    return f"\n{'IoU' if shown else 'mIoU'} {view.iou(label, shown):.0f} %"


def _last_panel(view: ExplorerView, image: Picture, few: tuple[slice, slice], colours: NDArray[np.uint8]) -> Panel:
    """The truth; without a mask the control. Of both those pixels `few` that the reduced `image` has."""
    if view.control is not None:
        return Panel("control: regions of colour", _heat(image, view.map_of(view.control.scores)[few]))
    return Panel("truth", truth_on_image(image, view.sample.truth[few], colours))


def _shrunk(box: Box, step: int) -> Box:
    """A box of the image in pixels of the reduced one."""
    top, left, bottom, right = (edge // step for edge in box)
    return top, left, bottom, right


def _coloured(values: NDArray[np.floating], name: str) -> Picture:
    pixels: Picture = matplotlib.colormaps[name](np.clip(np.nan_to_num(values), 0, 1), bytes=True)[..., :3]
    return pixels


def _regions(depth: NDArray[np.float32], labels: NDArray[np.int32]) -> Picture:
    """Depth, nearer is brighter, with the borders of its regions in white."""
    return np.where(border_pixels(labels)[..., None], np.uint8(255), _coloured(depth, DEPTH_COLOURS))


def _heat(image: Picture, scores: NDArray[np.float32]) -> Picture:
    """A score map over the greyed image: the higher, the brighter and the less transparent."""
    grey = (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    share = 0.75 * np.sqrt(np.clip(scores, 0, 1))[..., None]
    return np.asarray((1 - share) * grey + share * _coloured(scores, MAP_COLOURS), np.uint8)


def _drawn(
    rows: Sequence[Sequence[Panel]], views: Sequence[ExplorerView], row_titles: Sequence[str] = (), scale: float = 1.0
) -> Figure:
    height, width = rows[0][0].picture.shape[:2]
    across, down = len(rows[0]), len(rows)
    wide, tall = scale * WIDTH, scale * WIDTH * height / width
    left = ROW_TITLE if row_titles else MARGIN
    size = (left + across * (wide + MARGIN), down * (tall + TITLE) + LEGEND)
    with use_style(), matplotlib.rc_context({"axes.grid": False}):
        figure = Figure(figsize=size)
        axes = figure.add_axes(
            (0, 0, 1, 1), xlim=(0, size[0]), ylim=(0, size[1]), xticks=[], yticks=[], autoscale_on=False
        )
        axes.set_axis_off()
        for row, panels in enumerate(rows):
            bottom = size[1] - (row + 1) * (tall + TITLE)
            for column, panel in enumerate(panels):
                _place(axes, panel, left + column * (wide + MARGIN), bottom, wide / width)
            if row_titles:
                axes.text(0.1, bottom + tall / 2, row_titles[row], va="center", fontsize="small")
        _legend(figure, views)
    return figure


def _place(axes: Axes, panel: Panel, left: float, bottom: float, pixel: float) -> None:
    """Draw a panel with its lower left corner at a place in inches, its pixels as large as `pixel` inches."""
    height, width = panel.picture.shape[:2]
    top = bottom + height * pixel
    axes.imshow(panel.picture, extent=(left, left + width * pixel, bottom, top), aspect="auto", zorder=1)
    axes.text(left + width * pixel / 2, top + 0.05, panel.title, ha="center", va="bottom", fontsize="small")
    for box in panel.boxes:
        first, last = max(0, box[1]), min(width, box[3])  # boxes may reach beyond the image
        upper, lower = max(0, box[0]), min(height, box[2])
        corner = left + first * pixel, top - lower * pixel
        for colour, line in (("black", 2.4), ("white", 1.2)):  # white on black shows on any colour
            size = (last - first) * pixel, (lower - upper) * pixel
            axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=line, zorder=2))


def _legend(figure: Figure, views: Sequence[ExplorerView]) -> None:
    """The colours of the classes that occur in a label or in the truth."""
    names, colours = views[0].names, class_colours(views[0].names) / 255
    labels = [label for view in views for label in (view.label, view.sample.truth)]
    used = sorted({int(value) for label in labels for value in np.unique(label)} - {0, IGNORE})
    handles = [Patch(facecolor=colours[value], edgecolor="black", label=_spaced(names[value - 1])) for value in used]
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize="small")
