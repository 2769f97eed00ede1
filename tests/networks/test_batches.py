"""Batches are the same in memory or read as they go, by workers or not, from any step on; memory is flat."""

import os
import weakref
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.errors import WsssError
from wsss.networks import batches
from wsss.networks.batches import Batches, Mapped, held

CPU = torch.device("cpu")


def augmented(sample: tuple[np.ndarray, np.ndarray], generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    image, target = sample
    return image + generator.integers(0, 9, image.shape, dtype=np.uint8), target


class OnDisk:
    """Numbered images that are made as they are read; which ones were is remembered."""

    def __init__(self, count: int, broken: int | None = None) -> None:
        self.count, self.broken, self.read = count, broken, list[int]()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if index == self.broken:
            raise WsssError(f"{index}.png is broken: make it anew")
        self.read.append(index)
        return np.full((4, 6, 3), index, np.uint8), np.array([index])


def made(samples: Any, start: int = 0, **options: Any) -> list[list[list[torch.Tensor]]]:
    plan = Batches(samples, augmented, **{"size": 3, "steps": 5, "seed": 1, **options})
    return [[list(part) for part in parts] for parts in plan.parts(start, CPU)]


def flat(steps: list[list[list[torch.Tensor]]]) -> list[torch.Tensor]:
    return [tensor for parts in steps for part in parts for tensor in part]


def equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(map(torch.equal, one, other))


def test_images_are_channels_last_bytes_and_targets_as_they_are() -> None:
    [[images, targets]] = made(held(OnDisk(4)))[0]
    assert (tuple(images.shape), images.dtype, tuple(targets.shape)) == ((3, 3, 4, 6), torch.uint8, (3, 1))
    assert images.is_contiguous(memory_format=torch.channels_last)
    shift = images.int() - targets[:, :, None, None]
    assert ((shift >= 0) & (shift < 9)).all()


@settings(max_examples=20, deadline=None)
@given(start=st.integers(0, 5), count=st.integers(1, 9), accumulate=st.integers(1, 3))
def test_batches_from_a_step_on_are_those_of_the_whole(start: int, count: int, accumulate: int) -> None:
    whole = made(held(OnDisk(count)), accumulate=accumulate)
    assert [len(parts) for parts in whole] == [accumulate] * 5
    assert equal(flat(made(held(OnDisk(count)), start, accumulate=accumulate)), flat(whole[start:]))


def test_parts_of_a_step_are_the_larger_batch() -> None:
    large = flat(made(held(OnDisk(7)), size=6, steps=3))
    parts = made(held(OnDisk(7)), size=2, accumulate=3, steps=3)
    joined = [torch.cat([part[kind] for part in step]) for step in parts for kind in range(2)]
    assert equal(joined, large)


def test_each_epoch_sees_every_image_once() -> None:
    seen = torch.cat([targets for [[_, targets]] in made(held(OnDisk(5)), steps=5)]).flatten().tolist()
    assert all(sorted(seen[start : start + 5]) == [0, 1, 2, 3, 4] for start in range(0, 15, 5))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_make_the_same_batches(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    expected = flat(made(held(OnDisk(7)), accumulate=2))
    monkeypatch.setattr(batches, "_workers", lambda *_: workers)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    assert equal(flat(made(OnDisk(7), accumulate=2)), expected)
    assert torch.equal(torch.get_rng_state(), state)  # what the network draws does not depend on workers


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_cannot_be_read_is_one_line(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(batches, "_workers", lambda *_: workers)
    with pytest.raises(WsssError) as caught:
        made(OnDisk(7, broken=6))
    assert str(caught.value) == "6.png is broken: make it anew"


def test_samples_are_held_up_to_the_limit() -> None:
    size = 4 * 6 * 3 + 8
    small, large = OnDisk(10), OnDisk(10)
    kept = held(small, 10 * size)
    assert isinstance(kept, list)
    assert small.read[-10:] == list(range(10))
    assert held(kept, 0) is kept  # what is in memory stays there
    assert held(large, 10 * size - 1) is large
    assert len(large.read) <= 10


def test_memory_is_flat_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of samples that are read as they come no more are in memory than a batch has."""
    monkeypatch.setattr(batches, "_workers", lambda *_: 0)
    images: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    def tracked(sample: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        images.append(weakref.ref(sample[0]))
        alive.append(sum(image() is not None for image in images))
        return sample

    made(held(Mapped(OnDisk(100), tracked), limit=0), steps=30)
    assert len(alive) >= 90
    assert max(alive[-90:]) <= 3 + 1


def test_who_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches.sys, "platform", "linux")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(16), raising=False)
    cuda = torch.device("cuda")
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert [batches._workers(CPU, True), batches._workers(CPU, False), batches._workers(cuda, True)] == [0, 4, 4]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert batches._workers(cuda, False) == 1
    monkeypatch.setattr(batches.sys, "platform", "darwin")
    assert batches._workers(cuda, False) == 0


def test_mapped_samples_are_made_as_they_are_read() -> None:
    numbers = OnDisk(6)
    some = Mapped(numbers, lambda pair: int(pair[1][0]) ** 2, [5, 0, 2])
    assert numbers.read == []
    assert (len(some), [some[index] for index in range(3)]) == (3, [25, 0, 4])
    with pytest.raises(IndexError):
        some[3]
    assert len(Mapped(numbers, partial(max, 1))) == 6
