"""Confusion matrices against brute force and torchmetrics."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_jaccard_index

from wsss.analysis import (
    confusion_matrix,
    coverage,
    intersection_and_union,
    iou_per_class,
    mean_iou,
    threshold_confusions,
)
from wsss.errors import WsssError

SHAPES = st.sampled_from([(1, 1), (1, 9), (7, 1), (5, 8), (12, 3)])


def random_labels(generator, shape, num_classes, ignored=0.2):
    labels = generator.integers(0, num_classes + 1, shape).astype(np.uint8)
    labels[generator.random(shape) < ignored] = 255
    return labels


def brute_force(truth, prediction, num_classes):
    counts = np.zeros((num_classes + 1, num_classes + 2), dtype=np.int64)
    for true, predicted in zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if true != 255:
            counts[true, num_classes + 1 if predicted == 255 else predicted] += 1
    return counts


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, num_classes=st.integers(1, 6), seed=st.integers(0, 2**16))
def test_confusion_and_iou_equal_brute_force(shape, num_classes, seed):
    generator = np.random.default_rng(seed)
    truth, prediction = (random_labels(generator, shape, num_classes) for _ in range(2))
    confusion = confusion_matrix(truth, prediction, num_classes)
    np.testing.assert_array_equal(confusion, brute_force(truth, prediction, num_classes))

    scored = truth != 255
    for label, iou in enumerate(iou_per_class(confusion)):
        intersection = np.sum(scored & (truth == label) & (prediction == label))
        union = np.sum(scored & ((truth == label) | (prediction == label)))
        if union:
            assert iou == pytest.approx(100 * intersection / union)
        else:
            assert np.isnan(iou)
    if scored.any():
        assert coverage(confusion) == pytest.approx(100 * np.mean(prediction[scored] != 255))
    else:
        assert np.isnan(coverage(confusion))
        assert np.isnan(mean_iou(confusion))


def test_equal_to_torchmetrics():
    generator = np.random.default_rng(3)
    truth = random_labels(generator, (40, 57), 5)
    prediction = random_labels(generator, (40, 57), 5, ignored=0)
    confusion = confusion_matrix(truth, prediction, 5)
    tensors = torch.from_numpy(prediction.astype(np.int64)), torch.from_numpy(truth.astype(np.int64))
    expected = multiclass_confusion_matrix(*tensors, num_classes=6, ignore_index=255)
    np.testing.assert_array_equal(confusion[:, :6], expected.numpy())
    theirs = multiclass_jaccard_index(*tensors, num_classes=6, ignore_index=255, average="none")
    np.testing.assert_allclose(iou_per_class(confusion), 100 * theirs.numpy(), rtol=1e-5)
    mean = multiclass_jaccard_index(*tensors, num_classes=6, ignore_index=255, average="macro")
    assert mean_iou(confusion) == pytest.approx(100 * float(mean), rel=1e-5)


def test_predicted_255_is_a_miss_but_no_false_alarm():
    truth = np.array([[0, 0, 1, 1]], dtype=np.uint8)
    prediction = np.array([[0, 255, 1, 255]], dtype=np.uint8)
    confusion = confusion_matrix(truth, prediction, 1)
    np.testing.assert_allclose(iou_per_class(confusion), [50, 50])
    assert coverage(confusion) == 50


def test_class_absent_everywhere_does_not_count_but_a_false_alarm_does():
    truth = np.zeros((1, 4), dtype=np.uint8)
    prediction = np.array([[0, 0, 2, 2]], dtype=np.uint8)
    confusion = confusion_matrix(truth, prediction, 2)
    np.testing.assert_array_equal(iou_per_class(confusion), [50, np.nan, 0])
    assert mean_iou(confusion) == 25


def test_leading_dimensions_are_kept():
    batch = np.random.default_rng(0).integers(0, 9, (2, 3, 5, 6))
    assert iou_per_class(batch).shape == (2, 3, 5)
    for reader in (iou_per_class, mean_iou, coverage):
        np.testing.assert_allclose(reader(batch)[1, 2], reader(batch[1, 2]))


@pytest.mark.parametrize("which", ["truth", "prediction"])
def test_unknown_label_is_named(which):
    maps = {"truth": np.zeros((2, 3), np.uint8), "prediction": np.zeros((2, 3), np.uint8)}
    maps[which][1, 2] = 7
    with pytest.raises(WsssError, match=rf"{which} holds the labels \[7\]"):
        confusion_matrix(**maps, num_classes=3)


def test_wrong_arrays_are_refused():
    labels = np.zeros((2, 3), np.uint8)
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        confusion_matrix(labels, labels.T, 3)
    with pytest.raises(TypeError, match="int64"):
        confusion_matrix(labels, labels.astype(np.int64), 3)
    with pytest.raises(ValueError, match=r"C\+1, C\+2"):
        intersection_and_union(np.zeros((3, 3)))


@settings(max_examples=30, deadline=None)
@given(shape=SHAPES, present=st.sets(st.integers(1, 5)), seed=st.integers(0, 2**16))
def test_threshold_confusions_equal_one_confusion_per_threshold(shape, present, seed):
    generator = np.random.default_rng(seed)
    truth = random_labels(generator, shape, 5)
    classes = generator.permutation(sorted(present)).astype(int)
    # Steps of 0.1 make ties between classes, and scores that are exactly at a threshold.
    scores = (generator.integers(0, 11, (len(classes), *shape)) / 10).astype(np.float32)
    thresholds = np.array([0.0, 0.1, 0.25, 0.3, 0.7, 1.0])
    result = threshold_confusions(scores, classes, truth, 5, thresholds)
    assert result.shape == (6, 6, 7)
    for threshold, confusion in zip(thresholds.tolist(), result, strict=True):
        prediction = np.zeros(shape, dtype=np.uint8)
        if len(classes):
            winner = classes[scores.argmax(axis=0)]
            prediction = np.where(scores.max(axis=0) > np.float32(threshold), winner, 0).astype(np.uint8)
        np.testing.assert_array_equal(confusion, brute_force(truth, prediction, 5))


@pytest.mark.parametrize(
    ("classes", "thresholds", "message"),
    [
        ([1], [0.5], "one"),
        ([1, 2], [0.5, 0.4], "ascending"),
        ([1, 1], [0.5], "distinct"),
        ([0, 1], [0.5], "distinct"),
        ([1, 4], [0.5], "distinct"),
    ],
)
def test_threshold_confusions_refuse_wrong_arguments(classes, thresholds, message):
    scores, truth = np.zeros((2, 4, 6), np.float32), np.zeros((4, 6), np.uint8)
    with pytest.raises(ValueError, match=message):
        threshold_confusions(scores, np.array(classes), truth, 3, np.array(thresholds))


def test_threshold_confusions_refuse_unknown_truth():
    with pytest.raises(WsssError, match="truth holds"):
        threshold_confusions(np.zeros((0, 1, 1), np.float32), np.array([]), np.full((1, 1), 9, np.uint8), 3, np.ones(1))
