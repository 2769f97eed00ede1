"""The words of depth sources: those that mean something here, and those that users enter."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from wsss.data.base import Sample
from wsss.depth.controls import NOISE_LEVELS
from wsss.errors import WsssError
from wsss.machine.plugins import Registry, check_version

__all__ = [
    "CONTROL_NAMES",
    "KINDS",
    "KINDS_OF_PLACE",
    "NO_DEPTH",
    "PLAIN",
    "SOURCES",
    "OwnSource",
    "register_depth_source",
]

KINDS = ("metric", "inverse")
"""Whether numbers grow with distance, or with nearness."""

CONTROL_NAMES = ("shuffled", "inverted", "noisy", *NOISE_LEVELS)
"""Wrong depth that is made from a right one, which may be named after a `+`."""

PLAIN = ("sensor", "constant", "learned")
"""Sources that need no more than their name."""

KINDS_OF_PLACE = ("files", "hf", "learned")
"""What stands before the colon of a source that is read from a place."""

NO_DEPTH = "none"
"""What stands for no source at all, where photographs are to be labelled without depth."""

DepthOf = Callable[[Sample], NDArray[Any]]


@dataclass(frozen=True)
class OwnSource:
    """A depth source of a user's own.

    Attributes:
        depth_of: what is known of an image → `h×w` real numbers in any unit, of the image's aspect ratio.
        kind: `metric` (larger = farther) or `inverse` (larger = nearer).
        version: enters cache keys.
    """

    depth_of: DepthOf
    kind: str
    version: int


SOURCES: Registry[OwnSource] = Registry(
    "depth source", "wsss.depth_sources", taken=(*PLAIN, *KINDS_OF_PLACE, *CONTROL_NAMES, NO_DEPTH)
)
"""What users, and other packages by the entry points `wsss.depth_sources`, have entered."""


def register_depth_source(name: str, *, kind: str, version: int = 1) -> Callable[[DepthOf], DepthOf]:
    """Decorator that enters a function from a sample to its depth, for `--depth NAME` and methods `depth@NAME`.

    Args:
        name: in commands, records and keys.
        kind: `metric` where the numbers grow with distance, `inverse` where with nearness. In metric depth what is 0 or
            less is not measured, in both what is NaN.
        version: to be raised whenever the function gives other depth: what was made from the former is made anew.

    Raises:
        WsssError: another kind, no such version, or a name that is taken.

    >>> @register_depth_source("flat-wall", kind="metric")
    ... def flat_wall(sample):
    ...     return np.ones(sample.image.shape[:2])
    >>> SOURCES["flat-wall"].kind
    'metric'
    """
    if kind not in KINDS:
        raise WsssError(
            f"depth source {name!r}: kind must be metric (larger = farther) or inverse (larger = nearer), not {kind!r}"
        )
    check_version(f"depth source {name!r}", version)

    def enter(depth_of: DepthOf) -> DepthOf:
        SOURCES.enter(name, OwnSource(depth_of, kind, version), depth_of)
        return depth_of

    return enter
