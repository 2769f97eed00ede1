"""Segmentation networks of a user's own, by name: `segmentation.architecture` may be one of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from wsss.errors import WsssError
from wsss.machine.plugins import Registry, check_version
from wsss.networks.checkpoints import require_normalisation

__all__ = ["NETWORKS", "OwnNetwork", "register_network"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Build = Callable[[int], nn.Module]


@dataclass(frozen=True)
class OwnNetwork:
    """A network of a user's own.

    Attributes:
        build: number of outputs, C + 1 with the background first → a network with its initial weights, from images
            `(N,3,H,W) float32`, H and W multiples of 32, to logits `(N,C + 1,H,W)`.
        mean, std: of the normalisation of its images, per channel, in units of 0…1.
        version: enters cache keys.
    """

    build: Build
    mean: tuple[float, ...]
    std: tuple[float, ...]
    version: int


NETWORKS: Registry[OwnNetwork] = Registry("network", "wsss.networks")
"""What users, and other packages by the entry points `wsss.networks`, have entered."""


def register_network(
    name: str,
    *,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    version: int = 1,
) -> Callable[[Build], Build]:
    """Decorator that enters a function, or a class, that builds a network for a number of outputs.

    All its weights learn, at `segmentation.learning_rate`, but those whose names begin with `encoder.`, which learn at
    a fifth of it. torch's generator is seeded before it is built.

    Args:
        name: for the setting `segmentation.architecture`, in records and keys.
        mean, std: see `OwnNetwork`; ImageNet's by default.
        version: to be raised whenever the network changes: what the former learnt is learnt anew.

    Raises:
        WsssError: no such version or normalisation, or a name that is taken.
    """
    check_version(f"network {name!r}", version)
    try:
        require_normalisation(list(mean), list(std))
    except (TypeError, WsssError) as error:
        raise WsssError(f"network {name!r}: {error}") from error

    def enter(build: Build) -> Build:
        NETWORKS.enter(name, OwnNetwork(build, tuple(mean), tuple(std), version), build)
        return build

    return enter
