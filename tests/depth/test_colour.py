"""Regions from colour alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.depth.colour import MIN_PIXELS, colour_regions


def patches(seed: int, height: int, width: int) -> np.ndarray:
    """An image of 4×4 patches of random colours."""
    colours = np.random.default_rng(seed).integers(0, 256, (4, 4, 3))
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return colours[rows[:, None], columns[None, :]].astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 999), st.booleans())
def test_regions_cover_every_pixel(height: int, width: int, seed: int, noise: bool) -> None:
    image = patches(seed, height, width)
    if noise:
        image = np.random.default_rng(seed).integers(0, 256, image.shape, dtype=np.uint8)
    regions = colour_regions(image)
    assert regions.labels.shape == (height, width)
    assert regions.labels.dtype == np.int32
    assert set(np.unique(regions.labels)) == set(range(1, len(regions) + 1))
    assert not regions.is_plane.any()
    assert regions.nearness is None


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 999))
def test_regions_are_sorted_by_size(height: int, width: int, seed: int) -> None:
    regions = colour_regions(patches(seed, 2 * height, 2 * width))
    areas = np.bincount(regions.labels.ravel())[1:]
    assert (np.diff(areas) <= 0).all()
    assert len(areas) == 1 or areas.min() >= 4 * MIN_PIXELS


def test_areas_of_one_colour_are_found() -> None:
    image = np.full((120, 160, 3), (30, 60, 120), np.uint8)
    first, second = np.zeros((120, 160), bool), np.zeros((120, 160), bool)
    first[20:80, 20:90], second[60:110, 110:150] = True, True
    image[first], image[second] = (220, 40, 40), (240, 230, 90)
    regions = colour_regions(image)
    assert len(regions) == 3
    for number, mask in ((1, ~first & ~second), (2, first), (3, second)):
        found = regions.labels == number
        assert (found & mask).sum() / (found | mask).sum() > 0.95


@pytest.mark.parametrize("size", [(100, 140), (33, 41), (5, 5)])
@pytest.mark.parametrize("value", [0, 120, 255])
def test_a_uniform_image_is_one_region(size: tuple[int, int], value: int) -> None:
    regions = colour_regions(np.full((*size, 3), value, np.uint8))
    assert len(regions) == 1
    assert (regions.labels == 1).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 50), (50, 2), (3, 3), (3, 300)])
def test_thin_images(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    regions = colour_regions(image)
    assert regions.labels.shape == size
    assert regions.labels.min() == 1
    assert regions.labels.max() == len(regions)


def test_same_image_same_regions() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    np.testing.assert_array_equal(colour_regions(image).labels, colour_regions(image.copy()).labels)
