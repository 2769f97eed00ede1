"""One object on its way: in the image, in a crop of its own, before and after."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsss.analysis.failures import occlusion_measure
from wsss.analysis.instances import instances_of
from wsss.analysis.strata import SIZE_BINS
from wsss.data.palette import class_colours
from wsss.errors import WsssError
from wsss.methods.fusion import Evidence
from wsss.methods.registry import METHODS
from wsss.pipeline.view import SeedView
from wsss.report.panels import class_legend, object_box
from wsss.report.pictures import draw_boxes, image_grid, label_on_image, score_map_on_image, truth_on_image
from wsss.report.walk import crop_views, window_around

if TYPE_CHECKING:
    from wsss.pipeline import Run

__all__ = ["LEAST", "ObjectInScene", "crop_of_object", "object_by_rule", "object_figure", "object_sentence"]


@dataclass(frozen=True)
class ObjectInScene:
    """An object of the reported split.

    Attributes:
        index: of its image.
        label: of its class, in 1…C.
        name: of its class.
        pixels: `H×W bool`, its visible pixels.
        box: around them, a little wider, `(top, left, bottom, right)`.
        area: visible share of the image, in percent.
        hidden: hidden share of the object, in percent; None where it is not known.
        kind: what the rule chose it from, in words.
        iou: of the object in percent, by method.
    """

    index: int
    label: int
    name: str
    pixels: NDArray[np.bool_]
    box: tuple[int, int, int, int]
    area: float
    hidden: float | None
    kind: str
    iou: dict[str, float]


LEAST = 40 * 40
"""Pixels of an object that can be made out in a picture of a page's width."""


def object_by_rule(run: "Run") -> ObjectInScene:
    """The hidden object of `LEAST` pixels or more that crops help most: IoU of `crop-only` − IoU of `cam`, times its
    pixels, so that it can be made out.

    Where occlusion is not known, or no object is hidden, it is chosen from small objects, and then from all.

    Raises:
        WsssError: no image of the reported split has an object.
    """
    frames = {name: score.instances for name, score in run.seeds(["cam", "crop-only", "depth"]).items()}
    objects, change = frames["cam"], (frames["crop-only"]["iou"] - frames["cam"]["iou"]).dropna()
    change = change * objects.loc[change.index, "area"]
    measure = occlusion_measure(objects)
    large = objects["area"] >= LEAST
    wanted = {f"size {SIZE_BINS[0]}": objects["size"] == SIZE_BINS[0], "any": objects["area"] > 0}
    if measure:
        hidden = objects["occlusion"] == measure[2][-1]
        wanted = {f"occlusion {measure[2][-1]}, 40 × 40 pixels or more": hidden & large} | {
            f"occlusion {measure[2][-1]}": hidden,
            **wanted,
        }
    kind, rows = next(
        (
            (kind, change[change.index[which[change.index]]])
            for kind, which in wanted.items()
            if which[change.index].any()
        ),
        ("", change),
    )
    if not len(rows):
        raise WsssError(f"{run.data_name} has no object to show")
    row, report = rows.idxmax(), run.data("report")
    one = objects.loc[row]
    index = report.ids.index(str(one["image_id"]))
    sample, label = report[index], int(one["class_id"])
    found = instances_of(sample)
    number = np.flatnonzero((found.classes == label) & (found.area == int(one["area"])))[0]
    return ObjectInScene(
        index,
        label,
        report.classes[label - 1].replace("_", " "),
        found.map == number + 1,
        object_box(sample, label, int(one["area"])),
        100 * float(one["relative_area"]),
        100 * float(one[measure[0]]) if measure and one[measure[0]] == one[measure[0]] else None,
        kind,
        {name: 100 * float(frame.loc[row, "iou"]) for name, frame in frames.items()},
    )


def crop_of_object(evidence: Evidence, pixels: NDArray[np.bool_], place: int) -> int:
    """The crop that looks at an object: of those whose region holds a quarter of its pixels or more, the one that
    finds its class most probable; of all crops where there is none.

    Args:
        pixels: `H×W bool`, at least one true.
        place: of its class among the present ones.
    """
    assert evidence.crop_probabilities is not None
    sure = evidence.crop_probabilities[:, place].tolist()
    shares = np.bincount(evidence.regions.labels[pixels]) / pixels.sum() if evidence.regions is not None else [0.0]
    of_it = [n for n, one in enumerate(evidence.plan) if 0 < one.region < len(shares) and shares[one.region] >= 0.25]
    return max(of_it or range(len(sure)), key=sure.__getitem__)


def object_figure(run: "Run", chosen: ObjectInScene, before: SeedView, after: SeedView) -> Figure:
    """The object framed in its image, its crop as the classifier sees it, then scores and labels before and after, and
    the truth.

    Args:
        before, after: of its scene, by `cam` and by a method with crops.
    """
    evidence, colours = after.evidence, class_colours(run.data("report").classes)
    assert evidence.regions is not None
    place = list(after.classes).index(chosen.label)
    image, one = after.sample.image, evidence.plan[crop_of_object(evidence, chosen.pixels, place)]
    (seen,) = crop_views(image, evidence.regions, [one], run.config.crops, run.classifier[1])
    part = window_around(chosen.box, image.shape)
    near = image[part]
    labels = [label_on_image(near, view.label[part], colours) for view in (before, after)]
    truth = truth_on_image(near, after.sample.truth[part], colours)
    titles = ("image", "its crop", "CAM", f"{after.name}", "label by CAM", f"by {after.name}", "truth")
    figure = image_grid([[image, seen, near, near, *labels, truth]], titles)
    draw_boxes(figure.axes[0], [chosen.box])
    for ax, view in zip(figure.axes[2:4], (before, after), strict=True):
        score_map_on_image(ax, near, view.scores[list(view.classes).index(chosen.label)][part])
    top, left = part[0].start, part[1].start
    for ax in figure.axes[2:]:
        draw_boxes(ax, [(chosen.box[0] - top, chosen.box[1] - left, chosen.box[2] - top, chosen.box[3] - left)])
    shown = [label[part] for label in (before.label, after.label, after.sample.truth)]
    return class_legend(figure, run.data("report").classes, shown)


def object_sentence(chosen: ObjectInScene, before: SeedView, after: SeedView) -> str:
    """How probable the classifier finds the object's class in the whole image and in the crop, and its IoU."""
    evidence = after.evidence
    assert evidence.crop_probabilities is not None
    place = list(after.classes).index(chosen.label)
    scales = METHODS["cam"].scales
    logit = before.evidence.levels[scales.index(1.0), place].mean()
    whole, near = (
        float(torch.sigmoid(logit)),
        evidence.crop_probabilities[crop_of_object(evidence, chosen.pixels, place), place],
    )
    hidden = "" if chosen.hidden is None else f", {chosen.hidden:.0f} % hidden"
    return (
        f"The {chosen.name} covers {chosen.area:.2f} % of the image{hidden}. Its class has probability {whole:.2f} in "
        f"the whole image and {near:.2f} in the crop. The object's IoU is {chosen.iou['cam']:.0f} % by `cam`, "
        f"{chosen.iou['crop-only']:.0f} % with crops alone and {chosen.iou['depth']:.0f} % with crops and regions."
    )
