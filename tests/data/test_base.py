"""Samples, image labels, and evenly spaced subsets."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from wsss.data.base import IGNORE, Dataset, Sample, labels_of_mask, subset
from wsss.errors import WsssError

masks = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.sampled_from([0, 1, 2, 3, 7, IGNORE])
)


@settings(max_examples=40, deadline=None)
@given(masks, st.integers(1, 8))
def test_labels_are_the_classes_in_the_mask(mask: np.ndarray, classes: int) -> None:
    labels = labels_of_mask(mask, classes)
    assert labels.shape == (classes,)
    assert labels.dtype == bool
    assert {c + 1 for c in np.flatnonzero(labels)} == set(mask.ravel().tolist()) & set(range(1, classes + 1))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300))
def test_subsets_are_evenly_spaced_and_in_order(count: int, limit: int) -> None:
    ids = [f"{number:03d}" for number in range(count)]
    chosen = subset(ids, limit)
    assert len(chosen) == len(set(chosen)) == min(count, limit)
    positions = [int(name) for name in chosen]
    assert positions == sorted(positions)
    assert positions[0] == 0
    if 1 < limit <= count:
        assert positions[-1] == count - 1
        gaps = np.diff(positions)
        assert gaps.max() - gaps.min() <= 1 or count < limit


def test_no_limit_keeps_all() -> None:
    assert subset(["b", "a"], None) == ("b", "a")
    assert subset([], 3) == ()


@pytest.mark.parametrize("name", ["mask", "instances", "depth"])
def test_a_map_of_another_size_is_refused(name: str) -> None:
    maps: dict[str, Any] = {"mask": np.zeros((4, 6), np.uint8), name: np.zeros((6, 4), np.uint16)}
    with pytest.raises(WsssError, match=f"sample x7: {name}"):
        Sample("x7", np.zeros((4, 6, 3), np.uint8), np.zeros(2, bool), **maps)


def test_a_sample_of_one_pixel_is_legal() -> None:
    one = Sample("x", np.zeros((1, 1, 3), np.uint8), np.zeros(2, bool), np.zeros((1, 1), np.uint8))
    assert one.depth is None
    assert one.instances is None


def test_what_is_no_dataset() -> None:
    assert not isinstance([], Dataset)
