"""Trains the monocular depth network on the RGB-D train split. That depth is extra supervision, and records say so."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from wsss.data.base import Dataset, Sample, data_key
from wsss.data.transforms import colour_jitter, normalise_batch, resize_long_side
from wsss.depth.estimators import FOLDS, fold_path
from wsss.depth.monocular import DepthNetwork, save_depth_network
from wsss.errors import WsssError
from wsss.io import content_hash, read_table, write_json
from wsss.machine.contents import weights_hash
from wsss.machine.processes import agreed, is_main, made_by_main, num_processes, require_images, wait
from wsss.machine.runtime import seed_everything
from wsss.networks.backbones import backbone_state, encoder_model, load_encoder, normalisation, weights_identity
from wsss.networks.batches import Batches, Mapped, Samples, held
from wsss.networks.freezing import freeze_early, train_mode
from wsss.networks.gradients import quick_gradients
from wsss.networks.training_loop import by_epoch, fit
from wsss.networks.training_state import CHECKPOINT_EVERY

__all__ = ["scale_and_shift_invariant_loss", "train_depth_network", "train_with_folds"]

ENCODER_RATE = 0.2  # learning rate of the pretrained encoder relative to the new decoder
WEIGHT_DECAY = 0.01
GRADIENT_SCALES = 3
GRADIENT_WEIGHT = 0.5
FOLD_BLOCK = 20  # neighbouring images
SMALLEST_WINDOW = 0.6  # side of the random training window, as a share of the image's shorter side


Pair = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""A photograph `H×W×3 uint8` with its inverse depth `H×W float32`."""


def _standardised(maps: torch.Tensor) -> torch.Tensor:
    """`(N,H,W)` with median 0 and mean absolute deviation 1, image by image."""
    centred = maps - maps.flatten(1).median(dim=1).values[:, None, None]
    return centred / centred.abs().mean(dim=(1, 2), keepdim=True).clamp_min(1e-6)


