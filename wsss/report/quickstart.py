"""The picture of the first chapter and of the README: one photograph, plainly, with depth, and with colour instead."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsss.data.palette import class_colours
from wsss.records.provenance import git_state
from wsss.report.panels import class_legend
from wsss.report.pictures import image_grid, label_on_image, score_map_on_image
from wsss.report.style import save_figure, use_style

if TYPE_CHECKING:
    from wsss.methods.image_result import ImageResult

__all__ = ["draw_quickstart", "quickstart_figure"]

COLUMNS, WIDTH, TITLE = 3, 8.0, 13  # pictures in a row; inches; points, so that titles can be read on a phone
Picture = tuple[str, NDArray[Any], NDArray[np.float32] | None]
"""Title, picture, and a map that is drawn over it."""


def quickstart_figure(by_colour: "ImageResult", by_depth: "ImageResult | None" = None) -> Figure:
    """Photograph, depth, plain CAM, the CAM with depth, the control with regions of colour, and a label map.

    Args:
        by_colour: of the control, method `rgb-region`.
        by_depth: of the same image and classes, with depth; without it the label map is the control's.
    """
    guided = by_depth or by_colour
    image, names = guided.image, guided.names
    label = guided.label()
    places = sum((label == number) * place for place, number in enumerate(guided.classes, start=1))
    shown = np.asarray(places, np.uint8)
    laid = label_on_image(image, shown, class_colours(names))
    pictures: list[Picture] = [("photograph", image, None)]
    if by_depth is not None and by_depth.depth is not None:
        pictures.append(("depth", by_depth.depth, None))
    pictures.append(("plain CAM", image, guided.plain.max(axis=0, initial=0)))
    if by_depth is not None:
        pictures.append(("CAM with depth", image, by_depth.scores.max(axis=0, initial=0)))
    pictures.append(("control: colour", image, by_colour.scores.max(axis=0, initial=0)))
    pictures.append((f"label, by {'depth' if by_depth else 'colour'}", laid, None))
    columns = COLUMNS if len(pictures) > 2 * COLUMNS - 2 else 2
    panels = [picture for _, picture, _ in pictures]
    figure = image_grid([panels[start : start + columns] for start in range(0, len(panels), columns)])
    lines, aspect = len(panels) // columns, image.shape[0] / image.shape[1]
    figure.set_size_inches(WIDTH, lines * (WIDTH / columns * aspect + 1.7 * TITLE / 72))
    with use_style():
        for ax, (title, picture, scores) in zip(figure.axes, pictures, strict=True):
            ax.set_title(title, fontsize=TITLE)
            if scores is not None:
                score_map_on_image(ax, picture, scores)
    return class_legend(figure, names, [shown]) if len(names) > 1 else figure


def draw_quickstart(results: Mapping[str, "ImageResult"], folder: Path) -> list[Path]:
    """Draw `quickstart` of the results of `rgb-region` and `depth` on the motorcycle, as PNG and SVG."""
    source = {"image": "Middlebury 2014, Motorcycle, of scikit-image", "commit": git_state()[0]}
    return save_figure(quickstart_figure(results["rgb-region"], results["depth"]), folder / "quickstart", source)
