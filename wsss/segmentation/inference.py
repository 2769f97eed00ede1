"""Label maps from a segmentation network, at the images' own resolution."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from wsss.data.transforms import normalise_batch, resize_long_side
from wsss.errors import WsssError
from wsss.machine.memory import GIGABYTE, OUT_OF_MEMORY, UNNOTICED, free_memory, is_out_of_memory
from wsss.machine.runtime import autocast, to_device

__all__ = ["NoMemory", "needed_memory", "outputs_of", "predict", "predict_batches", "too_large"]

STRIDE = 32  # images are padded to multiples of it: no encoder here downsamples further
AT_ONCE_BYTES = 128 << 20  # of probabilities at the images' own size
LEAST_CHANNELS = 4  # fewer are resized by another kernel of torch's, whose last bits may differ
MOST_OF_MEMORY = 0.7  # of what is free: blocks come in pieces, and estimates are rough
USUAL_CLASSES = 20

# Bytes a pixel, measured on DeepLabV3+ and U-Nets with EfficientNet, MobileNet and ResNet: of a pass over an image and
# its mirror image, and more of it for each class; then at the image's own size, for the image, its copies and label
# maps of 64 bits.
ACTIVATION_BYTES, PASS_BYTES, NATIVE_BYTES = 600, 32, 80


class NoMemory(WsssError):
    """Memory was refused for a single image, which the message describes by its size: the caller knows its name."""


def predict(network: nn.Module, image: np.ndarray, **options: Any) -> np.ndarray:
    """Label map `H×W uint8` of one image `H×W×3 uint8`; `options` are those of `predict_batches`."""
    return next(predict_batches(network, [image], **options))


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
        batch_size: most images per forward pass (twice as many with `flip`); fewer where memory is short.

    Probabilities of large images are brought to their own size image by image, and a few classes at a time. Labels are
    the same; only with five scales or more may means differ in the last bit.

    Raises:
        NoMemory: memory is refused for a single image.
    """
    network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    look = _Look(network, tuple(mean), tuple(std), tuple(scales), flip, long_side, device)
    for shape, neighbours in groupby(images, key=lambda image: image.shape):
        while group := list(islice(neighbours, look.fitting(shape[0], shape[1], batch_size))):
            yield from look.labels_within_memory(group)


def needed_memory(
    size: tuple[int, int], classes: int, *, scales: Sequence[float], long_side: int | None, flip: bool = True
) -> tuple[float, float]:
    """About how many bytes labelling images of one size takes: for each image of a batch, and besides, once.

    Args:
        size: `(H, W)` of the images.
        classes: outputs of the network, background included.
    """
    height, width = size
    seen = [(scale * (long_side or max(size)) / max(size)) ** 2 * height * width for scale in scales]
    passes = max(seen) * (ACTIVATION_BYTES + PASS_BYTES * classes) * (1 if flip else 0.5)
    kept = sum(seen) * 4 * classes
    maps = min(classes, LEAST_CHANNELS) * 4 * (1 if len(scales) == 1 else len(scales) * 2 + 1)
    return passes + kept + 3 * height * width, height * width * (maps + NATIVE_BYTES)


