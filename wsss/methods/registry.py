"""The methods that are compared: the same classifier, the same image labels, other looks at the image.

Each method is a plan of forward passes and a grid of 26 fusion parameters (`trials`), one of which is chosen on the
tune split. All plans cost the same megapixels within 6 %. Grids hold 0 where that leaves a part out;
`wsss.methods.grid_ends` says where a choice lies at the end of its grid.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.depth.specs import source_name
from wsss.errors import WsssError
from wsss.machine.plugins import Registry, check_version
from wsss.methods.names import MethodName
from wsss.methods.parameters import ColourParameters, CropParameters, FusionParameters

__all__ = [
    "METHODS",
    "PROPOSALS",
    "Method",
    "OwnProposal",
    "full_name",
    "method",
    "register_proposal",
    "uses_depth",
]


@dataclass(frozen=True)
class Method:
    """One way to make seeds.

    Attributes:
        trials: fusion parameters to choose from on the tune split.
        proposal: who says where to look: `depth`, `colour`, `grid`, `random`, `cam`, `published`, `layers`, `oracle`,
            or a key of `PROPOSALS`; None for nobody.
        crops: whether those places are cropped and looked at; the passes over the whole image are then
            `CropParameters.scales` without flip, those of regions of colour or depth `ColourParameters.scales`, and
            otherwise:
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
        own = PROPOSALS.get(self.proposal or "")
        return self.proposal in ("depth", "published") or (own is not None and own.uses_depth)

    def whole(self, crops: CropParameters, colour: ColourParameters) -> tuple[tuple[float, ...], bool]:
        """Scales of the passes over the whole image, and whether each is averaged with its mirror image."""
        if self.crops:
            return crops.scales, False
        return (colour.scales, colour.flip) if self.proposal in ("colour", "depth") else (self.scales, self.flip)

    @property
    def passes(self) -> tuple[object, ...]:
        """What decides the forward passes: methods of equal passes and depth have the same evidence."""
        return self.proposal, self.crops, self.scales, self.flip


Propose = Callable[[NDArray[np.uint8], NDArray[np.float32] | None], NDArray[Any]]


@dataclass(frozen=True)
class OwnProposal:
    """A user's own way to say where to look.

    Attributes:
        propose: image `H×W×3 uint8` and, where `uses_depth`, inverse depth `H×W float32` in [0, 1] (else None) →
            `boxes (N,4)` of integers `(top, left, bottom, right)`, half open, the most important first, or `masks
            (N,H,W) bool`, which may overlap.
        gives: `boxes` or `masks`.
        version: enters cache keys.
    """

    propose: Propose
    gives: str
    uses_depth: bool
    version: int


PROPOSALS: dict[str, OwnProposal] = {}
"""What users and other packages have entered; each is a method of `METHODS`, too."""


def _grid(*second: tuple[float, float], **values: Sequence[float]) -> tuple[FusionParameters, ...]:
    """Every combination of the values of some fusion parameters, and of pairs `colour`, `reach`."""
    combinations = (dict(zip(values, each, strict=True)) for each in product(*values.values()))
    grid = [replace(FusionParameters(), **each) for each in combinations]  # type: ignore[arg-type]
    return tuple(replace(each, colour=c, reach=r) for each in grid for c, r in second or ((0.0, 0.0),))


