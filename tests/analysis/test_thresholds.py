"""The threshold rule: exhaustive, and on a grid that holds the fixed threshold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.analysis import (
    FIXED_THRESHOLD,
    THRESHOLDS,
    choose_threshold,
    choose_two_thresholds,
    confusion_matrix,
    mean_iou,
    miou_curve,
    threshold_confusions,
    with_ignored,
)
from wsss.analysis.thresholds import pseudo_label
from wsss.errors import WsssError


def confusion_with(correct):
    """100 pixels of background and of one class, `correct` of each predicted right."""
    return np.array([[correct, 100 - correct, 0], [100 - correct, correct, 0]])


def test_grid_is_ascending_within_0_and_1_and_holds_the_fixed_threshold():
    assert np.all(np.diff(THRESHOLDS) > 0)
    assert THRESHOLDS[0] > 0
    assert THRESHOLDS[-1] < 1
    assert FIXED_THRESHOLD in THRESHOLDS.tolist()


def test_chosen_threshold_lies_beyond_a_dip():
    total = np.stack([confusion_with(correct) for correct in (60, 70, 50, 90, 20)])
    thresholds = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    value, miou = choose_threshold(total, thresholds, plateau=0)
    assert value == 0.4
    assert miou == pytest.approx(100 * 90 / 110)
    np.testing.assert_allclose(miou_curve(total), [mean_iou(confusion) for confusion in total])


def test_lowest_of_equal_thresholds_is_chosen():
    total = np.stack([confusion_with(correct) for correct in (10, 80, 80)])
    assert choose_threshold(total, np.array([0.1, 0.2, 0.3]), plateau=0)[0] == 0.2


def test_nothing_to_score_is_an_error():
    with pytest.raises(WsssError, match="no pixel is scored"):
        choose_threshold(np.zeros((2, 3, 4), dtype=int), np.array([0.1, 0.2]))


def test_grid_and_confusions_must_agree():
    with pytest.raises(ValueError, match="3 thresholds"):
        choose_threshold(np.stack([confusion_with(1)] * 2), np.array([0.1, 0.2, 0.3]))


@pytest.mark.parametrize("plateau", [0, 1, 3, 9])
def test_the_highest_plateau_is_chosen(plateau):
    correct = np.random.default_rng(0).integers(50, 99, 20)
    total = np.stack([confusion_with(each) for each in correct])
    curve = miou_curve(total)
    means = [curve[max(0, at - plateau) : at + plateau + 1].mean() for at in range(20)]
    threshold, miou = choose_threshold(total, np.arange(20.0), plateau)
    assert threshold == np.argmax(means)
    assert miou == pytest.approx(curve[np.argmax(means)])


def test_a_plateau_is_better_than_a_higher_peak():
    total = np.stack([confusion_with(correct) for correct in (20, 90, 20, 50, 80, 81, 80, 50)])
    assert choose_threshold(total, np.arange(8.0), plateau=1)[0] == 5
    assert choose_threshold(total, np.arange(8.0), plateau=0)[0] == 1


def random_image(seed):
    rng = np.random.default_rng(seed)
    scores, classes = rng.random((2, 6, 9)).astype(np.float32), np.array([1, 3])
    return scores, classes, rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (6, 9))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 46), st.integers(0, 46))
def test_ignored_pixels_are_counted_as_their_label_maps_are(seed, one, other):
    scores, classes, truth = random_image(seed)
    low, high = sorted((one, other))
    label = pseudo_label(scores, classes, THRESHOLDS[low], THRESHOLDS[high])
    curve = threshold_confusions(scores, classes, truth, 3, THRESHOLDS)
    np.testing.assert_array_equal(with_ignored(curve, low, high), confusion_matrix(truth, label, 3))


@pytest.mark.parametrize("plateau", [0, 2])
def test_two_thresholds_are_the_best_pair_on_average(plateau):
    scores, classes, truth = random_image(3)
    grid = np.round(np.linspace(0.1, 0.9, 9), 2)
    curve = threshold_confusions(scores, classes, truth, 3, grid)
    surface = {(i, j): float(mean_iou(with_ignored(curve, i, j))) for i in range(9) for j in range(i, 9)}

    def smooth(pair):
        near = [value for (i, j), value in surface.items() if max(abs(i - pair[0]), abs(j - pair[1])) <= plateau]
        return round(np.mean(near), 9)

    best = max(surface, key=smooth)
    low, high, miou = choose_two_thresholds(curve, grid, plateau)
    assert smooth((grid.tolist().index(low), grid.tolist().index(high))) == smooth(best)
    assert miou == pytest.approx(surface[grid.tolist().index(low), grid.tolist().index(high)])
    assert low <= high


def test_two_thresholds_need_something_to_score():
    with pytest.raises(WsssError, match="no pixel is scored"):
        choose_two_thresholds(np.zeros((2, 3, 4), dtype=int), np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match="3 thresholds"):
        choose_two_thresholds(np.stack([confusion_with(1)] * 2), np.array([0.1, 0.2, 0.3]))
