"""Trust in depth: ranks of edges, borders on edges and beside them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from wsss.methods import trust
from wsss.methods.parameters import FULL_TRUST, NO_TRUST
from wsss.methods.trust import border_alignment, border_pixels, edge_ranks, trust_in


def blobs(seed: int, size: tuple[int, int] = (128, 128), wide: float = 8) -> np.ndarray:
    """Labels 1 and 2 of random smooth areas."""
    return 1 + (gaussian_filter(np.random.default_rng(seed).normal(size=size), wide) > 0)


def textured(seed: int, labels: np.ndarray, contrast: float = 60) -> np.ndarray:
    """An image with texture everywhere in which area 2 has another colour."""
    rng = np.random.default_rng(seed + 1000)
    texture = np.stack([gaussian_filter(rng.normal(size=labels.shape), 2) for _ in range(3)], axis=-1)
    image = 110 + 15 * texture / texture.std()
    image[labels == 2] += contrast
    return image.clip(0, 255).astype(np.uint8)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99), st.booleans())
def test_ranks_are_uniform(height: int, width: int, seed: int, flat: bool) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if flat:
        image[:] = 50
    ranks = edge_ranks(image)
    assert ranks.shape == (height, width)
    assert ranks.dtype == np.float32
    if not flat:
        step = 1 / max(1, height * width - 1)  # pixels that tie share a rank, a step or two from their own
        np.testing.assert_allclose(np.sort(ranks, axis=None), np.linspace(0, 1, height * width), atol=2 * step)
    if height * width > 1:
        assert ranks.mean() == pytest.approx(0.5, abs=1e-4)


def test_ranks_are_those_of_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 40, (30, 50)).astype(np.float32)  # with many ties
    monkeypatch.setattr(trust, "gaussian_filter", lambda *_: values)
    found = edge_ranks(np.zeros((30, 50, 3), np.uint8))
    np.testing.assert_array_equal(found, ((rankdata(values, axis=None) - 1) / 1499).astype(np.float32).reshape(30, 50))


def test_the_highest_ranks_lie_on_the_edge() -> None:
    image = np.random.default_rng(0).integers(100, 105, (40, 60, 3), dtype=np.uint8)
    image[:, 30:] += 100
    ranks = edge_ranks(image)
    assert ranks[:, 28:32].min() > 0.9
    assert ranks[:, :15].max() < 0.8
    by_column = ranks.mean(axis=0)
    assert by_column.argmax() in (29, 30)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(0, 99))
def test_borders_against_a_loop(height: int, width: int, regions: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(1, regions + 1, (height, width))
    border = border_pixels(labels)
    for row in range(height):
        for column in range(width):
            above = row > 0 and labels[row - 1, column] != labels[row, column]
            left = column > 0 and labels[row, column - 1] != labels[row, column]
            assert border[row, column] == (above or left)


@pytest.mark.parametrize("size", [(40, 60), (1, 30), (30, 1), (1, 1)])
def test_one_region_has_no_borders_to_align(size: tuple[int, int]) -> None:
    ranks = edge_ranks(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    assert border_alignment(ranks, np.ones(size, np.int32)) == 0.0
    assert border_alignment(ranks, np.zeros(size, np.int32)) == 0.0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_alignment_is_between_minus_one_and_one(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranks = edge_ranks(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    assert -1 <= border_alignment(ranks, rng.integers(1, 4, (height, width))) <= 1


def test_random_regions_align_by_chance_alone_and_are_mostly_not_trusted() -> None:
    found = [border_alignment(edge_ranks(textured(seed, blobs(seed))), blobs(seed + 500, wide=4)) for seed in range(24)]
    assert abs(np.mean(found)) < 0.02
    assert np.abs(found).max() < 0.12
    trust = [trust_in(each) for each in found]
    assert trust.count(0) >= 16
    assert np.mean(trust) < 0.25


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("contrast", [40, 80])
def test_regions_that_are_image_areas_align(seed: int, contrast: float) -> None:
    labels = blobs(seed)
    ranks = edge_ranks(textured(seed, labels, contrast))
    right = border_alignment(ranks, labels)
    assert right > 0.1
    assert trust_in(right) == 1
    moved = border_alignment(ranks, np.roll(labels, (20, 25), axis=(0, 1)))
    assert right > moved + 0.1


def test_a_border_two_pixels_off_its_edge_still_counts() -> None:
    labels = blobs(0)
    ranks = edge_ranks(textured(0, labels))
    near = border_alignment(ranks, np.roll(labels, 2, axis=1))
    assert near > 0.6 * border_alignment(ranks, labels)
    assert trust_in(near) == 1


def test_alignment_does_not_depend_on_the_names_of_regions() -> None:
    labels = blobs(1)
    ranks = edge_ranks(textured(1, labels))
    assert border_alignment(ranks, labels) == border_alignment(ranks, 9 - 3 * labels)


@pytest.mark.parametrize(
    ("alignment", "trust"),
    [
        (-1.0, 0.0), (0.0, 0.0), (NO_TRUST, 0.0), ((NO_TRUST + FULL_TRUST) / 2, 0.5), (FULL_TRUST, 1.0), (0.3, 1.0),
        (1.0, 1.0),
    ],
)  # fmt: skip
def test_trust_is_clipped(alignment: float, trust: float) -> None:
    assert trust_in(alignment) == pytest.approx(trust)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_trust_is_monotonic(first: float, second: float) -> None:
    low, high = sorted((first, second))
    assert 0 <= trust_in(low) <= trust_in(high) <= 1


@pytest.mark.parametrize("row", [6, 64, 122])
def test_a_picture_of_nothing_confirms_nothing(row: int) -> None:
    """Ties share a rank and nothing wraps around, so that flat areas do not look like edges."""
    labels = np.ones((128, 128), np.int32)
    labels[row:] = 2
    assert border_alignment(edge_ranks(np.full((128, 128, 3), 200, np.uint8)), labels) == pytest.approx(0, abs=1e-6)


def test_borders_in_a_saturated_area_are_not_trusted() -> None:
    image = np.full((128, 128, 3), 255, np.uint8)
    image[:40] = np.random.default_rng(0).integers(0, 256, (40, 128, 3))
    labels = np.ones((128, 128), np.int32)
    labels[90:] = 2
    assert trust_in(border_alignment(edge_ranks(image), labels)) == 0
