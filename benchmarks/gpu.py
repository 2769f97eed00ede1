"""All checks of a GPU, in under ten minutes on one card: whether it computes what the CPU does, how fast, in how much memory.

    python -m benchmarks.gpu --device cuda          # or mps, or cpu; writes runs/gpu-cuda.json
    python -m benchmarks.gpu --device cpu --quick   # does the script run? Not a result

Photographs are those of scikit-image and weights those of the default backbone: nothing is rendered or downloaded. The
record says which card it was, and whether the limits are kept. Whoever has a card can send it.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.transform import resize

from benchmarks.measure import Figure, Measured, at_least, at_most, shown
from benchmarks.record import add_part, load_record, table
from wsss.cam.classifier import build_classifier, info_for
from wsss.cam.training import train_classifier
from wsss.depth.training import train_depth_network
from wsss.errors import WsssError
from wsss.machine.memory import peak_memory
from wsss.machine.runtime import keep_freed_memory, pick_device
from wsss.methods.depth_cam import DepthCAM
from wsss.networks.backbones import DEFAULT_BACKBONE, backbone_state, imagenet_classifier, load_encoder, normalisation
from wsss.paths import runs_folder
from wsss.segmentation.network import build_network
from wsss.segmentation.training import train_segmentation

__all__ = ["FULL", "QUICK", "Size", "main", "measure"]

CLASSES = {"astronaut": "space shuttle", "chelsea": "Egyptian cat", "coffee": "espresso", "rocket": "missile"}
"""Photographs, each with the class of ImageNet whose map is compared."""
SEEDED_STRIDE = 16
CPU = torch.device("cpu")

SAME_MAPS, SAME_MAPS_16_BIT, SAME_LABELS, SAME_LOSS = 2e-3, 0.1, 98.0, 0.03
"""Limits: largest difference of scores in [0, 1] in float32, and with 16-bit forward passes; percent of pixels with the
same label; relative difference of the mean loss over the first steps."""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        side: of photographs and, halved, of training crops, in pixels.
        rounds: over all photographs, for the time.
        steps: of each training.
        compared: first steps whose losses are compared with the CPU's.
        batch: images a step.
    """

    side: int
    rounds: int
    steps: int
    compared: int
    batch: int


FULL, QUICK = Size(448, 20, 100, 10, 16), Size(64, 1, 3, 2, 4)

Photo = tuple[NDArray[np.uint8], NDArray[np.float32], str]


def photographs(side: int) -> list[Photo]:
    """Photographs of `side`×`side`, with maps that stand for depth (the blurred brightness), and a class each."""
    found = []
    for name, label in CLASSES.items():
        image = resize(getattr(skimage.data, name)(), (side, side), anti_aliasing=True)
        depth = gaussian_filter(image.mean(axis=2), side / 40).astype(np.float32)
        found.append(((255 * image).astype(np.uint8), depth, label))
    return found


