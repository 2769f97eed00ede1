"""Label maps side by side, with the names of their colours."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from wsss.data.base import IGNORE, Sample
from wsss.data.palette import class_colours
from wsss.report.pictures import image_grid, label_on_image

__all__ = ["label_figure"]

Labels = Sequence[NDArray[np.uint8]]

_LEGEND_INCHES = 0.3  # height of a row of names
_NAME_INCHES = 1.3


def label_figure(
    samples: Sequence[Sample], labels: Mapping[str, Labels], classes: Sequence[str], row_titles: Sequence[str] = ()
) -> Figure:
    """A row for each sample: image, each method's label map laid over the image, truth; below, a legend of colours.

    255 is white, in the truth (not scored) as in the labels (ignored).

    Args:
        labels: per column title one `H×W uint8` label map for each sample, of the image's size; a column without any is
            left out.
        classes: names of classes 1…C.

    Raises:
        ValueError: no sample, not one label map for each, or shapes that differ from the image's.
    """
    colours = class_colours(classes)
    columns: dict[str, Labels] = {
        **{name: column for name, column in labels.items() if len(column)},
        "truth": [sample.truth for sample in samples],
    }
    maps = list(zip(*columns.values(), strict=True))
    rows = [
        [sample.image, *(label_on_image(sample.image, label, colours) for label in row)]
        for sample, row in zip(samples, maps, strict=True)
    ]
    figure = image_grid(rows, ["image", *columns], row_titles)
    shown = np.unique(np.concatenate([np.unique(label) for row in maps for label in row]))
    _add_legend(figure, [int(label) for label in shown if label], classes, colours)
    return figure


def _add_legend(figure: Figure, shown: Sequence[int], classes: Sequence[str], colours: NDArray[np.uint8]) -> None:
    """Name the colours of labels 1…C, and 255, in a strip of its own below the panels, which keep their size."""
    if not shown:
        return
    names = {label: name.replace("_", " ") for label, name in enumerate(classes, 1)} | {IGNORE: "ignored"}
    faces = {label: "white" if label == IGNORE else tuple(colours[label] / 255) for label in shown}
    handles = [Patch(facecolor=faces[label], edgecolor="black", label=names[label]) for label in shown]
    width, height = figure.get_size_inches()
    per_row = max(1, min(len(handles), int(width / _NAME_INCHES)))
    figure.set_size_inches(width, height + _LEGEND_INCHES * -(-len(handles) // per_row))
    figure.legend(handles=handles, loc="outside lower center", ncols=per_row, frameon=False, fontsize="small")
