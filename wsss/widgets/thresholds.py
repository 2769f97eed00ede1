"""The threshold browser: the background threshold, what it does to a label, and what it is worth over whole splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from ipywidgets import Box, Layout, VBox
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsss.analysis.confusion import iou_per_class, mean_iou
from wsss.analysis.thresholds import FIXED_THRESHOLD, THRESHOLDS, pseudo_label
from wsss.data.palette import class_colours
from wsss.errors import WsssError
from wsss.pipeline import Run
from wsss.pipeline.view import SeedView, seed_view
from wsss.report.panels import LINE_COLOURS
from wsss.report.pictures import label_on_image, truth_on_image
from wsss.report.style import use_style
from wsss.widgets.choices import OptionList
from wsss.widgets.controls import Slider, SliderSpec
from wsss.widgets.live import HINT, Live, headless

__all__ = ["ThresholdData", "ThresholdParameters", "render_threshold", "render_thresholds", "threshold_browser"]

SLIDER = SliderSpec(
    "threshold",
    "background threshold",
    float(THRESHOLDS[0]),
    float(THRESHOLDS[-1]),
    len(THRESHOLDS) - 1,
    "score",
    "Pixels whose strongest score is below become background.",
)
ALL = "all (mIoU)"


@dataclass(frozen=True)
class ThresholdParameters:
    """What the panel says: the image's index, the threshold, and the class whose IoU is shown; None for mIoU.

    Raises:
        WsssError: the threshold is not in the range of the grid.
    """

    scene: int
    threshold: float
    shown: str | None = None

    def __post_init__(self) -> None:
        if not THRESHOLDS[0] <= self.threshold <= THRESHOLDS[-1]:
            raise WsssError(f"threshold must lie between {THRESHOLDS[0]} and {THRESHOLDS[-1]}, not {self.threshold}")


class ThresholdData:
    """A method's curves on tune and on the reported split, counted once, and its scores on single images."""

    def __init__(self, run: Run, name: str = "cam") -> None:
        self.names = run.data("report").classes
        self.chosen: float = run.choose([name])[name].threshold
        splits = {"tune": "tune", run.data("report").split: "report"}
        self.curves: Mapping[str, NDArray[np.int64]] = {
            shown: run.seeds([name], split)[name].curve for shown, split in splits.items()
        }
        self.view = lru_cache(8)(lambda index: seed_view(run, name, index))

    def values(self, shown: str | None) -> dict[str, NDArray[np.float64]]:
        """Percent at every threshold, by split: mIoU, or the IoU of a class."""
        if shown is None:
            return {split: mean_iou(curve) for split, curve in self.curves.items()}
        place = self.names.index(shown) + 1
        return {split: iou_per_class(curve)[:, place] for split, curve in self.curves.items()}

    def numbers(self, p: ThresholdParameters) -> str:
        """What the threshold is worth, in one line."""
        place = int(np.abs(THRESHOLDS - p.threshold).argmin())
        measure = "mIoU" if p.shown is None else f"IoU of {p.shown.replace('_', ' ')}"
        texts = [f"threshold {p.threshold:.2f}"]
        for split, values in self.values(p.shown).items():
            texts.append(
                f"{measure} on {split} {values[place]:.1f} %, at {self.chosen:.2f} {self._at_chosen(values):.1f} %"
            )
        return " · ".join([*texts, f"chosen on tune: {self.chosen:.2f}"])

    def _at_chosen(self, values: NDArray[np.float64]) -> float:
        return float(values[np.abs(THRESHOLDS - self.chosen).argmin()])


