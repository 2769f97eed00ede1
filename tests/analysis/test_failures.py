"""Rules that pick examples, and what is said of strata."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.analysis.failures import at_quantiles, error_shares, hard_images, occlusion_measure, worst_objects


def objects(**columns):
    """A frame of objects with the columns of `scores_frame`; what is not given is unknown."""
    frame = pd.DataFrame(columns)
    for name in ("occlusion_ratio", "marked_occluded", "border_occlusion"):
        frame[name] = frame.get(name, np.nan)
    return frame


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=9))
@settings(max_examples=25, deadline=None)
def test_quantiles_are_extremes_and_lower_median(values):
    picked = at_quantiles(np.array(values), (0, 0.5, 1))
    ordered = sorted(values)
    assert values[picked[0]] == ordered[0]
    assert values[at_quantiles(np.array(values), (1,))[0]] == ordered[-1]
    assert values[at_quantiles(np.array(values), (0.5,))[0]] == ordered[(len(values) - 1) // 2]
    assert len(set(picked)) == len(picked)


def test_quantiles_leave_out_nan():
    assert at_quantiles(np.array([np.nan, 3, 1]), (0, 1)) == [2, 1]
    assert at_quantiles(np.array([np.nan]), (0, 1)) == []


def test_error_shares_add_up():
    # Truth 1: 6 right, 2 background, 1 as class 2, 1 ignored; background: 90 right, 4 as class 1.
    confusion = np.array([[90, 4, 0, 0], [2, 6, 1, 1], [0, 0, 10, 0]])
    shares = error_shares(confusion)
    assert shares.iloc[:4].tolist() == pytest.approx([80, 10, 5, 5])
    assert shares.iloc[:4].sum() == pytest.approx(100)
    assert shares.iloc[4] == pytest.approx(100 * 4 / 21)


def test_error_shares_without_objects_are_unknown():
    assert error_shares(np.array([[9, 0, 0], [0, 0, 0]])).isna().all()


def test_amodal_occlusion_goes_before_border_occlusion():
    def column(frame):
        measure = occlusion_measure(frame)
        return measure and measure[0]

    assert column(objects(occlusion_ratio=[0.2], border_occlusion=[0.5])) == "occlusion_ratio"
    assert column(objects(border_occlusion=[0.5])) == "border_occlusion"
    assert occlusion_measure(objects(recall=[0.5])) is None


def test_worst_objects_are_lowest_then_largest_one_an_image():
    frame = objects(
        image_id=["a", "a", "b", "c", "d"],
        size=["<1 %"] * 4 + [">5 %"],
        recall=[0.0, 0.0, 0.0, 0.5, 0.0],
        area=[10, 30, 20, 5, 900],
    )
    found = worst_objects(frame, "size", "<1 %", 3)
    assert list(zip(found["image_id"], found["area"], strict=True)) == [("a", 30), ("b", 20), ("c", 5)]
    assert worst_objects(frame, "size", "1–5 %", 3).empty


def test_hard_images_count_small_or_hidden_once():
    frame = objects(
        image_id=["a", "b", "b", "c"],
        size=[">5 %", "<1 %", ">5 %", "<1 %"],
        occlusion=["0–10 %", ">40 %", ">40 %", None],
    )
    counts = hard_images(frame)
    assert list(counts.items()) == [("b", 2), ("c", 1), ("a", 0)]
