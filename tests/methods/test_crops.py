"""Crops and the way back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.errors import WsssError
from wsss.methods.crops import (
    BLUR,
    Crop,
    crop,
    crop_plan,
    hidden_pixels,
    inside_regions,
    layered_crop,
    region_boxes,
    square_box,
    uncrop,
    without_hidden,
)
from wsss.methods.parameters import EXCLUSIONS, CropParameters
from wsss.methods.regions import Regions

lengths = st.integers(1, 200)


def regions_of(*boxes: tuple[int, int, int, int], nearness: tuple[float, ...] | None = None) -> Regions:
    """Rectangular things in an image of 60×80 (H×W) on a background that is the last region, a plane."""
    labels = np.full((60, 80), len(boxes) + 1, np.int32)
    for number, (top, left, bottom, right) in enumerate(boxes, start=1):
        labels[top:bottom, left:right] = number
    is_plane = np.array([False] * len(boxes) + [True])
    return Regions(labels, is_plane, None if nearness is None else np.array(nearness, np.float32))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 99), st.integers(0, 99), lengths, lengths, st.floats(0, 2), st.integers(1, 64))
def test_square_box_is_square_and_holds_the_region(
    top: int, left: int, height: int, width: int, context: float, least: int
) -> None:
    box = square_box((top, left, top + height, left + width), context, least)
    side = box[2] - box[0]
    assert side == box[3] - box[1] >= least
    assert side == max(least, round(max(height, width) * (1 + 2 * context)))
    assert box[0] <= top
    assert box[1] <= left
    assert box[2] >= top + height
    assert box[3] >= left + width
    assert abs((box[0] + box[2]) - (2 * top + height)) <= 1  # same centre, but for half a pixel
    assert abs((box[1] + box[3]) - (2 * left + width)) <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 5), st.integers(1, 70), st.integers(1, 70), st.integers(0, 99))
def test_plan_has_always_the_same_length(count: int, boxes: int, height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, boxes + 1, (height, width)).astype(np.int32)  # some regions may be missing
    tight = region_boxes(Regions(labels, np.zeros(boxes, bool)))
    plan = crop_plan(tight, (height, width), CropParameters(count=count))
    assert len(plan) == count
    present = set(np.unique(labels[labels > 0])) or {0}
    assert {one.region for one in plan} <= present
    assert len({one.region for one in plan}) == min(count, len(present))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_region_boxes_are_tight_and_in_order(boxes: int, height: int, width: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, boxes + 1, (height, width)).astype(np.int32)
    found = region_boxes(Regions(labels, np.zeros(boxes, bool)))
    assert [one.region for one in found] == sorted(set(np.unique(labels)) - {0})
    for one in found:
        rows, columns = np.nonzero(labels == one.region)
        assert one.box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)


def test_plan_looks_at_things_first_and_then_wider() -> None:
    regions = regions_of((10, 10, 20, 20), (30, 30, 38, 36))
    plan = crop_plan(region_boxes(regions), (60, 80), CropParameters(count=7, context=0.25, min_side=4))
    assert [one.region for one in plan] == [1, 2, 3, 1, 2, 3, 1]
    sides = [one.box[2] - one.box[0] for one in plan]
    assert sides == [15, 12, 80, 20, 16, 80, 30]  # context ¼, then ½, then 1; the floor never wider than the image


def test_plan_without_regions_looks_at_the_whole() -> None:
    tight = region_boxes(Regions(np.zeros((30, 50), np.int32), np.zeros(0, bool)))
    assert tight == []
    assert crop_plan(tight, (30, 50), CropParameters(count=3)) == [Crop((-10, 0, 40, 50), 0)] * 3


def test_a_given_context_takes_the_place_of_the_parameters() -> None:
    tight = [Crop((10, 10, 20, 20), 0)]

    def sides(context: float | None) -> list[int]:
        plan = crop_plan(tight, (60, 80), CropParameters(count=3, context=0.5, min_side=4), context)
        return [one.box[2] - one.box[0] for one in plan]

    assert sides(None) == [20, 30, 50]  # ½, 1, 2
    assert sides(0.1) == [12, 14, 18]
    assert sides(0.0) == [10, 10, 10]


def test_what_a_crop_must_not_see() -> None:
    regions = regions_of((10, 10, 20, 20), (30, 30, 40, 40), nearness=(0.5, 0.9, 0.2))
    first, second, floor = (regions.labels == number for number in (1, 2, 3))

    def hidden(region: int, **parameters: object) -> np.ndarray:
        return hidden_pixels(regions, region, CropParameters(**parameters))  # type: ignore[arg-type]

    for exclude in ("others", "blur"):
        np.testing.assert_array_equal(hidden(1, exclude=exclude), second)
        np.testing.assert_array_equal(hidden(3, exclude=exclude), first | second)
    np.testing.assert_array_equal(hidden(1, exclude="fill", keep=0), ~first)
    kept = ~hidden(2, exclude="fill", keep=3)
    assert kept[second].all()
    assert kept[27, 35]
    assert not kept[26, 35]
    assert not hidden(1, exclude="box").any()
    for exclude in ("others", "nearer", "fill", "blur", "box"):
        assert not hidden(0, exclude=exclude).any()
        assert not (hidden(1, exclude=exclude) & first).any()
    assert floor[0, 0]


def test_only_things_in_front_are_nearer() -> None:
    boxes = (10, 10, 20, 20), (30, 30, 40, 40), (45, 50, 50, 60)
    regions = regions_of(*boxes, nearness=(0.5, 0.9, 0.5, 0.95))  # and a nearer floor, which is no thing
    parameters = CropParameters(exclude="nearer")
    np.testing.assert_array_equal(hidden_pixels(regions, 1, parameters), regions.labels == 2)
    assert not hidden_pixels(regions, 2, parameters).any()
    unknown = regions_of(*boxes)  # without nearness nothing is known to be behind
    np.testing.assert_array_equal(hidden_pixels(unknown, 2, parameters), np.isin(unknown.labels, (1, 3)))


def test_unknown_exclusions_are_named() -> None:
    with pytest.raises(WsssError, match="exclude must be one of others, nearer, fill, blur, box, not 'magic'"):
        CropParameters(exclude="magic")


@pytest.mark.parametrize("exclude", ["others", "nearer", "fill", "box"])
def test_hidden_pixels_are_painted_with_the_mean_colour(exclude: str) -> None:
    image = torch.rand(3, 9, 11) + 1
    hidden = torch.zeros(9, 11, dtype=torch.bool)
    hidden[2:5, 3:9] = True
    view = without_hidden(image, hidden, CropParameters(exclude=exclude))
    assert (view[:, hidden] == 0).all()
    assert torch.equal(view[:, ~hidden], image[:, ~hidden])


@pytest.mark.parametrize("size", [(50, 64), (7, 5), (1, 40), (1, 1)])
def test_blurred_pixels_are_means_of_their_surroundings(size: tuple[int, int]) -> None:
    image = torch.rand(3, *size)
    hidden = torch.rand(size) < 0.5
    view = without_hidden(image, hidden, CropParameters(exclude="blur"))
    assert torch.equal(view[:, ~hidden], image[:, ~hidden])
    reach = BLUR // 2
    for row, column in hidden.nonzero()[:5].tolist():
        window = image[:, max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1]
        torch.testing.assert_close(view[:, row, column], window.mean(dim=(1, 2)), atol=1e-5, rtol=0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 99), st.sampled_from(EXCLUSIONS), st.integers(0, 8))
def test_a_layered_crop_is_the_crop_of_the_layered_image(
    height: int, width: int, seed: int, exclude: str, keep: int
) -> None:
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(0, 5, (7, 7)), np.ones((8, 8), int))[:height, :width].astype(np.int32)
    regions = Regions(labels, rng.random(4) < 0.3, rng.random(4).astype(np.float32))
    parameters = CropParameters(exclude=exclude, keep=keep, count=4, min_side=int(rng.integers(1, 40)))
    image = torch.randn(height, width, 3).permute(2, 0, 1)
    for one in crop_plan(region_boxes(regions), (height, width), parameters):
        hidden = torch.from_numpy(hidden_pixels(regions, one.region, parameters))
        whole = crop(without_hidden(image, hidden, parameters), one.box, 32, torch.zeros(3))
        assert torch.equal(layered_crop(image, one, 32, regions, parameters), whole)


def smooth_image(height: int, width: int) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(height) / 40, torch.arange(width) / 40, indexing="ij")
    return torch.stack([torch.sin(rows + columns), torch.cos(rows - 0.5 * columns), 0.3 * rows])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(20, 60), st.integers(20, 60), st.integers(-15, 40), st.integers(-15, 40), st.integers(20, 60),
    st.sampled_from([48, 64, 112]),
)  # fmt: skip
def test_uncrop_undoes_crop_inside_the_box(
    height: int, width: int, top: int, left: int, box_side: int, side: int
) -> None:
    box = (min(top, height - 6), min(left, width - 6), 0, 0)
    box = (box[0], box[1], box[0] + box_side, box[1] + box_side)
    image = smooth_image(height, width)
    view = crop(image, box, side, torch.zeros(3))
    assert view.shape == (3, side, side)
    back = uncrop([view, image], [box, (0, 0, height, width)], (height, width))
    assert torch.equal(back[1], image)  # the whole image, as it was
    back = back[0]
    assert back.shape == image.shape
    inside = torch.zeros(height, width, dtype=torch.bool)
    rows, columns = slice(max(0, box[0]), box[2]), slice(max(0, box[1]), box[3])
    inside[rows, columns] = True
    assert (back[:, ~inside] == 0).all()
    # Two pixels from the box's and the image's edge, where fill and clamping do not reach.
    core = inside.clone()
    core[: max(0, box[0]) + 2], core[min(height, box[2]) - 2 :] = False, False
    core[:, : max(0, box[1]) + 2], core[:, min(width, box[3]) - 2 :] = False, False
    assert core.any()
    torch.testing.assert_close(back[:, core], image[:, core], atol=0.02, rtol=0)


def test_crop_at_its_own_size_is_a_slice_with_fill_outside() -> None:
    image = torch.arange(2 * 6 * 9, dtype=torch.float32).reshape(2, 6, 9)
    fill = torch.tensor([-1.0, -2.0])
    view = crop(image, (-2, 5, 6, 13), 8, fill)
    assert torch.equal(view[:, 2:8, :4], image[:, :6, 5:9])
    assert torch.equal(view[:, :2], fill[:, None, None].expand(2, 2, 8))
    assert torch.equal(view[:, :, 4:], fill[:, None, None].expand(2, 8, 4))
    back = uncrop([view], [(-2, 5, 6, 13)], (6, 9))[0]
    assert torch.equal(back[:, :, 5:], image[:, :, 5:])
    assert (back[:, :, :5] == 0).all()


@pytest.mark.parametrize("size", [(1, 40), (1, 1), (40, 1)])
def test_odd_images(size: tuple[int, int]) -> None:
    plan = crop_plan(region_boxes(Regions(np.ones(size, np.int32), np.array([False]))), size, CropParameters(count=2))
    for one in plan:
        view = crop(torch.ones(3, *size), one.box, 32, torch.zeros(3))
        back = uncrop([view[:1]], [one.box], size)[0]
        assert back.shape == (1, *size)
        assert back.max() > 0


def test_uncrop_of_no_class() -> None:
    assert uncrop([torch.zeros(0, 4, 4)] * 2, [(0, 0, 10, 10)] * 2, (12, 15)).shape == (2, 0, 12, 15)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(0, 3), st.floats(0, 1))
def test_outside_of_its_thing_a_crop_says_nothing(seed: int, widened: int, trust: float) -> None:
    rng = np.random.default_rng(seed)
    labels = np.kron(rng.integers(1, 4, (3, 4)), np.ones((4, 3))).astype(np.int32)
    regions = Regions(labels, np.array([False, False, True]))
    plan = [Crop((0, 0, 12, 12), region) for region in (1, 2, 3, 0)]
    pasted = torch.from_numpy(rng.normal(size=(4, 2, 12, 12)).astype(np.float32))
    found = inside_regions(pasted, plan, regions, widened, trust)
    rows, columns = np.mgrid[:12, :12]
    for number, one in enumerate(plan):
        own = np.argwhere(labels == one.region)
        for row, column in zip(rows.ravel(), columns.ravel(), strict=True):
            steps = np.abs(own - [row, column]).sum(axis=1).min(initial=99)
            share = 1 if one.region in (0, 3) or steps <= widened else 1 - trust
            np.testing.assert_allclose(found[number, :, row, column], share * pasted[number, :, row, column], atol=1e-6)
