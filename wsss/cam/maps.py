"""Multi-scale class activation maps, as evidence: logits that are rectified and normalised once, at the very end."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wsss.cam.adapters import AdaptedClassifier
from wsss.cam.classifier import ClassifierInfo
from wsss.cam.model_facts import ACTIVATIONS, probabilities_of
from wsss.data.transforms import STEP, resize_image, scaled_size, to_tensor
from wsss.machine.runtime import autocast, to_device

__all__ = [
    "LevelMaps",
    "bias_of",
    "class_maps",
    "image_probabilities",
    "normalise_maps",
    "present_maps",
    "pyramid_maps",
    "resize_maps",
    "step_of",
]


@dataclass(frozen=True, eq=False)
class LevelMaps:
    """Class maps of one image at several scales.

    Attributes:
        maps: `(S,K,H,W) float32`, logits per scale and present class at the image's own size, not rectified yet.
        megapixels: what the backbone has seen.
        seconds: wall time of the forward passes and the resizing.
        cells: of each scale the maps `(K,h,w)` before they were resized.
    """

    maps: Tensor
    megapixels: float
    seconds: float
    cells: tuple[Tensor, ...] = ()


def step_of(model: nn.Module) -> int:
    """Pixels of which the sides of a classifier's images are multiples: 16, or what its backbone asks for (`Sides`)."""
    step: int = getattr(getattr(model, "sides", None), "step", 1)
    return STEP if STEP % step == 0 else step


@torch.inference_mode()
def class_maps(model: nn.Module, batch: Tensor, flip: bool) -> tuple[Tensor, Tensor]:
    """Unrectified class maps `(N,C,h,w) float32` and probabilities `(N,C)` of normalised images `(N,3,H,W)`.

    With `flip` the mean over the image and its mirror image, in one batch.
    """
    if flip:
        batch = torch.cat([batch, batch.flip(3)])
    with autocast(batch.device):
        maps = model(batch.contiguous(memory_format=torch.channels_last))
    maps = maps.float()
    if flip:
        plain, mirrored = maps.chunk(2)
        maps = (plain + mirrored.flip(3)) / 2
    return maps, maps.mean(dim=(2, 3)).sigmoid()


def present_maps(
    model: nn.Module, info: ClassifierInfo, batch: Tensor, present: Sequence[int], flip: bool
) -> tuple[Tensor, Tensor]:
    """Class maps `(N,K,h,w)` and probabilities `(N,K)` of the K present classes, of normalised images `(N,3,H,W)`.

    Probabilities are NaN where `info` does not say how logits become probabilities.
    """
    chosen = list(present)
    if isinstance(model, AdaptedClassifier):
        maps, logits = model.present_maps(batch, chosen, flip)
        known = info.activation in ACTIVATIONS
        probabilities = probabilities_of(logits, info.activation) if known else torch.full_like(logits, torch.nan)
        return maps, probabilities[:, chosen]
    maps, probabilities = class_maps(model, batch, flip)
    return maps[:, chosen], probabilities[:, chosen]


def image_probabilities(model: nn.Module, info: ClassifierInfo, batch: Tensor, flip: bool) -> Tensor:
    """Probabilities `(N,C)` of all classes, of normalised images `(N,3,H,W)`."""
    if isinstance(model, AdaptedClassifier):
        return probabilities_of(model.present_maps(batch, [], flip)[1], info.activation)
    return class_maps(model, batch, flip)[1]


def bias_of(model: nn.Module, present: Sequence[int]) -> Tensor:
    """What the last layer adds to each cell of the present classes' maps, `(K,)`; 0 where there is no such layer."""
    if isinstance(model, AdaptedClassifier):
        return model.bias(present)
    head = getattr(model, "head", None)
    bias = getattr(getattr(head, "conv", head), "bias", None)  # a lean copy wraps its convolutions
    return torch.zeros(len(present)) if bias is None else bias.detach()[list(present)].float().cpu()


def pyramid_maps(
    model: nn.Module,
    info: ClassifierInfo,
    image: NDArray[np.uint8],
    present: Sequence[int],
    *,
    scales: Sequence[float],
    flip: bool,
    device: torch.device,
) -> LevelMaps:
    """Class maps of the present classes at each of `scales`, brought back to the image's size.

    Args:
        image: `H×W×3 uint8`.
        present: indices 0…C − 1 of the classes that the image labels name, K of them.
        scales: multiples of `info.base_side`.
        flip: average with the mirror image at each scale.
    """
    start = time.perf_counter()
    height, width = image.shape[:2]
    # The clone has the strides by which torch finds its faster resampling; those of a view with a new axis are other
    # ones.
    tensor = to_device(to_tensor(image, info.mean, info.std)[None].clone(memory_format=torch.channels_last), device)
    maps, cells, pixels, step = [], [], 0, step_of(model)
    for scale in scales:
        size = scaled_size(height, width, info.base_side, scale, step)
        level = present_maps(model, info, resize_image(tensor, size), present, flip)[0][0]
        pixels += size[0] * size[1] * (2 if flip else 1)
        maps.append(resize_maps(level, (height, width)))
        cells.append(level.cpu())
    return LevelMaps(torch.stack(maps).cpu(), pixels / 1e6, time.perf_counter() - start, tuple(cells))


def resize_maps(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize `(K,h,w)` to `(K,*size)`, bilinearly; K may be 0, for an image without any class."""
    if not len(maps):
        return maps.new_zeros(0, *size)
    return F.interpolate(maps[None], size=size, mode="bilinear", align_corners=False)[0]


def normalise_maps(maps: Tensor) -> Tensor:
    """Divide each map of `(…,H,W)` by its maximum over the image; an all-zero map stays zero."""
    return maps / maps.amax(dim=(-2, -1), keepdim=True).clamp_min(1e-6)
