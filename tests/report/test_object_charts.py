"""Charts and tables of objects, and of the effects of size and occlusion."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from wsss.report.effects import effects_figure, effects_table
from wsss.report.object_charts import activation_figure, binned_means, rank_correlations


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
    means = binned_means(frame, "relative_area", "activation", bins=4)
    assert means["n"].tolist() == [15] * 4
    assert means["mean"].iloc[0] == pytest.approx(frame["activation"][:15].mean())
    assert means["middle"].iloc[0] == pytest.approx(frame["relative_area"][:15].median())
    assert (means["low"] <= means["mean"]).all()
    assert (means["mean"] <= means["high"]).all()


def test_equal_values_share_a_bin_and_unknown_ones_are_left_out() -> None:
    means = binned_means(objects(occlusion_ratio=0.0), "occlusion_ratio", "recall")
    assert means["n"].tolist() == [60]
    half = objects()
    half.loc[:29, "activation"] = np.nan
    assert binned_means(half, "relative_area", "activation")["n"].sum() == 30
    assert not len(binned_means(objects(activation=np.nan), "relative_area", "activation"))
    assert len(binned_means(objects(1), "relative_area", "activation")) == 1


def test_rank_correlations_are_of_what_is_known() -> None:
    table = rank_correlations(objects())
    assert "border occlusion" not in table
    assert table.loc["visible area", "hidden share"] == pytest.approx(-1)


@pytest.mark.parametrize(("column", "panels"), [("occlusion_ratio", 2), (None, 1)])
def test_activation_is_drawn_against_what_is_known(column: str | None, panels: int) -> None:
    figure = activation_figure(objects(), column, "hidden share")
    assert len(figure.axes) == panels
    dots = figure.axes[0].lines[0]
    np.testing.assert_allclose(np.asarray(dots.get_ydata()), 100 * objects()["activation"])


def record(method: str, effects: dict[str, Any] | None) -> dict[str, Any]:
    return {"data": "tabletop", "split": "test", "method": method, "refinement": None, "hit_effects": effects}


BOTH = {
    "n": 300,
    "occlusion_measure": "occlusion_ratio",
    "area": {"odds_ratio": 1.5, "ci": [1.2, 1.9]},
    "occlusion": {"odds_ratio": 0.8, "ci": [0.7, 0.95]},
}


def test_effects_are_shown_with_intervals_and_their_measure() -> None:
    table = effects_table([record("depth@sensor", None), record("cam", BOTH)])
    assert table.index.tolist() == ["cam", "depth@sensor"]
    assert table.loc["cam"].tolist() == ["300", "× 1.50 [1.20, 1.90]", "× 0.80 [0.70, 0.95]", "occlusion ratio"]
    assert table.loc["depth@sensor"].tolist() == ["–", "–", "–", "none"]
    figure = effects_figure([record("depth@sensor", BOTH), record("cam", BOTH)])
    assert [ax.get_title() for ax in figure.axes] == ["area doubled", "10 points more occlusion"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["cam", "depth@sensor"]
    alone = {key: value for key, value in BOTH.items() if key != "occlusion"} | {"occlusion_measure": None}
    assert len(effects_figure([record("cam", alone)]).axes) == 1
    with pytest.raises(ValueError, match="no record"):
        effects_figure([record("cam", None)])
