"""Sliders for the notebooks. A slider moves a parameter, `render` draws the figure: it alone does work, and it is pure.

Where nobody can move a slider (papermill, CI; `WSSS_HEADLESS=1`) a fixed grid of parameters is drawn instead.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import Any

import numpy as np
from IPython.display import display
from matplotlib.figure import Figure

from wsss.data.base import IGNORE
from wsss.depth.fusion import FusionParameters, fuse
from wsss.errors import WsssError
from wsss.pipeline import Run
from wsss.pseudo.labels import pseudo_label
from wsss.report.panels import SeedView, class_legend
from wsss.report.pictures import draw_boxes, image_grid, overlay, score_map_on_image
from wsss.report.style import class_colours
from wsss.report.walk import region_picture
from wsss.scoring import Depths

__all__ = ["RANGES", "ExplorerParameters", "crop_explorer", "explore", "headless", "render", "static_grid"]

RANGES = {
    "plane_tolerance": (0.001, 0.05),
    "jump": (0.002, 0.1),
    "min_area": (0.0002, 0.02),
    "context": (0.0, 1.0),
    "crop_weight": (0.0, 10.0),
    "vote": (0.0, 1.0),
    "threshold": (0.02, 0.94),
}
"""Smallest and largest value of each slider; the units are those of `RegionParameters`, `CropParameters`, `FusionParameters`."""

TITLES = ("regions", "crops", "score", "label", "truth")


@dataclass(frozen=True)
class ExplorerParameters:
    """What the sliders say.

    Attributes:
        scene: index of the image in the split, ≥ 0.
        plane_tolerance, jump, min_area: see `wsss.depth.regions.RegionParameters`.
        context: see `wsss.depth.crops.CropParameters`.
        crop_weight, vote: see `wsss.depth.fusion.FusionParameters`.
        threshold: background threshold of the scores in [0, 1].

    Raises:
        WsssError: a value lies outside its range in `RANGES`.
    """

    scene: int
    plane_tolerance: float
    jump: float
    min_area: float
    context: float
    crop_weight: float
    vote: float
    threshold: float

    def __post_init__(self) -> None:
        if self.scene < 0:
            raise WsssError(f"scene must be 0 or more, not {self.scene}")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise WsssError(f"{name} must lie between {low} and {high}, not {value}")


def headless() -> bool:
    """Whether there is nobody to move a slider: the environment variable `WSSS_HEADLESS` is set, and not to 0."""
    return os.environ.get("WSSS_HEADLESS", "0") not in ("", "0")


def chosen_parameters(run: Run, scene: int) -> ExplorerParameters:
    """The run's own settings for method `depth`, with what was chosen for it on the tune split."""
    choice = run.choose(["depth"])["depth"]
    regions, fusion = run.config.regions, choice["parameters"]
    wanted = {
        "plane_tolerance": regions.plane_tolerance, "jump": regions.jump, "min_area": regions.min_area,
        "context": run.config.crops.context, "crop_weight": fusion["crop_weight"], "vote": fusion["vote"],
        "threshold": choice["threshold"],
    }  # fmt: skip
    inside = {name: float(np.clip(value, *RANGES[name])) for name, value in wanted.items()}
    return ExplorerParameters(scene, **inside)


def explore(parameters: ExplorerParameters, run: Run, split: str = "report") -> SeedView:
    """Method `depth` on one image, with these parameters in place of the run's.

    Raises:
        WsssError: the split has no such scene.
    """
    data = run.data(split)
    if parameters.scene >= len(data):
        raise WsssError(f"{data.split} has {len(data)} images; there is no scene {parameters.scene}")
    looker = replace(
        run.looker,
        regions=replace(
            run.config.regions, plane_tolerance=parameters.plane_tolerance, jump=parameters.jump, min_area=parameters.min_area
        ),
        crops=replace(run.config.crops, context=parameters.context),
    )  # fmt: skip
    sample = data[parameters.scene]
    present = np.flatnonzero(sample.labels)
    depths: Depths = {None: run.depth_of(split)}
    evidence = looker.evidence("depth", looker.at(sample, present), sample, depths, parameters.scene)
    chosen = FusionParameters(**run.choose(["depth"])["depth"]["parameters"])
    fusion = replace(chosen, crop_weight=parameters.crop_weight, vote=parameters.vote)
    scores = fuse(evidence, fusion).numpy()
    label = pseudo_label(scores, present + 1, parameters.threshold)
    return SeedView("depth", sample, present + 1, evidence, scores, label)


