"""Depth as a camera measures it."""

import numpy as np
import pytest

from wsss.data.depth_camera import as_measured


def measured(metres: float, returned: float = 0.5, *, reached: bool = True, side: int = 200) -> np.ndarray:
    shape = (side, side)
    return as_measured(
        np.full(shape, metres, np.float32),
        np.full(shape, returned, np.float32),
        np.full(shape, reached),
        np.random.default_rng(0),
    )


@pytest.mark.parametrize("metres", [1.0, 2.0, 4.0])
def test_noise_grows_with_the_square_of_distance(metres: float) -> None:
    depth = measured(metres)
    assert depth.dtype == np.uint16
    assert (depth > 0).all()
    assert depth.mean() == pytest.approx(1000 * metres, rel=0.01)
    step = 2.85 * metres**2  # of even steps, whose rounding adds a twelfth of their square
    assert depth.std() == pytest.approx(np.hypot(1.425 * metres**2, step / np.sqrt(12)), rel=0.15)


def test_depth_comes_in_steps_that_grow() -> None:
    near, far = (np.diff(np.unique(measured(metres))) for metres in (1.0, 3.0))
    assert np.median(near) == pytest.approx(2.85, abs=1.2)
    assert np.median(far) == pytest.approx(2.85 * 9, rel=0.2)


def test_holes_where_nothing_can_be_measured() -> None:
    assert (measured(0.3) == 0).all()
    assert (measured(6.0) == 0).all()
    assert (measured(1.0, returned=0.01) == 0).all()
    assert 0.2 < (measured(1.0, returned=0.06) == 0).mean() < 0.8
    assert (measured(1.0, reached=False) == 0).all()


def test_edges_wander_and_nothing_else() -> None:
    metres = np.full((60, 60), 1.0, np.float32)
    metres[:, 30:] = 2.0
    depth = as_measured(metres, np.full((60, 60), 0.5, np.float32), np.ones((60, 60), bool), np.random.default_rng(1))
    wrong = np.abs(depth / 1000 - metres) > 0.1
    assert wrong.any()
    assert not wrong[:, :28].any()
    assert not wrong[:, 32:].any()
