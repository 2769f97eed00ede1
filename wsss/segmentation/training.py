"""Training of a segmentation network on label maps with ignored pixels."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsss.data.base import IGNORE
from wsss.data.transforms import colour_jitter, normalise_batch, random_scale_crop_flip
from wsss.machine.processes import num_processes
from wsss.machine.runtime import seed_everything
from wsss.networks.backbones import encoder_model
from wsss.networks.batches import Batches, Samples, held
from wsss.networks.freezing import freeze_early, train_mode
from wsss.networks.gradients import quick_gradients
from wsss.networks.training_loop import fit
from wsss.networks.training_state import CHECKPOINT_EVERY

__all__ = ["ImagesAndMasks", "train_segmentation"]

SCALE_RANGE = (0.75, 2.0)  # random magnification; DeepLab's 0.5 would leave nothing of small objects
ENCODER_RATE = 0.2  # learning rate of the pretrained encoder relative to the new decoder
WEIGHT_DECAY = 0.01
HISTORY_POINTS = 50


ImagesAndMasks = Samples[tuple[np.ndarray, np.ndarray]]
"""A training set: `H×W×3 uint8` images with `H×W uint8` label maps, by index. A list of pairs is one."""


def train_segmentation(
    network: nn.Module,
    images_and_masks: ImagesAndMasks,
    *,
    iterations: int,
    batch_size: int,
    crop_size: int,
    learning_rate: float,
    seed: int,
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device,
    accumulate: int = 1,
    progress: bool = True,
    frozen_stages: int | None = 2,
    checkpoint: Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
) -> list[dict[str, float]]:
    """Train `network` in place for a fixed number of iterations, and leave it in evaluation mode on `device`.

    Pixel-wise cross-entropy without the ignored pixels, AdamW, the polynomial schedule of DeepLab (power 0.9), random
    scale ¾…2, crop, flip and colour. Several processes share each batch, and learn what one would, within rounding. A
    training that was interrupted goes on from its checkpoint, and on the CPU ends with the same weights to the bit.

    Args:
        network: `(N, 3, H, W)` → logits `(N, classes + 1, H, W)`, with its initial weights already loaded.
        images_and_masks: images and label maps (0 background, 255 ignored). They are read by index: all of them once,
            if they fit into `wsss.networks.batches.PRELOAD_BYTES`, or else each when it is its turn.
        batch_size: images of all processes that are in memory at a time: at least 2 (the decoder's batch norm needs
            them), 1 for each process.
        crop_size: side of the training crops in pixels, a multiple of the encoder's stride.
        learning_rate: of decoder and head at the start; the encoder's is a fifth. About 5e-4 is right.
        seed: fixes order, augmentation and dropout; initial weights are the caller's.
        mean: of the encoder's normalisation, per channel, in units of 0…1.
        std: likewise.
        accumulate: so many of `batch_size` images make an iteration, as one batch of as many would, but for the
            statistics of the decoder's batch norms, which are those of `batch_size` images.
        frozen_stages: stages of the encoder that keep their weights, with stem and all its batch norms; None trains
            everything, for an encoder without pretrained weights.
        checkpoint: file to go on from if it is there, and to write every `checkpoint_every` iterations; None keeps
            none. The caller deletes it when the result is safe.

    Returns:
        About 50 points of `{"iteration", "loss"}`: the mean loss of the iterations up to each.

    Raises:
        ValueError: no images, no iterations, or fewer than two images per batch, or than there are processes.
        WsssError: the checkpoint is broken or of another training (the message names it), or the loss is no longer
            finite.
    """
    if len(images_and_masks) == 0 or iterations < 1 or batch_size < max(2, num_processes()):
        raise ValueError(
            "need images, iterations and a batch of 2 or more, 1 or more for each process; got "
            f"{len(images_and_masks)}, {iterations}, {batch_size} for {num_processes()}"
        )
    seed_everything(seed)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if frozen_stages is not None:
        freeze_early(encoder_model(network), frozen_stages)
    train_mode(network)
    quick_gradients(network)

    def loss(model: nn.Module, crops: Tensor, masks: Tensor) -> Tensor:
        return _loss(model(normalise_batch(crops, mean, std)).float(), masks.long())

    losses = fit(
        network,
        Batches(
            held(images_and_masks),
            partial(_augmented, size=crop_size),
            batch_size,
            steps=iterations,
            seed=seed,
            accumulate=accumulate,
        ),
        loss,
        _optimiser(network, learning_rate),
        what="the segmentation network",
        device=device,
        counted=lambda masks: (masks != IGNORE).sum(),
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    return _history(losses)


def _optimiser(network: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter, ICLR 2019) on what is not frozen, with a smaller rate in the encoder."""
    rates: dict[float, list[nn.Parameter]] = {learning_rate * ENCODER_RATE: [], learning_rate: []}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            rates[learning_rate * ENCODER_RATE if name.startswith("encoder.") else learning_rate].append(parameter)
    groups = [{"params": parameters, "lr": rate} for rate, parameters in rates.items() if parameters]
    return torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)


def _loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Sum of the cross-entropy over the labelled pixels."""
    return F.cross_entropy(logits, masks, ignore_index=IGNORE, reduction="sum")


def _augmented(
    sample: tuple[np.ndarray, np.ndarray], generator: np.random.Generator, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """One training crop and its label map."""
    square, labels = random_scale_crop_flip(*sample, size, SCALE_RANGE, generator)
    assert labels is not None
    return colour_jitter(square, generator), labels


def _history(losses: Sequence[float]) -> list[dict[str, float]]:
    """The mean loss of each of about `HISTORY_POINTS` runs of iterations, with the number of the last one."""
    step = max(1, round(len(losses) / HISTORY_POINTS))
    parts = [(end, losses[max(0, end - step) : end]) for end in range(step, len(losses) + 1, step)]
    return [{"iteration": end, "loss": float(np.mean(part))} for end, part in parts]