@dataclass(frozen=True)
class _Look:
    """A network and how it looks at images; see `predict_batches`."""

    network: nn.Module
    mean: Sequence[float]
    std: Sequence[float]
    scales: Sequence[float]
    flip: bool
    long_side: int | None
    device: torch.device

    def fitting(self, height: int, width: int, most: int) -> int:
        """How many images of a size fit into the memory that is free, 1…`most`."""
        each, once = needed_memory(
            (height, width), outputs_of(self.network), scales=self.scales, long_side=self.long_side, flip=self.flip
        )
        if most * each + once < UNNOTICED:
            return most
        return max(1, min(most, int((MOST_OF_MEMORY * free_memory(self.device) - once) // each)))

    def labels_within_memory(self, images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Label map of each image; where memory is refused, half of the images at a time.

        Raises:
            NoMemory: it is refused for a single image.
        """
        try:
            labels = self.labels(images)
        except OUT_OF_MEMORY as error:
            if not is_out_of_memory(error):
                raise
            if len(images) == 1:
                height, width = images[0].shape[:2]
                raise NoMemory(f"an image of {width}×{height} pixels {self._too_large((height, width))}") from error
        else:
            yield from labels
            return
        middle = len(images) // 2
        for part in (images[:middle], images[middle:]):
            yield from self.labels_within_memory(part)

    def _too_large(self, size: tuple[int, int]) -> str:
        needed = sum(
            needed_memory(size, outputs_of(self.network), scales=self.scales, long_side=self.long_side, flip=self.flip)
        )
        return too_large(needed, free_memory(self.device))

    @torch.inference_mode()
    def labels(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Label map `H×W uint8` of each of some images of one shape."""
        height, width = images[0].shape[:2]
        seen = []
        for scale in self.scales:
            side = max(1, round((self.long_side or max(height, width)) * scale))
            pixels = torch.from_numpy(np.stack([resize_long_side(image, side) for image in images]))
            batch = normalise_batch(to_device(pixels.permute(0, 3, 1, 2), self.device), self.mean, self.std)
            seen.append(_probabilities(self.network, batch, self.flip))
        if seen[0].shape[0] * _map_bytes(seen, height, width) <= AT_ONCE_BYTES:
            return list(_most_probable(seen, (height, width))[1].cpu().numpy())
        return [self._label([each[[number]] for each in seen], (height, width)) for number in range(len(images))]

    def _label(self, seen: Sequence[torch.Tensor], size: tuple[int, int]) -> np.ndarray:
        """Label map of an image from probabilities `(1, classes + 1, h, w)` of each scale, a few classes at a time."""
        classes = seen[0].shape[1]
        wanted = min(-(-_map_bytes(seen, *size) // AT_ONCE_BYTES), classes // LEAST_CHANNELS)
        edges = [round(part * classes / max(1, wanted)) for part in range(max(1, wanted) + 1)]
        best: torch.Tensor | None = None
        labels = torch.empty(0)
        for first, end in pairwise(edges):
            values, found = _most_probable([each[:, first:end] for each in seen], size)
            if best is None:
                best, labels = values, found
            else:
                higher = values > best  # of equals the first, as at once
                best = torch.where(higher, values, best)
                labels = torch.where(higher, found + first, labels)
        label: np.ndarray = labels[0].cpu().numpy()
        return label


def outputs_of(network: nn.Module) -> int:
    """Outputs of a network of `build_network`, background included; of another one as many as are usual."""
    arguments: Mapping[str, int] = getattr(network, "build_arguments", {})
    return int(arguments.get("num_classes", USUAL_CLASSES)) + 1


def too_large(needed: float, free: float) -> str:
    """The end of a message about an image that does not fit."""
    return (
        f"needs about {needed / GIGABYTE:.1f} GB of memory, and {free / GIGABYTE:.1f} GB are free. "
        "Make the image smaller, or give the process more memory."
    )


def _map_bytes(seen: Sequence[torch.Tensor], height: int, width: int) -> int:
    """Bytes of the probabilities of one image at its own size, at all scales."""
    return len(seen) * seen[0].shape[1] * height * width * 4


def _most_probable(seen: Sequence[torch.Tensor], size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Highest probability `(N, *size) float32` over the classes, mean over scales, and its class `uint8`."""
    maps = [F.interpolate(each, size, mode="bilinear", align_corners=False) for each in seen]
    probabilities = maps[0] if len(maps) == 1 else torch.stack(maps).mean(dim=0)
    # `argmax` finds the same, the first of equals, in ten times as long.
    values, labels = probabilities.max(dim=1)
    return values, labels.to(torch.uint8)


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
