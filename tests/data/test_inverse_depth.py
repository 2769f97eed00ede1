"""The depth convention: inverse, [0, 1], larger = nearer, finite whatever comes in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.errors import WsssError

maps = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
    elements=st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf]),
)


@settings(max_examples=100, deadline=None)
@given(maps)
def test_normalised_maps_keep_the_convention(inverse: np.ndarray) -> None:
    result = normalise_inverse_depth(inverse)
    assert result.shape == inverse.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


@settings(max_examples=50, deadline=None)
@given(maps, st.floats(0.01, 100), st.floats(-100, 100))
def test_normalising_undoes_scale_and_shift(inverse: np.ndarray, scale: float, shift: float) -> None:
    inverse = np.round(np.where(np.isfinite(inverse), inverse, np.nan))
    # A shift far larger than the range would turn the range into rounding noise, which is flat by definition.
    if np.isfinite(inverse).any() and np.nanmax(inverse) - np.nanmin(inverse) > 1000:
        moved = normalise_inverse_depth(inverse * scale + shift, 0, 100)
        np.testing.assert_allclose(moved, normalise_inverse_depth(inverse, 0, 100), atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(maps)
def test_order_is_kept(inverse: np.ndarray) -> None:
    result = normalise_inverse_depth(inverse)
    finite = np.isfinite(inverse)
    in_order = result[finite][np.argsort(inverse[finite], kind="stable")]
    assert (np.diff(in_order) >= 0).all()


@settings(max_examples=50, deadline=None)
@given(maps)
def test_holes_take_the_value_of_a_nearest_finite_pixel(inverse: np.ndarray) -> None:
    result = normalise_inverse_depth(inverse)
    known = np.argwhere(np.isfinite(inverse))
    for hole in np.argwhere(~np.isfinite(inverse)) if len(known) else []:
        distances = ((known - hole) ** 2).sum(axis=1)
        nearest = known[distances == distances.min()]
        assert result[tuple(hole)] in result[tuple(nearest.T)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (0, 4)])
@pytest.mark.parametrize("value", [0.0, 3.7, -2.0, np.nan, np.inf])
def test_flat_and_empty_maps_are_one_layer(shape: tuple[int, int], value: float) -> None:
    np.testing.assert_array_equal(normalise_inverse_depth(np.full(shape, value)), np.zeros(shape, np.float32))


def test_rounding_noise_is_flat() -> None:
    noisy = 1 / 3 + 1e-12 * np.random.default_rng(0).random((20, 30))
    assert not normalise_inverse_depth(noisy).any()


def test_outliers_do_not_set_the_range() -> None:
    inverse = np.linspace(0, 1, 1000).reshape(20, 50)
    inverse[3, 3] = 1e9
    result = normalise_inverse_depth(inverse)
    assert result[3, 3] == 1
    assert abs(np.median(result) - 0.5) < 0.01
    low, high = np.percentile(inverse, [1, 99])
    np.testing.assert_allclose(result, ((inverse - low) / (high - low)).clip(0, 1), atol=1e-6)


def test_input_is_left_as_it_was() -> None:
    inverse = np.array([[1, np.nan], [3, 4]])
    before = inverse.copy()
    inverse_depth(inverse, "inverse")[0, 0] = 9
    normalise_inverse_depth(inverse)
    np.testing.assert_array_equal(inverse, before)


def test_metric_depth_is_inverted_and_unmeasured_becomes_nan() -> None:
    values = np.array([[2, 0, 4000], [1, 5, 10]], dtype=np.uint16)
    expected = np.array([[0.5, np.nan, 1 / 4000], [1, 0.2, 0.1]])
    np.testing.assert_allclose(inverse_depth(values, "metric"), expected)
    np.testing.assert_array_equal(inverse_depth(np.array([-1.0, np.nan, np.inf]), "metric"), [np.nan, np.nan, 0])


def test_inverse_depth_is_kept() -> None:
    np.testing.assert_array_equal(inverse_depth(np.array([-1, 0, 7], dtype=np.int16), "inverse"), [-1.0, 0.0, 7.0])


def test_nearer_is_larger_for_both_kinds() -> None:
    metres = np.linspace(1, 9, 12).reshape(3, 4)
    from_metric = normalise_inverse_depth(inverse_depth(metres, "metric"))
    from_inverse = normalise_inverse_depth(inverse_depth(1 / metres, "inverse"))
    assert from_metric[0, 0] == 1
    assert from_metric[-1, -1] == 0
    np.testing.assert_array_equal(from_metric, from_inverse)


def test_mistakes_are_named() -> None:
    with pytest.raises(WsssError, match="metric"):
        inverse_depth(np.ones((2, 2)), "disparity")
    with pytest.raises(WsssError, match=r"\(2, 2, 1\)"):
        normalise_inverse_depth(np.ones((2, 2, 1)))
