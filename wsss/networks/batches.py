"""The batches of a training: which image is seen when, and by which chance it is changed, depends on the seed alone.

Images are held in memory up to a limit, or read as the training goes by processes of their own. Batches are the same
either way, from whichever step on, and however many processes share them.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from wsss.errors import WsssError
from wsss.machine.processes import own_cores, share

__all__ = ["PRELOAD_BYTES", "Augmentation", "Batches", "Mapped", "Part", "Samples", "held"]

PRELOAD_BYTES = 2 << 30
"""Size in bytes up to which a process holds a training set in memory."""

MOST_WORKERS = 4
"""Processes that make batches for one that trains."""

R = TypeVar("R")
S = TypeVar("S")
Sized = TypeVar("Sized", bound=tuple[Any, ...])
S_co = TypeVar("S_co", covariant=True)
S_contra = TypeVar("S_contra", contravariant=True)

Part = tuple[Tensor, Tensor]
"""Some images of a batch, `(N,3,S,S) uint8` in `channels_last`, and what is to be learnt of each, stacked."""


class Samples(Protocol[S_co]):
    """A training set: tuples of an image `H×W×3 uint8` and what is to be learnt of it, by index. A list is one."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> S_co: ...


class Augmentation(Protocol[S_contra]):
    """Makes a training crop `S×S×3 uint8` and its target of a sample, by chance from the generator alone."""

    def __call__(
        self, sample: S_contra, generator: np.random.Generator, /
    ) -> tuple[NDArray[np.uint8], NDArray[Any]]: ...


class Mapped(Generic[R, S]):
    """Samples that are made of others as they are read: `make(each)`, of all or of those whose indices are chosen."""

    def __init__(self, others: Samples[R], make: Callable[[R], S], chosen: Sequence[int] | None = None) -> None:
        self.others, self.make = others, make
        self.chosen = range(len(others)) if chosen is None else chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> S:
        return self.make(self.others[self.chosen[index]])


def held(samples: Samples[Sized], limit: int | None = None) -> Samples[Sized]:
    """All samples in memory, read once, if they fit into `limit` bytes (`PRELOAD_BYTES`); otherwise as they are.

    Their size is judged by a few of them, which lie evenly among all.
    """
    if isinstance(samples, list):
        return samples
    limit = PRELOAD_BYTES if limit is None else limit
    shown = [samples[index] for index in range(0, len(samples), max(1, len(samples) // 8))]
    sizes = [sum(np.asarray(part).nbytes for part in sample) for sample in shown]
    if len(samples) * sum(sizes) > limit * len(sizes):
        return samples
    return [samples[index] for index in range(len(samples))]


@dataclass(frozen=True)
class Batches:
    """The batches of a training of so many steps; each epoch is a new permutation of the samples.

    Attributes:
        samples: see `Samples`; those that are read as they come are read by workers, which on Linux are processes.
        augmented: makes a crop and its target of each. Its chance is drawn anew for every one, from seed, step and
            place in the batch.
        size: images of a part of a step, of all processes: as many as are in memory at a time.
        accumulate: parts of a step, whose gradients are summed.
        steps: of the whole training.
        seed: of order and augmentation.
    """

    samples: Samples[Any]
    augmented: Augmentation[Any]
    size: int
    steps: int
    seed: int
    accumulate: int = 1

    def parts(self, start: int, device: torch.device) -> Iterator[tuple[Part, ...]]:
        """This process's share of every step from number `start` on: of each of the `accumulate` parts.

        Raises:
            WsssError: a sample cannot be read.
        """
        crops = _Crops(self.samples, self.augmented, self.seed)
        workers = _workers(device, isinstance(self.samples, list))
        loader = DataLoader(
            crops,
            batch_sampler=self._own_places(start),
            collate_fn=_stacked,
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,
            generator=torch.Generator(),  # so that torch's own is left alone
        )
        parts = map(_checked, loader)
        return zip(*[parts] * self.accumulate, strict=True)

    def _own_places(self, start: int) -> list[list[tuple[int, int, int]]]:
        """Step, place in it and sample of each of this process's images, part by part from step `start` on."""
        per_step = self.size * self.accumulate
        generator = torch.Generator().manual_seed(self.seed)
        order = RandomSampler(range(len(self.samples)), num_samples=self.steps * per_step, generator=generator)
        steps = list(BatchSampler(order, per_step, drop_last=False))
        return [
            [(step, first + own, indices[first + own]) for own in share(self.size)]
            for step, indices in enumerate(steps[start:], start)
            for first in range(0, per_step, self.size)
        ]


@dataclass(frozen=True)
class _Crops(torch.utils.data.Dataset[Any]):
    samples: Samples[Any]
    augmented: Augmentation[Any]
    seed: int

    def __getitem__(self, place: tuple[int, int, int]) -> Any:
        """Crop and target of a sample; the `WsssError` of one that cannot be read, which torch would lengthen."""
        try:
            return self.augmented(self.samples[place[2]], np.random.default_rng([self.seed, *place[:2]]))
        except WsssError as error:
            return error


def _stacked(crops: Sequence[Any]) -> Part | WsssError:
    for each in crops:
        if isinstance(each, WsssError):
            return each
    images, targets = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*crops, strict=True))
    return images.permute(0, 3, 1, 2), targets


def _checked(part: Part | WsssError) -> Part:
    if isinstance(part, WsssError):
        raise part
    return part


def _workers(device: torch.device, in_memory: bool) -> int:
    """How many processes make batches: none where this one would only wait for them.

    Elsewhere than on Linux samples would have to be pickled, which those of a user need not bear.
    """
    if sys.platform != "linux" or (in_memory and device.type == "cpu"):
        return 0
    return min(MOST_WORKERS, max(1, own_cores() - 1))
