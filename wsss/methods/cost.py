"""What a method's evidence of an image costs: backbone megapixels and seconds; and how much its views enlarge."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wsss.analysis.score import Score
from wsss.data.base import Sample
from wsss.machine.processes import gathered
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.fusion import Evidence
from wsss.methods.magnification import Magnification, magnification, magnification_facts
from wsss.methods.registry import method

__all__ = ["Cost", "cost_facts", "cost_of", "costs_in", "looks_facts", "scales_of"]


@dataclass(frozen=True)
class Cost:
    """What a method's evidence of one image took: megapixels, seconds, trust in its depth, and how much it enlarged."""

    megapixels: float
    seconds: float
    trust: float
    magnification: Magnification

    def plain(self) -> dict[str, Any]:
        """As in JSON: the inverse of `of_plain`."""
        return asdict(self)

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> "Cost":
        """A cost from plain values that `plain` gave."""
        views = {name: tuple(values) for name, values in plain["magnification"].items()}
        return cls(plain["megapixels"], plain["seconds"], plain["trust"], Magnification(**views))


def scales_of(name: str, cam: DepthCAM) -> tuple[float, ...]:
    """Scales of a method's passes over the whole image."""
    return method(name).whole(cam.crops, cam.colour)[0]


def cost_of(name: str, cam: DepthCAM, sample: Sample, evidence: Evidence, seconds: float) -> Cost:
    """What a method's evidence of an image took, in so many seconds."""
    height, width = sample.image.shape[:2]
    enlarged = magnification((height, width), scales_of(name, cam), evidence.plan, cam.info.base_side)
    return Cost(evidence.megapixels, seconds, evidence.trust, enlarged)


def cost_facts(costs: Sequence[Cost]) -> dict[str, Any]:
    """The facts of a block of images: the costs of each, of all processes."""
    return {"costs": gathered([one.plain() for one in costs])}


def costs_in(parts: Sequence[Score]) -> list[Cost]:
    """The costs of all images, from the facts of the blocks that they are in."""
    return [Cost.of_plain(one) for part in parts for one in part.facts["costs"]]


def looks_facts(name: str, choice: Mapping[str, Any], costs: Sequence[Cost], cam: DepthCAM) -> dict[str, Any]:
    """What a record says of a method's passes and their cost, means over the images.

    Args:
        costs: of each image.
    """
    plan = method(name)
    megapixels, seconds, trust = np.mean([(one.megapixels, one.seconds, one.trust) for one in costs], axis=0).tolist()
    return {
        **choice,
        "megapixels": megapixels,
        "seconds": seconds,
        "scales": list(scales_of(name, cam)),
        "magnification": magnification_facts([one.magnification for one in costs]),
        "flip": plan.whole(cam.crops, cam.colour)[1],
        "crops": cam.crops.count if plan.crops else 0,
        "trust": trust if plan.uses_depth else None,
    }
