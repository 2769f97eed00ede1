"""What more images, more classes and more pixels cost: time, memory and disk, with a fitted line.

Pictures are made here and the classifier is one random convolution, so that what is measured is this package, not a
backbone. Each series runs in a process of its own, from small to large: its peak memory then is that of the size that was
reached. Times are those of processors, with one thread: with two, pictures as small as these take twice as much.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import Effort, Figure, Measured, at_most, child, shown
from wsss.analysis.score import save_score
from wsss.cam.classifier import ClassifierInfo
from wsss.data.base import Sample
from wsss.machine.memory import own_peak
from wsss.machine.runtime import keep_freed_memory
from wsss.methods.choice import Choice
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.parameters import FusionParameters
from wsss.methods.scoring import score_seeds
from wsss.pseudo.labels import save_pseudo_label

__all__ = ["SIZES", "Point", "fitted", "growth_table", "measure", "points"]

SIZES: dict[str, tuple[int, ...]] = {
    "images": (100, 1_000, 10_000),
    "classes": (1, 20, 50, 100, 200),
    "pixels": (128, 256, 512, 768, 1_024),
}
"""Sizes of each series; of `pixels` the side of one picture."""
TINY: dict[str, tuple[int, ...]] = {"images": (4, 8), "classes": (1, 5), "pixels": (32, 64)}

UNITS = {"images": "images of 32×32", "classes": "classes, 20 images of 32×32", "pixels": "megapixels of one image"}
"""What the sizes of each series count."""

SIDE, CLASSES, AT_ONCE = 32, 20, 20
"""Side of small pictures, classes where they do not grow, and pictures that are scored with each number of classes."""
PLAIN = Choice(FusionParameters(), threshold=0.3, miou=0.0, trials=1)
DEPTH = Choice(FusionParameters(crop_weight=1.0, vote=0.75), threshold=0.3, miou=0.0, trials=1)


@dataclass(frozen=True)
class Point:
    """What one size costs.

    Attributes:
        size: images, classes, or megapixels.
        seconds: of processors, all threads together, for the work at this size: other programs change them little.
        memory: peak of the process so far, in GB.
        disk: MB of what is written, scores and label maps.
    """

    size: float
    seconds: float
    memory: float
    disk: float


class Pictures:
    """A split of made pictures in memory: each shows a bright square of one or two classes, with its depth."""

    name, split, has_depth = "made", "test", True

    def __init__(self, count: int, side: int, classes: int) -> None:
        self.ids = tuple(f"{number:05d}" for number in range(count))
        self.side, self.classes = side, tuple(f"class {number}" for number in range(classes))

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        side, rng = self.side, np.random.default_rng(index)
        mask = np.zeros((side, side), np.uint8)
        for half in range(2):
            top, left = side // 8 + half * side // 2, rng.integers(side // 8, side // 2)
            mask[top : top + side // 4, left : left + side // 4] = 1 + (index + half) % len(self.classes)
        image = rng.integers(0, 60, (side, side, 3), np.uint8)
        image += (mask * 37 % 190)[..., None].astype(np.uint8)
        depth = np.linspace(0, 0.5, side, dtype=np.float32)[:, None] + 0.4 * (mask > 0).astype(np.float32)
        labels = np.bincount(mask.ravel(), minlength=len(self.classes) + 1)[1:] > 0
        return Sample(self.ids[index], image, labels, mask, depth=depth)

    def fingerprint(self) -> str:
        return "made"


def classifier(side: int, classes: Sequence[str]) -> DepthCAM:
    """Class maps by one random convolution of stride 16 and a head."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 16, stride=16), torch.nn.ReLU(), torch.nn.Conv2d(8, len(classes), 1)
    )
    half = (0.5, 0.5, 0.5)
    return DepthCAM(model.eval(), ClassifierInfo("tiny", tuple(classes), 16, half, half, side, {}), tuple(classes))


def scored(data: Pictures, choices: Mapping[str, Choice], out: Path) -> float:
    """Score a split and write scores and label maps; the MB that are written."""

    def depth_of(index: int) -> NDArray[np.float32]:
        depth = data[index].depth
        assert depth is not None
        return np.asarray(depth, np.float32)

    cam = classifier(data.side, data.classes)
    found = score_seeds(cam, choices, data, {None: depth_of}, progress=False)
    for name, score in found.items():
        save_score(out / f"{name}.npz", score)
    for sample in data:
        save_pseudo_label(out / f"{sample.id}.png", sample.required_mask)
    return sum(path.stat().st_size for path in out.iterdir()) / 1e6


def _images(count: int, out: Path) -> float:
    return scored(Pictures(count, SIDE, CLASSES), {"cam": PLAIN}, out)