def scale_and_shift_invariant_loss(predicted: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean absolute error after both maps have median 0 and deviation 1, plus the error of their gradients.

    The `ssimae` loss of Ranftl et al. (TPAMI 2022) with their multi-scale gradient matching, which asks for sharp edges
    at the right places. Flipping the sign of a prediction is not forgiven.

    Args:
        predicted, truth: `(N,H,W)` inverse depth, in any units.
    """
    difference = _standardised(predicted) - _standardised(truth)
    loss = difference.abs().mean()
    for scale in range(GRADIENT_SCALES):
        coarse = difference[:, :: 2**scale, :: 2**scale]
        steps = coarse.diff(dim=1).abs().mean() + coarse.diff(dim=2).abs().mean()
        loss = loss + GRADIENT_WEIGHT * steps
    return loss


def _augmented(pair: Pair, generator: np.random.Generator, side: int) -> Pair:
    """One training window `S×S×3 uint8` and its inverse depth `S×S float32`."""
    image, depth = pair
    short = min(depth.shape)
    window = min(short, max(2, round(short * generator.uniform(SMALLEST_WINDOW, 1))))
    top, left = (int(generator.integers(length - window + 1)) for length in depth.shape)
    flip = slice(None, None, -1 if generator.random() < 0.5 else 1)
    cut = np.s_[top : top + window, left : left + window]
    picture = torch.from_numpy(colour_jitter(np.ascontiguousarray(image[cut][:, flip]), generator))
    scaled = F.interpolate(picture.permute(2, 0, 1)[None].float(), size=(side, side), mode="bilinear", antialias=True)
    target = torch.from_numpy(np.ascontiguousarray(depth[cut][:, flip]))
    return (
        np.ascontiguousarray(scaled[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy()),
        F.interpolate(target[None, None], size=(side, side), mode="bilinear")[0, 0].numpy(),
    )


def train_depth_network(
    backbone: str,
    pairs: Samples[Pair],
    *,
    epochs: int,
    batch_size: int,
    side: int,
    learning_rate: float,
    frozen_stages: int,
    test_side: int = 256,
    seed: int = 0,
    accumulate: int = 1,
    device: torch.device | None = None,
    progress: bool = True,
    weights: dict[str, Any] | None = None,
    ids: Sequence[str] = (),
    checkpoint: Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
) -> tuple[DepthNetwork, list[dict[str, float]]]:
    """Train a network to predict inverse depth up to scale and shift.

    Several processes share each batch, and learn what one would, within rounding.

    Args:
        backbone: timm name of the encoder.
        pairs: see `Pair`; by index. All are read once, if they fit into `wsss.networks.batches.PRELOAD_BYTES`, or else
            each when it is its turn.
        epochs: fixed in advance.
        batch_size: windows of all processes that are in memory at a time.
        side: of the training windows in pixels, a multiple of 32.
        learning_rate: of the decoder (AdamW, polynomial schedule); the encoder learns at a fifth.
        frozen_stages: stem and first stages that keep their pretrained weights; batch-norm statistics are always kept.
        test_side: long side at which the network will be used.
        seed: of decoder weights, order, windows and colours.
        accumulate: so many of `batch_size` windows make a step, as one batch of as many would, but for the statistics
            of the decoder's batch norms, which are those of `batch_size` windows.
        weights: of the backbone in timm's names; None takes the registered ImageNet weights.
        ids: of the photographs, to be remembered by the network.
        checkpoint: file to go on from if it is there, and to write every `checkpoint_every` steps; None keeps none. The
            caller deletes it when the result is safe. On the CPU the weights are then the same to the bit.

    Returns:
        The network in evaluation mode and one `{"epoch", "loss"}` per epoch.

    Raises:
        WsssError: there is no image, or fewer in a batch than processes, the checkpoint is broken or of another
            training (the message names it), or the loss is no longer finite.
    """
    if not pairs:
        raise WsssError("a depth network needs at least one image with depth to learn from")
    require_images(num_processes(), batch_size, "the depth network")
    device = device or torch.device("cpu")
    seed_everything(seed)
    mean, std = normalisation(backbone)
    network = DepthNetwork.build(backbone, mean, std, test_side, ids)
    encoder = encoder_model(network.module)
    load_encoder(network.module, weights if weights is not None else backbone_state(backbone))
    network.module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    freeze_early(encoder, frozen_stages)
    train_mode(network.module)
    quick_gradients(network.module)
    slow = [p for p in encoder.parameters() if p.requires_grad]
    fast = [p for name, p in network.module.named_parameters() if not name.startswith("encoder.")]
    groups = [{"params": fast, "lr": learning_rate}, {"params": slow, "lr": learning_rate * ENCODER_RATE}]
    settings = [epochs, batch_size, side, learning_rate, frozen_stages, accumulate]

    def loss(module: nn.Module, windows: torch.Tensor, depths: torch.Tensor) -> torch.Tensor:
        maps = module(normalise_batch(windows, mean, std))[:, 0].float()
        return len(windows) * scale_and_shift_invariant_loss(maps, depths)

    kept = held(pairs)
    losses = fit(
        network.module,
        Batches(
            kept,
            partial(_augmented, side=side),
            batch_size,
            steps=epochs * max(1, len(pairs) // (batch_size * accumulate)),
            seed=seed,
            accumulate=accumulate,
        ),
        loss,
        torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY),
        what="the depth network",
        device=device,
        progress=progress,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        identity=_identity(network, kept, settings, seed) if checkpoint else "",
    )
    return network, by_epoch(losses, epochs)


def _identity(network: DepthNetwork, pairs: Samples[Pair], settings: Sequence[Any], seed: int) -> str:
    """Hash of all that a training depends on, its initial weights and its images by content."""
    tensors = network.module.state_dict().items()
    digest = hashlib.sha256(content_hash([network.backbone, network.side, settings, seed]).encode())
    for array in (
        *(tensor.cpu().contiguous().numpy() for _, tensor in tensors),
        *(each for index in range(len(pairs)) for each in pairs[index]),
    ):
        digest.update(str(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def train_with_folds(
    dataset: Dataset,
    checkpoint: Path,
    backbone: str,
    *,
    folds: bool,
    test_side: int = 256,
    seed: int = 0,
    device: torch.device | None = None,
    progress: bool = True,
    marked: bool = False,
    weights: str | None = None,
    **training: Any,
) -> dict[str, list[dict[str, float]]]:
    """Train a network on all images of a data set and, with `folds`, one for each fold that has not seen it.

    Folds are alternate blocks of `FOLD_BLOCK` neighbouring images, since neighbours may show the same scene.
    Checkpoints that are there already are kept.

    Args:
        checkpoint: of the network that sees all images; the folds' lie beside it (`wsss.depth.estimators.fold_path`).
        test_side: long side in pixels at which images are looked at.
        marked: whether `CHECKPOINT.json` beside it says what training it is of; checkpoints of another one are then
            refused.
        weights: file of the backbone's weights; None takes the registered ones.
        training: further keywords of `train_depth_network`, such as `epochs`.

    Returns:
        History of each network that was trained, by its checkpoint's name.

    Raises:
        WsssError: the data set has no depth, or, where `marked`, the checkpoints that are there are of another
            training.
    """
    if not dataset.has_depth:
        raise WsssError(f"{dataset.name} comes without depth to learn from; train on tabletop or nyuv2")
    if marked:
        given = weights_hash(Path(weights)) if weights else weights_identity(backbone)
        key = content_hash([training, backbone, test_side, seed, data_key(dataset), given])
        made_by_main(lambda: _require_same(checkpoint, {"training_sha256": key}))
    block = min(FOLD_BLOCK, -(-len(dataset) // FOLDS))
    number = np.arange(len(dataset)) // block % FOLDS
    wanted = {checkpoint: np.ones(len(dataset), bool)}
    wanted |= {fold_path(checkpoint, fold): number != fold for fold in range(FOLDS if folds else 0)}
    missing = agreed([path for path in wanted if not path.exists()])
    read = Mapped(dataset, partial(_scaled, side=test_side))
    pairs = held(read) if missing else read
    histories = {}
    for path in missing:
        chosen = np.flatnonzero(wanted[path]).tolist()
        network, histories[path.name] = train_depth_network(
            backbone,
            Mapped(pairs, lambda pair: pair, chosen),
            test_side=test_side,
            seed=seed,
            device=device,
            progress=progress,
            weights=backbone_state(backbone, Path(weights)) if weights else None,
            ids=[dataset.ids[index] for index in chosen],
            checkpoint=path.with_suffix(".state"),
            **training,
        )
        if is_main():
            save_depth_network(path, network)
            path.with_suffix(".state").unlink(missing_ok=True)
        wait()
    return histories


def _require_same(checkpoint: Path, facts: dict[str, str]) -> None:
    """Raise a `WsssError` where the checkpoints that are there, which are kept, are not those of this training.

    What it is lies beside them, in `CHECKPOINT.json`, from before its first step.
    """
    path = checkpoint.with_suffix(".json")
    kept = [each for each in (checkpoint, *(fold_path(checkpoint, fold) for fold in range(FOLDS))) if each.exists()]
    found, remedy = read_table(path) if path.exists() else {}, "Give another file with --out, or delete it."
    if found and set(found) != set(facts):
        raise WsssError(f"{path}, which would say what {checkpoint} is, holds something else. {remedy}")
    if kept and found != facts:
        raise WsssError(
            f"{kept[0]} is of another training (data, seed or settings), or does not say of which. {remedy}"
        )
    write_json(path, facts)


def _scaled(sample: Sample, side: int) -> Pair:
    """A photograph and its depth, brought to a long side of `side`."""
    assert sample.depth is not None
    image, depth = resize_long_side(sample.image, side), torch.from_numpy(sample.depth)[None, None]
    scaled = F.interpolate(depth, size=image.shape[:2], mode="bilinear", antialias=True)
    return image, scaled[0, 0].numpy()
