"""Boundary scores against distances computed pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.analysis import boundary_counts, boundary_scores, foreground_scores


def boundary_pixels(label: np.ndarray, number: int) -> list[tuple[int, int]]:
    found = []
    for y, x in np.argwhere(label == number):
        beside = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if abs(dy) + abs(dx) == 1]
        inside = [(i, j) for i, j in beside if 0 <= i < label.shape[0] and 0 <= j < label.shape[1]]
        if any(label[place] != number for place in inside):
            found.append((int(y), int(x)))
    return found


def brute_force(truth: np.ndarray, label: np.ndarray, tolerance: int) -> list[int]:
    counts = [0, 0, 0, 0]
    for number in set(np.unique(truth)) | set(np.unique(label)):
        if number in (0, 255):
            continue
        true, predicted = (
            [place for place in boundary_pixels(each, number) if truth[place] != 255] for each in (truth, label)
        )

        def met(place, others):
            return any((place[0] - i) ** 2 + (place[1] - j) ** 2 <= tolerance**2 for i, j in others)

        counts[0] += sum(met(place, true) for place in predicted)
        counts[1] += len(predicted)
        counts[2] += sum(met(place, predicted) for place in true)
        counts[3] += len(true)
    return counts


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([(1, 8), (9, 1), (7, 10), (1, 1)]), st.integers(0, 2))
def test_counts_agree_with_brute_force(seed, size, tolerance):
    rng = np.random.default_rng(seed)
    truth, label = (rng.choice(np.array([0, 0, 1, 2, 255], np.uint8), size) for _ in range(2))
    assert boundary_counts(truth, label, tolerance).tolist() == brute_force(truth, label, tolerance)


def test_a_shifted_square_is_met_within_the_tolerance():
    truth, label = np.zeros((30, 30), np.uint8), np.zeros((30, 30), np.uint8)
    truth[8:20, 8:20], label[8:20, 10:22] = 1, 1
    assert boundary_scores(boundary_counts(truth, label))["f"] == 100
    assert boundary_scores(boundary_counts(truth, label, 1))["f"] < 100
    assert np.isnan(boundary_scores(boundary_counts(truth, np.zeros_like(truth)))["precision"])
    assert boundary_scores(boundary_counts(truth, np.zeros_like(truth)))["recall"] == 0


def test_maps_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match="truth is"):
        boundary_counts(np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8))


def test_foreground_precision_and_recall():
    confusion = np.array([[80, 5, 5, 10], [4, 10, 2, 4], [0, 0, 6, 0]])
    scores = foreground_scores(confusion)
    assert scores["precision"] == pytest.approx(100 * 16 / 28)
    assert scores["recall"] == pytest.approx(100 * 16 / 26)
    assert np.isnan(foreground_scores(np.array([[5, 0, 0], [0, 0, 0]]))["precision"])
