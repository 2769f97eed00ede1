"""What is compared: the methods of the committed records, and the variants of the ablation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wsss.depth.controls import NOISE_LEVELS
from wsss.records.claims import Claim
from wsss.records.store import FULL_SUPERVISION

__all__ = [
    "CLAIMS",
    "PRESET_IMAGES",
    "RESULT_LABELS",
    "RESULT_METHODS",
    "RESULT_SEEDS",
    "RESULT_TEACHERS",
    "SERIES_METHODS",
    "VARIANTS",
    "Variant",
]

RESULT_SEEDS = (0, 1, 2)
"""Training seeds of the committed records."""

SERIES_METHODS = ("cam", "zoom", "depth")
"""Whose label maps the records of the controlled series score."""


_EVERYWHERE = (
    "cam", "zoom", "grid", "random", "cam-box", "layers", "rgb-region", "rgb-crop", "rgb", "crop-only", "depth-region",
    "region-only", "depth", "code-as-published",
)  # fmt: skip
"""Baseline, controls without depth, parts of the method, the whole of it, and its first public code."""

RESULT_METHODS = {
    "tabletop": (
        *_EVERYWHERE, "depth@files:kinect", "depth@learned", "depth@noisy-06", "depth@shuffled", "depth@constant",
        "depth@inverted", "oracle-box",
    ),
    "nyuv2": (
        *_EVERYWHERE, "depth@learned", "depth@files:depth_meter", "depth@shuffled", "depth@constant", "oracle-box",
    ),
    "voc": (*_EVERYWHERE, "depth@shuffled", "depth@constant", "oracle-box"),
}  # fmt: skip
"""What `make results` compares: baseline, controls without depth, parts of the method, other and wrong depth, upper
bound."""

_LABELLED = {"tabletop": ("cam", "layers", "rgb-region", "depth")}
"""Baseline, best controls without depth, and depth; of the data sets that are not named the first, third and last."""

RESULT_LABELS = {
    data: tuple(
        f"{method}{refinement}"
        for method in _LABELLED.get(data, ("cam", "rgb-region", "depth"))
        for refinement in ("", "+crf", "+par", "+par-depth")
    )
    for data in RESULT_METHODS
}
"""Pseudo-labels that `make results` compares: each refinement of baseline, best controls and depth."""


RESULT_TEACHERS = {
    "tabletop": ("cam+par", "rgb-region+crf", "depth"),
    "nyuv2": ("cam+crf", "rgb-region+crf", "depth+crf"),
    "voc": ("cam+par", "rgb-region+par", "depth+par"),
}
"""Pseudo-labels whose networks `make results` compares, beside those of true masks: of the baseline, of the best
control and of depth, each as its best refinement makes them on the tune split with the classifier of seed 0."""


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
    Variant("steps", "no averages over regions", "crop-only"),
    Variant("steps", "no planes", regions={"planes": 0}),
    Variant("steps", "levels instead of jumps", regions={"layering": "levels"}),
    Variant("steps", "borders aligned with the image, too", regions={"guides": (0, 4)}),
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

_CROPPERS = ("zoom", "grid", "rgb-crop")

CLAIMS = (
    Claim("tabletop", "depth@sensor", 25),
    Claim("tabletop", "depth@kinect", 15),
    Claim("tabletop", "depth@learned", 5),
    Claim("tabletop", "crop-only@sensor", 5, against=_CROPPERS),
    Claim("tabletop", "crop-only@sensor", 10, against=_CROPPERS, measure="IoU of objects < 1 %"),
    Claim("tabletop", "crop-only@sensor", 5, against=_CROPPERS, measure="IoU of objects > 40 % hidden"),
    Claim("tabletop", "crop-only@sensor", None, against=_CROPPERS, measure="recall of objects > 40 % hidden",
          kind="no loss", bound=-2),
    Claim("nyuv2", "depth@sensor", 4),
    Claim("voc-animals", "depth@meter", 2),
    Claim("tabletop", "depth@shuffled", None, kind="no loss", bound=-1),
    Claim("tabletop", "depth@noisy-06", None, kind="no loss", bound=-1),
    Claim("nyuv2", "depth@shuffled", None, kind="no loss", bound=-1),
    Claim("voc-animals", "depth@shuffled", None, kind="no loss", bound=-1),
    Claim("tabletop", "depth@sensor", 10, "segmentation"),
    Claim("tabletop", "depth@sensor", 90, "segmentation", (FULL_SUPERVISION,), "share of mIoU", "share", 90),
    Claim("nyuv2", "depth@sensor", 1, "segmentation"),
    Claim("voc-animals", "depth@meter", 1, "segmentation"),
)  # fmt: skip
"""The confirmatory comparisons: the only ones that have a verdict, and that Holm's correction is over.

Listed before the reported splits were scored. All others are exploratory: they have plain intervals."""
