"""Wrong depth on purpose."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation
from scipy.stats import spearmanr

from wsss.data.registry import open_dataset
from wsss.depth.controls import NOISE_LEVELS, degrade, derangement, inverted
from wsss.methods.regions import continuous_parts


def scene(seed: int = 0, side: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Depth of a floor with four boxes, and where the boxes are."""
    rng = np.random.default_rng(seed)
    depth = np.tile(np.linspace(0.1, 0.5, side, dtype=np.float32)[:, None], (1, side))
    things = np.zeros(depth.shape, bool)
    for nearness in (0.55, 0.65, 0.75, 0.85):
        top, left = rng.integers(side // 8, side * 5 // 8, 2)
        height, width = rng.integers(side // 8, side // 4, 2)
        place = np.s_[top : top + height, left : left + width]
        depth[place], things[place] = nearness, True
    return depth, things


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 400), st.integers(0, 9999))
def test_a_derangement_leaves_nothing_in_its_place(count: int, seed: int) -> None:
    other = derangement(count, seed)
    assert sorted(other.tolist()) == list(range(count))
    assert (other != np.arange(count)).all()
    np.testing.assert_array_equal(other, derangement(count, seed))


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 60), st.integers(0, 99))
def test_a_derangement_is_one_cycle(count: int, seed: int) -> None:
    other, place, length = derangement(count, seed), 0, 0
    while length == 0 or place:
        place, length = int(other[place]), length + 1
    assert length == count


def test_one_thing_and_nothing_cannot_be_deranged() -> None:
    assert derangement(1).tolist() == [0]
    assert derangement(0).tolist() == []


def test_seeds_give_other_derangements() -> None:
    assert len({tuple(derangement(20, seed)) for seed in range(10)}) == 10


@pytest.mark.parametrize("seed", range(3))
def test_inverted_depth_keeps_its_jumps_and_turns_the_order(seed: int) -> None:
    depth, _ = scene(seed)
    wrong = inverted(depth)
    assert wrong.dtype == np.float32
    assert wrong.min() >= 0
    assert wrong.max() <= 1
    for axis in (0, 1):
        np.testing.assert_allclose(np.diff(wrong, axis=axis), -np.diff(depth, axis=axis), atol=1e-6)
    flat = np.zeros(depth.shape, int)
    np.testing.assert_array_equal(continuous_parts(wrong, flat, 0.02), continuous_parts(depth, flat, 0.02))
    assert spearmanr(depth.ravel(), wrong.ravel()).statistic == pytest.approx(-1, abs=1e-3)
    np.testing.assert_allclose(inverted(wrong), depth, atol=1e-6)


def test_no_severity_changes_nothing() -> None:
    depth, _ = scene()
    np.testing.assert_array_equal(degrade(depth, 0.0, "a"), depth)


shapes = st.one_of(
    st.tuples(st.integers(2, 40), st.integers(2, 40)), st.sampled_from([(1, 30), (30, 1), (1, 1), (1, 2), (2, 1)])
)


@settings(max_examples=40, deadline=None)
@given(shapes, st.floats(0, 1), st.integers(0, 99))
def test_degraded_depth_is_depth(size: tuple[int, int], severity: float, seed: int) -> None:
    depth = np.random.default_rng(seed).uniform(0, 1, size).astype(np.float32)
    found = degrade(depth, severity, "image", seed)
    assert found.shape == size
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found.min() >= depth.min() - 1e-6  # warping and blurring make nothing new
    assert found.max() <= depth.max() + 1e-6


@pytest.mark.parametrize("severity", [0.012, 0.1])
def test_the_warp_is_that_of_the_image_and_the_seed(severity: float) -> None:
    depth, _ = scene()
    found = degrade(depth, severity, "a", 1)
    np.testing.assert_array_equal(found, degrade(depth.copy(), severity, "a", 1))
    for name, seed in (("b", 1), ("a", 2)):
        assert not np.allclose(found, degrade(depth, severity, name, seed), atol=1e-3)


def test_flat_depth_stays_flat() -> None:
    np.testing.assert_allclose(degrade(np.full((30, 40), 0.4, np.float32), 0.1, "a"), 0.4, atol=1e-6)


def likeness(depth: np.ndarray, things: np.ndarray, severity: float, name: str, reach: int) -> float:
    """Spearman correlation with the truth on things and `reach` pixels around them."""
    around = binary_dilation(things, iterations=reach)
    return float(spearmanr(depth[around], degrade(depth, severity, name)[around]).statistic)


@pytest.mark.parametrize("seed", range(4))
def test_the_likeness_with_the_truth_falls_with_the_severity(seed: int) -> None:
    depth, things = scene(seed)
    severities = [0.0, 0.006, 0.012, 0.024, 0.065, 0.15]
    found = [likeness(depth, things, severity, str(seed), 5) for severity in severities]
    assert found[0] == pytest.approx(1)
    assert (np.diff(found) < 0).all(), found


def test_named_levels_are_ordered() -> None:
    names = sorted(NOISE_LEVELS, reverse=True)  # from 09 to 06
    assert names == ["noisy-09", "noisy-08", "noisy-06"]
    severities = [NOISE_LEVELS[name] for name in names]
    assert severities == sorted(set(severities))
    assert severities[0] > 0


@pytest.mark.slow
def test_named_levels_are_about_as_wrong_as_they_say(tabletop_root: Path) -> None:
    """On eight rendered scenes, a tenth of those that the levels were chosen on, and much smaller ones."""
    found: dict[str, list[float]] = {name: [] for name in NOISE_LEVELS}
    for split in ("train", "tune", "test"):
        for sample in open_dataset("tabletop", split, root=tabletop_root):
            things = (sample.required_mask > 0) & (sample.required_mask < 255)
            if sample.depth is None or not things.any():
                continue
            for name, severity in NOISE_LEVELS.items():
                found[name].append(likeness(sample.depth, things, severity, sample.id, 3))
    means = {name: float(np.mean(values)) for name, values in found.items()}
    for name, mean in means.items():
        assert mean == pytest.approx(int(name[-2:]) / 10, abs=0.15), means
    assert means["noisy-09"] > means["noisy-08"] > means["noisy-06"]


@pytest.mark.parametrize("severity", [-0.1, -1e-9])
def test_negative_severities_are_refused(severity: float) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        degrade(np.zeros((4, 5), np.float32), severity, "a")
