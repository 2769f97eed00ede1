"""The parameters of regions, crops and fusion."""

from dataclasses import dataclass

from wsss.checks import require_number, require_numbers
from wsss.errors import WsssError

__all__ = ["FULL_TRUST", "NO_TRUST", "CropParameters", "FusionParameters", "RegionParameters"]


NO_TRUST, FULL_TRUST = 0.005, 0.02
"""Border alignment at and below which depth is not believed at all, and from which on it is believed entirely."""

LAYERINGS = ("jumps", "levels")


@dataclass(frozen=True)
class RegionParameters:
    """Thresholds of the region proposal, in units of normalised inverse depth or shares of the image.

    Attributes:
        plane_tolerance: largest distance from a support plane.
        planes: how many support planes are searched for; 0 looks for none.
        layering: what splits the rest: `jumps` between neighbouring pixels, or `levels`, automatic thresholds of depth.
        smooth: standard deviation in pixels of a Gaussian that takes the steps out of coarsely quantised sensor depth; 0 is off.
        jump: smallest step between neighbouring pixels that separates two regions; `levels` does not look at it.
        min_area: smallest region, as a share of the image; smaller ones join their nearest region.
        max_regions: how many are kept, largest first.
        guides: radii in pixels of guided filters that align depth with the image; each gives a partition of its own, and they
            vote side by side. 0 takes depth as it is.
        trust: border alignment at and below which depth is not believed, and from which on it is believed entirely.
    """

    plane_tolerance: float = 0.008
    planes: int = 5
    layering: str = "jumps"
    smooth: float = 0.0
    jump: float = 0.015
    min_area: float = 0.0008
    max_regions: int = 40
    guides: tuple[int, ...] = (0,)
    trust: tuple[float, float] = (NO_TRUST, FULL_TRUST)

    def __post_init__(self) -> None:
        if not self.guides:
            raise WsssError("regions need at least one guide radius; 0 takes depth as it is")
        if self.layering not in LAYERINGS:
            raise WsssError(f"unknown layering {self.layering!r}; choose from {', '.join(LAYERINGS)}")
        for name in ("plane_tolerance", "smooth", "jump"):
            require_number(f"regions: {name}", getattr(self, name), 0)
        require_number("regions: min_area", self.min_area, 0, 1)
        require_number("regions: planes", self.planes, 0, 1000, whole=True)
        require_number("regions: max_regions", self.max_regions, 1, whole=True)
        require_numbers("regions: guides", self.guides, 0, 1000, whole=True)
        require_numbers(
            "regions: trust", self.trust, -10, 10
        )  # alignments are in [−1, 1]; beyond it is always or never
        if len(self.trust) != 2 or self.trust[0] >= self.trust[1]:
            raise WsssError(f"regions: trust must be two rising numbers, not {self.trust!r}")


EXCLUSIONS = ("others", "nearer", "fill", "blur", "box")


@dataclass(frozen=True)
class CropParameters:
    """How regions become crops.

    Attributes:
        scales: of the passes over the whole image that come with the crops, in units of the classifier's base side.
        count: crops per image, always exactly this many, so that every image costs the same.
        context: margin on each side, as a share of the region's longer side.
        min_side: smallest side of a box in pixels: caps the upscale.
        exclude: what the classifier must not see of other layers, painted with the mean colour: `others` are the other things,
            `nearer` only those in front of the region, `fill` is everything but the region and its surroundings of `keep`
            pixels, `blur` is what `others` is, but blurred instead of painted, `box` is nothing.
        keep: pixels around a region that stay visible with `fill`.
    """

    scales: tuple[float, ...] = (1.0, 2.0)
    count: int = 13
    context: float = 0.5
    min_side: int = 32
    exclude: str = "others"
    keep: int = 6

    def __post_init__(self) -> None:
        require_numbers("crops: scales", self.scales, 0.01, 100)
        if not self.scales:
            raise WsssError("crops: scales must name at least one pass over the whole image")
        require_number("crops: count", self.count, 1, 1000, whole=True)
        require_number("crops: context", self.context, 0)
        require_number("crops: min_side", self.min_side, 1, whole=True)
        require_number("crops: keep", self.keep, 0, whole=True)
        if self.exclude not in EXCLUSIONS:
            raise WsssError(f"unknown exclusion {self.exclude!r}; choose from {', '.join(EXCLUSIONS)}")


@dataclass(frozen=True)
class FusionParameters:
    """How evidence becomes a map.

    Attributes:
        level_weights: one weight per scale; empty for all alike.
        crop_weight: weight of the crops' evidence beside the whole image's, ≥ 0.
        gate: exponent of a crop's class probability; 0 lets every crop speak, large values only the sure ones.
        vote: 0 keeps the maps, 1 replaces them by the regions' votes.
        colour: share of the second opinion's regions, of colour and depth, in the vote.
        reach: how far regions share their votes, in [0, 1): the probability with which their walk goes on after each step.
    """

    level_weights: tuple[float, ...] = ()
    crop_weight: float = 0.0
    gate: float = 1.0
    vote: float = 0.0
    colour: float = 0.0
    reach: float = 0.0

    def __post_init__(self) -> None:
        require_numbers("fusion: level_weights", self.level_weights, 0)
        if self.level_weights and not any(self.level_weights):
            raise WsssError("fusion: level_weights must not all be 0")
        for name in ("crop_weight", "gate"):
            require_number(f"fusion: {name}", getattr(self, name), 0)
        for name in ("vote", "colour", "reach"):
            require_number(f"fusion: {name}", getattr(self, name), 0, 1)
        if self.reach == 1:
            raise WsssError("fusion: reach must be below 1: a walk that never ends has no vote")
