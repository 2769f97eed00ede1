"""Tables and chart of what presets are worth, from made-up records."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wsss.errors import WsssError
from wsss.io import write_json
from wsss.records.record import PresetRecord
from wsss.records.store import load_preset_records, preset_path
from wsss.report.pages import Others, write_tables
from wsss.report.preset_charts import (
    PRESET_TABLES,
    criteria_table,
    few_masks_table,
    loss_table,
    preset_charts,
    preset_figure,
    preset_sentence,
)


def row(method: str, tuned: float, preset: float) -> dict[str, Any]:
    few = [
        {"masks": masks, "miou": preset - 10 / masks, "low": preset - 30 / masks, "high": preset, "better": 0.0}
        for masks in (5, 10)
    ]
    return {
        "method": method,
        "threshold": 0.5,
        "tuned": {"miou": tuned, "per_seed": [tuned], "ci": [tuned - 1, tuned + 1], "thresholds": [0.4]},
        "preset": {"miou": preset, "per_seed": [preset], "ci": [preset - 1, preset + 1]},
        "lost": {"mean": tuned - preset, "ci": [-0.25, 2.0]},
        "from_colour": {"mean": preset - 22.0, "ci": [0.25, 3.0]},
        "best_threshold": tuned + 0.5,
        "few": few,
        "few_threshold": few,
        "criteria": {"otsu": {"miou": preset - 3, "thresholds": [0.3]}},
    }


def record(data: str = "nyuv2") -> PresetRecord:
    return {
        "data": data, "split": "test", "profile": "default", "seeds": [0], "num_images": 218, "tune_images": 80,
        "preset": f"without-{data}", "made_from": ["voc-animals"], "draws": 200, "prior": 0.2,
        "rows": [row("rgb-region", 20.0, 19.0), row("depth@sensor", 24.0, 23.5)],
        "left_out": {"images": {"report": [218, 654]}}, "provenance": {"commit": "abc"},
    }  # fmt: skip


def test_the_table_says_what_is_lost_and_what_few_masks_choose() -> None:
    table = loss_table(record())
    assert table.loc["rgb-region"].to_dict() == {
        "tuned, 80 masks": "20.0",
        "by preset": "19.0",
        "lost": "+1.0 [−0.2, 2.0]",
    }
    assert few_masks_table(record()).loc["rgb-region"].to_dict() == {
        "5 masks": "17.0: 13.0 to 19.0",
        "10 masks": "18.0: 16.0 to 19.0",
    }
    assert criteria_table(record())["depth@sensor"].to_dict() == {
        "preset": "23.5 (0.50)",
        "otsu": "20.5 (0.30)",
        "best threshold": "24.5",
    }


def test_the_sentence_sets_depth_beside_colour() -> None:
    assert preset_sentence([record()]) == (
        "By a preset of other data on `nyuv2` depth@sensor has 23.5 and rgb-region 19.0 (+1.5 [0.2, 3.0])."
    )


def test_the_chart_has_a_panel_for_each_data_set(tmp_path: Path) -> None:
    figure = preset_figure([record(), record("rooms")])
    assert [ax.get_title() for ax in figure.axes] == ["nyuv2, test", "rooms, test"]
    dotted = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert [float(np.asarray(line.get_ydata())[0]) for line in dotted] == [19.0, 23.5]
    assert preset_charts(tmp_path, tmp_path) == []
    write_json(preset_path(tmp_path, "nyuv2", "test"), record())
    (chart,) = preset_charts(tmp_path, tmp_path / "figures")
    assert chart.path == tmp_path / "figures" / "presets-few-masks"
    assert chart.provenance == {"records": "nyuv2/presets/test", "commit": "abc"}


def test_pages_hold_the_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("".join(f"<!-- table:{name} -->\n<!-- /table:{name} -->\n" for name in PRESET_TABLES))
    with pytest.raises(WsssError, match="no record of what a preset is worth"):
        write_tables(page, [])
    write_tables(page, [], Others([record()]))
    text = page.read_text()
    assert "**nyuv2**, test split, 218 of 654 images, evenly spaced, training seed 0; preset `without-nyuv2`" in text
    assert "| depth@sensor | 24.0 | 23.5 | +0.5 [−0.2, 2.0] |" in text
    assert "the mean of 200 draws" in text


def test_a_file_that_is_no_record_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "nyuv2" / "presets" / "test.json", {"rows": []})
    with pytest.raises(WsssError, match=r"test\.json is no record of a preset"):
        load_preset_records(tmp_path)
