"""Large photographs are looked at as smaller copies, and label maps enlarged again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.transform import resize

from wsss.data.base import Sample
from wsss.data.reduced import enlarged, reduced, resized_label

MAPS = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, 7, 255]))


def test_a_large_sample_is_reduced_with_its_mask_and_knows_its_own_size() -> None:
    image, mask = (
        np.zeros((30, 40, 3), np.uint8),
        np.repeat(np.array([0, 3, 255], np.uint8), 10)[:, None].repeat(40, axis=1),
    )
    small = reduced(Sample("a", image, np.ones(1, bool), mask, turned=True), 20)
    assert (small.image.shape, small.full_size, small.own_size, small.turned) == ((15, 20, 3), (30, 40), (30, 40), True)
    assert small.required_mask[:, 0].tolist() == [0] * 5 + [3] * 5 + [255] * 5


@pytest.mark.parametrize("side", [40, 41, 1000])
def test_one_that_is_not_larger_is_as_it_is(side: int) -> None:
    sample = Sample("a", np.zeros((30, 40, 3), np.uint8), np.ones(1, bool), None)
    assert reduced(sample, side) is sample
    assert (sample.full_size, sample.own_size) == (None, (30, 40))


@given(MAPS, st.integers(0, 20), st.integers(0, 20))
def test_an_enlarged_map_has_the_same_labels_and_the_wanted_size(label: np.ndarray, high: int, wide: int) -> None:
    size = label.shape[0] + high, label.shape[1] + wide
    found = enlarged(label, size)
    assert (found.shape, found.dtype) == (size, np.uint8)
    assert set(np.unique(found)) <= set(np.unique(label))


@given(MAPS, st.integers(1, 4))
def test_it_is_the_label_with_most_of_each_pixel(label: np.ndarray, times: int) -> None:
    """Compared with scikit-image's bilinear resizing, where no two labels have as much."""
    size = label.shape[0] * times, label.shape[1] * times
    values = np.unique(label)
    areas = np.stack(
        [resize((label == value).astype(float), size, order=1, mode="edge", anti_aliasing=False) for value in values]
    )
    ordered = np.sort(areas, axis=0)
    clear = np.ones(size, bool) if len(values) == 1 else ordered[-1] - ordered[-2] > 1e-4
    assert (enlarged(label, size) == values[areas.argmax(axis=0)])[clear].all()


@given(MAPS, st.sampled_from([1, 3, 5]))
def test_reduced_again_it_is_the_map_it_was(label: np.ndarray, times: int) -> None:
    """By odd factors, whose middle pixels are the old ones."""
    size = label.shape[0] * times, label.shape[1] * times
    assert (resized_label(enlarged(label, size), label.shape) == label).all()


def test_a_slanting_border_has_no_stairs() -> None:
    label = np.tri(16, dtype=np.uint8)

    def largest_step(large: np.ndarray) -> int:
        return int(np.diff(large.sum(axis=1).astype(int))[10:-10].max())

    assert largest_step(enlarged(label, (160, 160))) == 2
    assert largest_step(resized_label(label, (160, 160))) == 10
