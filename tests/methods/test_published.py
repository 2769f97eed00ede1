"""The first public code as a row: its boxes, its factor, its fusion."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.cam.maps import normalise_maps, pyramid_maps
from wsss.methods.evidence import Look, gather
from wsss.methods.parameters import CropParameters, RegionParameters
from wsss.methods.published import BUDGET, cam_boxes, depth_factor, last_scale, view_sizes
from wsss.methods.registry import METHODS


def test_the_box_is_around_the_upper_half_of_the_range_with_its_margin() -> None:
    cam = np.zeros((2, 300, 400), np.float32)
    cam[0, 100:220, 150:170] = 1.0
    cam[0, 20:40, 20:40] = 0.5  # below (0.5 + 1) / 2
    (one, other) = cam_boxes(cam)
    assert other is None  # an empty map
    assert one is not None
    box, inside = one
    assert inside.sum() == 120 * 20
    assert box == (100 - 59, 150 - 50, 219 + 59, 169 + 50)  # half of the box's side, at least 50 pixels


def test_the_box_ends_at_the_image() -> None:
    cam = np.zeros((1, 60, 80), np.float32)
    cam[0, 5:20, 70:80] = 1.0
    (one,) = cam_boxes(cam)
    assert one is not None
    assert one[0] == (0, 20, 60, 80)


@pytest.mark.parametrize(("value", "factor"), [(0.0, 2.0), (0.15, 2.0), (0.16, 1.8), (0.5, 1.4), (1.0, 0.8)])
def test_the_factor_of_the_code(value: float, factor: float) -> None:
    """2 − 0.2 · (mean // 40) of depth in 8 bits."""
    depth = np.full((4, 6), value, np.float32)
    assert depth_factor(depth, np.ones((4, 6), bool)) == pytest.approx(factor)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200), st.integers(60, 300), st.floats(0.8, 2)), max_size=6)
)
def test_everything_together_costs_the_budget(given_boxes) -> None:
    size, base = (300, 400), 256
    area = 300 * 400 * (256 / 400) ** 2
    boxes = [(t, left, min(300, t + side), min(400, left + side)) for t, left, side, _ in given_boxes]
    views = view_sizes(boxes, [each[3] for each in given_boxes], size, base, spent=7.0)
    assert all(side % 16 == 0 and side >= 32 for view in views for side in view)
    pixels = 7 * area + sum(h * w for h, w in views)
    scale = last_scale(pixels, size, base)
    assert scale >= 0.5
    assert pixels + scale**2 * area == pytest.approx(BUDGET * area, rel=0.02)


def test_maps_are_fused_by_maximum(tiny_classifier) -> None:
    model, info = tiny_classifier(("a", "b"), 64)
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    look = Look(model, info, image, (0, 1), torch.device("cpu"))
    depth = np.full((96, 128), 0.5, np.float32)
    found = gather(METHODS["code-as-published"], look, regions=RegionParameters(), crops=CropParameters(), depth=depth)
    first = pyramid_maps(model, info, image, (0, 1), scales=(0.5, 1.0, 1.5), flip=True, device=torch.device("cpu"))
    (last,) = (levels for (scales, flip), levels in look._levels.items() if not flip)
    plain = normalise_maps(torch.cat([first.maps, last.maps]).relu().sum(dim=0))
    assert found.levels.shape == (1, 2, 96, 128)
    assert (found.levels[0] >= plain - 1e-6).all()
    assert (found.levels[0] > plain + 1e-3).any()
    assert found.levels.max() <= 1
    expected = [
        box for one in cam_boxes(normalise_maps(first.maps.relu().sum(dim=0)).numpy()) if one for box in [one[0]]
    ]
    for number, (top, left, bottom, right) in enumerate(expected):
        outside = torch.ones(96, 128, dtype=torch.bool)
        outside[top:bottom, left:right] = False
        torch.testing.assert_close(found.levels[0, number][outside], plain[number][outside])
