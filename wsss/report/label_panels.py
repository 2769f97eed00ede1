"""Label maps side by side, with the names of their colours."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsss.data.base import Sample
from wsss.report.panels import class_legend
from wsss.report.pictures import image_grid, overlay
from wsss.report.style import class_colours

__all__ = ["label_figure"]

Labels = Sequence[NDArray[np.uint8]]


def label_figure(
    samples: Sequence[Sample], labels: Mapping[str, Labels], classes: Sequence[str], row_titles: Sequence[str] = ()
) -> Figure:
    """A row for each sample: image, truth, and each method's label map laid over the image; below, a legend of colours.

    255 is white, in the truth (not scored) as in the labels (ignored).

    Args:
        labels: per column title one `H×W uint8` label map for each sample, of the image's size.
        classes: names of classes 1…C.

    Raises:
        ValueError: no sample, not one label map for each, or shapes that differ from the image's.
    """
    colours = class_colours(classes)
    columns: dict[str, Labels] = {"truth": [sample.mask for sample in samples], **labels}
    maps = list(zip(*columns.values(), strict=True))
    rows = [
        [sample.image, *(overlay(sample.image, label, colours) for label in row)]
        for sample, row in zip(samples, maps, strict=True)
    ]
    figure = image_grid(rows, ["image", *columns], row_titles)
    return class_legend(figure, classes, [label for row in maps for label in row])