@contextmanager
def plain_float32() -> Iterator[None]:
    """Context in which forward passes are in float32 on every device, without TF32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        with mock.patch("wsss.cam.maps.autocast", return_value=nullcontext()):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def scores_on(device: torch.device, photos: list[Photo]) -> list[NDArray[np.float32]]:
    """Scores of the depth-guided CAM of each photograph."""
    cam = DepthCAM(imagenet_classifier().to(device), activation="softmax")
    return [cam(image, classes=[label], depth=depth, kind="inverse").scores for image, depth, label in photos]


def maps(device: torch.device, size: Size) -> tuple[Figure, ...]:
    """Whether depth-guided maps are those of the CPU in float32."""
    photos = photographs(size.side)
    with plain_float32():
        ours, theirs = scores_on(CPU, photos), scores_on(device, photos)
    in_use = scores_on(device, photos)
    agree = [100 * np.mean((one > 0.5) == (other > 0.5)) for one, other in zip(ours, in_use, strict=True)]
    return (
        at_most("scores in float32, largest difference from the CPU", _apart(ours, theirs), SAME_MAPS, "of 1"),
        at_most("scores as used, largest difference from float32", _apart(ours, in_use), SAME_MAPS_16_BIT, "of 1"),
        at_least("scores as used, pixels with the same label", float(np.min(agree)), SAME_LABELS, "%"),
    )


def _apart(ours: list[NDArray[np.float32]], theirs: list[NDArray[np.float32]]) -> float:
    return max(float(np.abs(one - other).max()) for one, other in zip(ours, theirs, strict=True))


def speed(device: torch.device, size: Size) -> tuple[Figure, ...]:
    """Images a second of a plain and of a depth-guided CAM, and the most memory that they take."""
    photos = photographs(size.side)
    cam = DepthCAM(imagenet_classifier().to(device), activation="softmax")
    _forget_peak(device)
    figures = []
    for method in ("cam", "depth"):

        def run(rounds: int, method: str = method) -> None:
            for image, depth, label in rounds * photos:
                cam(image, classes=[label], depth=depth, kind="inverse", method=method)

        run(1)  # what is set up once
        taken = _seconds(device, partial(run, size.rounds))
        figures.append(shown(f"{method}: images a second", size.rounds * len(photos) / taken, "1/s", "at least"))
    return (*figures, shown("maps: peak memory", _peak(device), "GB"))


def classifier_losses(device: torch.device, size: Size, steps: int) -> list[float]:
    """Loss of each step of a training of the default classifier."""
    torch.manual_seed(0)
    model, names = build_classifier(DEFAULT_BACKBONE, len(CLASSES)), tuple(CLASSES)
    photos = photographs(size.side)
    chosen = [index % len(photos) for index in range(size.batch)]
    history = train_classifier(
        model, info_for(DEFAULT_BACKBONE, names, SEEDED_STRIDE, size.side), [photos[index][0] for index in chosen],
        np.eye(len(CLASSES), dtype=bool)[chosen], epochs=steps, batch_size=size.batch, crop_side=size.side // 2,
        learning_rate=1e-3, frozen_stages=2, device=device, progress=False,
    )  # fmt: skip
    return [each["loss"] for each in history]


def depth_losses(device: torch.device, size: Size, steps: int) -> list[float]:
    """Loss of each step of a training of the depth network."""
    photos = photographs(size.side)
    pairs = [photos[index % len(photos)][:2] for index in range(size.batch)]
    _, history = train_depth_network(
        DEFAULT_BACKBONE, pairs, epochs=steps, batch_size=size.batch, side=max(32, size.side // 64 * 32),
        learning_rate=1e-3, frozen_stages=1, device=device, progress=False,
    )  # fmt: skip
    return [each["loss"] for each in history]


def network_losses(device: torch.device, size: Size, steps: int) -> list[float]:
    """Mean losses along a training of the segmentation network; without dropout, which draws otherwise on each device."""
    torch.manual_seed(0)
    network = build_network(len(CLASSES))
    load_encoder(network, backbone_state(DEFAULT_BACKBONE))
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    mean, std = normalisation(DEFAULT_BACKBONE)
    samples = [
        (image, (depth > np.median(depth)).astype(np.uint8) * (1 + index))
        for index, (image, depth, _) in enumerate(photographs(size.side))
    ]
    history = train_segmentation(
        network, samples * (size.batch // len(samples)), iterations=steps, batch_size=size.batch,
        crop_size=max(32, size.side // 64 * 32), learning_rate=1e-3, seed=0, mean=mean, std=std, device=device,
        progress=False, frozen_stages=2,
    )  # fmt: skip
    return [each["loss"] for each in history]


TRAININGS: dict[str, Callable[[torch.device, Size, int], list[float]]] = {
    "classifier": classifier_losses,
    "depth network": depth_losses,
    "segmentation network": network_losses,
}


def trainings(device: torch.device, size: Size) -> tuple[Figure, ...]:
    """Of each training whether its first losses are the CPU's, whether the loss falls, images a second, and memory."""
    figures: list[Figure] = []
    for name, losses in TRAININGS.items():
        here, there = (np.array(losses(place, size, size.compared)) for place in (CPU, device))
        apart = abs(there.mean() - here.mean()) / here.mean()
        _forget_peak(device)
        found: list[float] = []
        taken = _seconds(device, partial(_kept, found, partial(losses, device, size, size.steps)))
        figures += [
            at_most(
                f"{name}: loss of the first {size.compared} steps, difference from the CPU", apart, SAME_LOSS, "of it"
            ),
            at_most(f"{name}: last loss / first, in {size.steps} steps", found[-1] / found[0], 1),
            shown(f"{name}: images a second", size.steps * size.batch / taken, "1/s", "at least"),
            shown(f"{name}: peak memory", _peak(device), "GB"),
        ]
    return tuple(figures)


def _kept(found: list[float], losses: Callable[[], list[float]]) -> None:
    found += losses()


def _seconds(device: torch.device, work: Callable[[], object]) -> float:
    """Wall time of `work`, until the device has finished it."""
    _wait(device)
    start = time.perf_counter()
    work()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
    elif device.type == "mps":
        torch.mps.synchronize()


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _peak(device: torch.device) -> float:
    """GB: of CUDA the peak of tensors since it was forgotten, of MPS what is held now, of the CPU the process's peak (0: unknown)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 1e9
    return peak_memory() or 0.0


def measure(device: torch.device, size: Size) -> Measured:
    """All figures, and in `rows` what the card is."""
    card = {"device": device.type}
    if device.type == "cuda":
        facts = torch.cuda.get_device_properties(device)
        card |= {"name": facts.name, "memory_gb": f"{facts.total_memory / 1e9:.1f}", "cuda": str(torch.version.cuda)}
    figures = (*maps(device, size), *speed(device, size), *trainings(device, size))
    return Measured(figures, {}, rows=(card,))


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 where all limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cuda", "mps", "cpu", "auto"])
    parser.add_argument("--out", type=Path, help="record to write; default: runs/gpu-DEVICE.json")
    parser.add_argument("--quick", action="store_true", help="few and small: does it run? Not a result")
    given = parser.parse_args(arguments)
    try:
        device = pick_device(given.device)
    except WsssError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    keep_freed_memory()
    out = given.out or runs_folder() / f"gpu-{device.type}.json"
    start = time.perf_counter()
    with mock.patch.dict("os.environ", WSSS_DEVICE=device.type):  # the record's machine is that of the device
        measured = measure(device, QUICK if given.quick else FULL)
        add_part(out, "gpu", measured, time.perf_counter() - start, given.quick)
    print(table({"parts": {"gpu": load_record(out)["parts"]["gpu"]}}))
    print(f"record {out}")
    return 0 if given.quick or all(each.reached is not False for each in measured.figures) else 1


if __name__ == "__main__":
    sys.exit(main())
