"""mIoU of 1,000 label maps of 512² with 21 labels: beside torchmetrics and the usual loop over `np.bincount`."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import Effort, Measured, at_least, at_most, ratio, shown, timed_in_turns, versions_of
from wsss.analysis import confusion_matrix, mean_iou
from wsss.data.base import IGNORE

__all__ = ["measure"]

SIDE, LABELS, MAPS = 512, 21, 1000

Labels = NDArray[np.uint8]
Pairs = list[tuple[Labels, Labels]]
Found = tuple[NDArray[np.integer], float]
"""Counts by true and predicted label `(L,L)`, and the mIoU in percent."""


def measure(effort: Effort) -> Measured:
    """Seconds for a share of the maps in each round; the mIoU is that of all of them."""
    versions = versions_of("torchmetrics")
    pairs = _pairs(16 if effort.quick else MAPS)
    part = len(pairs) // (2 * effort.rounds)
    ways: dict[str, Callable[[Pairs], Found]] = {"wsss": _ours, "torchmetrics": _torchmetrics, "numpy": _numpy}
    timed = ways | {"torchmetrics, unchecked": partial(_torchmetrics, checked=False)}
    seconds = timed_in_turns({name: _task(way, pairs[:part]) for name, way in timed.items()}, 2 * effort.rounds)
    counts, mious = zip(*(way(pairs) for way in ways.values()), strict=True)
    figures = (
        at_least("torchmetrics / wsss", ratio(seconds, "torchmetrics", "wsss"), 5),
        shown(
            "torchmetrics without checks of its input / wsss",
            ratio(seconds, "torchmetrics, unchecked", "wsss"),
            "×",
            "at least",
        ),
        at_least("numpy bincount / wsss", ratio(seconds, "numpy", "wsss"), 1.5),
        at_most("pixels that torchmetrics counts otherwise", np.abs(counts[0] - counts[1]).sum(), 0, ""),
        at_most("pixels that numpy counts otherwise", np.abs(counts[0] - counts[2]).sum(), 0, ""),
        at_most("difference of mIoU to numpy", abs(mious[0] - mious[2]), 1e-9, "%"),
        at_most("difference of mIoU to torchmetrics, which divides in float32", abs(mious[0] - mious[1]), 1e-5, "%"),
    )
    return Measured(figures, seconds, versions)


def _task(way: Callable[[Pairs], Found], pairs: Pairs) -> Callable[[], Found]:
    return lambda: way(pairs)


def _pairs(count: int) -> Pairs:
    """Truths of large and small patches with some void, and predictions that are wrong in a tenth of the patches."""
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(count):
        cells = rng.integers(0, LABELS, (16, 16)) * (rng.random((16, 16)) < 0.4)  # most of an image is background
        truth = cells.astype(np.uint8).repeat(SIDE // 16, 0).repeat(SIDE // 16, 1)
        wrong = (rng.random((64, 64)) < 0.1).repeat(SIDE // 64, 0).repeat(SIDE // 64, 1)
        prediction = np.where(wrong, np.uint8(rng.integers(LABELS)), truth)
        truth[:: SIDE // 16] = IGNORE
        pairs.append((truth, prediction))
    return pairs


def _ours(pairs: Pairs) -> Found:
    total = np.zeros((LABELS, LABELS + 1), np.int64)
    for truth, prediction in pairs:
        total += confusion_matrix(truth, prediction, LABELS - 1)
    return total[:, :-1], float(mean_iou(total))


def _torchmetrics(pairs: Pairs, checked: bool = True) -> Found:
    from torchmetrics.classification import MulticlassJaccardIndex

    metric = MulticlassJaccardIndex(LABELS, ignore_index=IGNORE, average="macro", validate_args=checked)
    for truth, prediction in pairs:
        metric.update(torch.from_numpy(prediction)[None], torch.from_numpy(truth)[None])
    return metric.confmat.numpy(), 100 * float(metric.compute())


def _numpy(pairs: Pairs) -> Found:
    """As in many published evaluation scripts."""
    total = np.zeros((LABELS, LABELS))
    for truth, prediction in pairs:
        scored = truth < LABELS
        pair = LABELS * truth[scored].astype(int) + prediction[scored]
        total += np.bincount(pair, minlength=LABELS**2).reshape(LABELS, LABELS)
    right = np.diag(total)
    return total.astype(np.int64), 100 * float(np.nanmean(right / (total.sum(0) + total.sum(1) - right)))
