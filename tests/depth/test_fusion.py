"""Fusion of crops, regions and the CAM, against loops over pixels and the laws it must obey."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.cam.cam import normalise_maps
from wsss.depth.crops import Crop
from wsss.depth.fusion import (
    Evidence,
    FusionParameters,
    crop_evidence,
    fuse,
    region_beliefs,
    region_means,
    region_vote,
)
from wsss.depth.regions import Regions


def evidence(seed: int = 0, classes: int = 2, size: tuple[int, int] = (9, 13), crops: int = 3) -> Evidence:
    """Random evidence of two scales; three regions, of which the crops look at the first two."""
    generator = torch.Generator().manual_seed(seed)
    labels = np.ones(size, np.int32)
    labels[size[0] // 2 :] = 2
    labels[:, size[1] // 2 :] += 2
    labels[labels == 4] = 3
    return Evidence(
        levels=torch.randn(2, classes, *size, generator=generator),
        megapixels=1.0,
        seconds=0.0,
        crops=torch.randn(crops, classes, *size, generator=generator),
        crop_probabilities=torch.rand(crops, classes, generator=generator),
        plan=tuple(Crop((0, 0, *size), 1 + turn % 2) for turn in range(crops)),
        regions=Regions(labels, np.array([False, False, True])),
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(1, 6), st.integers(1, 6), st.integers(0, 3), st.integers(0, 4))
def test_region_means_are_means(seed: int, height: int, width: int, classes: int, regions: int) -> None:
    rng = np.random.default_rng(seed)
    maps = rng.normal(size=(classes, height, width)).astype(np.float32)
    labels = rng.integers(0, regions + 1, (height, width))
    expected = np.zeros((classes, regions + 1))
    for number in range(regions + 1):
        if (labels == number).any():
            expected[:, number] = maps[:, labels == number].mean(axis=1)
    means = region_means(torch.from_numpy(maps), torch.from_numpy(labels), regions)
    np.testing.assert_allclose(means.numpy(), expected, atol=1e-5)


def test_without_a_gate_the_strongest_crop_speaks() -> None:
    given_ = evidence()
    assert given_.crops is not None
    assert given_.crop_probabilities is not None
    strongest = crop_evidence(given_.crops, given_.crop_probabilities, gate=0)
    np.testing.assert_array_equal(strongest.numpy(), np.maximum(given_.crops.numpy(), 0).max(axis=0))


def test_a_crop_that_does_not_believe_in_a_class_adds_nothing() -> None:
    crops = torch.ones(2, 2, 4, 5)
    probabilities = torch.tensor([[0.01, 0.9], [0.0, 0.9]])
    gated = crop_evidence(crops, probabilities, gate=8)
    assert gated[0].max() < 1e-12
    torch.testing.assert_close(gated[1], torch.full((4, 5), 0.9**8))


def test_beliefs_are_pooled_over_the_region_alone() -> None:
    given_ = evidence(crops=3)
    beliefs = region_beliefs(given_).numpy()
    assert given_.regions is not None
    assert given_.crops is not None
    labels = given_.regions.labels

    def squashed(maps: torch.Tensor, region: int) -> np.ndarray:
        return 1 / (1 + np.exp(-maps.numpy()[:, labels == region].mean(axis=1)))

    # Region 1 is looked at twice, region 2 once, region 3 only as a part of the whole.
    twice = (squashed(given_.crops[0], 1) + squashed(given_.crops[2], 1)) / 2
    np.testing.assert_allclose(beliefs[:, 1], twice, atol=1e-5)
    np.testing.assert_allclose(beliefs[:, 2], squashed(given_.crops[1], 2), atol=1e-5)
    np.testing.assert_allclose(beliefs[:, 3], squashed(given_.levels.mean(dim=0), 3), atol=1e-5)


def test_a_vote_is_constant_inside_regions() -> None:
    given_ = evidence()
    assert given_.regions is not None
    maps = torch.rand(2, 9, 13)
    votes = region_vote(maps, given_, gate=1.0)
    beliefs = region_beliefs(given_)
    for region in (1, 2, 3):
        inside = torch.from_numpy(given_.regions.labels == region)
        for k in range(2):
            expected = maps[k][inside].mean() * beliefs[k, region]
            torch.testing.assert_close(votes[k][inside], expected.expand(int(inside.sum())))


parameters = st.builds(
    FusionParameters,
    level_weights=st.sampled_from([(), (1.0, 1.0), (0.0, 1.0), (2.0, 1.0)]),
    crop_weight=st.floats(0, 10),
    gate=st.floats(0, 3),
    vote=st.sampled_from([0.0, 0.25, 1.0]),
)


@settings(max_examples=40, deadline=None)
@given(parameters, st.integers(0, 99), st.integers(0, 3), st.sampled_from([(9, 13), (2, 2), (1, 12), (1, 1)]))
def test_scores_are_normalised_per_class(
    chosen: FusionParameters, seed: int, classes: int, size: tuple[int, int]
) -> None:
    scores = fuse(evidence(seed, classes, size), chosen)
    assert scores.shape == (classes, *size)
    assert scores.isfinite().all()
    assert (scores >= 0).all()
    peaks = scores.amax(dim=(1, 2))
    assert ((peaks - 1).abs() < 1e-5).logical_or(peaks < 0.01).all()  # or next to nothing, which is not blown up


def test_a_class_without_evidence_stays_cold() -> None:
    given_ = evidence()
    assert given_.crops is not None
    given_.levels[:, 0], given_.crops[:, 0] = -1.0, -1.0
    scores = fuse(given_, FusionParameters(vote=0.5))
    assert not scores[0].any()
    assert scores[1].max() == pytest.approx(1.0)


def test_without_crops_it_is_the_weighted_cam() -> None:
    given_ = replace(evidence(), crops=None, crop_probabilities=None, regions=None, plan=())
    levels = given_.levels.relu()
    torch.testing.assert_close(fuse(given_, FusionParameters()), normalise_maps(levels.mean(dim=0)))
    weighted = fuse(given_, FusionParameters(level_weights=(1, 3)))
    torch.testing.assert_close(weighted, normalise_maps((levels[0] + 3 * levels[1]) / 4))


def test_a_vote_of_nothing_changes_nothing() -> None:
    given_ = evidence()
    without = replace(given_, regions=None)
    assert torch.equal(fuse(given_, FusionParameters(vote=0.0)), fuse(without, FusionParameters(vote=0.0)))


def test_crops_of_no_weight_leave_the_cam() -> None:
    given_ = evidence()
    plain = replace(given_, crops=None, crop_probabilities=None)
    torch.testing.assert_close(fuse(given_, FusionParameters(crop_weight=0.0)), fuse(plain, FusionParameters()))


def test_a_full_vote_over_one_region_is_flat() -> None:
    plan = tuple(Crop((0, 0, 9, 13), 1) for _ in range(3))
    given_ = replace(evidence(), regions=Regions(np.ones((9, 13), np.int32), np.array([True])), plan=plan)
    scores = fuse(given_, FusionParameters(vote=1.0))
    torch.testing.assert_close(scores, torch.ones_like(scores))


def test_without_any_region_the_vote_is_that_of_the_whole() -> None:
    whole = tuple(Crop((0, 0, 9, 13), 0) for _ in range(3))
    given_ = replace(evidence(), regions=Regions(np.zeros((9, 13), np.int32), np.zeros(0, bool)), plan=whole)
    torch.testing.assert_close(fuse(given_, FusionParameters(vote=1.0)), torch.ones(2, 9, 13))
