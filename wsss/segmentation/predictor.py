"""A trained network with what its checkpoint says of itself: all that labelling an image takes."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from wsss.checks import require_number, require_numbers
from wsss.data.base import require_class_names
from wsss.errors import WsssError
from wsss.machine.memory import UNNOTICED, free_memory
from wsss.networks.checkpoints import require_normalisation
from wsss.segmentation.inference import needed_memory, predict_batches, too_large
from wsss.segmentation.network import load_network

__all__ = ["Predictor", "load_predictor", "predictor_facts"]

_REMEDY = "give a network that `wsss segment` has written."


@dataclass(frozen=True)
class Predictor:
    """A network and what its checkpoint says of itself.

    Attributes:
        classes: names of labels 1…C.
        mean, std: of the encoder's normalisation.
        long_side: of images at scale 1, in pixels.
        scales: at which images are looked at, each with its mirror image.
    """

    network: nn.Module
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    long_side: int
    scales: tuple[float, ...]

    def __call__(self, images: Iterable[NDArray[np.uint8]], device: torch.device) -> Iterator[NDArray[np.uint8]]:
        """Label maps `H×W uint8` of images `H×W×3 uint8`, in order."""
        return predict_batches(
            self.network,
            images,
            mean=self.mean,
            std=self.std,
            scales=self.scales,
            long_side=self.long_side,
            device=device,
        )

    def require_memory(self, name: str, size: tuple[int, int], device: torch.device) -> None:
        """Raise a `WsssError` that names an image of `size (H, W)` unless free memory is enough to label it."""
        needed = sum(needed_memory(size, len(self.classes) + 1, scales=self.scales, long_side=self.long_side))
        if needed >= UNNOTICED and needed > (free := free_memory(device)):
            raise WsssError(f"{name} of {size[1]}×{size[0]} pixels {too_large(needed, free)}")


def load_predictor(checkpoint: Path) -> Predictor:
    """Read a network of `wsss segment`.

    Raises:
        WsssError: the file is missing, broken, or lacks what prediction needs; the message names it.
    """
    network, meta = load_network(checkpoint)
    try:
        facts = {name: json.loads(meta[name]) for name in ("classes", "mean", "std", "long_side", "scales")}
    except KeyError as error:
        raise WsssError(f"{checkpoint} does not say {error}: {_REMEDY}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise WsssError(f"{checkpoint} has a broken description ({error}): {_REMEDY}") from error
    try:
        _require_facts(facts, network)
    except (TypeError, WsssError) as error:
        raise WsssError(f"{checkpoint} has a description that makes no sense ({error}): {_REMEDY}") from error
    lists = {name: tuple(facts[name]) for name in ("classes", "mean", "std", "scales")}
    return Predictor(network, long_side=facts["long_side"], **lists)


def predictor_facts(predictor: Predictor) -> dict[str, str]:
    """What `save_network` is told of a network, so that `load_predictor` gives it back."""
    names = ("classes", "mean", "std", "long_side", "scales")
    return {name: json.dumps(getattr(predictor, name)) for name in names}


def _require_facts(facts: Mapping[str, Any], network: nn.Module) -> None:
    """Raise a `WsssError` or `TypeError` unless the facts of a checkpoint can be used with its network."""
    arguments: Any = network.build_arguments
    expected, names = arguments["num_classes"], facts["classes"]
    require_class_names(names, "the description")
    if len(names) != expected:
        raise WsssError(f"classes must be {expected} names")
    require_normalisation(facts["mean"], facts["std"])
    require_numbers("scales", facts["scales"], 0.01, 100)
    require_number("long_side", facts["long_side"], 16, 16384, whole=True)
    if not facts["scales"]:
        raise WsssError("scales must be at least one")