def render_threshold(p: ThresholdParameters, data: ThresholdData) -> Figure:
    """The curves with the threshold on them, and one image: photograph, label at the threshold, truth."""
    view = data.view(p.scene)
    with use_style():
        figure = Figure(figsize=(9.2, 2.9))
        chart = figure.add_axes((0.07, 0.19, 0.3, 0.7))
        for (split, values), colour, style in zip(
            data.values(p.shown).items(), LINE_COLOURS, ("-", "--"), strict=False
        ):
            chart.plot(THRESHOLDS, values, style, color=colour, label=split)
            chart.plot(
                p.threshold, np.interp(p.threshold, THRESHOLDS, values), "o", color=colour, markeredgecolor="black"
            )
        chart.axvline(data.chosen, color="black", linewidth=0.8, linestyle=":", label=f"chosen: {data.chosen:.2f}")
        chart.axvline(p.threshold, color="black", linewidth=1)
        what = "mIoU (%)" if p.shown is None else f"IoU of {p.shown.replace('_', ' ')} (%)"
        chart.set(xlabel="background threshold", ylabel=what, xlim=(0, 1), ylim=(0, None))
        chart.legend(frameon=False, fontsize="x-small")
        pictures = {
            "image": view.sample.image,
            f"label at {p.threshold:.2f}": _label(view, p, data),
            "truth": _truth(view, data),
        }
        for place, (title, picture) in enumerate(pictures.items()):
            axes = figure.add_axes((0.4 + 0.2 * place, 0.04, 0.195, 0.85))
            axes.imshow(picture)
            axes.set_title(title, fontsize="small")
            axes.set_axis_off()
    return figure


def render_thresholds(grid: Sequence[ThresholdParameters], data: ThresholdData) -> Figure:
    """One image's label at several thresholds, titled with what each is worth, and the truth."""
    values = data.values(None)
    pictures = {}
    for p in grid:
        worth = [f"{split} {np.interp(p.threshold, THRESHOLDS, curve):.1f}" for split, curve in values.items()]
        pictures[f"threshold {p.threshold:.2f}\nmIoU (%): {', '.join(worth)}"] = _label(data.view(p.scene), p, data)
    pictures["truth"] = _truth(data.view(grid[0].scene), data)
    with use_style():
        figure = Figure(figsize=(2.4 * len(pictures), 2.9), layout="constrained")
        for axes, (title, picture) in zip(figure.subplots(1, len(pictures)).flat, pictures.items(), strict=True):
            axes.imshow(picture)
            axes.set_title(title, fontsize="small")
            axes.set_axis_off()
    return figure


def _label(view: SeedView, p: ThresholdParameters, data: ThresholdData) -> NDArray[np.uint8]:
    return label_on_image(
        view.sample.image, pseudo_label(view.scores, view.classes, p.threshold), class_colours(data.names)
    )


def _truth(view: SeedView, data: ThresholdData) -> NDArray[np.uint8]:
    return truth_on_image(view.sample.image, view.sample.truth, class_colours(data.names))


def threshold_browser(run: Run, name: str = "cam", indices: Sequence[int] = (0,)) -> Any:
    """A slider over the background threshold of a method; a static figure where nobody can move it.

    Args:
        indices: images of the reported split to choose from.

    Returns:
        An ipywidgets box, or a `Figure` if `headless()`.
    """
    data = ThresholdData(run, name)
    if headless():
        print(HINT)
        grid = [ThresholdParameters(indices[0], value) for value in (FIXED_THRESHOLD, 0.6, data.chosen)]
        return render_thresholds(grid, data)
    ids = run.data("report").ids
    scene = OptionList("image", [(ids[index], index) for index in indices])
    classes = [(ALL, None), *((each.replace("_", " "), each) for each in data.names)]
    shown = OptionList("class", classes)
    slider = Slider(SLIDER, data.chosen)

    def draw(values: dict[str, Any]) -> tuple[Figure, str]:
        p = ThresholdParameters(**values)
        return render_threshold(p, data), data.numbers(p)

    live = Live({"scene": scene, "shown": shown, "threshold": slider}, draw)
    row = Box([scene, shown], layout=Layout(display="flex", flex_flow="row wrap"))
    return VBox([row, slider, live.picture, live.numbers])