def _classes(classes: int, out: Path) -> float:
    return scored(Pictures(AT_ONCE, SIDE, classes), {"cam": PLAIN}, out)


def _pixels(side: int, out: Path) -> float:
    return scored(Pictures(1, side, CLASSES), {"depth": DEPTH}, out)


SERIES: dict[str, tuple[Callable[[int, Path], float], Callable[[int], float]]] = {
    "images": (_images, float),
    "classes": (_classes, float),
    "pixels": (_pixels, lambda side: side * side / 1e6),
}
"""The work of each series, and what its sizes are called: of a side, the megapixels."""


def points(series: str, sizes: Sequence[int]) -> list[Point]:
    """The cost of each size, one after the other in this process: each is done twice, and the second time counts.

    Some libraries are imported by the first size that needs them.
    """
    work, size_of = SERIES[series]
    found = []
    for size in sizes:
        for _ in range(2):
            with tempfile.TemporaryDirectory() as folder:
                start = time.process_time()
                disk = work(size, Path(folder))
                seconds = time.process_time() - start
        found.append(Point(size_of(size), seconds, own_peak() / 1e9, disk))
    return found


def fitted(sizes: NDArray[np.float64], costs: NDArray[np.float64]) -> tuple[float, float, float]:
    """`(a, b, off)` of the line cost = a + b · size with the least relative errors, and the largest of these.

    >>> a, b, off = fitted(np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 9.0]))
    >>> round(a, 6), round(b, 6), round(off, 6)
    (1.0, 2.0, 0.0)
    """
    slope, start = np.polyfit(sizes, costs, 1, w=1 / costs)
    off = np.abs(start + slope * sizes - costs) / costs
    return float(start), float(slope), float(off.max())


def growth_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """What was measured size by size, in Markdown, each series with its line of time."""
    lines = ["| what grows | size | s | peak GB | MB on disk | line of time |", "| :-- | --: | --: | --: | --: | :-- |"]
    for series in dict.fromkeys(row["series"] for row in rows):
        found = [row for row in rows if row["series"] == series]
        sizes, seconds = (np.array([row[key] for row in found]) for key in ("size", "seconds"))
        start, slope, off = fitted(sizes, seconds)
        for number, row in enumerate(found):
            line = f"{start:.3g} + {slope:.3g} · size, within {100 * off:.0f} %" if number == 0 else ""
            cells = (
                UNITS[series] if number == 0 else "",
                f"{row['size']:,.3g}" if row["size"] < 1 else f"{row['size']:,.0f}",
            )
            lines.append(
                f"| {' | '.join(cells)} | {row['seconds']:.3g} | {row['memory']:.2f} | {row['disk']:.3g} | {line} |"
            )
    return "\n".join(lines)


def measure(effort: Effort) -> Measured:
    """The three series, each with its line: of time over images and megapixels, of memory and disk."""
    figures: list[Figure] = []
    rows: list[dict[str, Any]] = []
    seconds: dict[str, list[float]] = {}
    for series, sizes in (TINY if effort.quick else SIZES).items():
        arguments = ("-m", "benchmarks.growth", series, *map(str, sizes))
        found = [Point(**row) for row in json.loads(child(*arguments, OMP_NUM_THREADS="1"))]
        rows += [{"series": series, **vars(point)} for point in found]
        seconds |= {f"{series}, {point.size:g}": [point.seconds] for point in found}
        figures += _figures(series, found)
    return Measured(tuple(figures), seconds, rows=tuple(rows))


def _figures(series: str, found: Sequence[Point]) -> list[Figure]:
    size, taken, memory, disk = (
        np.array([getattr(point, name) for point in found]) for name in ("size", "seconds", "memory", "disk")
    )
    _, per_size, off = fitted(size, taken)
    more = 1000 * (memory[-1] - memory[0]) / (size[-1] - size[0])  # MB: the first size has what Python and torch need
    one = {"images": "image", "classes": "class", "pixels": "megapixel"}[series]
    return [
        shown(f"{series}: time for one {one} more", 1000 * per_size, "ms"),
        at_most(f"{series}: largest distance of time from a line", 100 * off, 15, "%")
        if series == "images"
        else shown(f"{series}: largest distance of time from a line", 100 * off, "%"),
        shown(f"{series}: memory for one {one} more", more, "MB"),
        shown(f"{series}: disk for one {one} more", 1000 * fitted(size, disk)[1], "kB"),
    ]


if __name__ == "__main__":
    keep_freed_memory()
    print(json.dumps([vars(point) for point in points(sys.argv[1], [int(text) for text in sys.argv[2:]])]))
