"""The diagram of the idea: from a photograph and its depth to a label map, by crops in which other things are painted
over."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from wsss.data.palette import class_colours
from wsss.pipeline.view import SeedView, seed_views
from wsss.report.object_walk import ObjectInScene, crop_of_object, object_by_rule
from wsss.report.pictures import DEPTH_COLOURS, draw_boxes, label_on_image, score_map_on_image
from wsss.report.style import use_style
from wsss.report.walk import crop_views, region_picture

if TYPE_CHECKING:
    from wsss.pipeline import Run

__all__ = ["Steps", "diagram_of", "method_diagram", "steps_of"]

SIDE, GAP, TITLE, BETWEEN = 1.78, 0.52, 0.45, 0.35  # inches: of a picture, of an arrow, of a title, of the way back
WIDTH = 4 * SIDE + 3 * GAP + 0.1
HEIGHT = 2 * (SIDE + TITLE) + BETWEEN + 0.06
CROPS = 4
"""Crops that are shown."""


@dataclass(frozen=True)
class Steps:
    """What the diagram shows of one scene.

    Attributes:
        image: `H×W×3 uint8`.
        depth: `H×W float32` inverse depth in [0, 1].
        regions: `H×W×3 uint8`, of depth, in colours.
        boxes: of the crops that are shown, `(top, left, bottom, right)`.
        crops: pictures `side×side×3 uint8`, as the classifier sees them.
        answers: of each crop its likeliest class and that class's probability, such as `mug 0.93`.
        scores: of each crop `H×W` in [0, 1], the class map of that class in its place in the image.
        score: `H×W` in [0, 1], what all crops and the whole image give together.
        label: `H×W×3 uint8`, the label map laid over the image.
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    regions: NDArray[np.uint8]
    boxes: Sequence[tuple[int, int, int, int]]
    crops: Sequence[NDArray[np.uint8]]
    answers: Sequence[str]
    scores: Sequence[NDArray[np.floating]]
    score: NDArray[np.floating]
    label: NDArray[np.uint8]


def steps_of(run: "Run", chosen: ObjectInScene, after: SeedView, depth: NDArray[np.float32]) -> Steps:
    """The steps of a scene of the reported split, the crop of an object first.

    Args:
        after: of the scene, by a method with crops.
        depth: of the scene.
    """
    evidence, names = after.evidence, run.data("report").classes
    assert evidence.crops is not None
    assert evidence.crop_probabilities is not None
    assert evidence.regions is not None
    own = crop_of_object(evidence, chosen.pixels, list(after.classes).index(chosen.label))
    sure = evidence.crop_probabilities.amax(dim=1).tolist()
    planes = evidence.regions.is_plane
    things = [n for n, one in enumerate(evidence.plan) if one.region and not planes[one.region - 1]]
    order = dict.fromkeys([own, *sorted(things, key=lambda n: -sure[n]), *range(len(sure))])
    of_region: dict[int, int] = {}
    for number in order:
        of_region.setdefault(evidence.plan[number].region, number)
    shown = list(of_region.values())[:CROPS]
    plan = [evidence.plan[n] for n in shown]
    likeliest = [int(evidence.crop_probabilities[n].argmax()) for n in shown]
    maps = [evidence.crops[n, k].relu().numpy() for n, k in zip(shown, likeliest, strict=True)]
    largest = max(1e-6, *(float(one.max()) for one in maps))
    return Steps(
        after.sample.image,
        depth,
        region_picture(evidence.regions),
        [one.box for one in plan],
        crop_views(after.sample.image, evidence.regions, plan, run.config.crops, run.classifier[1]),
        [
            f"{names[int(after.classes[k]) - 1].replace('_', ' ')} {evidence.crop_probabilities[n, k]:.2f}"
            for n, k in zip(shown, likeliest, strict=True)
        ],
        [one / largest for one in maps],
        after.strongest,
        label_on_image(after.sample.image, after.label, class_colours(names)),
    )


def diagram_of(run: "Run") -> Figure:
    """The diagram of the scene that `object_by_rule` picks, by method `depth`."""
    chosen = object_by_rule(run)
    after = seed_views(run, ("depth",), chosen.index)["depth"]
    return method_diagram(steps_of(run, chosen, after, run.depth_of("report")(chosen.index)))


