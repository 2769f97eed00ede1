"""mIoU over megapixels: settings of each cost, a record, its table and chart."""

from dataclasses import replace
from pathlib import Path

import pytest

from wsss.config import Config
from wsss.errors import WsssError
from wsss.experiments.budget import LINES, budget_settings, measure_budgets
from wsss.experiments.constants import with_settings
from wsss.io import write_json
from wsss.pipeline import Run
from wsss.pipeline.profiles import profile
from wsss.records.experiments import load_budgets
from wsss.records.record import TuneRecord
from wsss.records.store import budget_path
from wsss.report.budget_charts import budget_charts, budget_table
from wsss.report.drawing import draw_charts

BUDGETS = (0.5, 1.0, 2.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("budget")
    config = replace(profile("smoke", "tabletop", root=str(place / "data")), methods=("cam",))
    return Run(config, place / "cache", progress=False)


@pytest.fixture(scope="module")
def record(run: Run, tmp_path_factory: pytest.TempPathFactory) -> TuneRecord:
    return measure_budgets(run, tmp_path_factory.mktemp("records"), BUDGETS)


def test_the_usual_cost_is_that_of_the_records() -> None:
    config = Config()
    assert with_settings(config, budget_settings(config, 1)) == config


def test_each_line_has_a_row_at_each_cost(record: TuneRecord) -> None:
    assert [(row["times"], row["line"]) for row in record["rows"]] == [(b, line) for b in BUDGETS for line in LINES]
    for row in record["rows"]:
        assert 0 < row["miou"] < 100
        assert row["ci"][0] <= row["difference"] <= row["ci"][1]
        assert (row["crops"] > 0) == (row["line"] == "depth")
        assert (row["difference"] == 0) or row["line"] != "passes"
    for line in LINES:
        costs = [row["megapixels"] for row in record["rows"] if row["line"] == line]
        assert costs[2] / costs[0] == pytest.approx(4, rel=0.15)
        assert costs[2] / costs[1] == pytest.approx(2, rel=0.15)


def test_at_the_usual_cost_the_lines_are_the_methods(run: Run, record: TuneRecord) -> None:
    chosen = run.choose(["rgb-region", "depth"])
    for line, name in (("colour", "rgb-region"), ("depth", "depth")):
        (row,) = (row for row in record["rows"] if (row["times"], row["line"]) == (1.0, line))
        assert row["miou"] == pytest.approx(chosen[name].miou, abs=1e-3)
    rows = {row["line"]: row["miou"] for row in record["rows"] if row["times"] == 1}
    assert rows["colour"] - rows["passes"] == pytest.approx(
        next(row["difference"] for row in record["rows"] if (row["times"], row["line"]) == (1.0, "colour")), abs=2e-3
    )


def test_a_table_and_a_chart_show_the_record(record: TuneRecord, tmp_path: Path) -> None:
    write_json(budget_path(tmp_path, "tabletop", 0), record)
    (found,) = load_budgets(tmp_path)
    assert found == record
    table = budget_table(found)
    assert list(table.index) == ["0.5 ×", "1 ×", "2 ×"]
    assert len(table.columns) <= 6
    drawn = draw_charts(budget_charts(tmp_path, tmp_path / "figures"))
    assert [path.name for path in drawn] == ["tabletop-budget-seed-0.png", "tabletop-budget-seed-0.svg"]


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    write_json(budget_path(tmp_path, "tabletop", 0), {"miou": 3})
    with pytest.raises(WsssError, match=r"seed-0\.json is no record of mIoU over megapixels"):
        load_budgets(tmp_path)
