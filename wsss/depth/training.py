"""Trains the monocular depth network on the RGB-D train split. That depth is extra supervision, and records say so."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from wsss.data.base import Dataset, data_key
from wsss.data.transforms import colour_jitter, normalise_batch, resize_long_side
from wsss.depth.estimators import FOLDS, fold_path
from wsss.depth.monocular import DepthNetwork, save_depth_network
from wsss.errors import WsssError
from wsss.io import content_hash, read_json, write_json
from wsss.machine.contents import weights_hash
from wsss.machine.progress import progress_bar
from wsss.machine.runtime import seed_everything, to_device
from wsss.networks.backbones import backbone_state, encoder_model, load_encoder, normalisation, weights_identity
from wsss.networks.freezing import freeze_early, require_learning, train_mode
from wsss.networks.gradients import quick_gradients
from wsss.networks.training_state import CHECKPOINT_EVERY, Chance, TrainingState

__all__ = ["scale_and_shift_invariant_loss", "train_depth_network", "train_with_folds"]

ENCODER_RATE = 0.2  # learning rate of the pretrained encoder relative to the new decoder
GRADIENT_SCALES = 3
GRADIENT_WEIGHT = 0.5
FOLD_BLOCK = 20  # neighbouring images
SMALLEST_WINDOW = 0.6  # side of the random training window, as a share of the image's shorter side


Pairs = Sequence[tuple[NDArray[np.uint8], NDArray[np.float32]]]
"""Photographs `H×W×3 uint8` with their inverse depth `H×W float32`."""


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


def _windows(
    pairs: Pairs, side: int, batch_size: int, steps: int, chance: Chance
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of random windows: images `(N,3,S,S) uint8` and inverse depth `(N,S,S) float32`.

    `chance.order` holds the photographs that are still to come in this epoch, the next one last.
    """
    generator = chance.generator
    for _ in range(steps):
        images, depths = [], []
        for _ in range(batch_size):
            chance.order = chance.order or generator.permutation(len(pairs)).tolist()
            image, depth = pairs[chance.order.pop()]
            short = min(depth.shape)
            window = min(short, max(2, round(short * generator.uniform(SMALLEST_WINDOW, 1))))
            top, left = (int(generator.integers(length - window + 1)) for length in depth.shape)
            flip = slice(None, None, -1 if generator.random() < 0.5 else 1)
            cut = np.s_[top : top + window, left : left + window]
            picture = np.ascontiguousarray(colour_jitter(np.ascontiguousarray(image[cut][:, flip]), generator))
            scaled = F.interpolate(
                torch.from_numpy(picture).permute(2, 0, 1)[None].float(),
                size=(side, side),
                mode="bilinear",
                antialias=True,
            )
            images.append(scaled[0].round().clamp(0, 255).byte())
            target = torch.from_numpy(np.ascontiguousarray(depth[cut][:, flip]))
            depths.append(F.interpolate(target[None, None], size=(side, side), mode="bilinear")[0, 0])
        yield torch.stack(images), torch.stack(depths)


