"""Binned means and rank correlations of objects."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from wsss.analysis.activation import activation_means, binned_means, rank_correlations


def objects(count: int = 60, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"image_id": [str(number // 2) for number in range(count)]})
    frame["relative_area"] = np.linspace(0.001, 0.2, count)
    frame["activation"] = 0.2 + 2 * frame["relative_area"]
    frame["recall"] = rng.random(count)
    frame["occlusion_ratio"] = np.linspace(0.9, 0, count)
    frame["border_occlusion"] = np.nan
    frame["depth_rank"] = rng.integers(1, 4, count)
    frame["neighbours"] = 0
    return frame.assign(**columns)


def test_bins_hold_equally_many_objects_and_their_mean() -> None:
    frame = objects()
    rows = binned_means(frame, "relative_area", "activation", bins=4)
    assert [row["n"] for row in rows] == [15] * 4
    assert rows[0]["mean"] == pytest.approx(frame["activation"][:15].mean())
    assert rows[0]["middle"] == pytest.approx(frame["relative_area"][:15].median())
    assert all(row["ci"][0] <= row["mean"] <= row["ci"][1] for row in rows)


def test_a_few_values_are_a_bin_each() -> None:
    marks = np.repeat([0.0, 1.0], [50, 10])
    rows = binned_means(objects(marked=marks, found=np.where(marks, 0.8, 0.1)), "marked", "found")
    assert [(row["middle"], row["n"]) for row in rows] == [(0, 50), (1, 10)]
    assert [row["mean"] for row in rows] == pytest.approx([0.1, 0.8])


def test_a_value_that_many_share_is_kept_together_and_apart_from_the_rest() -> None:
    hidden = np.concatenate([np.zeros(42), np.linspace(0.1, 0.9, 18)])
    rows = binned_means(objects(hidden=hidden), "hidden", "recall", bins=6)
    assert (rows[0]["middle"], rows[0]["n"]) == (0, 42)
    assert sum(row["n"] for row in rows) == 60
    assert len(rows) >= 3
    assert [row["middle"] for row in rows] == sorted(row["middle"] for row in rows)


def test_what_is_unknown_is_left_out() -> None:
    half = objects()
    half.loc[:29, "activation"] = np.nan
    assert sum(row["n"] for row in binned_means(half, "relative_area", "activation")) == 30
    assert binned_means(objects(activation=np.nan), "relative_area", "activation") == []
    assert [row["n"] for row in binned_means(objects(1), "relative_area", "activation")] == [1]


def test_activation_is_in_percent_and_by_what_is_known() -> None:
    found = activation_means(objects(), "occlusion_ratio")
    assert found["area"][-1]["middle"] == pytest.approx(18.5, abs=1)
    assert found["visible"][0]["middle"] == pytest.approx(17, abs=3)
    assert found["area"][0]["mean"] > 20
    assert activation_means(objects(), None)["visible"] == []


def test_rank_correlations_are_of_what_is_known() -> None:
    table = rank_correlations(objects())
    assert "border occlusion" not in table
    assert table.loc["visible area", "hidden share"] == pytest.approx(-1)
    assert np.isnan(table.loc["neighbours", "recall"])
