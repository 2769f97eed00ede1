"""Charts show the records' numbers; files are the same for the same input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from wsss.report.chart_list import regenerate
from wsss.report.stage_charts import learning_curves, miou_bars, per_class_bars, threshold_curves
from wsss.report.strata_charts import strata_difference, strata_heatmaps


def record(method: str, miou: float, **changes: Any) -> Any:
    cells = [
        {"size": "<1 %", "occlusion": "all", "n": 0, "iou": None, "iou_ci": None, "recall": None, "recall_ci": None},
        {
            "size": "all",
            "occlusion": "all",
            "n": 7,
            "iou": miou,
            "iou_ci": [1.0, 99.0],
            "recall": 5.0,
            "recall_ci": [-1.0, 9.0],
        },
    ]
    return {
        "data": "tabletop",
        "split": "test",
        "profile": "default",
        "stage": "cam",
        "method": method,
        "refinement": None,
        "depth_source": method.partition("@")[2] or None,
        "classes": ["duck"],
        "iou": {"background": 90.0, "duck": None},
        "miou": {"mean": miou, "std": 1.0, "per_seed": [miou - 1, miou + 1]},
        "interval": [miou - 3, miou + 3],
        "seeds": [0, 1],
        "threshold": {"value": 0.3, "fixed": {"value": 0.2}, "oracle": {"value": 0.4}},
        "hit_effects": None,
        "tune_miou": miou,
        "curve": {"thresholds": [0.2, 0.4], "miou": [miou - 2, miou]},
        "strata": cells,
        "paired": [{"against": "cam", "strata": cells}],
        "history": [[{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": None}]],
        "provenance": {"commit": "abc"},
        **changes,
    }


RECORDS = [record("depth@sensor", 70.0), record("cam", 30.0)]


def xs(line: Any) -> list[float]:
    return np.asarray(line.get_xdata()).tolist()


def ys(line: Any) -> list[float]:
    return np.asarray(line.get_ydata()).tolist()


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_bars_show_mean_interval_and_seeds_in_the_tables_order() -> None:
    (ax,) = miou_bars(RECORDS).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cam", "depth@sensor"]
    assert [patch.get_width() for patch in ax.patches] == [30.0, 70.0]  # type: ignore[attr-defined]
    interval, seeds = ax.lines[:2]
    assert xs(interval) == [27.0, 33.0]
    assert xs(seeds) == [29.0, 31.0]


def test_threshold_curves_mark_the_chosen_the_fixed_and_the_oracle_threshold() -> None:
    (ax,) = threshold_curves([*RECORDS, record("zoom", 40.0, curve=None)]).axes
    curve, *marks = ax.lines[:4]
    assert ys(curve) == [28.0, 30.0]
    assert [xs(mark) for mark in marks] == [[0.3], [0.2], [0.4]]
    assert [ys(mark) for mark in marks] == [[pytest.approx(29.0)], [28.0], [30.0]]
    assert len({mark.get_marker() for mark in marks}) == 3
    assert len(ax.lines) == 8


def test_the_legend_of_methods_is_inside_the_figure() -> None:
    figure = threshold_curves(RECORDS)
    FigureCanvasAgg(figure).draw()
    legends = [artist for artist in figure.axes[0].get_children() if isinstance(artist, Legend)]
    assert len(legends) == 2
    for legend in legends:
        box = legend.get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1


def test_heat_maps_leave_empty_cells_blank_and_star_what_excludes_zero() -> None:
    figure = strata_heatmaps(RECORDS, methods=["cam", "depth@sensor"])
    assert [ax.get_title() for ax in figure.axes] == ["cam", "depth@sensor"]
    assert texts(figure) == ["30\nn=7", "70\nn=7"]
    assert texts(strata_difference(RECORDS[0], "cam")) == ["+70.0*\nn=7"]
    assert texts(strata_difference(RECORDS[0], "cam", "recall")) == ["+5.0\nn=7"]


def test_class_marks_and_learning_curves_take_gaps() -> None:
    (ax,) = per_class_bars(RECORDS).axes
    assert [xs(line)[0] for line in ax.lines] == [90.0, 90.0]
    assert all(np.isnan(xs(line)[1]) for line in ax.lines)
    assert len({line.get_marker() for line in ax.lines}) == 2
    (ax,) = learning_curves(RECORDS).axes
    assert ax.get_xlabel() == "epoch"
    assert xs(ax.lines[0]) == [1, 2]
    assert np.isnan(ys(ax.lines[0])[1])


def test_records_of_different_tables_are_not_drawn_together() -> None:
    with pytest.raises(ValueError, match="one data set"):
        miou_bars([*RECORDS, record("cam", 1.0, stage="pseudo")])
    with pytest.raises(ValueError, match="threshold curve"):
        threshold_curves([record("cam", 30.0, curve=None)])
    with pytest.raises(ValueError, match="zoom"):
        strata_difference(RECORDS[0], "zoom")


def test_smoke_figures_say_so() -> None:
    (ax,) = miou_bars([record("cam", 30.0, profile="smoke")]).axes
    assert "NOT A RESULT" in ax.get_title(loc="left")


def test_regenerate_writes_every_chart_twice_and_the_same_bytes_again(tmp_path: Path) -> None:
    written = regenerate(RECORDS, tmp_path / "figures")
    names = {path.name for path in written}
    charts = ("miou", "classes", "thresholds", "strata", "losses", "strata-depth-sensor-vs-cam")
    assert names == {f"tabletop-cam-test-{chart}.{kind}" for chart in charts for kind in ("png", "svg")}
    first = {path: path.read_bytes() for path in written}
    regenerate(RECORDS[::-1], tmp_path / "figures")
    assert {path: path.read_bytes() for path in written} == first
