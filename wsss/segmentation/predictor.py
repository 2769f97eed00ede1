"""A trained network with what its checkpoint says of itself: all that labelling an image takes."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from wsss.errors import WsssError
from wsss.segmentation.inference import predict_batches
from wsss.segmentation.network import load_network

__all__ = ["Predictor", "load_predictor"]


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
            self.network, images, mean=self.mean, std=self.std, scales=self.scales, long_side=self.long_side, device=device
        )  # fmt: skip


def load_predictor(checkpoint: Path) -> Predictor:
    """Read a network of `python -m wsss segment`.

    Raises:
        WsssError: the file is missing, broken, or lacks what prediction needs; the message names it.
    """
    network, meta = load_network(checkpoint)
    try:
        facts = {name: json.loads(meta[name]) for name in ("classes", "mean", "std", "long_side", "scales")}
    except (KeyError, ValueError) as error:
        raise WsssError(
            f"{checkpoint} does not say {error}: give a network that `python -m wsss segment` has written."
        ) from error
    return Predictor(
        network, tuple(facts["classes"]), tuple(facts["mean"]), tuple(facts["std"]), facts["long_side"], tuple(facts["scales"])
    )  # fmt: skip
