"""The guided filter, against least squares in every single window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.methods.guide import EPSILON, guided_filter


def padded(maps: np.ndarray, radius: int) -> np.ndarray:
    """`H×W` or `H×W×C` with its borders repeated."""
    return np.pad(maps, ((radius, radius),) * 2 + ((0, 0),) * (maps.ndim - 2), mode="edge")


def windows(maps: np.ndarray, radius: int) -> dict[tuple[int, int], np.ndarray]:
    """All windows, pixel → `N×C`."""
    around, (height, width) = padded(maps, radius), maps.shape[:2]
    side = 2 * radius + 1
    return {
        (row, column): around[row : row + side, column : column + side].reshape(side * side, -1)
        for row in range(height)
        for column in range(width)
    }


def brute_force(depth: np.ndarray, image: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """A ridge regression of depth on colour in every window; a pixel gets the mean model of all windows around it."""
    colours, targets = windows(image / 255.0, radius), windows(depth.astype(np.float64), radius)
    models = np.zeros((*depth.shape, 4))
    for where, colour in colours.items():
        # Ridge on the slopes alone: rows of √(Nε) beside the centred colours, none for the offset.
        count, average = len(colour), colour.mean(axis=0)
        design = np.vstack([colour - average, np.sqrt(count * epsilon) * np.eye(3)])
        right = np.concatenate([targets[where][:, 0] - targets[where].mean(), np.zeros(3)])
        slope = np.linalg.lstsq(design, right, rcond=None)[0]
        models[where] = [*slope, targets[where].mean() - slope @ average]
    out = np.zeros(depth.shape)
    for where, around in windows(models, radius).items():
        model = around.mean(axis=0)
        out[where] = model[:3] @ (image[where] / 255.0) + model[3]
    return out


@pytest.mark.parametrize("radius", [1, 2, 4])
@pytest.mark.parametrize("size", [(9, 13), (14, 6), (3, 3), (1, 8), (8, 1)])
@pytest.mark.parametrize("kind", ["colour", "grey", "dark"])
def test_it_is_least_squares_in_every_window(radius: int, size: tuple[int, int], kind: str) -> None:
    rng = np.random.default_rng(radius)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    if kind == "grey":
        image[:] = image[..., :1]
    if kind == "dark":
        image //= 64
    depth = rng.uniform(0, 1, size).astype(np.float32)
    found = guided_filter(depth, image, radius)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, brute_force(depth, image, radius, EPSILON), atol=1e-3)


@pytest.mark.parametrize("epsilon", [1e-2, 0.1])
def test_regularisation_is_that_of_ridge_regression(epsilon: float) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (10, 11, 3), dtype=np.uint8)
    depth = rng.uniform(0, 1, (10, 11)).astype(np.float32)
    expected = brute_force(depth, image, 2, epsilon)
    np.testing.assert_allclose(guided_filter(depth, image, 2, epsilon), expected, atol=1e-4)


def test_radius_0_leaves_depth_as_it_is() -> None:
    rng = np.random.default_rng(0)
    depth = rng.uniform(0, 1, (7, 9)).astype(np.float32)
    np.testing.assert_array_equal(guided_filter(depth, rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), 0), depth)


shapes = st.one_of(
    st.tuples(st.just(1), st.integers(1, 40)),
    st.tuples(st.integers(1, 40), st.just(1)),
    st.tuples(st.integers(1, 24), st.integers(1, 24)),
)


@settings(max_examples=40, deadline=None)
@given(shapes, st.integers(0, 12), st.integers(0, 99), st.floats(0, 1, width=32))
def test_flat_depth_stays_flat(size: tuple[int, int], radius: int, seed: int, value: float) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    found = guided_filter(np.full(size, value, np.float32), image, radius)
    assert found.shape == size
    np.testing.assert_allclose(found, value, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(shapes, st.integers(1, 12), st.integers(0, 99), st.booleans())
def test_odd_shapes_stay_in_range(size: tuple[int, int], radius: int, seed: int, flat: bool) -> None:
    """An image without contrast makes it a mean of means, which never leaves the range of depth."""
    rng = np.random.default_rng(seed)
    image = np.full((*size, 3), 77, np.uint8) if flat else rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    depth = rng.uniform(0, 1, size).astype(np.float32)
    found = guided_filter(depth, image, radius)
    assert found.shape == size
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    if flat:
        assert found.min() >= depth.min() - 1e-5
        assert found.max() <= depth.max() + 1e-5


@pytest.mark.parametrize("aside", [-3, -2, 2, 3])
@pytest.mark.parametrize("colours", [((0, 0, 0), (255, 255, 255)), ((90, 60, 60), (60, 60, 90))])
def test_an_edge_of_depth_moves_to_the_image_edge_beside_it(aside: int, colours: tuple[tuple[int, ...], ...]) -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, :20], image[:, 20:] = colours
    depth = np.full((20, 40), 0.2, np.float32)
    depth[:, 20 + aside :] = 0.8
    steps = np.abs(np.diff(guided_filter(depth, image, 4), axis=1))
    assert (steps.argmax(axis=1) == 19).all()
    assert (steps[:, 19] > 0.15).all()
    assert (steps[:, 19 + aside] < 0.1).all()


def test_an_edge_without_an_image_edge_is_smoothed_away() -> None:
    depth = np.full((20, 40), 0.2, np.float32)
    depth[:, 20:] = 0.8
    steps = np.abs(np.diff(guided_filter(depth, np.full((20, 40, 3), 90, np.uint8), 4), axis=1))
    assert steps.max() < 0.1


@pytest.mark.parametrize("size", [(5, 7), (6, 6), (7, 6), (1, 1)])
def test_wrong_sizes_are_refused(size: tuple[int, int]) -> None:
    for radius in (0, 2):
        with pytest.raises(ValueError, match=r"depth is .* but the image"):
            guided_filter(np.zeros(size, np.float32), np.zeros((6, 7, 3), np.uint8), radius)


def test_negative_radii_are_refused() -> None:
    with pytest.raises(ValueError, match="negative, got -1"):
        guided_filter(np.zeros((6, 7), np.float32), np.zeros((6, 7, 3), np.uint8), -1)
