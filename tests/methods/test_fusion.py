"""Fusion of crops, regions and the CAM, against loops over pixels and the laws it must obey."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.cam.maps import normalise_maps
from wsss.errors import WsssError
from wsss.methods.crops import Crop
from wsss.methods.diffusion import diffusion, walk
from wsss.methods.fusion import Evidence, crop_evidence, crop_means, fuse, region_averages, region_means, shared
from wsss.methods.parameters import FusionParameters
from wsss.methods.regions import Regions
from wsss.methods.registry import METHODS


def halves(size: tuple[int, int]) -> Regions:
    """Two regions, left and right; one in an image of a single column."""
    labels = np.ones(size, np.int32)
    labels[:, (size[1] + 1) // 2 :] = 2
    return Regions(labels, np.array([False] * labels.max()))


def evidence(seed: int = 0, classes: int = 2, size: tuple[int, int] = (9, 13), crops: int = 3) -> Evidence:
    """Random evidence of two scales; three regions, of which the crops look at the first two, and a second partition."""
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
        partitions=(Regions(labels, np.array([False, False, True])), halves(size)),
        trust=0.7,
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


def pixel_means(maps: torch.Tensor, labels: np.ndarray) -> np.ndarray:
    """Each pixel's region's mean, `(K,H,W)`, by a loop over regions."""
    out = np.zeros(maps.shape, np.float32)
    for number in np.unique(labels):
        out[:, labels == number] = maps.numpy()[:, labels == number].mean(axis=1, keepdims=True)
    return out


def test_crops_are_pooled_over_the_region_alone() -> None:
    given_ = evidence(crops=3)
    assert given_.regions is not None
    assert given_.crops is not None
    labels = given_.regions.labels
    means = crop_means(given_, torch.from_numpy(labels))

    def pooled(number: int, region: int) -> np.ndarray:
        assert given_.crops is not None
        return given_.crops[number].numpy()[:, labels == region].mean(axis=1)

    assert set(means) == {1, 2}  # nobody looks at region 3
    twice = np.maximum((pooled(0, 1) + pooled(2, 1)) / 2, 0)
    np.testing.assert_allclose(means[1], twice, atol=1e-5)
    np.testing.assert_allclose(means[2], np.maximum(pooled(1, 2), 0), atol=1e-5)


def test_looks_at_no_region_are_pooled_nowhere() -> None:
    given_ = evidence()
    assert given_.regions is not None
    labels = torch.from_numpy(given_.regions.labels)
    assert crop_means(replace(given_, plan=tuple(Crop((0, 0, 9, 13), 0) for _ in range(3))), labels) == {}


@pytest.mark.parametrize("crop_weight", [0.0, 1.0, 3.0])
def test_a_vote_is_constant_inside_regions(crop_weight: float) -> None:
    given_ = evidence()
    assert given_.regions is not None
    given_ = replace(given_, partitions=given_.partitions[:1])
    maps = torch.rand(2, 9, 13)
    votes = region_averages(maps, given_, crop_weight)
    labels = torch.from_numpy(given_.regions.labels)  # type: ignore[union-attr]
    seen = crop_means(given_, labels)
    for region in (1, 2, 3):
        inside = labels == region
        for k in range(2):
            expected = maps[k][inside].mean()
            if region in seen:
                expected = (expected + crop_weight * seen[region][k]) / (1 + crop_weight)
            torch.testing.assert_close(votes[k][inside], expected.expand(int(inside.sum())))


def test_partitions_vote_side_by_side_and_crops_only_in_the_first() -> None:
    given_ = evidence()
    maps = torch.rand(2, 9, 13)
    first, second = (pixel_means(maps, regions.labels) for regions in given_.partitions)
    np.testing.assert_allclose(region_averages(maps, given_, 0.0).numpy(), (first + second) / 2, atol=1e-5)
    alone = region_averages(maps, replace(given_, partitions=given_.partitions[:1]), 2.0).numpy()
    assert not np.allclose(alone, first, atol=1e-3)
    np.testing.assert_allclose(region_averages(maps, given_, 2.0).numpy(), (alone + second) / 2, atol=1e-5)


@pytest.mark.parametrize("trust", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("colour", [0.0, 0.5])
@pytest.mark.parametrize("crop_weight", [0.0, 1.0])
def test_fusion_is_what_it_says(trust: float, colour: float, crop_weight: float) -> None:
    """Every step in NumPy: pasted crops, trusted votes of depth, votes of colour, one normalisation at the end."""
    given_ = replace(evidence(4), trust=trust, joint=halves((9, 13)))
    assert given_.crops is not None
    assert given_.crop_probabilities is not None
    chosen = FusionParameters(level_weights=(1, 3), crop_weight=crop_weight, gate=2, vote=0.75, colour=colour)
    levels = given_.levels.numpy().clip(0)
    whole = (levels[0] + 3 * levels[1]) / 4
    gated = given_.crops.numpy().clip(0) * given_.crop_probabilities.numpy()[:, :, None, None] ** 2
    maps = (whole + crop_weight * gated.max(axis=0)) / (1 + crop_weight)
    vote = region_averages(torch.from_numpy(whole), given_, crop_weight).numpy()
    vote = trust * vote + (1 - trust) * maps
    vote = (1 - colour) * vote + colour * pixel_means(torch.from_numpy(whole), halves((9, 13)).labels)
    expected = 0.25 * maps + 0.75 * vote
    expected /= expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(fuse(given_, chosen).numpy(), expected, atol=1e-5)


parameters = st.builds(
    FusionParameters,
    level_weights=st.sampled_from([(), (1.0, 1.0), (0.0, 1.0), (2.0, 1.0)]),
    crop_weight=st.floats(0, 10),
    gate=st.floats(0, 3),
    vote=st.sampled_from([0.0, 0.25, 1.0]),
    colour=st.sampled_from([0.0, 0.5, 1.0]),
    reach=st.sampled_from([0.0, 0.9]),
)


@settings(max_examples=40, deadline=None)
@given(parameters, st.integers(0, 99), st.integers(0, 3), st.sampled_from([(9, 13), (2, 2), (1, 12), (1, 1)]))
def test_scores_are_normalised_per_class(
    chosen: FusionParameters, seed: int, classes: int, size: tuple[int, int]
) -> None:
    given_ = replace(evidence(seed, classes, size), joint=halves(size))
    scores = fuse(given_, chosen)
    assert scores.shape == (classes, *size)
    assert scores.isfinite().all()
    assert (scores >= 0).all()
    peaks = scores.amax(dim=(1, 2))
    assert (peaks < 1 + 1e-5).all()
    seen = given_.levels.amax(dim=(2, 3)).amin(dim=0) > 0.01  # at every scale; next to nothing is not blown up
    assert ((peaks - 1).abs() < 1e-5)[seen].all()


def test_a_class_without_evidence_stays_cold() -> None:
    given_ = evidence()
    assert given_.crops is not None
    given_.levels[:, 0], given_.crops[:, 0] = -1.0, -1.0
    scores = fuse(given_, FusionParameters(crop_weight=1.0, vote=0.5))
    assert not scores[0].any()
    assert scores[1].max() == pytest.approx(1.0)


def plain(given_: Evidence) -> Evidence:
    """What remains without crops and regions."""
    return replace(given_, crops=None, crop_probabilities=None, partitions=(), plan=())


def test_without_crops_it_is_the_weighted_cam() -> None:
    given_ = plain(evidence())
    assert given_.regions is None
    levels = given_.levels.relu()
    torch.testing.assert_close(fuse(given_, FusionParameters()), normalise_maps(levels.mean(dim=0)))
    weighted = fuse(given_, FusionParameters(level_weights=(1, 3)))
    torch.testing.assert_close(weighted, normalise_maps((levels[0] + 3 * levels[1]) / 4))


@pytest.mark.parametrize("crop_weight", [0.0, 1.0])
def test_a_vote_of_nothing_changes_nothing(crop_weight: float) -> None:
    given_ = evidence()
    without = replace(given_, partitions=())
    chosen = FusionParameters(crop_weight=crop_weight, vote=0.0)
    assert torch.equal(fuse(given_, chosen), fuse(without, chosen))


def test_votes_without_trust_change_nothing() -> None:
    given_ = replace(evidence(), trust=0.0)
    for crop_weight in (0.0, 2.0):
        pasted = fuse(given_, FusionParameters(crop_weight=crop_weight))
        torch.testing.assert_close(fuse(given_, FusionParameters(crop_weight=crop_weight, vote=1.0)), pasted)


def test_crops_of_no_weight_leave_the_cam() -> None:
    given_ = evidence()
    torch.testing.assert_close(fuse(given_, FusionParameters(crop_weight=0.0)), fuse(plain(given_), FusionParameters()))
    without = replace(given_, crops=None, crop_probabilities=None, plan=())
    chosen = FusionParameters(crop_weight=0.0, vote=0.5)
    torch.testing.assert_close(fuse(given_, chosen), fuse(without, chosen))


def test_colour_votes_only_beside_depth() -> None:
    given_ = replace(evidence(), joint=halves((9, 13)))
    chosen = FusionParameters(vote=1.0, colour=1.0)
    expected = pixel_means(given_.levels.relu().mean(dim=0), halves((9, 13)).labels)
    torch.testing.assert_close(fuse(given_, chosen), normalise_maps(torch.from_numpy(expected)))
    torch.testing.assert_close(fuse(replace(given_, partitions=()), chosen), fuse(plain(given_), FusionParameters()))


@pytest.mark.parametrize("crop_weight", [0.0, 1.0])
def test_a_full_vote_over_one_region_is_flat(crop_weight: float) -> None:
    plan = tuple(Crop((0, 0, 9, 13), 1) for _ in range(3))
    one = Regions(np.ones((9, 13), np.int32), np.array([True]))
    given_ = replace(evidence(), partitions=(one,), plan=plan, trust=1.0)
    scores = fuse(given_, FusionParameters(crop_weight=crop_weight, vote=1.0))
    torch.testing.assert_close(scores, torch.ones_like(scores))


@pytest.mark.parametrize("crop_weight", [0.0, 1.0])
def test_without_any_region_the_vote_is_that_of_the_whole(crop_weight: float) -> None:
    whole = tuple(Crop((0, 0, 9, 13), 0) for _ in range(3))
    nothing = Regions(np.zeros((9, 13), np.int32), np.zeros(0, bool))
    given_ = replace(evidence(), partitions=(nothing,), plan=whole, trust=1.0)
    scores = fuse(given_, FusionParameters(crop_weight=crop_weight, vote=1.0))
    torch.testing.assert_close(scores, torch.ones(2, 9, 13))


def test_parameters_read_from_json_fuse_alike() -> None:
    plain = Evidence(torch.rand(3, 2, 6, 5, generator=torch.Generator().manual_seed(0)), 0.0, 0.0)
    kept = FusionParameters(**json.loads(json.dumps(asdict(FusionParameters(level_weights=(1.0, 0.0, 2.0))))))
    assert torch.equal(fuse(plain, kept), fuse(plain, FusionParameters(level_weights=(1.0, 0.0, 2.0))))


def test_what_is_kept_between_trials_changes_nothing() -> None:
    given_, trials = replace(evidence(), joint=halves((9, 13))), METHODS["depth"].trials
    together = [fuse(given_, trial) for trial in trials]
    for trial, scores in zip(trials, together, strict=True):
        assert torch.equal(fuse(replace(given_), trial), scores)


def with_walk(regions: Regions) -> Regions:
    """The same regions, sharing their votes as if all of them looked alike."""
    return replace(regions, step=walk(regions.labels, np.zeros((len(regions), len(regions)))))


def test_votes_are_shared_as_the_walk_says() -> None:
    regions = with_walk(evidence().partitions[0])
    means = torch.rand(2, 4, generator=torch.Generator().manual_seed(0))
    found = shared(means, regions, 0.8)
    assert regions.step is not None
    np.testing.assert_allclose(found[:, 1:].numpy(), means[:, 1:].numpy() @ diffusion(regions.step, 0.8).T, atol=1e-6)
    assert torch.equal(found[:, 0], means[:, 0])  # the pixels of no region
    assert shared(means, regions, 0.0) is means
    assert shared(means, evidence().partitions[0], 0.8) is means


def test_sharing_spreads_a_vote_and_keeps_an_even_one() -> None:
    regions = with_walk(halves((9, 13)))
    one_sided, even = torch.zeros(1, 9, 13), torch.ones(1, 9, 13)
    one_sided[..., :7] = 1.0
    given_ = replace(evidence(), partitions=(regions,), crops=None, plan=())
    near, far = (region_averages(one_sided, given_, 0.0, reach) for reach in (0.5, 0.9))
    assert 0 < near[0, 0, -1] < far[0, 0, -1] < far[0, 0, 0] < near[0, 0, 0] < 1
    torch.testing.assert_close(region_averages(even, given_, 0.0, 0.9), even)


@pytest.mark.parametrize("reach", [0.0, 0.9])
def test_the_second_opinion_shares_its_votes(reach: float) -> None:
    second = with_walk(halves((9, 13)))
    given_ = replace(evidence(), joint=second)
    scores = fuse(given_, FusionParameters(vote=1.0, colour=1.0, reach=reach))
    alone = replace(given_, partitions=(second,), joint=None, crops=None, plan=(), trust=1.0)
    expected = region_averages(given_.levels.relu().mean(dim=0), alone, 0.0, reach)
    torch.testing.assert_close(scores, normalise_maps(expected))


def test_a_walk_without_an_end_is_refused() -> None:
    with pytest.raises(WsssError, match=r"reach must be a number from 0 to below 1, not 1\.0"):
        FusionParameters(vote=1.0, reach=1.0)
