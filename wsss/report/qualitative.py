"""Figures of pictures: the method at a glance, and objects for each claim, wins and losses both, picked by rule.

They need a run, not only records: `wsss figures` draws them beside the charts.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsss.analysis.failures import hard_images, occlusion_measure
from wsss.analysis.quality import holds_classes, image_differences, pick_by_rule
from wsss.analysis.strata import SIZE_BINS
from wsss.data.palette import class_colours
from wsss.errors import WsssError
from wsss.pipeline.view import SeedView, seed_views
from wsss.records.provenance import git_state
from wsss.report.diagram import diagram_of
from wsss.report.object_walk import LEAST
from wsss.report.panels import class_legend, object_box
from wsss.report.pictures import (
    MethodPanels,
    draw_boxes,
    image_grid,
    label_on_image,
    method_figure,
    score_map_on_image,
    truth_on_image,
)
from wsss.report.sentences import rule_text
from wsss.report.style import save_figure
from wsss.report.walk import window_around

if TYPE_CHECKING:
    from wsss.pipeline import Run

__all__ = [
    "CLAIMS",
    "claim_figure",
    "draw_qualitative",
    "hardest_scene",
    "method_overview",
    "pick_objects",
    "picture_source",
]

CLAIMS = ("small", "occluded")
"""What CAMs are said to miss, and crops to find: objects in the lowest bin of size, and in the highest of occlusion."""

_METHODS = ("cam", "crop-only", "depth")
_COLUMNS = ("image", "cam: score", "cam", "crop-only", "depth: score", "depth", "truth")


def method_overview(run: "Run") -> Figure:
    """Figure 1, from photograph to label, of three images.

    The scene with most small or hidden objects that are not tiny, and the images where `depth` is furthest ahead of
    `cam` and furthest behind; rows say which they are. Where it is behind in no image there is no such row.
    """
    scores, report = run.seeds(["cam", "depth"]), run.data("report")
    differences = image_differences(scores["depth"], scores["cam"])
    picked = pick_by_rule(differences, holds_classes(scores["cam"]))
    reasons = {hardest_scene(run): ["most small or\nhidden objects"]}
    for rule, sign in (("best", 1), ("worst", -1)):
        if rule in picked and sign * differences[picked[rule]] > 0:
            reasons.setdefault(picked[rule], []).append(rule_text(rule, differences[picked[rule]]))
    frames = [scores[name].instances for name in ("cam", "depth")]
    drawn = [_panels_of(run, index, "\n".join(why), frames) for index, why in reasons.items()]
    figure = method_figure(drawn, class_colours(report.classes))
    return class_legend(
        figure,
        report.classes,
        [
            label[one.part[0] : one.part[2], one.part[1] : one.part[3]]
            for one in drawn
            for label in (one.cam_label, one.pseudo_label, one.truth)
        ],
    )


def hardest_scene(run: "Run") -> int:
    """The image of the reported split with most objects that are small or hidden, but of `LEAST` pixels or more.

    The first one at ties; where no object is as large, tiny ones count as well.
    """
    objects = run.seeds(["cam"])["cam"].instances
    large = objects[objects["area"] >= LEAST]
    return run.data("report").ids.index(hard_images(large if len(large) else objects).index[0])


def _panels_of(run: "Run", index: int, why: str, frames: Sequence[pd.DataFrame]) -> MethodPanels:
    """A row of figure 1: around the object whose IoU changes most from `cam` to `depth`, with the maps of its class.

    Without objects the maps are of the class where they differ most.

    Args:
        index: of an image with at least one class.
        why: what the image was chosen for; stands beside the row.
        frames: the same objects, as `cam` and as `depth` finds them.
    """
    before, after = seed_views(run, ("cam", "depth"), index).values()
    report, sample, regions = run.data("report"), after.sample, after.evidence.regions
    own = frames[0]["image_id"] == sample.id
    change = (frames[1]["iou"] - frames[0]["iou"])[own].abs().fillna(0)
    place, box = int(np.abs(after.scores - before.scores).mean(axis=(1, 2)).argmax()), (0, 0, 1, 1)
    if len(change):
        class_id, area = _class_and_area(frames[0], change.idxmax())
        place, box = list(after.classes).index(class_id), object_box(sample, class_id, area)
    rows, columns = window_around(box, sample.truth.shape)
    things = [one for one in after.evidence.plan if regions and one.region and not regions.is_plane[one.region - 1]]
    name = report.classes[int(after.classes[place]) - 1].replace("_", " ")
    return MethodPanels(
        sample.image,
        run.depth_of("report")(index),
        sorted({one.box for one in things}),
        (rows.start, columns.start, rows.stop, columns.stop),
        before.scores[place],
        after.scores[place],
        before.label,
        after.label,
        sample.truth,
        f"{why}\nmaps of: {name}",
    )


def pick_objects(before: pd.DataFrame, after: pd.DataFrame, wanted: pd.Series, count: int = 2) -> dict[str, int]:
    """Rows of the `wanted` objects whose IoU rises and falls most, and the median, one an image.

    Args:
        before, after: the same objects in the same order, as two methods find them.
        wanted: `(N,) bool`.
        count: of each; fewer where there are fewer objects. What is called worse is: where even the smallest change is
            no fall, the row says `no better`.
    """
    change = (after["iou"] - before["iou"])[wanted].dropna().sort_values(ascending=False, kind="stable")
    change = change[~before.loc[change.index, "image_id"].duplicated()]
    ends = min(count, (len(change) - 1) // 2)
    places = {f"better {n + 1}": n for n in range(ends)}
    places |= {"median": len(change) // 2} if len(change) else {}
    for n in reversed(range(ends)):
        place = len(change) - 1 - n
        places[f"{'worse' if change.iloc[place] < 0 else 'no better'} {n + 1}"] = place
    return {name: int(change.index[place]) for name, place in places.items()}


def claim_figure(run: "Run", claim: str, count: int = 2) -> Figure:
    """Objects of a claim with the results of `cam`, `crop-only` and `depth`, a row each: in the image, then near by.

    Args:
        claim: one of `CLAIMS`.
        count: see `pick_objects`.

    Raises:
        WsssError: the data has no such object, or occlusion is not known.
    """
    scores = {name: score.instances for name, score in run.seeds(_METHODS).items()}
    rows = pick_objects(scores["cam"], scores["depth"], _of_claim(scores["cam"], claim), count)
    if not rows:
        raise WsssError(f"{run.data_name} has no {claim} objects to show")
    report, objects = run.data("report"), scores["cam"]
    views = {row: _views(run, str(objects.at[row, "image_id"])) for row in rows.values()}
    titles = [
        _row_title(name, report.classes, {method: frame.loc[row] for method, frame in scores.items()})
        for name, row in rows.items()
    ]
    boxes = [object_box(views[row]["cam"].sample, *_class_and_area(objects, row)) for row in rows.values()]
    parts = [window_around(box, views[row]["cam"].sample.truth.shape) for box, row in zip(boxes, views, strict=True)]
    grid = [_claim_row(views[row], part, report.classes) for row, part in zip(views, parts, strict=True)]
    figure = image_grid(grid, _COLUMNS, titles)
    for number, (row, each) in enumerate(views.items()):
        axes, part, box = figure.axes[number * len(_COLUMNS) :][: len(_COLUMNS)], parts[number], boxes[number]
        for title, view in each.items():
            if f"{title}: score" in _COLUMNS:
                scores_of = view.scores[list(view.classes).index(_class_and_area(objects, row)[0])]
                score_map_on_image(axes[_COLUMNS.index(f"{title}: score")], view.sample.image[part], scores_of[part])
        top, left = part[0].start, part[1].start
        draw_boxes(axes[0], [box])
        for ax in axes[1:]:
            draw_boxes(ax, [(box[0] - top, box[1] - left, box[2] - top, box[3] - left)])
    shown = [
        label[part]
        for each, part in zip(views.values(), parts, strict=True)
        for view in each.values()
        for label in (view.label, view.sample.truth)
    ]
    return class_legend(figure, report.classes, shown)


def _class_and_area(objects: pd.DataFrame, row: int) -> tuple[int, int]:
    return int(objects.at[row, "class_id"]), int(objects.at[row, "area"])


def _claim_row(
    views: Mapping[str, SeedView], part: tuple[slice, slice], classes: tuple[str, ...]
) -> list[NDArray[Any] | None]:
    """The pictures of a row: the whole image, then a part of it under each label map; scores are drawn later."""
    sample, colours = views["cam"].sample, class_colours(classes)
    image = sample.image[part]
    labels = {name: label_on_image(image, view.label[part], colours) for name, view in views.items()}
    pictures = {"image": sample.image, "truth": truth_on_image(image, sample.truth[part], colours), **labels}
    return [pictures.get(column, sample.image[part]) for column in _COLUMNS]


def _of_claim(objects: pd.DataFrame, claim: str) -> pd.Series:
    if claim == "small":
        return objects["size"] == SIZE_BINS[0]
    measure = occlusion_measure(objects)
    if claim != "occluded" or measure is None:
        raise WsssError(f"no objects for {claim!r}: claims are {', '.join(CLAIMS)}, and occlusion must be known")
    return objects["occlusion"] == measure[2][-1]


def _views(run: "Run", image_id: str) -> dict[str, SeedView]:
    return seed_views(run, _METHODS, run.data("report").ids.index(image_id))


def _row_title(rule: str, classes: tuple[str, ...], found: Mapping[str, Mapping[str, Any]]) -> str:
    one = found["cam"]
    values = " → ".join(f"{100 * each['iou']:.0f}" for each in found.values())
    name = classes[int(one["class_id"]) - 1].replace("_", " ")
    return f"{rule}: {name}\n{one['relative_area']:.2%} of image\nIoU {values}"


def picture_source(run: "Run") -> dict[str, Any]:
    """What a figure of pictures was made from, for its metadata."""
    records = f"{run.data_name}/cam/{run.data('report').split}"
    return {"records": records, "profile": run.config.profile, "seed": run.config.seed, "commit": git_state()[0]}


def draw_qualitative(run: "Run", folder: Path) -> list[Path]:
    """Draw `method` and `method-diagram` as PNG and SVG, and a `claim-…` for each claim as PNG: an SVG of so many
    pictures has 2 MB.

    Raises:
        WsssError: the data is not rendered: photographs of other people's data sets stay where they are.
    """
    if run.config.data != "tabletop":
        raise WsssError(f"pictures of {run.data_name} are not ours to publish: draw them of tabletop")
    source, written = picture_source(run), []
    for name, figure in {"method": method_overview(run), "method-diagram": diagram_of(run)}.items():
        written += save_figure(figure, Path(folder) / name, source)
    for claim in CLAIMS:
        written += save_figure(claim_figure(run, claim), Path(folder) / f"claim-{claim}", source, ("png",))
    return written
