import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wsss.analysis.confusion import confusion_matrix, mean_iou, threshold_confusions
from wsss.analysis.quality import band_effect, holds_classes, image_differences, pick_by_rule
from wsss.analysis.score import Score
from wsss.analysis.thresholds import THRESHOLDS, pseudo_label
from wsss.report.sentences import rule_text


def score_of(confusions: np.ndarray, curve: np.ndarray | None = None, **facts: float) -> Score:
    classes = tuple(f"class{number}" for number in range(1, confusions.shape[-2]))
    ids = tuple(str(number) for number in range(len(confusions)))
    none = confusions[:0]
    return Score(classes, ids, confusions, none if curve is None else curve, none, pd.DataFrame(), dict(facts))


def scored(seed: int, band: float, threshold: float = 0.4) -> tuple[Score, np.ndarray, np.ndarray, np.ndarray]:
    """A score of one 7×9 image with two classes, and what it was made from: truth, labels with and without band."""
    rng = np.random.default_rng(seed)
    scores, classes = rng.random((2, 7, 9)).astype(np.float32), np.array([1, 2])
    truth = rng.choice(np.array([0, 1, 2, 255], np.uint8), (7, 9))
    label, plain = (
        pseudo_label(scores, classes, threshold - band, threshold + band),
        pseudo_label(scores, classes, threshold),
    )
    curve = threshold_confusions(scores, classes, truth, 2, THRESHOLDS)
    return score_of(confusion_matrix(truth, label, 2)[None], curve, threshold=threshold), truth, label, plain


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 0.2))
def test_band_effect_agrees_with_counting_pixels(seed: int, band: float):
    score, truth, label, plain = scored(seed, band)
    effect, known = band_effect(score), truth != 255
    inside, outside = known & (label == 255), known & (label != 255)
    assert effect["mIoU"] == pytest.approx(score.miou)
    assert effect["mIoU without band"] == pytest.approx(mean_iou(confusion_matrix(truth, plain, 2)))
    unlabelled = np.where(label == 255, 255, truth).astype(np.uint8)
    assert effect["mIoU of labelled pixels"] == pytest.approx(mean_iou(confusion_matrix(unlabelled, label, 2)))
    assert effect["coverage"] == pytest.approx(100 * outside.sum() / known.sum())
    for name, where in (("right in the band", inside), ("right where labelled", outside)):
        expected = 100 * (plain == truth)[where].mean() if where.any() else np.nan
        assert effect[name] == pytest.approx(expected, nan_ok=True)


def test_without_a_band_nothing_is_ignored():
    effect = band_effect(scored(0, 0.0)[0])
    assert effect["coverage"] == 100
    assert effect["mIoU"] == effect["mIoU without band"] == effect["mIoU of labelled pixels"]
    assert np.isnan(effect["right in the band"])


def test_the_band_of_a_score_without_curve_is_an_error():
    with pytest.raises(ValueError, match="curve"):
        band_effect(score_of(np.ones((1, 2, 3), np.int64), threshold=0.4))


def test_image_differences_are_differences_of_each_image():
    right, wrong, unscored = [[3, 0, 0], [0, 1, 0]], [[3, 0, 0], [1, 0, 0]], np.zeros((2, 3))
    one = score_of(np.array([right, wrong, unscored], np.int64))
    two = score_of(np.array([wrong, wrong, unscored], np.int64))
    np.testing.assert_allclose(image_differences(one, two), [100 - 37.5, 0, np.nan])
    with pytest.raises(ValueError, match="same images"):
        image_differences(one, score_of(np.array([right], np.int64)))


def test_pick_by_rule_takes_the_ends_and_the_image_nearest_to_the_median():
    assert pick_by_rule(np.array([0.0, 5, -3, 1, np.nan, 2])) == {"best": 1, "median": 3, "worst": 2}


def test_images_without_any_class_can_be_left_out():
    both = score_of(np.array([[[3, 1, 0], [0, 0, 0]], [[3, 0, 0], [1, 0, 0]], np.zeros((2, 3))], np.int64))
    assert holds_classes(both).tolist() == [False, True, False]
    wanted = np.array([True, False, True, True])
    assert pick_by_rule(np.array([3.0, -1, 1, 2]), wanted) == {"best": 0, "median": 3, "worst": 2}


def test_the_worst_is_a_loss_only_below_zero():
    assert rule_text("best", 3.25) == "furthest ahead\n+3.2 points"
    assert rule_text("worst", -1.0) == "furthest behind\n−1.0 points"
    assert rule_text("worst", 0.0) == "least ahead\n+0.0 points"
    assert rule_text("best", -2.0).startswith("least behind")


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([], {}),
        ([np.nan], {}),
        ([2.0], {"best": 0}),
        ([2.0, 2.0], {"best": 0, "worst": 1}),
        ([0.0, np.nan, 1.0], {"best": 2, "worst": 0}),
    ],
)
def test_pick_by_rule_with_few_images(differences: list[float], expected: dict[str, int]):
    assert pick_by_rule(np.array(differences, dtype=np.float64)) == expected


@settings(max_examples=30, deadline=None)
@given(arrays(np.float64, st.integers(3, 12), elements=st.floats(-5, 5).map(round)))
def test_pick_by_rule_never_shows_an_image_twice(differences: np.ndarray):
    picked = pick_by_rule(differences)
    assert len(set(picked.values())) == len(picked) == 3
    best, median, worst = (differences[picked[rule]] for rule in ("best", "median", "worst"))
    assert best == differences.max() >= median >= worst == differences.min()
