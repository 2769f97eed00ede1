"""Training of the multi-label classifier from image labels alone."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.special import entr
from torch import Tensor, nn

from wsss.cam.classifier import Classifier, ClassifierInfo
from wsss.cam.maps import image_probabilities, step_of
from wsss.data.transforms import colour_jitter, normalise_batch, random_scale_crop_flip, scaled_size, to_tensor
from wsss.machine.lazy import lazy
from wsss.machine.processes import num_processes, require_images
from wsss.machine.runtime import seed_everything, to_device
from wsss.networks.batches import Batches, Samples, held
from wsss.networks.freezing import freeze_early, train_mode
from wsss.networks.gradients import quick_gradients
from wsss.networks.training_loop import by_epoch, fit
from wsss.networks.training_state import CHECKPOINT_EVERY

__all__ = [
    "PREDICTED_THRESHOLD",
    "hardly_learnt",
    "loss_of_shares",
    "mean_average_precision",
    "steps_of_epoch",
    "train_classifier",
]

metrics = lazy("sklearn.metrics")

SCALE_RANGE = (0.65, 1.4)
"""Random magnification. Wider, and the crop often loses the object that its image label names."""

LEARNT = 0.85
"""Part of the loss of the classes' shares alone: a training that ends above it has hardly learnt."""

ENCODER_RATE = 0.2  # learning rate of the pretrained backbone relative to the new head
WEIGHT_DECAY = 0.01

Images = Samples[NDArray[np.uint8]]


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
    accumulate: int = 1,
    device: torch.device | None = None,
    progress: bool = True,
    checkpoint: Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
) -> list[dict[str, float]]:
    """Train in place with multi-label soft margin loss and a polynomial schedule; the epochs are fixed in advance.

    Several processes share each batch, and learn what one would, within rounding. A training that was interrupted goes
    on from its checkpoint, and on the CPU ends with the same weights to the bit.

    Args:
        images: `H×W×3 uint8`, of any sizes; squares of `crop_side` are cut out at a random scale. Read by index: all
            of them once, if they fit into `wsss.networks.batches.PRELOAD_BYTES`, or else each when it is its turn.
        labels: `(N,C) bool` image labels, from which alone the maps are learnt.
        batch_size: images of all processes that are in memory at a time.
        learning_rate: of the head (AdamW); the backbone learns at a fifth of it.
        frozen_stages: stem and first stages that keep their pretrained weights; batch-norm statistics are always kept.
        seed: of order, crops and colours; the head's initial weights are the caller's.
        accumulate: so many of `batch_size` images make a step, as one batch of as many would.
        checkpoint: file to go on from if it is there, and to write every `checkpoint_every` steps; None keeps none. The
            caller deletes it when the result is safe.

    Returns:
        One `{"epoch", "loss"}` per epoch.

    Raises:
        WsssError: there are fewer images in a batch than processes, the checkpoint is broken or of another training
            (the message names it), or the loss is no longer finite.
    """
    require_images(num_processes(), batch_size, "the classifier")
    device = device or torch.device("cpu")
    seed_everything(seed)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze_early(model.features, frozen_stages)
    train_mode(model)
    quick_gradients(model)
    backbone = [p for p in model.features.parameters() if p.requires_grad]
    groups = [
        {"params": list(model.head.parameters()), "lr": learning_rate},
        {"params": backbone, "lr": learning_rate * ENCODER_RATE},
    ]

    def loss(network: nn.Module, crops: Tensor, targets: Tensor) -> Tensor:
        logits = network(normalise_batch(crops, info.mean, info.std)).float().mean(dim=(2, 3))
        return F.multilabel_soft_margin_loss(logits, targets.float(), reduction="none").sum()

    losses = fit(
        model,
        Batches(
            held(_Labelled(images, labels)),
            partial(_augmented, side=crop_side),
            batch_size,
            steps=epochs * steps_of_epoch(len(images), batch_size, accumulate),
            seed=seed,
            accumulate=accumulate,
        ),
        loss,
        torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY),
        what="the classifier",
        device=device,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
    )
    return by_epoch(losses, epochs)


def steps_of_epoch(images: int, batch_size: int, accumulate: int = 1) -> int:
    """Training steps in which so many images are seen once, at least one."""
    return max(1, images // (batch_size * accumulate))


def loss_of_shares(labels: NDArray[np.bool_]) -> float:
    """The loss of a classifier that looks at no image, and gives each class its share of the images.

    Args:
        labels: `(N,C) bool`.

    >>> round(loss_of_shares(np.array([[True, False], [False, False]])), 3)  # ln 2 of one class, 0 of the other
    0.347
    """
    shares = labels.mean(axis=0)
    return float((entr(shares) + entr(1 - shares)).mean())


def hardly_learnt(loss: float, of_shares: float) -> bool:
    """Whether a training has ended near the loss that the classes' shares alone have."""
    return loss > LEARNT * of_shares > 0


@dataclass(frozen=True)
class _Labelled:
    """Images with their labels."""

    images: Images
    labels: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        return self.images[index], self.labels[index]


def _augmented(
    sample: tuple[NDArray[np.uint8], NDArray[np.bool_]], generator: np.random.Generator, side: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """One training crop and its image's labels."""
    crop, _ = random_scale_crop_flip(sample[0], None, side, SCALE_RANGE, generator)
    return colour_jitter(crop, generator), sample[1]


PREDICTED_THRESHOLD = 0.5
"""Probability above which the classifier's own prediction stands in for an image label that is not given."""


@torch.inference_mode()
def predict_probabilities(
    model: nn.Module, info: ClassifierInfo, images: Images, device: torch.device
) -> NDArray[np.float32]:
    """Probabilities `(N,C)` of the image labels, one image at a time at scale 1."""
    out = np.zeros((len(images), len(info.classes)), np.float32)
    for index, row in enumerate(out):
        image = images[index]
        size = scaled_size(image.shape[0], image.shape[1], info.base_side, 1.0, step_of(model))
        tensor = F.interpolate(to_tensor(image, info.mean, info.std)[None], size=size, mode="bilinear", antialias=True)
        row[:] = image_probabilities(model, info, to_device(tensor, device), flip=True)[0].cpu().numpy()
    return out


def mean_average_precision(labels: NDArray[np.bool_], probabilities: NDArray[Any]) -> float:
    """Mean over classes of the average precision, in percent; classes without a positive image do not count."""
    present = labels.any(axis=0)
    scores = [metrics.average_precision_score(labels[:, c], probabilities[:, c]) for c in np.flatnonzero(present)]
    return 100 * float(np.mean(scores)) if scores else float("nan")
