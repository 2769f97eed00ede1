"""The parameters of regions, crops and fusion."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wsss.checks import check_settings, setting, settings_from
from wsss.errors import WsssError

__all__ = [
    "FULL_TRUST",
    "NO_TRUST",
    "ColourParameters",
    "CropParameters",
    "FusionParameters",
    "RegionParameters",
    "settings_of_looks",
]


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
        smooth: standard deviation in pixels of a Gaussian that takes the steps out of coarsely quantised sensor depth;
            0 is off.
        even: radius in pixels of a filter that takes these steps out and leaves borders as they are (see
            `wsss.methods.quantisation`); also of the depth that is aligned with the image; 0 is off.
        jump: smallest step between neighbouring pixels that separates two regions; `levels` does not look at it.
        far: share of `jump` that separates the farthest pixels; between these and the nearest it is linear in depth.
            Inverse depth shrinks with distance: what is 20 cm behind something is a smaller step far away.
        min_area: smallest region, as a share of the image; smaller ones join their nearest region.
        max_regions: how many are kept, largest first.
        guides: radii in pixels of guided filters that align depth with the image; each gives a partition of its own,
            and their averages are averaged. 0 takes depth as it is.
        barrier: jump of depth along a border that makes it e times harder to share scores across it; 0 asks colour
            alone.
        trust: border alignment at and below which depth is not believed, and from which on it is believed entirely.
    """

    plane_tolerance: float = setting(0.008, 0)
    planes: int = setting(5, 0, 1000)
    layering: str = setting("jumps", choices=LAYERINGS)
    smooth: float = setting(0.0, 0)
    even: int = setting(0, 0, 100)
    jump: float = setting(0.015, 0)
    far: float = setting(1.0, 0, 1)
    min_area: float = setting(0.0008, 0, 1)
    max_regions: int = setting(40, 1)
    guides: tuple[int, ...] = setting((0,), 0, 1000, filled=True)
    barrier: float = setting(0.05, 0)
    trust: tuple[float, float] = setting((NO_TRUST, FULL_TRUST), -10, 10)

    def __post_init__(self) -> None:
        check_settings(self, "regions: ")
        if self.trust[0] >= self.trust[1]:  # beyond [−1, 1], where alignments are, it is always or never
            raise WsssError(f"regions: trust must be two rising numbers, not {self.trust!r}")


@dataclass(frozen=True)
class ColourParameters:
    """Regions of colour, and the passes over the whole image whose maps are averaged over them.

    Both numbers are relative to the image, so that they mean the same at any resolution.

    Attributes:
        scale: Felzenszwalb's constant for an image of 128 × 128 pixels, which grows with the pixels: the larger, the
            larger the regions.
        min_area: smallest region, as a share of the image.
        scales, flip: of the passes that `rgb-region` makes, and with depth `depth-region` and `region-only`, so that
            these differ in their regions alone. They cost what those of the other methods do.
        crop_scale, crop_min_area: scale and min_area of the regions that `rgb-crop` crops: larger ones, like things.
    """

    scale: float = setting(1.0, 0)
    min_area: float = setting(0.0025, 0, 1)
    scales: tuple[float, ...] = setting((1.0, 2.0, 3.1), 0.01, 100, filled=True)
    flip: bool = False
    crop_scale: float = setting(2.0, 0)
    crop_min_area: float = setting(0.0064, 0, 1)

    def __post_init__(self) -> None:
        check_settings(self, "colour: ")

    @property
    def of_crops(self) -> "ColourParameters":
        """The same with the regions that are cropped as its regions."""
        return replace(self, scale=self.crop_scale, min_area=self.crop_min_area)


EXCLUSIONS = ("others", "nearer", "fill", "blur", "box")


@dataclass(frozen=True)
class CropParameters:
    """How regions become crops.

    Attributes:
        scales: of the passes over the whole image that come with the crops, in units of the classifier's base side.
        count: crops per image, always exactly this many, so that every image costs the same.
        context: margin on each side, as a share of the region's longer side.
        min_side: smallest side of a box in pixels: caps the upscale.
        exclude: what the classifier must not see of other layers, painted with the mean colour: `others` are the other
            things, `nearer` only those in front of the region, `fill` is everything but the region and its surroundings
            of `keep` pixels, `blur` is what `others` is, but blurred instead of painted, `box` is nothing.
        keep: pixels around a region that stay visible with `fill`.
        within: pixels by which a thing's region is widened, outside of which its crops say nothing, as far as depth is
            trusted; None leaves them the whole box.
    """

    scales: tuple[float, ...] = setting((1.0, 2.0), 0.01, 100, filled=True)
    count: int = setting(13, 1, 1000)
    context: float = setting(0.5, 0)
    min_side: int = setting(32, 1)
    exclude: str = setting("others", choices=EXCLUSIONS)
    keep: int = setting(6, 0)
    within: int | None = setting(None, 0, 1000, optional=True)

    def __post_init__(self) -> None:
        check_settings(self, "crops: ")


@dataclass(frozen=True)
class FusionParameters:
    """How evidence becomes a map.

    Attributes:
        level_weights: one weight per scale; empty for all alike.
        crop_weight: weight of the crops' evidence beside the whole image's, ≥ 0.
        gate: exponent of a crop's class probability; 0 lets every crop speak, large values only the sure ones.
        vote: 0 keeps the maps, 1 replaces them by the regions' averages.
        colour: share of the joint regions, of colour and depth, in these averages.
        reach: how far regions share their scores, in [0, 1): the probability with which their walk goes on after each
            step.
    """

    level_weights: tuple[float, ...] = setting((), 0)
    crop_weight: float = setting(0.0, 0)
    gate: float = setting(1.0, 0)
    vote: float = setting(0.0, 0, 1)
    colour: float = setting(0.0, 0, 1)
    reach: float = setting(0.0, 0, below=1)  # a walk that never ends has no mean

    def __post_init__(self) -> None:
        check_settings(self, "fusion: ")
        if self.level_weights and not any(self.level_weights):
            raise WsssError("fusion: level_weights must not all be 0")


def settings_of_looks(
    checkpoint: Path, looks: Mapping[str, Any]
) -> tuple[RegionParameters, CropParameters, ColourParameters]:
    """The settings of regions and crops that a checkpoint's parameters were chosen with; of colour the default ones
    where it does not say.

    Raises:
        WsssError: they are missing or make no sense.
    """
    try:
        regions = settings_from(RegionParameters, looks["regions"], partial=True)
        crops = settings_from(CropParameters, looks["crops"], partial=True)
        return regions, crops, settings_from(ColourParameters, looks.get("colour", {}), partial=True)
    except (KeyError, TypeError, AttributeError, WsssError) as error:
        raise WsssError(
            f"{checkpoint} does not say how its crops were made ({error}): write it with `wsss train`"
        ) from error