# fmt: off
_LEVEL_WEIGHTS = (
    (1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (1, 2, 2), (2, 2, 1),
    (0, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 0), (0, 1, 2), (0, 2, 1),
    (1, 0, 0), (0, 0, 1), (2, 0, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0), (2, 1, 2),
    (4, 1, 1), (1, 4, 1), (1, 1, 4), (4, 0, 1), (1, 0, 4), (0, 1, 4), (0, 4, 1),
)

_LAYER_WEIGHTS = (  # of the plain maps, and of those spread by early layers once, twice, and by early and late ones
    (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1), (0, 1, 1, 0),
    (0, 1, 0, 1), (0, 0, 1, 1), (1, 1, 1, 1), (2, 1, 0, 0), (2, 0, 1, 0), (2, 0, 0, 1), (1, 2, 0, 0), (1, 0, 2, 0),
    (1, 0, 0, 2), (0, 1, 2, 0), (0, 2, 1, 0), (0, 0, 1, 2), (0, 0, 2, 1), (0, 1, 0, 2), (0, 2, 0, 1), (1, 1, 0, 1),
    (1, 0, 1, 1), (0, 1, 1, 1),
)

_PLAIN = FusionParameters()
"""A trial of every method: no crops, no regions. At weight 0 the gate does not matter, and at vote 0 no region."""

_CROPS = (_PLAIN, *_grid(crop_weight=(0.1, 0.5, 2, 8, 40), gate=(0, 0.5, 1, 2, 4)))
_VOTES = (0.25, 0.5, 0.75, 0.9, 1)
_COLOUR = (_PLAIN, *_grid((0, 0), (0, 0.9), (0, 0.97), (0, 0.99), (0, 0.997), vote=_VOTES))
_CROPS_AND_COLOUR = (_PLAIN, *_grid((0, 0.5), (0, 0.8), (0, 0.9), (0, 0.97), (0, 0), vote=(0.5, 1), crop_weight=(0, 1)),
                     *_grid((0, 0.9), vote=(0.75,), crop_weight=(0, 0.3, 1, 3, 10)))
_DEPTH = (
    _PLAIN,
    *_grid((0, 0), (0.5, 0.9), (1, 0.9), (0.5, 0.97), (1, 0.97), crop_weight=(0,), vote=(0.5, 0.75, 1)),
    *_grid((0, 0), (0.5, 0.9), (1, 0.9), (0.5, 0.97), crop_weight=(1,), vote=(0.75,)),
    *_grid((0, 0), (0.5, 0.9), (0.5, 0.97), crop_weight=(1,), vote=(1,)),
    *_grid((0, 0), crop_weight=(0.3, 3, 10), vote=(1,)),
)
# fmt: on

_OWN_METHODS: dict[str, Method] = {
    "cam": Method(crops=False),
    "zoom": Method(
        tuple(FusionParameters(level_weights=w) for w in _LEVEL_WEIGHTS), None, False, (1.0, 2.0, 3.1), False
    ),
    "grid": Method(_CROPS, "grid"),
    "random": Method(_CROPS, "random"),
    "cam-box": Method(_CROPS, "cam"),
    "layers": Method(
        tuple(FusionParameters(level_weights=w) for w in _LAYER_WEIGHTS), "layers", False, (1.0, 2.0, 3.1), False
    ),
    "rgb-region": Method(_COLOUR, "colour", crops=False),
    "rgb-crop": Method(_CROPS, "colour"),
    "rgb": Method(_CROPS_AND_COLOUR, "colour"),
    "crop-only": Method(_CROPS, "depth"),
    "depth-region": Method((_PLAIN, *_grid(vote=tuple(n / 25 for n in range(1, 26)))), "depth", crops=False),
    "region-only": Method(
        (_PLAIN, *_grid((0, 0), (0.5, 0), (0.5, 0.9), (1, 0.9), (1, 0.97), vote=_VOTES)), "depth", crops=False
    ),
    "depth": Method(_DEPTH, "depth"),
    "code-as-published": Method((_PLAIN,), "published", False, (0.5, 1.0, 1.5)),
    "oracle-box": Method(_CROPS, "oracle"),
}

METHODS: Registry[Method] = Registry(
    "method", "wsss.proposals", _OWN_METHODS, taken=("full-supervision", "colour", "oracle")
)
"""`cam` is the baseline, with nothing to choose.

Controls without depth are `zoom`, `grid`, `random`, `cam-box`, `layers` (maps spread by features of earlier layers),
`rgb-region` (regions of colour), `rgb-crop` (crops of them) and `rgb` (both); in `code-as-published` depth says only
how much crops are enlarged. `crop-only`, `depth-region` (regions of depth alone) and `region-only` (beside them those
of colour and depth) are parts of `depth`. Users and other packages, by the entry points `wsss.proposals`, may enter
more: see `register_proposal`."""


def register_proposal(name: str, *, gives: str, depth: bool = False, version: int = 1) -> Callable[[Propose], Propose]:
    """Decorator that enters a function that says where to look, and with it the method `name`.

    Boxes are cropped and looked at as those of `grid` are. Masks are regions too, whose scores are averaged as those of
    `rgb` are. In either case 26 parameters are tried, as of every method.

    Args:
        name: in commands, records and keys.
        gives: `boxes` or `masks`, see `OwnProposal`.
        depth: whether the function looks at depth, so that there may be a `NAME@SOURCE`.
        version: to be raised whenever the function gives others: what was made from the former is made anew.

    Raises:
        WsssError: it gives something else, no such version, or a name that is taken.

    >>> @register_proposal("whole-image", gives="boxes")
    ... def whole_image(image, depth):
    ...     return np.array([[0, 0, *image.shape[:2]]])
    >>> len(METHODS["whole-image"].trials)
    26
    """
    trials = {"boxes": _CROPS, "masks": _CROPS_AND_COLOUR}
    if gives not in trials:
        raise WsssError(f"proposal {name!r}: gives must be boxes or masks, not {gives!r}")
    check_version(f"proposal {name!r}", version)

    def enter(propose: Propose) -> Propose:
        METHODS.enter(name, Method(trials[gives], name), propose)
        PROPOSALS[name] = OwnProposal(propose, gives, depth, version)
        return propose

    return enter


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
        with_depth = ", ".join(each for each, plan in METHODS.loaded().items() if plan.uses_depth)
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