def train_depth_network(
    backbone: str,
    pairs: Pairs,
    *,
    epochs: int,
    batch_size: int,
    side: int,
    learning_rate: float,
    frozen_stages: int,
    test_side: int = 256,
    seed: int = 0,
    device: torch.device | None = None,
    progress: bool = True,
    weights: dict[str, Any] | None = None,
    ids: Sequence[str] = (),
    checkpoint: Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
) -> tuple[DepthNetwork, list[dict[str, float]]]:
    """Train a network to predict inverse depth up to scale and shift.

    Args:
        backbone: timm name of the encoder.
        epochs: fixed in advance.
        batch_size: windows per step.
        side: of the training windows in pixels, a multiple of 32.
        learning_rate: of the decoder (AdamW, polynomial schedule); the encoder learns at a fifth.
        frozen_stages: stem and first stages that keep their pretrained weights; batch-norm statistics are always kept.
        test_side: long side at which the network will be used.
        seed: of decoder weights, order, windows and colours.
        weights: of the backbone in timm's names; None takes the registered ImageNet weights.
        ids: of the photographs, to be remembered by the network.
        checkpoint: file to go on from if it is there, and to write every `checkpoint_every` steps; None keeps none. The
            caller deletes it when the result is safe. On the CPU the weights are then the same to the bit.

    Returns:
        The network in evaluation mode and one `{"epoch", "loss"}` per epoch.

    Raises:
        WsssError: there is no image, the checkpoint is broken or of another training (the message names it), or the
            loss is no longer finite.
    """
    if not pairs:
        raise WsssError("a depth network needs at least one image with depth to learn from")
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
    optimiser = torch.optim.AdamW(groups, weight_decay=1e-2)
    per_epoch = max(1, len(pairs) // batch_size)
    steps = epochs * per_epoch
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimiser, steps, power=0.9)
    chance = Chance(seed, device)
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "side": side,
        "learning_rate": learning_rate,
        "frozen_stages": frozen_stages,
    }
    parts: dict[str, Any] = {"network": network.module, "optimiser": optimiser, "schedule": schedule, "chance": chance}
    state = TrainingState(parts, _identity(network, pairs, settings, seed) if checkpoint else "")
    losses = state.load(checkpoint) if checkpoint else []
    batches = _windows(pairs, side, batch_size, steps - len(losses), chance)
    bar = progress_bar(batches, "train depth", steps, unit="step", initial=len(losses), shown=progress)
    for images, depths in bar:
        maps = network.module(normalise_batch(to_device(images, device), mean, std))[:, 0]
        loss = scale_and_shift_invariant_loss(maps, to_device(depths, device))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        require_learning(losses[-1:], "the depth network", learning_rate)
        if checkpoint and len(losses) % checkpoint_every == 0:
            state.save(checkpoint, losses)
    network.module.eval()
    means = [float(np.mean(losses[start : start + per_epoch])) for start in range(0, len(losses), per_epoch)]
    return network, [{"epoch": number, "loss": mean_loss} for number, mean_loss in enumerate(means, start=1)]


def _identity(network: DepthNetwork, pairs: Pairs, settings: Mapping[str, Any], seed: int) -> str:
    """Hash of all that a training depends on, its initial weights and its images by content."""
    tensors = network.module.state_dict().items()
    digest = hashlib.sha256(content_hash([network.backbone, network.side, settings, seed]).encode())
    for array in (
        *(tensor.cpu().contiguous().numpy() for _, tensor in tensors),
        *(each for pair in pairs for each in pair),
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
        _require_same(checkpoint, {"training_sha256": key})
    block = min(FOLD_BLOCK, -(-len(dataset) // FOLDS))
    number = np.arange(len(dataset)) // block % FOLDS
    wanted = {checkpoint: np.ones(len(dataset), bool)}
    wanted |= {fold_path(checkpoint, fold): number != fold for fold in range(FOLDS if folds else 0)}
    missing = {path: members for path, members in wanted.items() if not path.exists()}
    pairs = _pairs(dataset, test_side) if missing else []
    histories = {}
    for path, members in missing.items():
        chosen = np.flatnonzero(members).tolist()
        network, histories[path.name] = train_depth_network(
            backbone,
            [pairs[index] for index in chosen],
            test_side=test_side,
            seed=seed,
            device=device,
            progress=progress,
            weights=backbone_state(backbone, Path(weights)) if weights else None,
            ids=[dataset.ids[index] for index in chosen],
            checkpoint=path.with_suffix(".state"),
            **training,
        )
        save_depth_network(path, network)
        path.with_suffix(".state").unlink(missing_ok=True)
    return histories


def _require_same(checkpoint: Path, facts: dict[str, str]) -> None:
    """Raise a `WsssError` where the checkpoints that are there, which are kept, are not those of this training.

    What it is lies beside them, in `CHECKPOINT.json`, from before its first step.
    """
    path = checkpoint.with_suffix(".json")
    kept = [each for each in (checkpoint, *(fold_path(checkpoint, fold) for fold in range(FOLDS))) if each.exists()]
    found, remedy = read_json(path) if path.exists() else {}, "Give another file with --out, or delete it."
    if found and set(found) != set(facts):
        raise WsssError(f"{path}, which would say what {checkpoint} is, holds something else. {remedy}")
    if kept and found != facts:
        raise WsssError(
            f"{kept[0]} is of another training (data, seed or settings), or does not say of which. {remedy}"
        )
    write_json(path, facts)


def _pairs(dataset: Dataset, side: int) -> Pairs:
    """All photographs and their depth, brought to a long side of `side`."""
    pairs = []
    for sample in dataset:
        assert sample.depth is not None
        image = resize_long_side(sample.image, side)
        depth = F.interpolate(
            torch.from_numpy(sample.depth)[None, None], size=image.shape[:2], mode="bilinear", antialias=True
        )
        pairs.append((image, depth[0, 0].numpy()))
    return pairs
