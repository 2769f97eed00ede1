"""What the crop explorer's sliders move: ranges, help, and how they become parameters of the method."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from wsss.errors import WsssError
from wsss.methods.parameters import CropParameters, FusionParameters, RegionParameters
from wsss.pipeline.crop_file import GIVEN_METHOD
from wsss.widgets.controls import SliderSpec
from wsss.widgets.scenes import Scenes

__all__ = ["SLIDERS", "ExplorerParameters", "chosen_parameters", "sections_of", "static_grid"]

SLIDERS = (
    SliderSpec("plane_tolerance", "plane tolerance", 0.001, 0.05, 60, "inverse depth",
               "How far a pixel may lie from floor, table or wall and still be part of it.", log=True, looks=True),
    SliderSpec("jump", "depth jump", 0.002, 0.1, 60, "inverse depth",
               "Smallest step between neighbouring pixels that cuts a region in two.", log=True, looks=True),
    SliderSpec("max_regions", "regions", 1, 60, 59, "at most",
               "How many regions of depth are kept, largest first.", looks=True),
    SliderSpec("min_area", "minimum area", 0.0002, 0.02, 60, "of the image",
               "Smaller regions join their nearest neighbour.", log=True, looks=True),
    SliderSpec("context", "context", 0.0, 1.0, 20, "of the side",
               "Margin around a region, on each side, in shares of its longer side.", looks=True),
    SliderSpec("count", "crops", 1, 20, 19, "per image",
               "How many crops are looked at: each costs one forward pass.", looks=True),
    SliderSpec("gate", "gate sharpness", 0.0, 4.0, 40, "exponent",
               "At 0 every crop counts, at large values only those that are sure of the class."),
    SliderSpec("crop_weight", "fusion weight", 0.0, 10.0, 50, "× whole image",
               "What the crops' maps count beside those of the whole image."),
    SliderSpec("vote", "region average", 0.0, 1.0, 20, "share",
               "0 keeps the maps as they are, 1 gives every pixel the mean of its region."),
    SliderSpec("colour", "joint regions", 0.0, 1.0, 20, "share of the average",
               "Share of regions of colour and depth; at 1, with region average 1, nothing else counts."),
    SliderSpec("reach", "sharing", 0.0, 0.98, 49, "probability",
               "How far the scores of regions that look alike are averaged together."),
    SliderSpec("threshold", "background threshold", 0.02, 0.94, 46, "score",
               "Pixels whose strongest score is below become background."),
)  # fmt: skip
"""The sliders, those first that take new crops."""

_LIMITS = {spec.name: (spec.low, spec.high) for spec in SLIDERS}
_REGIONS, _CROPS = ("plane_tolerance", "jump", "max_regions", "min_area"), ("context", "count")
_FUSION = ("gate", "crop_weight", "vote", "colour", "reach")


@dataclass(frozen=True)
class ExplorerParameters:
    """What the panel says.

    Attributes:
        scene: index of the image in the split, ≥ 0.
        shown: name of the class whose maps are shown; None shows the strongest of all.
        source: depth, as in `depth@source`; None is the run's own.
        plane_tolerance, jump, max_regions, min_area: see `wsss.methods.parameters.RegionParameters`.
        context, count: see `wsss.methods.parameters.CropParameters`.
        gate, crop_weight, vote, colour, reach: see `wsss.methods.parameters.FusionParameters`.
        threshold: background threshold of the scores in [0, 1].

    Raises:
        WsssError: a value lies outside its slider's range.
    """

    scene: int
    shown: str | None
    source: str | None
    plane_tolerance: float
    jump: float
    max_regions: int
    min_area: float
    context: float
    count: int
    gate: float
    crop_weight: float
    vote: float
    colour: float
    reach: float
    threshold: float

    def __post_init__(self) -> None:
        if self.scene < 0:
            raise WsssError(f"scene must be 0 or more, not {self.scene}")
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise WsssError(f"{name} must lie between {low:g} and {high:g}, not {value}")

    def of(self, names: Sequence[str]) -> dict[str, Any]:
        """Some of the parameters by name."""
        return {name: getattr(self, name) for name in names}

    def regions(self, base: RegionParameters) -> RegionParameters:
        """`base` with what the sliders say of regions."""
        return replace(base, **self.of(_REGIONS))

    def crops(self, base: CropParameters) -> CropParameters:
        """`base` with what the sliders say of crops."""
        return replace(base, **self.of(_CROPS))

    def fusion(self, base: FusionParameters) -> FusionParameters:
        """`base` with what the sliders say of fusion."""
        return replace(base, **self.of(_FUSION))


def sections_of(parameters: ExplorerParameters) -> dict[str, dict[str, float | int]]:
    """The parameters by sections of a file of crop settings."""
    p = parameters
    label = {"threshold": p.threshold}
    return {"regions": p.of(_REGIONS), "crops": p.of(_CROPS), "fusion": p.of(_FUSION), "label": label}


def chosen_parameters(scenes: Scenes, scene: int) -> ExplorerParameters:
    """The settings for method `depth`, and what was chosen for it (of a run on `tune`), within the sliders' ranges."""
    choice = scenes.choose([GIVEN_METHOD])[GIVEN_METHOD]
    known = {
        **vars(scenes.depth_cam.regions),
        **vars(scenes.depth_cam.crops),
        **vars(choice.parameters),
        "threshold": choice.threshold,
    }
    kinds = {each.name: int if each.type is int else float for each in fields(ExplorerParameters)}
    inside: dict[str, Any] = {
        name: kinds[name](np.clip(known[name], low, high)) for name, (low, high) in _LIMITS.items()
    }
    return ExplorerParameters(scene, None, None, **inside)


def static_grid(parameters: ExplorerParameters) -> dict[str, ExplorerParameters]:
    """The fixed grid that stands in for the sliders: one row a change from `parameters`."""
    p = parameters
    return {
        "as chosen": p,
        "no crops,\nno regions": replace(p, crop_weight=0.0, vote=0.0),
        "depth jump × 4": replace(p, jump=min(4 * p.jump, _LIMITS["jump"][1])),
        "threshold\nhalved": replace(p, threshold=max(p.threshold / 2, _LIMITS["threshold"][0])),
    }
