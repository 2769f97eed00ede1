"""The walk over regions, against loops over pixels, a power series and the laws it must obey."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from wsss.methods.diffusion import border_jumps, border_lengths, border_means, diffusion, region_values, walk

labellings = arrays(np.int32, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=st.integers(1, 4))


@settings(max_examples=40, deadline=None)
@given(labellings)
def test_borders_are_counted_pixel_by_pixel(labels: np.ndarray) -> None:
    expected = np.zeros((4, 4))
    for row, column in np.ndindex(labels.shape):
        for other in ((row + 1, column), (row, column + 1)):
            if other[0] < labels.shape[0] and other[1] < labels.shape[1] and labels[other] != labels[row, column]:
                expected[labels[row, column] - 1, labels[other] - 1] += 1
                expected[labels[other] - 1, labels[row, column] - 1] += 1
    np.testing.assert_array_equal(border_lengths(labels, 4), expected)


@settings(max_examples=40, deadline=None)
@given(labellings, st.integers(0, 99))
def test_means_along_borders_are_taken_pixel_by_pixel(labels: np.ndarray, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(size=labels.shape)
    along: dict[tuple[int, int], list[float]] = {}
    for place in np.ndindex(labels.shape):
        for other in ((place[0] + 1, place[1]), (place[0], place[1] + 1)):
            if other[0] < labels.shape[0] and other[1] < labels.shape[1] and labels[other] != labels[place]:
                pair = min(labels[place], labels[other]) - 1, max(labels[place], labels[other]) - 1
                along.setdefault(pair, []).append(max(values[place], values[other]))
    expected = np.zeros((4, 4))
    for (one, two), found in along.items():
        expected[one, two] = expected[two, one] = np.mean(found)
    np.testing.assert_allclose(border_means(labels, 4, values), expected)


def test_a_jump_is_seen_where_the_means_are_equal() -> None:
    labels = np.tile(np.repeat([1, 2], 20), (10, 1))
    depth = np.tile(np.concatenate([np.linspace(0.2, 0.4, 20), np.linspace(0.2, 0.4, 20)]), (10, 1))
    jumps = border_jumps(labels, 2, depth.astype(np.float32))
    assert jumps[0, 1] == pytest.approx(0.2, abs=0.03)
    assert jumps[0, 0] == jumps[1, 1] == 0


@settings(max_examples=40, deadline=None)
@given(labellings, st.integers(0, 99))
def test_features_are_means_over_regions(labels: np.ndarray, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(*labels.shape, 3))
    means = region_values(labels, 4, features)
    for region in np.unique(labels):
        np.testing.assert_allclose(means[region - 1], features[labels == region].mean(axis=0), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(labellings, st.integers(0, 99), st.sampled_from([0.0, 0.5, 0.95]))
def test_diffusion_is_the_walk_stopped_at_random(labels: np.ndarray, seed: int, reach: float) -> None:
    distances = np.random.default_rng(seed).exponential(size=(4, 4))
    step = walk(labels, distances + distances.T)
    shares = diffusion(step, reach)
    series, power = np.zeros((4, 4)), np.eye(4)
    for length in range(800):
        series += (1 - reach) * reach**length * power
        power = power @ step
    np.testing.assert_allclose(shares, series, atol=1e-6)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert (shares >= -1e-12).all()


def test_without_reach_every_region_keeps_its_vote() -> None:
    step = walk(np.array([[1, 2, 3]]), np.zeros((3, 3)))
    np.testing.assert_allclose(diffusion(step, 0.0), np.eye(3))


def test_regions_that_are_unlike_or_apart_share_nothing() -> None:
    far = np.full((3, 3), 50.0)
    np.testing.assert_allclose(diffusion(walk(np.array([[1, 2, 3]] * 3), far), 0.9), np.eye(3), atol=1e-12)
    alone = np.array([[1, 1, 2, 3, 3]])
    blocked = np.zeros((3, 3))
    blocked[1] = blocked[:, 1] = 50  # the only way from 1 to 3 leads through 2
    assert diffusion(walk(alone, blocked), 0.9)[0, 2] == pytest.approx(0, abs=1e-12)


def test_a_longer_border_carries_more() -> None:
    labels = np.array([[1, 1, 1, 1], [2, 2, 2, 3]])
    shares = diffusion(walk(labels, np.zeros((3, 3))), 0.5)
    assert shares[0, 1] > shares[0, 2] > 0
