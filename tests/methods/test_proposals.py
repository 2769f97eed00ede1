"""Who says where to look: what each proposal covers, and that the controls are as dumb as they claim."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from wsss.methods.colour import colour_regions, sharing
from wsss.methods.crops import Box, Crop, crop_plan
from wsss.methods.guide import guided_filter
from wsss.methods.parameters import ColourParameters, CropParameters, RegionParameters
from wsss.methods.proposals import (
    CAM_BOX_MARGIN,
    MIN_CAM_BOX,
    Proposal,
    by_boxes,
    by_cam,
    by_colour,
    by_depth,
    by_grid,
    by_random,
)
from wsss.methods.regions import aligned_depths, depth_partitions
from wsss.methods.trust import edge_ranks

lengths = st.integers(1, 80)


def scene(seed: int, side: int = 160) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A textured image, its depth, and the mask of the one thing in it, on a floor."""
    rng = np.random.default_rng(seed)
    texture = np.stack([gaussian_filter(rng.normal(size=(side, side)), 2) for _ in range(3)], axis=-1)
    image = 110 + 12 * texture / texture.std()
    depth = np.tile(np.linspace(0.1, 0.5, side, dtype=np.float32)[:, None], (1, side))
    top, left = rng.integers(side // 10, side // 2, 2)
    thing = np.zeros(depth.shape, bool)
    thing[top : top + side // 3, left : left + side // 4] = True
    rows, columns = np.mgrid[:side, :side]
    round_front = 0.9 - ((rows - top - side // 6) ** 2 + (columns - left - side // 8) ** 2) / 12_500
    depth[thing] = round_front[thing]
    image[thing] += rng.choice([-70, 70], 3)
    return image.clip(0, 255).astype(np.uint8), depth, thing


def depth_proposal(image: np.ndarray, depth: np.ndarray, *guides: int) -> Proposal:
    """`by_depth` with what it is given of the image."""
    parameters = RegionParameters(guides=guides or (0,))
    return by_depth(image, depth, parameters, edge_ranks(image))


def tight(mask: np.ndarray) -> Box:
    rows, columns = (index.tolist() for index in np.nonzero(mask))
    return min(rows), min(columns), max(rows) + 1, max(columns) + 1


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes."""
    sides = [min(first[i + 2], second[i + 2]) - max(first[i], second[i]) for i in (0, 1)]
    both = max(0, sides[0]) * max(0, sides[1])
    return both / (sum((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)) - both)


def covered(proposal: Proposal, size: tuple[int, int]) -> np.ndarray:
    """How many boxes lie on each pixel."""
    out = np.zeros(size, int)
    for one in proposal.tight:
        top, left, bottom, right = one.box
        out[max(0, top) : bottom, max(0, left) : right] += 1
    return out


def assert_inside(proposal: Proposal, size: tuple[int, int]) -> None:
    for one in proposal.tight:
        top, left, bottom, right = one.box
        assert 0 <= top < bottom <= size[0]
        assert 0 <= left < right <= size[1]
        assert all(type(side) is int for side in one.box)


def assert_looks_without_votes(proposal: Proposal) -> None:
    assert proposal.partitions == ()
    assert proposal.joint is None
    assert {one.region for one in proposal.tight} <= {0}


# Depth


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("guides", [(0,), (0, 4), (4,)])
def test_depth_finds_the_thing_first(seed: int, guides: tuple[int, ...]) -> None:
    image, depth, thing = scene(seed)
    found = depth_proposal(image, depth, *guides)
    assert found.tight[0].region == 1
    assert overlap(found.tight[0].box, tight(thing)) > 0.85
    assert len(found.partitions) == len(guides)
    expected = depth_partitions(aligned_depths(depth, image, guides), RegionParameters(guides=guides))
    for mine, other in zip(found.partitions, expected, strict=True):
        np.testing.assert_array_equal(mine.labels, other.labels)
    assert [one.region for one in found.tight] == list(range(1, len(found.partitions[0]) + 1))
    assert found.margin is None
    assert found.joint is not None
    aligned = guided_filter(depth, image, max(guides))
    second = colour_regions(image, aligned, found.trust)
    np.testing.assert_array_equal(found.joint.labels, second.labels)
    np.testing.assert_array_equal(found.joint.step, sharing(second, image, depth, found.trust).step)


def test_depth_is_trusted_where_it_fits_the_image() -> None:
    scenes = [scene(seed) for seed in range(8)]
    trust = np.array([[depth_proposal(image, depth).trust for _, depth, _ in scenes] for image, _, _ in scenes])
    assert (np.diag(trust) == 1).all()
    others = trust[~np.eye(len(scenes), dtype=bool)]
    assert others.mean() < 0.5  # the outline of a single wrong thing may lie on edges by chance
    assert np.median(others) < 0.1


@pytest.mark.parametrize("guides", [(0,), (4,), (0, 4), (8, 4)])
def test_trust_is_that_of_depth_before_it_is_aligned(guides: tuple[int, ...]) -> None:
    """Aligned borders lie on image edges by force, so that they prove nothing."""
    image, _, _ = scene(0)
    _, depth, _ = scene(3)
    assert depth_proposal(image, depth, *guides).trust == depth_proposal(image, depth, 0).trust


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("size", [(40, 60), (1, 30), (30, 1), (1, 1)])
def test_flat_depth_is_one_region_without_trust(value: float, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = depth_proposal(image, np.full(size, value, np.float32), 0, 4)
    assert found.tight == (Crop((0, 0, *size), 1),)
    assert found.trust == 0


def test_colour_looks_at_its_regions_and_trusts_them() -> None:
    image, _, thing = scene(0)
    regions = colour_regions(image, parameters=ColourParameters(2.0, 0.02))
    found = by_colour(regions, image)
    assert found.partitions[0].labels is regions.labels
    np.testing.assert_array_equal(found.partitions[0].step, sharing(regions, image).step)
    assert found.joint is None
    assert found.trust == 1
    assert [one.region for one in found.tight] == list(range(1, len(regions) + 1))
    for one in found.tight:
        assert one.box == tight(regions.labels == one.region)
    assert max(overlap(one.box, tight(thing)) for one in found.tight) > 0.7


# Boxes that are given


def test_given_boxes_are_looked_at_in_their_order() -> None:
    boxes = [(3, 4, 10, 20), (0, 0, 2, 2)]
    found = by_boxes(boxes)
    assert [one.box for one in found.tight] == boxes
    assert_looks_without_votes(found)
    assert found.margin is None
    assert by_boxes([]).tight == ()


# Grid


@settings(max_examples=100, deadline=None)
@given(lengths, lengths, st.integers(1, 40))
def test_the_grid_covers_the_image_with_exactly_count_boxes(height: int, width: int, count: int) -> None:
    found = by_grid((height, width), count)
    assert len(found.tight) == count
    assert (covered(found, (height, width)) >= 1).all()
    assert_inside(found, (height, width))
    assert_looks_without_votes(found)


@pytest.mark.parametrize(("count", "cells"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (9, 9), (13, 12), (16, 16)])
def test_cells_of_the_grid_are_a_partition_and_the_rest_is_the_whole(count: int, cells: int) -> None:
    found = by_grid((61, 83), count)
    assert (covered(Proposal(found.tight[:cells]), (61, 83)) == 1).all()
    assert [one.box for one in found.tight[cells:]] == [(0, 0, 61, 83)] * (count - cells)
    sides = np.array([(one.box[2] - one.box[0], one.box[3] - one.box[1]) for one in found.tight[:cells]])
    assert (np.ptp(sides, axis=0) <= 1).all()


def test_crops_of_the_grid_overlap() -> None:
    found = by_grid((128, 128), 4)
    plan = crop_plan(found.tight, (128, 128), CropParameters(count=4), found.margin)
    assert all(one.box[2] - one.box[0] > 64 for one in plan)
    assert (covered(Proposal(tuple(plan[:1])), (128, 128))[:66, :66] == 1).all()


# Random


@settings(max_examples=60, deadline=None)
@given(lengths, lengths, st.integers(1, 30), st.integers(0, 99))
def test_random_boxes_are_squares_inside_the_image(height: int, width: int, count: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = by_random(image, count)
    assert len(found.tight) == count
    assert_inside(found, (height, width))
    assert_looks_without_votes(found)
    assert found.margin == 0
    shorter = min(height, width)
    for top, left, bottom, right in (one.box for one in found.tight):
        assert bottom - top == right - left
        assert round(0.25 * shorter) - 1 <= bottom - top <= max(1, round(0.75 * shorter))


def test_random_boxes_are_those_of_the_image() -> None:
    images = [np.random.default_rng(seed).integers(0, 256, (50, 70, 3), dtype=np.uint8) for seed in range(5)]
    found = [by_random(image, 13) for image in images]
    assert [one.tight for one in found] == [by_random(image.copy(), 13).tight for image in images]
    assert len({one.tight for one in found}) == 5
    noncontiguous = np.asfortranarray(images[0])
    assert by_random(noncontiguous, 13).tight == found[0].tight


def test_random_boxes_fall_everywhere() -> None:
    images = (np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8) for seed in range(60))
    counts = np.add.reduce([covered(by_random(image, 13), (48, 64)) for image in images])
    assert counts[3:-3, 3:-3].min() > 0
    for border in (counts[0], counts[-1], counts[:, 0], counts[:, -1]):
        assert border.any()
    assert counts[:, :32].sum() == pytest.approx(counts[:, 32:].sum(), rel=0.1)
    assert counts[:24].sum() == pytest.approx(counts[24:].sum(), rel=0.1)


# CAM boxes


def bump(size: tuple[int, int], box: Box, peak: float = 3.0, floor: float = 0.0) -> torch.Tensor:
    """A map that is `floor` but for a box of `peak`, and a skirt below the middle of the range around it."""
    maps = torch.full(size, floor)
    top, left, bottom, right = box
    skirt = floor + 0.4 * (peak - floor)
    maps[max(0, top - 9) : bottom + 9, max(0, left - 9) : right + 9] = skirt
    maps[top:bottom, left:right] = peak
    return maps


@pytest.mark.parametrize("floor", [0.0, 1.0, 2.0])
def test_cam_boxes_are_around_the_upper_half_of_the_range(floor: float) -> None:
    large, small = (60, 50, 130, 150), (100, 90, 106, 101)
    found = by_cam(torch.stack([bump((200, 220), large, floor=floor), bump((200, 220), small, floor=floor)]))
    assert found.tight[0].box == large
    top, left, bottom, right = found.tight[1].box
    assert (bottom - top, right - left) == (MIN_CAM_BOX, MIN_CAM_BOX)
    assert abs(top + bottom - 206) <= 1  # the same middle
    assert abs(left + right - 191) <= 1
    assert_looks_without_votes(found)
    assert found.margin == CAM_BOX_MARGIN


def test_only_the_lacking_side_is_widened() -> None:
    found = by_cam(bump((200, 220), (60, 50, 130, 60))[None])
    assert found.tight[0].box == (60, 30, 130, 80)


@settings(max_examples=60, deadline=None)
@given(lengths, lengths, st.integers(0, 3), st.integers(0, 99))
def test_cam_boxes_hold_what_is_above_the_middle(height: int, width: int, classes: int, seed: int) -> None:
    maps = torch.rand(classes, height, width, generator=torch.Generator().manual_seed(seed))
    found = by_cam(maps)
    assert len(found.tight) == (classes if height * width > 1 else 0)
    assert_inside(found, (height, width))
    for one, each in zip(found.tight, maps.numpy(), strict=False):
        inside = tight(each > (each.max() + each.min()) / 2)
        assert one.box[0] <= inside[0]
        assert one.box[1] <= inside[1]
        assert one.box[2] >= inside[2]
        assert one.box[3] >= inside[3]
        assert one.box[2] - one.box[0] >= min(MIN_CAM_BOX, height)
        assert one.box[3] - one.box[1] >= min(MIN_CAM_BOX, width)


def test_a_cam_box_at_the_border_is_moved_not_cut() -> None:
    assert by_cam(bump((200, 200), (0, 100, 10, 110))[None]).tight[0].box == (0, 80, 50, 130)


@pytest.mark.parametrize("value", [0.0, 1.5])
def test_maps_that_say_nothing_give_no_box(value: float) -> None:
    flat = torch.full((60, 80), value)
    assert by_cam(flat[None]).tight == ()
    found = by_cam(torch.stack([flat, bump((60, 80), (5, 5, 58, 70))]))
    assert [one.box for one in found.tight] == [(5, 5, 58, 70)]
    assert by_cam(torch.zeros(0, 60, 80)).tight == ()
