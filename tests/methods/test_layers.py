"""The control of many layers: maps spread by what earlier layers find alike."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wsss.cam.stages import stage_maps
from wsss.methods.evidence import Look, gather
from wsss.methods.layers import SPREADS, features_of, spread_once
from wsss.methods.parameters import CropParameters, RegionParameters
from wsss.methods.registry import METHODS


def by_hand(scores: np.ndarray, features: np.ndarray, power: int) -> np.ndarray:
    """The definition, cell by cell."""
    found = np.zeros_like(scores)
    for cell in range(scores.shape[1]):
        weights = [max(0.0, float(features[:, cell] @ features[:, other])) ** power for other in range(scores.shape[1])]
        found[:, cell] = scores @ np.array(weights) / sum(weights)
    return found


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_spreading_is_a_weighted_mean(classes: int, cells: int, power: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0, 3, (classes, cells)).astype(np.float32)
    features = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(5, cells)).astype(np.float32)), dim=0)
    found = spread_once(torch.from_numpy(scores), features, power).numpy()
    np.testing.assert_allclose(found, by_hand(scores, features.numpy(), power), atol=1e-4)
    assert (found <= scores.max(axis=1, keepdims=True) + 1e-4).all()


def test_alike_cells_share_and_others_do_not() -> None:
    features = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    scores = torch.tensor([[4.0, 0.0, 0.0, 2.0]])
    assert spread_once(scores, features, 4).tolist() == [[2.0, 2.0, 1.0, 1.0]]


def test_without_features_scores_stay() -> None:
    scores = torch.rand(2, 6)
    assert torch.equal(spread_once(scores, torch.zeros(3, 6), 4), scores)


def test_features_of_each_stage_count_alike() -> None:
    fine, coarse = torch.rand(1, 7, 16, 24), 100 * torch.rand(1, 3, 4, 6)
    features = features_of([fine, coarse], (8, 12))
    assert features.shape == (10, 96)
    torch.testing.assert_close(features[:7].norm(dim=0), torch.full((96,), 0.5**0.5))
    torch.testing.assert_close(features[7:].norm(dim=0), torch.full((96,), 0.5**0.5))
    assert not features_of([torch.ones(1, 4, 8, 12)], (8, 12)).any()  # what is the same everywhere says nothing


@pytest.fixture
def look(tiny_classifier):
    _, info = tiny_classifier(("a", "b", "c"), 64)
    torch.manual_seed(0)
    strides = (nn.Conv2d(inside, outside, 3, 2, 1) for inside, outside in ((3, 4), (4, 6), (6, 8), (8, 8)))
    model = nn.Sequential(*strides, nn.Conv2d(8, 3, 1)).eval()

    def make(size=(64, 96), present=(0, 2)):
        image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        return Look(model, info, image, present, torch.device("cpu"))

    return make


def gathered(look: Look):
    return gather(METHODS["layers"], look, regions=RegionParameters(), crops=CropParameters())


def test_the_first_map_is_that_of_zoom(look) -> None:
    one = look()
    found, zoom = gathered(one), gather(METHODS["zoom"], one, regions=RegionParameters(), crops=CropParameters())
    assert found.levels.shape == (1 + len(SPREADS), 2, 64, 96)
    torch.testing.assert_close(found.levels[0], zoom.levels.relu().mean(dim=0), atol=1e-4, rtol=1e-4)
    assert found.megapixels == pytest.approx(zoom.megapixels)
    assert all(not torch.equal(found.levels[0], other) for other in found.levels[1:])
    assert found.levels.isfinite().all()


def test_no_hook_stays(look) -> None:
    one = look()
    gathered(one)
    assert not any(module._forward_hooks for module in one.model.modules())


def test_stages_are_the_last_maps_of_each_size() -> None:
    inner = nn.Sequential(nn.Conv2d(4, 5, 3, 1, 1), nn.Conv2d(5, 6, 3, 2, 1))
    body = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), inner, nn.Flatten(2))
    with stage_maps(body) as stages:
        body(torch.rand(1, 3, 16, 24))
    assert [tuple(maps.shape) for _, maps in stages] == [(1, 5, 8, 12), (1, 6, 4, 6)]
    assert stages[0][0] is inner[0]


def test_a_network_without_stages_keeps_its_maps() -> None:
    class Patches(nn.Module):
        def forward(self, images):
            return torch.nn.functional.avg_pool2d(images, 16)

    with stage_maps(Patches()) as stages:
        pass
    assert stages == []
