"""Regions from depth, against scikit-image's labelling and scenes whose parts are known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.sparse import lil_matrix
from scipy.sparse.csgraph import connected_components
from skimage.measure import label

from wsss.errors import WsssError
from wsss.methods.guide import guided_filter
from wsss.methods.parameters import RegionParameters
from wsss.methods.regions import (
    Regions,
    aligned_depths,
    continuous_parts,
    depth_levels,
    depth_partitions,
    depth_regions,
)

maps = arrays(np.int64, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=st.integers(0, 2))


def same_partition(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two label maps are equal but for the names of the labels."""
    pairs = np.unique(np.stack([first.ravel(), second.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


@settings(max_examples=40, deadline=None)
@given(maps)
def test_parts_are_the_connected_components_of_constant_depth(levels: np.ndarray) -> None:
    parts = continuous_parts((levels / 10).astype(np.float32), np.zeros_like(levels), jump=0.05)
    assert same_partition(parts, label(levels, connectivity=1, background=-1))
    assert list(dict.fromkeys(parts.ravel().tolist())) == list(range(parts.max() + 1))  # numbered as one reads


@settings(max_examples=40, deadline=None)
@given(maps)
def test_groups_part_what_depth_does_not(groups: np.ndarray) -> None:
    parts = continuous_parts(np.zeros(groups.shape, np.float32), groups, jump=0.05)
    assert same_partition(parts, label(groups, connectivity=1, background=-1))


def test_a_ramp_is_one_part_and_a_jump_two() -> None:
    ramp = np.linspace(0, 1, 200, dtype=np.float32)[None, :]
    assert continuous_parts(ramp, np.zeros(ramp.shape, int), jump=0.015).max() == 0
    ramp[:, 100:] += 0.02
    assert continuous_parts(ramp, np.zeros(ramp.shape, int), jump=0.015).max() == 1


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth of a floor with a large and a small box, and their masks."""
    depth = np.tile(np.linspace(0.1, 0.6, 80, dtype=np.float32)[:, None], (1, 96))
    large, small = np.zeros(depth.shape, bool), np.zeros(depth.shape, bool)
    large[30:60, 20:50], small[40:52, 70:80] = True, True
    # A curved front: no plane of its own.
    rows, columns = np.mgrid[:80, :96]
    depth[large] = (0.95 - ((rows - 45) ** 2 + (columns - 35) ** 2) / 4000)[large]
    depth[small] = (0.85 - ((rows - 46) ** 2 + (columns - 75) ** 2) / 2000)[small]
    return depth, large, small


def test_boxes_on_a_floor_become_one_region_each() -> None:
    depth, *boxes = scene()
    regions = depth_regions(depth)
    assert len(regions) == 3
    assert regions.is_plane.tolist() == [False, False, True]
    for number, box in enumerate(boxes, start=1):  # the larger one first
        found = regions.labels == number
        assert (found & box).sum() / (found | box).sum() > 0.95


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 30), st.integers(1, 6))
def test_regions_cover_the_image_and_are_in_order(seed: int, height: int, width: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    depth = np.kron(rng.uniform(0, 1, (height, width)), np.ones((3, 2))).astype(np.float32)
    regions = depth_regions(depth, RegionParameters(max_regions=most, min_area=0.0))
    assert regions.labels.shape == depth.shape
    assert regions.labels.min() >= 1
    assert regions.labels.max() == len(regions) <= most
    assert (np.diff(regions.is_plane.astype(int)) >= 0).all()  # things, then planes
    assert regions.nearness is not None
    assert regions.nearness.shape == regions.is_plane.shape
    assert regions.nearness.dtype == np.float32


def test_regions_are_sorted_by_area_within_things_and_planes() -> None:
    # Blocks of noise are things; nothing is too small, so that the areas are those the order was made from.
    sizes = [30, 12, 20, 5]
    depth = np.zeros((30, sum(sizes)), np.float32)
    rng = np.random.default_rng(0)
    start = 0
    for number, size in enumerate(sizes):
        depth[:, start : start + size] = 0.2 * number + 0.3 * (number % 2) + rng.uniform(0, 0.004, (30, size))
        start += size
    regions = depth_regions(depth, RegionParameters(min_area=0.0))
    areas = np.bincount(regions.labels.ravel())[1:]
    for kind in (False, True):
        assert (np.diff(areas[regions.is_plane == kind]) <= 0).all()
    assert sorted(areas) == sorted(30 * size for size in sizes)


def test_nearness_is_the_mean_depth() -> None:
    depth, *boxes = scene()
    regions = depth_regions(depth, RegionParameters(min_area=0.0))
    assert regions.nearness is not None
    expected = [depth[regions.labels == number].mean() for number in range(1, len(regions) + 1)]
    np.testing.assert_allclose(regions.nearness, expected, atol=1e-5)
    assert regions.nearness[0] == pytest.approx(depth[boxes[0]].mean(), abs=0.01)


def test_nearness_is_that_of_the_region_before_it_took_in_small_ones() -> None:
    depth = np.full((20, 20), 0.3, np.float32)
    depth[5, 5] = 1.0
    regions = depth_regions(depth, RegionParameters(min_area=0.02))
    assert regions.nearness is not None
    assert regions.nearness.tolist() == pytest.approx([0.3], abs=1e-6)
    assert (regions.labels == 1).all()


def photograph(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Depth of `scene` and an image of it: a colour for each part, and a little noise."""
    depth, large, small = scene()
    image = np.full((80, 96, 3), 60) + np.random.default_rng(seed).integers(-4, 5, (80, 96, 3))
    image[large] += (140, 20, 20)
    image[small] += (10, 30, 150)
    return depth, image.astype(np.uint8)


def same(first: Regions, second: Regions) -> bool:
    return np.array_equal(first.labels, second.labels) and np.array_equal(first.is_plane, second.is_plane)


def test_one_partition_for_each_guide() -> None:
    depth, image = photograph()
    chosen = RegionParameters(guides=(2, 0, 4), smooth=1.0, jump=0.02)
    partitions = depth_partitions(aligned_depths(depth, image, chosen.guides), chosen)
    assert len(partitions) == 3
    unsmoothed = RegionParameters(smooth=0.0, jump=0.02)
    assert same(partitions[0], depth_regions(guided_filter(depth, image, 2), unsmoothed))
    assert same(partitions[1], depth_regions(depth, RegionParameters(smooth=1.0, jump=0.02)))
    assert same(partitions[2], depth_regions(guided_filter(depth, image, 4), unsmoothed))
    assert same(depth_partitions(aligned_depths(depth, image, (0,)), RegionParameters())[0], depth_regions(depth))


def test_guided_regions_end_where_the_image_does() -> None:
    """Depth that is three pixels beside its object gives regions whose borders are not, but where slivers join others."""
    depth, image = photograph()
    beside = np.roll(depth, 3, axis=1)

    def share_of_border(guide: int, *columns: int) -> float:
        (regions,) = depth_partitions(aligned_depths(beside, image, (guide,)), RegionParameters(guides=(guide,)))
        border = regions.labels[34:56, 1:] != regions.labels[34:56, :-1]
        return float(border[:, np.array(columns) - 1].mean())

    assert share_of_border(0, 23, 53) == 1.0
    assert share_of_border(0, 20, 50) == 0.0  # where the image's large box begins and ends
    assert share_of_border(4, 20, 50) > 0.85


def test_small_regions_join_the_nearest() -> None:
    depth, large, _ = scene()
    depth[5, 5] = 1.0
    regions = depth_regions(depth, RegionParameters(min_area=0.02))
    assert len(regions) == 2
    assert regions.labels[5, 5] == 2  # the floor
    assert regions.labels[46, 75] == 2
    assert (regions.labels[large] == 1).mean() > 0.95


def test_smoothing_removes_steps_of_quantised_depth() -> None:
    rows = np.linspace(0.0, 1.0, 120)[:, None] ** 2 * np.ones((1, 40))
    steps = (np.floor(rows * 40) / 40).astype(np.float32)  # steps of 0.025
    parameters = RegionParameters(plane_tolerance=1e-4, min_area=0.0)
    rough = depth_regions(steps, parameters)
    smooth = depth_regions(steps, RegionParameters(plane_tolerance=1e-4, min_area=0.0, smooth=4.0, jump=0.02))
    assert len(rough) >= 20
    assert len(smooth) <= 2  # the flat top is a plane of its own


@pytest.mark.parametrize("size", [(20, 30), (3, 3)])
def test_flat_depth_is_one_plane_region(size: tuple[int, int]) -> None:
    regions = depth_regions(np.zeros(size, np.float32))
    assert regions.is_plane.tolist() == [True]
    assert (regions.labels == 1).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
def test_images_without_area_are_one_region(size: tuple[int, int]) -> None:
    regions = depth_regions(np.zeros(size, np.float32))
    assert len(regions) == 1
    assert (regions.labels == 1).all()


def test_nothing_large_enough_gives_no_region() -> None:
    noise = np.random.default_rng(0).uniform(0, 1, (30, 30)).astype(np.float32)
    regions = depth_regions(noise, RegionParameters(min_area=0.5))
    assert len(regions) == 0
    assert not regions.labels.any()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60), st.integers(2, 5))
def test_levels_are_ordered_as_depth_is(values: list[float], most: int) -> None:
    depth = np.array(values, np.float32)
    levels = depth_levels(depth, most)
    assert levels.shape == depth.shape
    assert levels.min() >= 0
    assert levels.max() < most
    assert (np.diff(levels[np.argsort(depth, kind="stable")]) >= 0).all()


@pytest.mark.parametrize("centres", [(0.2, 0.8), (0.1, 0.5, 0.9), (0.1, 0.35, 0.6, 0.9)])
def test_the_number_of_levels_is_that_of_the_clusters(centres: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(len(centres), size=600)
    values = (np.array(centres)[truth] + rng.normal(0, 0.01, 600)).astype(np.float32)
    # A threshold is the middle of one of 64 bins, so a value beside it may fall to the wrong side.
    assert np.mean(depth_levels(values) == truth) > 0.97


def test_a_flat_map_has_one_level() -> None:
    assert not depth_levels(np.full(20, 0.3, np.float32)).any()


def test_levels_cut_a_ramp_that_has_no_jump() -> None:
    ramp = np.linspace(0, 1, 64, dtype=np.float32) ** 2 * np.ones((32, 1), np.float32)
    by_jumps, by_levels = (
        depth_regions(ramp, RegionParameters(planes=0, jump=0.05, min_area=0.0, layering=name))
        for name in ("jumps", "levels")
    )
    assert len(by_jumps) == 1
    assert len(by_levels) > 1


def test_without_planes_nothing_is_a_plane() -> None:
    ramp = np.linspace(0, 1, 40, dtype=np.float32) * np.ones((30, 1), np.float32)
    assert depth_regions(ramp).is_plane.any()
    assert not depth_regions(ramp, RegionParameters(planes=0)).is_plane.any()


def test_an_unknown_layering_is_named() -> None:
    with pytest.raises(WsssError, match="layering must be one of jumps, levels, not 'leaves'"):
        RegionParameters(layering="leaves")


def test_a_jump_that_is_large_enough_far_away_is_not_near() -> None:
    depth = np.repeat(np.array([[0.0, 0.01, 0.6, 0.61]], np.float32), 40, axis=1).repeat(60, axis=0)
    settings_ = RegionParameters(planes=0, jump=0.02, min_area=0.0)
    assert len(depth_regions(depth, settings_)) == 2
    regions = depth_regions(depth, replace(settings_, far=0.25))  # 0.005 at 0, 0.014 at 0.6
    assert len(regions) == 3
    assert regions.labels[0, 0] != regions.labels[0, 40]
    assert regions.labels[0, 80] == regions.labels[0, 159]


@settings(max_examples=25, deadline=None)
@given(maps, st.integers(0, 99))
def test_of_two_pixels_the_larger_jump_counts(levels: np.ndarray, seed: int) -> None:
    depth = (levels / 10).astype(np.float32)
    jumps = np.random.default_rng(seed).choice(np.array([0.05, 0.15, 0.25], np.float32), depth.shape)
    parts = continuous_parts(depth, np.zeros_like(levels), jumps)
    graph = lil_matrix((depth.size, depth.size))
    number = np.arange(depth.size).reshape(depth.shape)
    for place in np.ndindex(depth.shape):
        for other in ((place[0] + 1, place[1]), (place[0], place[1] + 1)):
            inside = other[0] < depth.shape[0] and other[1] < depth.shape[1]
            if inside and abs(depth[place] - depth[other]) < max(jumps[place], jumps[other]):
                graph[number[place], number[other]] = 1
    assert same_partition(parts, connected_components(graph, directed=False)[1].reshape(depth.shape))
