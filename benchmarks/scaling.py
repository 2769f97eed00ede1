"""Time against the number of images, and against the backbone's arithmetic at larger sides."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.material import depth_cam, depths_of, repeated
from benchmarks.measure import Effort, Measured, at_most, shown, timed_in_turns
from wsss.cam.maps import class_maps
from wsss.machine.parallel import images_at_once
from wsss.methods.choice import Choice
from wsss.methods.parameters import FusionParameters
from wsss.methods.scoring import score_seeds

__all__ = ["CHOICES", "measure"]

SIDES = (224, 320, 416, 512)
FACTORS = (1, 2, 4, 8)
CHOICES = {"depth": Choice(FusionParameters(crop_weight=1.0, vote=0.75), threshold=0.5, miou=0.0, trials=1)}


def measure(effort: Effort) -> Measured:
    """Seconds of scoring 1×, 2×, 4× and 8× as many images, and of CAMs of one image at growing sides."""
    count = (
        effort.images // 2 * images_at_once(depth_cam().device)
    )  # as many for each thread: none waits for the others
    names = {factor: f"{factor * count} images" for factor in FACTORS}
    seconds = timed_in_turns({names[factor]: _scoring(count, factor) for factor in FACTORS}, effort.rounds)
    rounds = np.array([seconds[name] for name in names.values()]).T
    shares = np.median(rounds / rounds.sum(axis=1, keepdims=True), axis=0)  # what slows a round down slows all of it
    slope, start = np.polyfit(FACTORS, shares, 1, w=1 / shares)  # the line that is near in the measure that is reported
    off = np.abs(shares - (start + slope * np.array(FACTORS))) / shares
    sides = timed_in_turns({f"{side} px": _maps(side) for side in SIDES}, 3 * effort.rounds)
    cost = np.array([np.median(sides[f"{side} px"]) / _flops(side) for side in SIDES])
    figures = (
        at_most("largest distance from time = a + b · images", 100 * off.max(), 5, "%"),
        shown("seconds an image", float(slope * np.median(rounds.sum(axis=1))) / count, "s"),
        *(
            shown(f"time per FLOP at {side} px / at {SIDES[0]} px", each / cost[0], "×")
            for side, each in zip(SIDES[1:], cost[1:], strict=True)
        ),
    )
    return Measured(figures, seconds | sides)


def _scoring(count: int, factor: int) -> Callable[[], object]:
    """Seeds with depth, from reading the images to counting pixels."""
    data = repeated(count, factor)

    return lambda: score_seeds(depth_cam(), CHOICES, data, depths_of(data), progress=False)


def _image(side: int) -> Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(depth_cam().device)


def _maps(side: int) -> Callable[[], object]:
    image = _image(side)
    return lambda: class_maps(depth_cam().model, image, flip=True)


def _flops(side: int) -> int:
    with FlopCounterMode(display=False) as counter:
        class_maps(depth_cam().model, _image(side), flip=True)
    return int(counter.get_total_flops())