def method_diagram(steps: Steps) -> Figure:
    """Image + depth → regions → crops → the same classifier → evidence of the crops → put back → label.

    Letters are large enough to be read where the diagram is 700 pixels wide.
    """
    with use_style(), matplotlib.rc_context({"axes.grid": False}):
        figure = Figure(figsize=(WIDTH, HEIGHT))
        places = [_place(number) for number in range(8)]
        _picture(figure, places[0], "1  image").imshow(steps.image)
        near = _picture(figure, places[1], "2  depth")
        near.imshow(steps.depth, cmap=DEPTH_COLOURS, vmin=0, vmax=1)
        regions = _picture(figure, places[2], "3  regions of depth")
        regions.imshow(steps.regions)
        draw_boxes(regions, steps.boxes)
        for ax, crop in zip(
            _quarters(figure, places[3], "4  crops: the others\npainted over"), steps.crops, strict=False
        ):
            ax.imshow(crop)
        _classifier(figure, places[4])
        quarters = _quarters(figure, places[5], "6  what it says\nof each crop")
        for ax, box, answer, score in zip(quarters, steps.boxes, steps.answers, steps.scores, strict=False):
            _answer(ax, steps.image, score, box, answer)
        put_back = _picture(figure, places[6], "7  put back and\nadded to the CAM")
        score_map_on_image(put_back, steps.image, steps.score)
        _picture(figure, places[7], "8  label map").imshow(steps.label)
        _arrows(figure)
    return figure


def _place(number: int) -> tuple[float, float]:
    """Left and lower end in inches of picture `number` of two rows of four."""
    row, column = divmod(number, 4)
    return 0.05 + column * (SIDE + GAP), HEIGHT - (row + 1) * (SIDE + TITLE) - row * BETWEEN


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Bare axes at a place in inches."""
    ax = figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT), xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def _title(figure: Figure, place: tuple[float, float], text: str) -> None:
    left, bottom = place
    x, y = (left + SIDE / 2) / WIDTH, (bottom + SIDE + 0.04) / HEIGHT
    figure.text(x, y, text, ha="center", va="bottom", fontsize=11, linespacing=0.95)


def _picture(figure: Figure, place: tuple[float, float], title: str) -> Axes:
    _title(figure, place, title)
    return _axes(figure, *place, SIDE, SIDE)


def _quarters(figure: Figure, place: tuple[float, float], title: str) -> list[Axes]:
    """Four small axes in place of a picture, row by row."""
    _title(figure, place, title)
    half, (left, bottom) = (SIDE - 0.05) / 2, place
    corners = [(left + x, bottom + y) for y in (half + 0.05, 0) for x in (0, half + 0.05)]
    return [_axes(figure, *corner, half, half) for corner in corners]


def _classifier(figure: Figure, place: tuple[float, float]) -> None:
    """A box in place of a picture."""
    ax = _axes(figure, *place, SIDE, SIDE)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.add_patch(
        FancyBboxPatch((0.06, 0.22), 0.88, 0.56, boxstyle="round,pad=0.02", facecolor="#E8EEF4", edgecolor="#33475B")
    )
    ax.text(0.5, 0.5, "the same\nclassifier,\nunchanged", ha="center", va="center", fontsize=12)
    _title(figure, (place[0], place[1] - 0.2 * SIDE), "5")


def _answer(ax: Axes, image: NDArray[np.uint8], score: NDArray[Any], box: tuple[int, ...], answer: str) -> None:
    """A crop's class map within its box, with the class and its probability."""
    top, left, bottom, right = (max(0, end) for end in box)
    score_map_on_image(ax, image[top:bottom, left:right], score[top:bottom, left:right])
    edge = [withStroke(linewidth=2, foreground="black")]
    ax.text(
        0.5,
        0.03,
        answer,
        transform=ax.transAxes,
        ha="center",
        va="bottom",
        color="white",
        fontsize=9.5,
        path_effects=edge,
    )


def _arrows(figure: Figure) -> None:
    """What leads from step to step; image and depth are taken together."""
    for number in (1, 2, 4, 5, 6):
        left, bottom = _place(number)
        start, end = (left + SIDE + 0.05, bottom + SIDE / 2), (left + SIDE + GAP - 0.05, bottom + SIDE / 2)
        _arrow(figure, [start, end])
    left, bottom = _place(0)
    x, y = (left + SIDE + GAP / 2) / WIDTH, (bottom + SIDE / 2) / HEIGHT
    figure.text(x, y, "+", ha="center", va="center", fontsize=20, color="#33475B")
    (first, above), (last, below) = _place(3), _place(4)
    lane = above - 0.6 * BETWEEN
    over, down = first + SIDE / 2, last + SIDE / 2
    _arrow(figure, [(over, above - 0.03), (over, lane), (down, lane), (down, below + 0.83 * SIDE + TITLE * 0.55)])


def _arrow(figure: Figure, points: Sequence[tuple[float, float]]) -> None:
    """A line through points in inches, with a head at its end."""
    ends = [(x / WIDTH, y / HEIGHT) for x, y in points]
    for start, end in pairwise(ends[:-1]):
        figure.add_artist(Line2D(*zip(start, end, strict=True), color="#33475B", linewidth=2.2, solid_capstyle="round"))
    figure.add_artist(
        FancyArrowPatch(
            *ends[-2:], arrowstyle="-|>", mutation_scale=16, color="#33475B", linewidth=2.2, shrinkA=0, shrinkB=0
        )
    )
