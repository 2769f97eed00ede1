"""Training of the multi-label classifier from image-level labels alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wsss.cam.classifier import Classifier, ClassifierInfo
from wsss.cam.maps import image_probabilities, step_of
from wsss.checks import require_images
from wsss.data.transforms import colour_jitter, normalise_batch, random_scale_crop_flip, scaled_size, to_tensor
from wsss.machine.lazy import lazy
from wsss.machine.processes import is_main, num_processes, share, summed
from wsss.machine.progress import progress_bar
from wsss.machine.runtime import to_device
from wsss.networks.freezing import freeze_early, require_learning, train_mode
from wsss.networks.gradients import quick_gradients
from wsss.networks.synchrony import averaging
from wsss.networks.training_state import CHECKPOINT_EVERY, Chance, TrainingState

__all__ = ["PREDICTED_THRESHOLD", "mean_average_precision", "train_classifier"]

metrics = lazy("sklearn.metrics")

SCALE_RANGE = (0.65, 1.4)
"""Random magnification. Wider, and the crop often loses the object that its image-level label names."""

Images = Sequence[NDArray[np.uint8]]


def train_classifier(
    model: Classifier,
    info: ClassifierInfo,
    images: Images,
    labels: NDArray[np.bool_],
    *,
    epochs: int,
    batch_size: int = 16,
    learning_rate: float = 1e-3,
    crop_side: int,
    frozen_stages: int = 2,
    seed: int = 0,
    device: torch.device | None = None,
    progress: bool = True,
    checkpoint: Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
) -> list[dict[str, float]]:
    """Train in place with multi-label soft margin loss and a polynomial schedule; the epochs are fixed in advance.

    Several processes share each batch, and learn what one would, within rounding. A training that was interrupted goes
    on from its checkpoint, and on the CPU ends with the same weights to the bit.

    Args:
        images: `H×W×3 uint8`, of any sizes; squares of `crop_side` are cut out at a random scale.
        labels: `(N,C) bool` image-level labels, from which alone the maps are learnt.
        learning_rate: of the head (AdamW); the backbone learns at a fifth of it.
        frozen_stages: stem and first stages that keep their pretrained weights; batch-norm statistics are always kept.
        seed: of order, crops and colours; the head's initial weights are the caller's.
        checkpoint: file to go on from if it is there, and to write every `checkpoint_every` steps; None keeps none. The
            caller deletes it when the result is safe.

    Returns:
        One `{"epoch", "loss"}` per epoch.

    Raises:
        WsssError: there are fewer images than processes, the checkpoint is broken or of another training (the message
            names it), or the loss is no longer finite.
    """
    require_images(num_processes(), min(batch_size, len(images)), "the classifier")
    device = device or torch.device("cpu")
    chance = Chance(seed, device)
    torch.manual_seed(seed)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze_early(model.features, frozen_stages)
    head = list(model.head.parameters())
    rest = [p for p in model.features.parameters() if p.requires_grad]
    groups = [{"params": head, "lr": learning_rate}, {"params": rest, "lr": learning_rate / 5}]
    optimizer = torch.optim.AdamW(groups, weight_decay=1e-2)
    per_epoch = max(1, len(images) // batch_size)
    steps = epochs * per_epoch
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, steps, power=0.9)
    train_mode(model)
    quick_gradients(model)
    state = TrainingState({"model": model, "optimiser": optimizer, "schedule": schedule, "chance": chance})
    losses = state.load(checkpoint) if checkpoint else []
    wrapped = averaging(model)
    remaining = range(len(losses), steps)
    bar = progress_bar(remaining, "train classifier", steps, unit="step", initial=len(losses), shown=progress)
    for step in bar:
        start = step % per_epoch * batch_size
        if start == 0:
            chance.order = chance.generator.permutation(len(images)).tolist()
        chosen = np.array(chance.order[start : start + batch_size])
        part = share(len(chosen))  # all processes draw the same chance, and each learns from its part of the batch
        own = slice(part.start, None, part.step)
        batch = to_device(_batch(images, chosen, crop_side, info, chance.generator)[own], device)
        target = to_device(torch.from_numpy(labels[chosen][own]).float(), device)
        loss = F.multilabel_soft_margin_loss(wrapped(batch).float().mean(dim=(2, 3)), target)
        loss = loss * (
            len(target) * num_processes() / len(chosen)
        )  # gradients are averaged, whatever the sizes of parts
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(summed(loss.detach()).item() / num_processes())
        require_learning(losses[-1:], "the classifier", learning_rate)
        bar.set_postfix(loss=f"{losses[-1]:.3f}")
        if checkpoint and len(losses) % checkpoint_every == 0 and is_main():
            state.save(checkpoint, losses)
    model.eval()
    means = [float(np.mean(losses[start : start + per_epoch])) for start in range(0, steps, per_epoch)]
    return [{"epoch": number, "loss": mean} for number, mean in enumerate(means, start=1)]


def _batch(
    images: Images, chosen: NDArray[np.int64], side: int, info: ClassifierInfo, generator: np.random.Generator
) -> Tensor:
    crops = []
    for index in chosen:
        image, _ = random_scale_crop_flip(images[index], None, side, SCALE_RANGE, generator)
        crops.append(torch.from_numpy(np.ascontiguousarray(colour_jitter(image, generator))).permute(2, 0, 1))
    return normalise_batch(torch.stack(crops), info.mean, info.std)


PREDICTED_THRESHOLD = 0.5
"""Probability above which the classifier's own prediction stands in for an image label that is not given."""


@torch.inference_mode()
def predict_probabilities(
    model: nn.Module, info: ClassifierInfo, images: Images, device: torch.device
) -> NDArray[np.float32]:
    """Probabilities `(N,C)` of the image-level classes, one image at a time at scale 1."""
    out = np.zeros((len(images), len(info.classes)), np.float32)
    for row, image in zip(out, images, strict=True):
        size = scaled_size(image.shape[0], image.shape[1], info.base_side, 1.0, step_of(model))
        tensor = F.interpolate(to_tensor(image, info.mean, info.std)[None], size=size, mode="bilinear", antialias=True)
        row[:] = image_probabilities(model, info, to_device(tensor, device), flip=True)[0].cpu().numpy()
    return out


def mean_average_precision(labels: NDArray[np.bool_], probabilities: NDArray[Any]) -> float:
    """Mean over classes of the average precision, in percent; classes without a positive image do not count."""
    present = labels.any(axis=0)
    scores = [metrics.average_precision_score(labels[:, c], probabilities[:, c]) for c in np.flatnonzero(present)]
    return 100 * float(np.mean(scores)) if scores else float("nan")
