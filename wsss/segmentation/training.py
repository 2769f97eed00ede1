"""Training of a segmentation network on label maps with ignored pixels."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import BatchSampler, RandomSampler

from wsss.data.base import IGNORE
from wsss.data.transforms import colour_jitter, normalise_batch, random_scale_crop_flip
from wsss.machine.processes import is_main, num_processes, share, summed
from wsss.machine.progress import progress_bar
from wsss.machine.runtime import autocast, seed_everything, to_device
from wsss.networks.backbones import encoder_model
from wsss.networks.freezing import freeze_early, require_learning, train_mode
from wsss.networks.gradients import quick_gradients
from wsss.networks.synchrony import averaging
from wsss.networks.training_state import CHECKPOINT_EVERY, TrainingState

__all__ = ["ImagesAndMasks", "train_segmentation"]

SCALE_RANGE = (0.75, 2.0)  # random magnification; DeepLab's 0.5 would leave nothing of small objects
ENCODER_RATE = 0.2  # learning rate of the pretrained encoder relative to the new decoder
WEIGHT_DECAY = 0.01
HISTORY_POINTS = 50
PRELOAD_BYTES = 2 << 30  # a training set up to this size is kept in memory


class ImagesAndMasks(Protocol):
    """A training set: `H×W×3 uint8` images with `H×W uint8` label maps, by index. A list of pairs is one."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[np.ndarray, np.ndarray]: ...


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
    progress: bool = True,
    frozen_stages: int | None = 2,
    checkpoint: Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
) -> list[dict[str, float]]:
    """Train `network` in place for a fixed number of iterations, and leave it in evaluation mode on `device`.

    Pixel-wise cross-entropy without the ignored pixels, AdamW, the polynomial schedule of DeepLab (power 0.9), random
    scale ¾…2, crop, flip and colour. Float32 on the CPU, where the backward pass of depthwise convolutions is slower
    in bfloat16; mixed precision on CUDA. Several processes share each batch, and learn what one would, within rounding.

    A training that was interrupted goes on from its checkpoint, and on the CPU ends with the same weights to the bit:
    chance is drawn anew in every iteration, from the seed and the iteration's number.

    Args:
        network: `(N, 3, H, W)` → logits `(N, classes + 1, H, W)`, with its initial weights already loaded.
        images_and_masks: images and label maps (0 background, 255 ignored).
        batch_size: images per iteration of all processes: at least 2 (the decoder's batch norm needs them), 1 for each
            process.
        crop_size: side of the training crops in pixels, a multiple of the encoder's stride.
        learning_rate: of decoder and head at the start; the encoder's is a fifth. About 5e-4 is right.
        seed: fixes order, augmentation and dropout; initial weights are the caller's.
        mean: of the encoder's normalisation, per channel, in units of 0…1.
        std: likewise.
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
    optimiser = _optimiser(network, learning_rate)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimiser, total_iters=iterations, power=0.9)
    scaler = torch.amp.GradScaler(device.type, enabled=device.type == "cuda")
    state = TrainingState({"network": network, "optimiser": optimiser, "schedule": schedule, "scaler": scaler})
    losses = state.load(checkpoint) if checkpoint else []
    batches = _batches(_preloaded(images_and_masks), len(losses), iterations, batch_size, crop_size, seed)
    wrapped = averaging(network)
    bar = progress_bar(batches, "segmentation", iterations, unit="step", initial=len(losses), shown=progress)
    for images, masks in bar:
        normalised = normalise_batch(to_device(images, device), mean, std)
        with autocast(device) if device.type == "cuda" else nullcontext():
            logits = wrapped(normalised)
        loss = _loss(logits.float(), to_device(masks, device))
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        schedule.step()
        losses.append(summed(loss.detach()).item() / num_processes())
        require_learning(losses[-1:], "the segmentation network", learning_rate)
        if checkpoint and len(losses) % checkpoint_every == 0 and is_main():
            state.save(checkpoint, losses)
    network.eval()
    return _history(losses)


def _optimiser(network: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter, ICLR 2019) on what is not frozen, with a smaller rate in the encoder."""
    rates: dict[float, list[nn.Parameter]] = {learning_rate * ENCODER_RATE: [], learning_rate: []}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            rates[learning_rate * ENCODER_RATE if name.startswith("encoder.") else learning_rate].append(parameter)
    groups = [{"params": parameters, "lr": rate} for rate, parameters in rates.items() if parameters]
    return torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)


def _loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the labelled pixels; 0, not NaN, where a whole batch is ignored.

    Among several processes it is this one's part of that mean, over the labelled pixels of all, times their number,
    since gradients are averaged.
    """
    total = F.cross_entropy(logits, masks, ignore_index=IGNORE, reduction="sum")
    return total / summed((masks != IGNORE).sum()).clamp(min=1) * num_processes()


def _preloaded(samples: ImagesAndMasks) -> ImagesAndMasks:
    """All samples as a list if they fit into `PRELOAD_BYTES`, judged by the first one; otherwise read on demand."""
    image, mask = samples[0]
    if len(samples) * (image.nbytes + mask.nbytes) > PRELOAD_BYTES:
        return samples
    return [samples[index] for index in range(len(samples))]


def _batches(
    samples: ImagesAndMasks, start: int, iterations: int, batch_size: int, crop_size: int, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """This process's part of the augmented batches from iteration `start` on.

    `(N, 3, S, S) uint8` and `(N, S, S) int64`; each epoch is a new permutation of the samples. As each batch is handed
    out, torch's generator is seeded for the dropout of its iteration.
    """
    order = RandomSampler(
        range(len(samples)), num_samples=iterations * batch_size, generator=torch.Generator().manual_seed(seed)
    )
    batches = list(BatchSampler(order, batch_size, drop_last=False))
    for iteration, indices in enumerate(batches[start:], start):
        pairs = [
            _augmented(*samples[indices[place]], crop_size, np.random.default_rng([seed, iteration, place]))
            for place in share(len(indices))
        ]
        images, masks = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*pairs, strict=True))
        torch.manual_seed(int(np.random.SeedSequence([seed, iteration]).generate_state(1)[0]))
        yield images.permute(0, 3, 1, 2), masks.long()


def _augmented(
    image: np.ndarray, mask: np.ndarray, size: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One training crop and its label map."""
    square, labels = random_scale_crop_flip(image, mask, size, SCALE_RANGE, generator)
    assert labels is not None
    return colour_jitter(square, generator), labels


def _history(losses: Sequence[float]) -> list[dict[str, float]]:
    """The mean loss of each of about `HISTORY_POINTS` runs of iterations, with the number of the last one."""
    step = max(1, round(len(losses) / HISTORY_POINTS))
    parts = [(end, losses[max(0, end - step) : end]) for end in range(step, len(losses) + 1, step)]
    return [{"iteration": end, "loss": float(np.mean(part))} for end, part in parts]
