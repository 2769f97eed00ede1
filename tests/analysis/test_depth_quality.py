"""Quality of depth maps, against SciPy and by the laws of scale and shift."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from wsss.analysis.depth_quality import REACH, around_objects, metric_errors, rank_correlation


def scene(seed: int = 0, size: tuple[int, int] = (12, 17)) -> np.ndarray:
    """Distances in metres, 1…5."""
    return np.random.default_rng(seed).uniform(1, 5, size)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.integers(2, 9), st.integers(2, 9), st.integers(2, 6))
def test_rank_correlation_is_that_of_scipy(seed: int, height: int, width: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = rng.integers(0, steps, (2, height, width)).astype(np.float32)  # with ties
    where = rng.random((height, width)) < 0.8
    found = rank_correlation(one, other, where)
    if where.sum() < 2 or np.ptp(one[where]) == 0 or np.ptp(other[where]) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(one[where], other[where]).statistic, abs=1e-9)


def test_objects_are_widened_and_void_is_no_object() -> None:
    mask = np.zeros((60, 60), np.uint8)
    mask[30, 30] = 3
    mask[5, 5] = 255
    near = around_objects(mask)
    assert near[30, 30 - REACH]
    assert not near[30, 30 - REACH - 1]
    assert not near[5, 5]
    assert not around_objects(np.zeros((4, 4), np.uint8)).any()


@pytest.mark.parametrize(("scale", "shift"), [(1, 0), (3, 2), (0.1, -0.4), (-2, 1)])
def test_scale_and_shift_of_inverse_depth_are_forgiven(scale: float, shift: float) -> None:
    metres = scene()
    found = metric_errors(scale / metres + shift, metres)
    assert found["abs_rel"] == pytest.approx(0, abs=1e-9)
    assert found["delta"] == 1


def test_errors_by_hand() -> None:
    """A constant prediction is fitted to the mean inverse depth, 0.625: 1.6 m where the truth is 1 m and 4 m."""
    found = metric_errors(np.zeros((1, 2)), np.array([[1.0, 4.0]]))
    assert found["abs_rel"] == pytest.approx((0.6 / 1 + 2.4 / 4) / 2)
    assert found["delta"] == 0


def test_pixels_that_were_not_measured_do_not_count() -> None:
    metres = scene()
    holes = metres.copy()
    holes[:3], holes[3] = 0, np.nan
    inverse = 1 / metres
    inverse[:4] = 99
    assert metric_errors(inverse, holes)["abs_rel"] == pytest.approx(0, abs=1e-9)
    assert np.isnan(metric_errors(inverse, np.zeros_like(metres))["delta"])
