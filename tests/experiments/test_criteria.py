"""Criteria without masks: each of their statistics against what follows from pictures made by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import cohen_kappa_score

from wsss.analysis.thresholds import THRESHOLDS, threshold_place
from wsss.cam.classifier import ClassifierInfo
from wsss.experiments.criteria import (
    CRITERIA,
    STATISTICS,
    TRIED,
    image_statistics,
    kappa,
    mean_statistics,
    of_area,
    probabilities_within,
    thresholds_without_masks,
)


def test_kappa_is_cohens() -> None:
    generator = np.random.default_rng(0)
    first, noise = generator.integers(0, 3, (20, 30)).astype(np.uint8), generator.random((20, 30)) < 0.4
    second = np.where(noise, generator.integers(0, 3, (20, 30)), first).astype(np.uint8)
    assert kappa(first, second) == pytest.approx(cohen_kappa_score(first.ravel(), second.ravel()))
    assert kappa(first, first) == pytest.approx(1)
    assert kappa(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)) == 0


def test_label_maps_of_an_area_hold_the_highest_scores() -> None:
    scores = np.random.default_rng(1).random((2, 8, 9), np.float32)
    label = of_area(scores, 10)
    best = scores.max(axis=0)
    assert (label > 0).sum() == 10
    assert best[label > 0].min() > best[label == 0].max()
    np.testing.assert_array_equal(label[label > 0], scores.argmax(axis=0)[label > 0] + 1)


class BrightParts:
    """A look whose classifier finds a class as probable as the image is bright on average."""

    present, image = (0,), np.full((64, 96, 3), 255, np.uint8)
    info = ClassifierInfo("tiny", ("thing",), 16, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 96, {})

    def see(self, views: list[torch.Tensor]) -> tuple[None, torch.Tensor]:
        return None, torch.stack([view.mean() for view in views])[:, None]


def test_probabilities_are_of_what_is_left_and_of_the_rest() -> None:
    label = np.zeros((64, 96), np.uint8)
    label[:, :24] = 1
    kept, removed = probabilities_within(BrightParts(), [label, np.ones_like(label)])  # type: ignore[arg-type]
    np.testing.assert_allclose(kept, [0.25, 1], atol=1e-6)
    np.testing.assert_allclose(removed, [0.75, 0], atol=1e-6)


def test_statistics_of_an_image_with_one_bright_rectangle() -> None:
    scores = np.zeros((1, 64, 96), np.float32)
    scores[0, 16:48, 30:60] = 0.7
    ranks = np.zeros((64, 96), np.float32)
    ranks[[16, 48], 30:61], ranks[16:49, 30], ranks[16:49, 60] = 1, 1, 1
    found = image_statistics(BrightParts(), scores, scores, ranks)  # type: ignore[arg-type]
    area, edges, agreement, kept, removed = found
    share = 32 * 30 / (64 * 96)
    below = THRESHOLDS < 0.69
    np.testing.assert_allclose(area, np.where(below, share, 0))
    tried = np.isin(np.arange(len(THRESHOLDS)), TRIED)
    assert np.isnan(found[1:, ~tried]).all()
    assert not np.isnan(found[:, tried]).any()
    assert (edges[tried & below] > 0.7).all()  # all borders are on edges, and few of them where they are moved
    assert (edges[tried & ~below] == 0).all()
    np.testing.assert_allclose(agreement[tried], np.where(below, 1, 0)[tried])
    np.testing.assert_allclose((kept + removed)[tried], 1, atol=1e-6)


def test_an_image_without_a_class_says_nothing() -> None:
    none: Any = SimpleNamespace(present=())
    nothing = np.zeros((0, 4, 5), np.float32)
    found = image_statistics(none, nothing, nothing, np.zeros((4, 5), np.float32))
    assert found.shape == (len(STATISTICS), len(THRESHOLDS))
    assert (found[0] == 0).all()
    other = np.where(np.isin(np.arange(len(THRESHOLDS)), TRIED), 0.6, np.nan) * np.ones((len(STATISTICS), 1))
    mean = mean_statistics(np.stack([found, other]))
    np.testing.assert_allclose(mean[:, TRIED], 0.3)


def test_each_criterion_takes_the_threshold_that_is_best_by_it() -> None:
    statistics = np.full((len(STATISTICS), len(THRESHOLDS)), np.nan)
    # Two kinds of pixels: six in ten with scores around 0.2, the others around 0.8.
    statistics[0] = np.where(THRESHOLDS < 0.2, 1, np.where(THRESHOLDS < 0.8, 0.4, 0))
    statistics[1:, TRIED] = 0
    statistics[1, TRIED[3]], statistics[2, TRIED[7]] = 0.4, 0.9
    statistics[3, TRIED], statistics[4, TRIED] = 0.9, 0.3
    statistics[3, TRIED[-1]] = 0.2
    chosen = thresholds_without_masks(statistics, 0.3)
    assert list(chosen) == list(CRITERIA)
    assert chosen["edges"] == THRESHOLDS[TRIED[3]]
    assert chosen["agreement"] == THRESHOLDS[TRIED[7]]
    assert 0.2 <= chosen["otsu"] < 0.8
    assert THRESHOLDS[threshold_place(chosen["area"])] == 0.2  # the first with the share nearest to 0.3
    # Kept − removed − area: 0.6 − 0.4 in the middle, 0.6 − 0 above 0.8 but for the last.
    assert chosen["deletion"] == min(float(THRESHOLDS[one]) for one in TRIED if THRESHOLDS[one] >= 0.8)
    assert "area" not in thresholds_without_masks(statistics, None)
    statistics[0] = 0  # nothing passes any threshold: there are no two kinds of pixels
    assert list(thresholds_without_masks(statistics, 0.3)) == ["area", "edges", "agreement", "deletion"]
