"""The methods that are compared: the same classifier, the same image-level classes, other looks at the image.

Each method is a plan of forward passes and a grid of twelve fusion parameters (`trials`), one of which is chosen on the
tune split. All plans cost the same megapixels within 5 %. (Where `depth` hears the second opinion alone, crops do not
matter.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from wsss.depth.specs import source_name
from wsss.errors import WsssError
from wsss.methods.names import MethodName
from wsss.methods.parameters import FusionParameters

__all__ = ["METHODS", "Method", "full_name", "method", "uses_depth"]


@dataclass(frozen=True)
class Method:
    """One way to make seeds.

    Attributes:
        trials: fusion parameters to choose from on the tune split.
        proposal: who says where to look: `depth`, `colour`, `grid`, `random`, `cam`, `oracle`; None for nobody.
        crops: whether those places are cropped and looked at; the passes over the whole image are then
            `CropParameters.scales` without flip, and otherwise:
        scales, flip: of the passes over the whole image.
    """

    trials: tuple[FusionParameters, ...] = (FusionParameters(),)
    proposal: str | None = None
    crops: bool = True
    scales: tuple[float, ...] = (0.5, 1.0, 1.5, 2.0)
    flip: bool = True

    @property
    def uses_depth(self) -> bool:
        """Whether the method looks at depth."""
        return self.proposal == "depth"

    @property
    def passes(self) -> tuple[object, ...]:
        """What decides the forward passes: methods of equal passes and depth have the same evidence."""
        return self.proposal, self.crops, self.scales, self.flip


def _grid(*second: tuple[float, float], **values: Sequence[float]) -> tuple[FusionParameters, ...]:
    """Every combination of the values of some fusion parameters, and of pairs `colour`, `reach`."""
    combinations = (dict(zip(values, each, strict=True)) for each in product(*values.values()))
    grid = [replace(FusionParameters(), **each) for each in combinations]  # type: ignore[arg-type]
    return tuple(replace(each, colour=c, reach=r) for each in grid for c, r in second or ((0.0, 0.0),))


# fmt: off
_LEVEL_WEIGHTS = (
    (1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (1, 2, 2), (2, 2, 1),
    (0, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 0), (0, 1, 2), (0, 2, 1),
)
# fmt: on

_CROPS = _grid(crop_weight=(0.3, 1, 3, 10), gate=(0.5, 1, 2))

METHODS: dict[str, Method] = {
    "cam": Method(crops=False),
    "zoom": Method(
        tuple(FusionParameters(level_weights=w) for w in _LEVEL_WEIGHTS), None, False, (1.0, 2.0, 3.1), False
    ),
    "grid": Method(_CROPS, "grid"),
    "random": Method(_CROPS, "random"),
    "cam-box": Method(_CROPS, "cam"),
    "rgb-region": Method(_grid((0, 0), (0, 0.9), crop_weight=(0, 0.3), vote=(0.5, 0.75, 1)), "colour"),
    "crop-only": Method(_CROPS, "depth"),
    "region-only": Method(_grid((0, 0), (0.5, 0), (0.5, 0.9), (1, 0.9), vote=(0.5, 0.75, 1)), "depth", crops=False),
    "depth": Method(_grid((0, 0), (0.5, 0.9), (1, 0.9), crop_weight=(0, 1), vote=(0.75, 1)), "depth"),
    "oracle-box": Method(_CROPS, "oracle"),
}
"""`cam` is the baseline, with nothing to choose; `zoom`, `grid`, `random`, `cam-box`, `rgb-region` are controls without
depth."""


def method(name: str) -> Method:
    """Look up a method by name, with or without `@source`.

    Raises:
        WsssError: no such method, or a source for a method that looks at no depth; the message lists what there is.
    """
    parts = MethodName.of_seeds(name)
    base, source = parts.base, parts.source
    if base not in METHODS:
        raise WsssError(f"unknown method {base!r}; choose from {', '.join(METHODS)}")
    if source and not METHODS[base].uses_depth:
        with_depth = ", ".join(each for each, plan in METHODS.items() if plan.uses_depth)
        raise WsssError(f"{base} looks at no depth, so {name!r} is no method; with a source go {with_depth}")
    return METHODS[base]


def uses_depth(base: str) -> bool:
    """Whether method `base` looks at depth; `full-supervision`, which is none, does not."""
    return base in METHODS and METHODS[base].uses_depth


def full_name(name: MethodName, depth: str, short: Mapping[str, str]) -> str:
    """A method's name in records and tables: with the short name of its depth source, where it uses depth.

    Args:
        depth: the source that it uses.
        short: names in records, from `DepthSources.names`.
    """
    return str(replace(name, source=source_name(depth, short) if uses_depth(name.base) else None))
