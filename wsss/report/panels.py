"""What the notebooks show of a run: sheets of samples, seeds beside the truth, curves. Each returns a figure.

`seed_view` looks at one image with one method; the other functions draw what they are handed.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from IPython import get_ipython
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray
from PIL import Image

from wsss.analysis.thresholds import THRESHOLDS, miou_curve
from wsss.data.base import IGNORE, Sample
from wsss.data.palette import class_colours
from wsss.report.pictures import draw_boxes, image_grid, label_on_image, score_map_on_image, truth_on_image
from wsss.report.style import SIZE_TICKS, use_style

if TYPE_CHECKING:
    from wsss.pipeline import Run
    from wsss.pipeline.view import SeedView

__all__ = [
    "class_legend",
    "comparison",
    "figure_png",
    "label_sheet",
    "object_box",
    "object_scatter",
    "object_sheet",
    "run_line",
    "show_figures",
    "threshold_choice",
    "training_curve",
]

LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73")


def figure_png(figure: Figure, dpi: int = 80, levels: int = 24) -> bytes:
    """A figure as PNG with `levels` values a channel, which look much like all 256 and take a quarter of the bytes."""
    buffer, small = io.BytesIO(), io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", facecolor="white")
    pixels = np.asarray(Image.open(buffer).convert("RGB"), dtype=np.float64) / 255
    coarse = np.round(np.round(pixels * (levels - 1)) * 255 / (levels - 1)).astype(np.uint8)
    Image.fromarray(coarse).save(small, format="PNG", optimize=True)
    return small.getvalue()


def show_figures() -> None:
    """Have the notebook that calls this show figures, as `figure_png` draws them; elsewhere nothing happens.

    Photographs make notebooks large, and a committed notebook is loaded whole by whoever looks at it.
    """
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.formatters["image/png"].for_type(Figure, figure_png)


def run_line(run: "Run") -> str:
    """What a notebook says first of its run; the smoke profile is stamped as no result."""
    config = run.config
    line = f"{run.data_name}, profile {config.profile}, seed {config.seed}, depth {config.depth}, on {run.device}"
    line += f", crops of {run.crop_settings.name}.toml" if run.crop_settings else ""
    return f"NOT A RESULT (smoke profile)\n{line}" if config.profile == "smoke" else line


def class_legend(figure: Figure, classes: Sequence[str], labels: Sequence[NDArray[np.uint8]]) -> Figure:
    """Add a legend with the colours of the classes that occur in `labels`, below the panels; returns the figure.

    255 is not listed: scored seeds have none, and a truth shows the image there.
    """
    colours = class_colours(classes) / 255
    used = sorted({int(value) for label in labels for value in np.unique(label)} - {0, IGNORE})
    handles = [
        Patch(facecolor=colours[value], edgecolor="black", label=classes[value - 1].replace("_", " ")) for value in used
    ]
    if handles:
        width, height = figure.get_size_inches()
        columns = max(1, min(len(handles), int(width / 1.3)))
        figure.set_size_inches(width, height + 0.3 * -(-len(handles) // columns))  # the panels keep their size
        with use_style():
            figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize="small")
    return figure


def _truth(sample: Sample, classes: Sequence[str]) -> NDArray[np.uint8]:
    """The image with its true classes laid over it; pixels of unknown truth show the image."""
    return truth_on_image(sample.image, sample.truth, class_colours(classes))


def label_sheet(samples: Sequence[Sample], classes: Sequence[str], columns: int = 5) -> Figure:
    """Images titled with their image labels, and below each its truth, which the classifier never sees."""
    rows: list[list[NDArray[Any] | None]] = []
    for start in range(0, len(samples), columns):
        part = samples[start : start + columns]
        blank: list[NDArray[Any] | None] = [None] * (columns - len(part))
        rows += [[*[one.image for one in part], *blank], [*[_truth(one, classes) for one in part], *blank]]
    figure = image_grid(rows)
    for number, one in enumerate(samples):
        row, column = divmod(number, columns)
        names = [classes[c].replace("_", " ") for c in np.flatnonzero(one.labels).tolist()] or ["(no class)"]
        title = "\n".join(", ".join(names[at : at + 2]) for at in range(0, len(names), 2))
        figure.axes[2 * row * columns + column].set_title(title, fontsize="x-small")
    return class_legend(figure, classes, [one.truth for one in samples])


def training_curve(history: Sequence[Mapping[str, Any]], step: str = "epoch") -> Figure:
    """Training loss against `step`, a key of every entry of `history`."""
    with use_style():
        figure = Figure(figsize=(5.2, 2.8), layout="constrained")
        ax = figure.subplots()
        steps, losses = [one[step] for one in history], [one["loss"] for one in history]
        ax.plot(steps, losses, "o-", color=LINE_COLOURS[0], markersize=4)
        ax.set(xlabel=step, ylabel="training loss", ylim=(0, None))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def threshold_choice(curves: Mapping[str, NDArray[np.int64]], chosen: float) -> Figure:
    """mIoU against the background threshold, a line a split, and the chosen threshold.

    Args:
        curves: split → `(T, C+1, C+2)` confusions at `THRESHOLDS`.
    """
    with use_style():
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        ax = figure.subplots()
        for (split, curve), colour, style in zip(curves.items(), LINE_COLOURS, ("-", "--", ":"), strict=False):
            ax.plot(THRESHOLDS, miou_curve(curve), style, color=colour, label=split)
        ax.axvline(chosen, color="black", linewidth=1, label=f"chosen: {chosen:.2f}")
        ax.set(xlabel="background threshold", ylabel="mIoU (%)", xlim=(0, 1), ylim=(0, None))
        ax.legend(frameon=False)
    return figure


def object_scatter(objects: pd.DataFrame, column: str | None, meaning: str = "") -> Figure:
    """Objects by relative area and occlusion, coloured by recall; without a measure of occlusion recall is the height.

    Args:
        objects: one row per object, as from `wsss.analysis.strata.scores_frame`.
        column: of the occlusion measure, None if there is none.
        meaning: of that measure, for the axis.
    """
    size = 100 * objects["relative_area"].to_numpy(dtype=np.float64)
    recall = 100 * objects["recall"].to_numpy(dtype=np.float64)
    height = recall if column is None else 100 * objects[column].to_numpy(dtype=np.float64)
    with use_style():
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        ax = figure.subplots()
        dots = ax.scatter(
            size, height, c=recall, cmap="viridis", vmin=0, vmax=100, s=22, edgecolor="white", linewidth=0.4
        )
        figure.colorbar(dots, label="recall (%)")
        for edge in (1, 5):
            ax.axvline(edge, color="black", linewidth=0.8, linestyle=":")
        ax.set(xscale="log", xlabel="visible area (% of the image; dotted: bins)")
        ticks = [tick for tick in SIZE_TICKS if size.min(initial=1) <= tick <= size.max(initial=5)]
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.set_ylabel("recall (%)" if column is None else f"occlusion (%)\n{meaning}", fontsize="small")
        ax.xaxis.set_major_formatter("{x:g}")
    return figure


def comparison(
    rows: "Sequence[Sequence[SeedView]]", classes: Sequence[str], row_titles: Sequence[str] = (), maps: bool = True
) -> Figure:
    """Images in rows: the image, each method's strongest score and label, the truth.

    Args:
        rows: per image the views of the same methods, in the same order.
        maps: whether to show scores beside labels.
    """
    colours = class_colours(classes)
    names = [view.name for view in rows[0]]
    middle_titles = [[f"{name}: score", f"{name}: label"] if maps else [name] for name in names]
    titles = ["image", *chain.from_iterable(middle_titles), "truth"]
    grid: list[list[NDArray[Any] | None]] = []
    for views in rows:
        sample = views[0].sample
        shown = [label_on_image(sample.image, view.label, colours) for view in views]
        middle = [panel for label in shown for panel in ([sample.image, label] if maps else [label])]
        grid.append([sample.image, *middle, _truth(sample, classes)])
    figure = image_grid(grid, titles, row_titles)
    if maps:
        for row, views in enumerate(rows):
            for number, view in enumerate(views):
                ax = figure.axes[row * len(titles) + 1 + 2 * number]
                score_map_on_image(ax, view.sample.image, view.strongest)
    labels = [view.label for views in rows for view in views] + [views[0].sample.truth for views in rows]
    return class_legend(figure, classes, labels)


def object_sheet(
    views: "Sequence[SeedView]", objects: Sequence[Mapping[str, Any]], classes: Sequence[str], row_titles: Sequence[str]
) -> Figure:
    """One object a row, framed: the image, its class's score, the label and the truth.

    Args:
        objects: for each view a row of the objects' frame (`class_id`, `area`).
    """
    colours = class_colours(classes)
    grid = []
    for view in views:
        image = view.sample.image
        grid.append([image, image, label_on_image(image, view.label, colours), _truth(view.sample, classes)])
    figure = image_grid(grid, ("image", "score of its class", "label", "truth"), row_titles)
    for row, (view, one) in enumerate(zip(views, objects, strict=True)):
        axes = figure.axes[4 * row : 4 * row + 4]
        score_map_on_image(axes[1], view.sample.image, view.scores[list(view.classes).index(one["class_id"])])
        for ax in axes:
            draw_boxes(ax, [object_box(view.sample, int(one["class_id"]), int(one["area"]))])
    return class_legend(figure, classes, [view.label for view in views] + [view.sample.truth for view in views])


def object_box(sample: Sample, class_id: int, area: int, margin: int = 3) -> tuple[int, int, int, int]:
    """Box of the first object of a class with that many visible pixels, `margin` pixels wider on each side.

    Raises:
        ValueError: the sample has no such object.
    """
    from wsss.analysis.instances import instances_of

    found = instances_of(sample)
    matches = np.flatnonzero((found.classes == class_id) & (found.area == area))
    if not len(matches):
        raise ValueError(f"sample {sample.id} has no object of class {class_id} with {area} pixels")
    rows, columns = np.nonzero(found.map == matches[0] + 1)
    top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
    return int(top) - margin, int(left) - margin, int(bottom) + margin, int(right) + margin