def render(parameters: ExplorerParameters, run: Run, split: str = "report") -> Figure:
    """Regions, crops, strongest score, label and truth of one scene."""
    return _draw([explore(parameters, run, split)], run.data(split).classes, [""])


def static_grid(parameters: ExplorerParameters) -> dict[str, ExplorerParameters]:
    """The fixed grid that stands in for the sliders: one row a change from `parameters`."""
    low = {name: limits[0] for name, limits in RANGES.items()}
    return {
        "as chosen": parameters,
        "no crops, no vote": replace(parameters, crop_weight=low["crop_weight"], vote=low["vote"]),
        "depth jump × 4": replace(parameters, jump=min(4 * parameters.jump, RANGES["jump"][1])),
    }


def _draw(views: Sequence[SeedView], classes: Sequence[str], row_titles: Sequence[str]) -> Figure:
    rows, colours = [], class_colours(classes)
    for view in views:
        image, truth = view.sample.image, view.sample.mask
        known = np.where(truth == IGNORE, 0, truth).astype(np.uint8)
        assert view.evidence.regions is not None
        labels = [overlay(image, label, colours) for label in (view.label, known)]
        rows.append([region_picture(view.evidence.regions), image, image, *labels])
    figure = image_grid(rows, TITLES, row_titles)
    for number, view in enumerate(views):
        axes = figure.axes[number * len(TITLES) :]
        draw_boxes(axes[1], sorted({one.box for one in view.evidence.plan}))
        score_map_on_image(axes[2], view.sample.image, view.strongest)
    return class_legend(figure, classes, [label for view in views for label in (view.label, view.sample.mask)])


def crop_explorer(run: Run, split: str = "report", indices: Sequence[int] = (0,)) -> Any:
    """Sliders over one scene of a split; a static figure where nobody can move them.

    Args:
        indices: the scenes to choose from; the first is shown first.

    Returns:
        An ipywidgets box, or a `Figure` if `headless()`.
    """
    start = chosen_parameters(run, indices[0])
    if headless():
        grid = static_grid(start)
        print("Run this notebook in JupyterLab for sliders over these parameters; here is a fixed grid of them.")
        return _draw([explore(one, run, split) for one in grid.values()], run.data(split).classes, list(grid))
    return _sliders(start, run.data(split).ids, indices, lambda parameters: render(parameters, run, split))


def _sliders(start: ExplorerParameters, ids: Sequence[str], indices: Sequence[int], draw: Callable[..., Figure]) -> Any:
    import ipywidgets

    scenes = [(ids[index], index) for index in indices]
    controls: dict[str, Any] = {"scene": ipywidgets.Dropdown(options=scenes, value=start.scene, description="scene")}
    for field, value in list(zip(fields(start), astuple(start), strict=True))[1:]:
        low, high = RANGES[field.name]
        controls[field.name] = ipywidgets.FloatSlider(
            value=value, min=low, max=high, step=(high - low) / 200, description=field.name.replace("_", " "),
            readout_format=".3f", continuous_update=False, style={"description_width": "8em"},
        )  # fmt: skip
    picture = ipywidgets.interactive_output(lambda **values: display(draw(ExplorerParameters(**values))), controls)
    return ipywidgets.VBox([*controls.values(), picture])
