"""Regions of a label map, and how far their scores pass the threshold."""

import numpy as np
import pytest

from wsss.pseudo.confidence import region_facts


def test_regions_their_areas_and_margins() -> None:
    scores = np.zeros((2, 10, 20), np.float32)
    scores[0, :4, :5] = 0.7  # 20 pixels of class 3
    scores[0, 6:, 10:] = 1.0  # 40 pixels of it elsewhere …
    scores[1, 6:, 10:] = 0.8  # … where class 5 is nearly as likely
    label = np.zeros((10, 20), np.uint8)
    label[:4, :5] = label[6:, 10:] = 3
    found = region_facts(label, scores, np.array([3, 5]), 0.4)
    assert [(one["class"], one["area"], one["box"]) for one in found] == [
        (3, 0.2, [6, 10, 10, 20]),
        (3, 0.1, [0, 0, 4, 5]),
    ]
    # (1 − 0.8) / (1 − 0.4) beside its rival, and (0.7 − 0.4) / (1 − 0.4) above the threshold.
    assert [one["margin"] for one in found] == pytest.approx([1 / 3, 0.5], abs=1e-6)


def test_boxes_are_in_the_pixels_of_the_photograph() -> None:
    label = np.zeros((10, 20), np.uint8)
    label[6:, 10:] = 1
    found = region_facts(label, label[None].astype(np.float32), np.array([1]), 0.5, (31, 60))
    assert [one["box"] for one in found] == [[19, 30, 31, 60]]


def test_specks_and_empty_maps_are_no_regions() -> None:
    scores, label = np.ones((1, 40, 50), np.float32), np.zeros((40, 50), np.uint8)
    label[3, 3] = 1  # one of 2,000 pixels
    assert region_facts(label, scores, np.array([1]), 0.5) == []
    assert region_facts(label, scores[:0], np.array([], np.int64), 0.5) == []
