"""Film strips of the controlled series: the same object, step by step, and what the plain CAM makes of it."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsss.data.palette import class_colours
from wsss.data.series import SERIES, series_place
from wsss.pipeline.view import SeedView, seed_view
from wsss.report.panels import class_legend
from wsss.report.pictures import image_grid, label_on_image, score_map_on_image
from wsss.report.series_charts import SERIES_TITLES

if TYPE_CHECKING:
    from wsss.pipeline import Run

__all__ = ["film_strip"]

STEPS = 4
"""Pictures of a strip, from the first step to the last."""


def film_strip(run: "Run", name: str, group: int = 0) -> Figure:
    """Pictures of a series, and below each the scores of `cam` for the object's class, and the label map.

    Args:
        name: of the series.
        group: which object, in which room.

    Raises:
        WsssError: the data is not rendered.
    """
    series, names = run.series(name), run.data("report").classes
    length = len(SERIES[name])
    steps = np.linspace(0, length - 1, STEPS).round().astype(int).tolist()
    views = [seed_view(run, "cam", group * length + step, name) for step in steps]
    assert all(series_place(name, series.ids.index(view.sample.id))[0] == group for view in views)
    images = [view.sample.image for view in views]
    labels = [label_on_image(view.sample.image, view.label, class_colours(names)) for view in views]
    rows: list[list[NDArray[Any] | None]] = [[*images], [*images], [*labels]]
    figure = image_grid(rows, [_title(view) for view in views], ("image", "score", "label"))
    for ax, view in zip(figure.axes[STEPS:], views, strict=False):
        score_map_on_image(ax, view.sample.image, view.strongest)
    figure.suptitle(SERIES_TITLES[name], fontsize="medium")
    return class_legend(figure, names, [view.label for view in views])


def _title(view: SeedView) -> str:
    """The share of the picture where the object that changes is seen: the first object of the picture."""
    assert view.sample.instances is not None
    return f"visible: {100 * float((view.sample.instances == 1).mean()):.2f} %"
