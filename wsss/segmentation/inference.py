"""Label maps from a segmentation network, at the images' own resolution."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from wsss.data.transforms import normalise_batch, resize_long_side
from wsss.runtime import autocast, to_device

__all__ = ["predict", "predict_batches"]

STRIDE = 32  # images are padded to multiples of it: no encoder here downsamples further


def predict(
    network: nn.Module,
    image: np.ndarray,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    scales: Sequence[float] = (1.0,),
    flip: bool = True,
    long_side: int | None = None,
    device: torch.device,
) -> np.ndarray:
    """Label map `H×W uint8` of one image `H×W×3 uint8`; see `predict_batches`."""
    return next(
        predict_batches(
            network, [image], mean=mean, std=std, scales=scales, flip=flip, long_side=long_side, device=device
        )
    )


def predict_batches(
    network: nn.Module,
    images: Iterable[np.ndarray],
    *,
    mean: Sequence[float],
    std: Sequence[float],
    scales: Sequence[float] = (1.0,),
    flip: bool = True,
    long_side: int | None = None,
    device: torch.device,
    batch_size: int = 8,
) -> Iterator[np.ndarray]:
    """Yield the label map `H×W uint8` of each image `H×W×3 uint8`, in order.

    Class probabilities are averaged over scales and flip at native resolution; the most probable class is the label.
    Neighbours of equal shape share a forward pass, so that padding never depends on an image's company. The network
    is moved to `device` and put into evaluation mode.

    Args:
        network: `(N, 3, H, W)` → logits `(N, classes + 1, H, W)`, background first; at most 256 of them.
        mean: of the encoder's normalisation, per channel, in units of 0…1.
        std: likewise.
        scales: magnifications relative to `long_side`.
        flip: also run the mirrored image.
        long_side: images are resized to this longer side, in pixels; None keeps their own.
        batch_size: most images per forward pass (twice as many with `flip`).
    """
    network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    for _, neighbours in groupby(images, key=lambda image: image.shape):
        while group := list(islice(neighbours, batch_size)):
            yield from _labels(network, group, mean, std, scales, flip, long_side, device)


@torch.inference_mode()
def _labels(
    network: nn.Module,
    images: Sequence[np.ndarray],
    mean: Sequence[float],
    std: Sequence[float],
    scales: Sequence[float],
    flip: bool,
    long_side: int | None,
    device: torch.device,
) -> np.ndarray:
    """Label maps `(N, H, W) uint8` of images of one shape."""
    height, width = images[0].shape[:2]
    maps = []
    for scale in scales:
        side = max(1, round((long_side or max(height, width)) * scale))
        pixels = torch.from_numpy(np.stack([resize_long_side(image, side) for image in images]))
        batch = normalise_batch(to_device(pixels.permute(0, 3, 1, 2), device), mean, std)
        maps.append(
            F.interpolate(_probabilities(network, batch, flip), (height, width), mode="bilinear", align_corners=False)
        )
    probabilities = torch.stack(maps).mean(dim=0)
    # `argmax` finds the same, the first of equals, in ten times as long.
    labels: np.ndarray = probabilities.max(dim=1).indices.to(torch.uint8).cpu().numpy()
    return labels


def _probabilities(network: nn.Module, batch: torch.Tensor, flip: bool) -> torch.Tensor:
    """Class probabilities `(N, classes + 1, H, W) float32` of a normalised batch, averaged with the mirrored one's."""
    if not flip:
        return _forward(network, batch)
    straight, mirrored = _forward(network, torch.cat([batch, batch.flip(-1)])).chunk(2)
    return (straight + mirrored.flip(-1)) / 2


def _forward(network: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    """Class probabilities; height and width are padded for the network with zeros, which is the mean colour."""
    height, width = batch.shape[-2:]
    padded = F.pad(batch, (0, -width % STRIDE, 0, -height % STRIDE))
    with autocast(batch.device):
        logits = network(padded.contiguous(memory_format=torch.channels_last))
    probabilities: torch.Tensor = logits[..., :height, :width].float().softmax(dim=1)
    return probabilities
