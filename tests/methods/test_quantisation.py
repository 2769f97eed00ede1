"""Steps of quantised depth, against loops over pixels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from wsss.methods.quantisation import level_gaps, without_steps

maps = arrays(np.int64, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7), elements=st.integers(0, 9))


@settings(max_examples=40, deadline=None)
@given(maps)
def test_gaps_are_to_the_next_values_of_the_map(levels: np.ndarray) -> None:
    depth = (levels**2 / 81).astype(np.float32)
    values = sorted(set(depth.ravel().tolist()))
    found = level_gaps(depth)
    for place, value in np.ndenumerate(depth):
        number = values.index(float(value))
        beside = [abs(values[other] - value) for other in (number - 1, number + 1) if 0 <= other < len(values)]
        np.testing.assert_allclose(found[place], max(beside, default=0), atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(maps, st.integers(0, 3), st.floats(0, 1))
def test_means_are_over_like_pixels_of_the_window(levels: np.ndarray, radius: int, share: float) -> None:
    depth = (levels / 8).astype(np.float32)  # exact, so that no rounding decides who is like
    tolerance = np.full(depth.shape, np.round(8 * share) / 8, np.float32)
    found = without_steps(depth, tolerance, radius)
    for (row, column), value in np.ndenumerate(depth):
        window = depth[max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1]
        like = window[np.abs(window - value) <= tolerance[row, column]]
        np.testing.assert_allclose(found[row, column], like.mean(), atol=1e-6)


def test_a_slope_in_steps_becomes_even_and_a_border_stays() -> None:
    slope = np.tile(np.floor(np.arange(40) / 4) * 0.02, (20, 1)).astype(np.float32)
    slope[:, 20:] += 0.3
    even = without_steps(slope, 1.5 * np.full(slope.shape, 0.02, np.float32), 4)
    inside = np.abs(np.diff(even, axis=1))[:, [*range(4, 15), *range(24, 35)]]
    assert inside.max() < 0.011
    np.testing.assert_allclose(even[:, 20] - even[:, 19], 0.3, atol=0.03)
