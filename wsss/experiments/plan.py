"""What is compared: the methods of the committed records, and the variants of the ablation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wsss.depth.controls import NOISE_LEVELS

__all__ = [
    "PRESET_IMAGES",
    "RESULT_LABELS",
    "RESULT_METHODS",
    "RESULT_SEEDS",
    "SERIES_METHODS",
    "VARIANTS",
    "Variant",
]

RESULT_SEEDS = (0, 1, 2)
"""Training seeds of the committed records."""

SERIES_METHODS = ("cam", "zoom", "depth")
"""Whose label maps the records of the controlled series score."""


RESULT_METHODS = {
    "tabletop": (
        "cam", "zoom", "grid", "random", "cam-box", "rgb-region", "crop-only", "region-only", "depth",
        "depth@learned", "depth@noisy-08", "depth@shuffled", "depth@constant", "depth@inverted", "oracle-box",
    ),
    "nyuv2": (
        "cam", "zoom", "grid", "random", "cam-box", "rgb-region", "crop-only", "region-only", "depth",
        "depth@learned", "depth@files:depth_meter", "depth@shuffled", "oracle-box",
    ),
    "voc": (
        "cam", "zoom", "grid", "random", "cam-box", "rgb-region", "crop-only", "region-only", "depth",
        "depth@shuffled", "oracle-box",
    ),
}  # fmt: skip
"""What `make results` compares: baseline, controls without depth, parts of the method, other and wrong depth, upper
bound."""

RESULT_LABELS = {
    "tabletop": tuple(
        f"{method}{refinement}"
        for method in ("cam", "rgb-region", "depth")
        for refinement in ("", "+crf", "+par", "+par-depth")
    ),
    "nyuv2": ("cam", "cam+par", "cam+par-depth", "depth", "depth+par", "depth+par-depth"),
    "voc": ("cam", "cam+par", "cam+par-depth", "depth", "depth+par", "depth+par-depth"),
}
"""Pseudo-labels that `make results` compares. On `tabletop` each refinement of baseline, best control and depth."""


PRESET_IMAGES = 218
"""Images of the reported split on which presets are measured, at most: every third of `nyuv2`."""


@dataclass(frozen=True)
class Variant:
    """One row of an ablation.

    Attributes:
        group: rows of a group are compared with its first, in which nothing is changed.
        name: what is changed, in words.
        method: with `@source` for other depth than the run's.
        regions, crops: settings in place of the run's.
    """

    group: str
    name: str
    method: str = "depth"
    regions: Mapping[str, Any] = field(default_factory=dict)
    crops: Mapping[str, Any] = field(default_factory=dict)


_ALWAYS_TRUSTED = {"trust": (-2.0, -1.0)}  # border alignment is never below −1

VARIANTS = (
    Variant("steps", "the whole method"),
    Variant("steps", "no crops", "region-only"),
    Variant("steps", "no votes", "crop-only"),
    Variant("steps", "no planes", regions={"planes": 0}),
    Variant("steps", "levels instead of jumps", regions={"layering": "levels"}),
    Variant("steps", "no alignment with the image", regions={"guides": (0,)}),
    Variant("steps", "aligned with the image, too", regions={"guides": (0, 4)}),
    Variant("steps", "steps of quantised depth kept", regions={"even": 0}),
    Variant("steps", "the same jump near and far", regions={"far": 1.0}),
    Variant("steps", "scores shared by colour alone", regions={"barrier": 0.0}),
    Variant("steps", "no trust: right depth", regions=_ALWAYS_TRUSTED),
    Variant("left out of crops", "other things", "crop-only"),
    Variant("left out of crops", "nearer things", "crop-only", crops={"exclude": "nearer"}),
    Variant("left out of crops", "all but the region", "crop-only", crops={"exclude": "fill"}),
    Variant("left out of crops", "other things, blurred", "crop-only", crops={"exclude": "blur"}),
    Variant("left out of crops", "nothing", "crop-only", crops={"exclude": "box"}),
    Variant("place of a crop's scores", "the region, widened by 4 pixels", "crop-only", crops={"within": 4}),
    Variant("place of a crop's scores", "the box", "crop-only", crops={"within": None}),
    *(Variant("number of crops", str(n), "crop-only", crops={"count": n}) for n in (13, 3, 6, 20)),
    *(Variant("context of crops", f"{c:g}", "crop-only", crops={"context": c}) for c in (0.5, 0.1, 0.25, 1.0)),
    Variant("depth", "right"),
    *(Variant("depth", one, f"depth@{one}") for one in (*NOISE_LEVELS, "learned", "inverted", "constant", "shuffled")),
    Variant("depth", "shuffled, no trust", "depth@shuffled", regions=_ALWAYS_TRUSTED),
)  # fmt: skip
