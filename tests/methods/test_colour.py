"""Regions from colour alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.methods.colour import colour_regions, sharing
from wsss.methods.parameters import ColourParameters


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
    regions = colour_regions(patches(seed, 2 * height, 2 * width), parameters=ColourParameters(min_area=0.03))
    areas = np.bincount(regions.labels.ravel())[1:]
    assert (np.diff(areas) <= 0).all()
    assert len(areas) == 1 or areas.min() >= 4 * round(0.03 * height * width)


@pytest.mark.parametrize("side", [64, 128])
def test_parameters_are_relative_to_the_image(side: int) -> None:
    """The same image at twice the resolution has the same regions, but for those that smoothing makes at borders."""
    small = patches(3, side, side)
    large = small.repeat(2, axis=0).repeat(2, axis=1)
    for parameters in (ColourParameters(0.1, 0.02), ColourParameters(2.0, 0.02), ColourParameters(0.5, 0.1)):
        one, other = (colour_regions(image, parameters=parameters) for image in (small, large))
        assert abs(len(one) - len(other)) <= max(1, 0.15 * len(one))
        assert 1 < len(one) < 40


def test_a_smaller_scale_and_area_give_more_regions() -> None:
    image = np.random.default_rng(0).integers(100, 130, (96, 96, 3), dtype=np.uint8)
    areas = [len(colour_regions(image, parameters=ColourParameters(0.5, area))) for area in (0.05, 0.01, 0.002)]
    assert areas == sorted(areas)
    assert areas[0] < areas[-1]
    scales = [len(colour_regions(image, parameters=ColourParameters(scale, 0.001))) for scale in (1000.0, 10.0, 0.1)]
    assert scales == sorted(scales)
    assert scales[0] < scales[-1]


def test_areas_of_one_colour_are_found() -> None:
    image = np.full((120, 160, 3), (30, 60, 120), np.uint8)
    first, second = np.zeros((120, 160), bool), np.zeros((120, 160), bool)
    first[20:80, 20:90], second[60:110, 110:150] = True, True
    image[first], image[second] = (220, 40, 40), (240, 230, 90)
    regions = colour_regions(image, parameters=ColourParameters(2.0, 0.02))
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


def two_tones(side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """An image of one colour, and a depth with a step across its middle."""
    image = np.full((side, side, 3), 120, np.uint8)
    depth = np.zeros((side, side), np.float32)
    depth[:, side // 2 :] = 0.8
    return image, depth


def test_depth_parts_what_colour_does_not_as_far_as_it_is_trusted() -> None:
    image, depth = two_tones()
    assert len(colour_regions(image)) == 1
    assert len(colour_regions(image, depth, trust=0.0)) == 1
    parted = colour_regions(image, depth)
    assert len(parted) == 2
    assert len(np.unique(parted.labels[:, :30])) == len(np.unique(parted.labels[:, 34:])) == 1


def test_votes_are_shared_over_borders_of_like_colour_and_depth() -> None:
    image, depth = two_tones()
    regions = colour_regions(image, depth)
    by_colour, by_both = sharing(regions, image).step, sharing(regions, image, depth).step
    untrusted = sharing(regions, image, depth, trust=0.0).step
    assert by_colour is not None
    assert by_both is not None
    assert untrusted is not None
    np.testing.assert_allclose(untrusted, by_colour)
    assert by_both[0, 1] < by_colour[0, 1] * 1e-4  # a jump of 0.8 is sixteen scales high
    image[:, 32:] = 30
    assert sharing(regions, image).step[0, 1] < by_colour[0, 1] * 1e-4  # type: ignore[index]


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (2, 3)])
def test_thin_images_share_too(size: tuple[int, int]) -> None:
    image, depth = np.zeros((*size, 3), np.uint8), np.zeros(size, np.float32)
    regions = sharing(colour_regions(image, depth), image, depth)
    np.testing.assert_allclose(regions.step.sum(axis=1), 1)  # type: ignore[union-attr]
