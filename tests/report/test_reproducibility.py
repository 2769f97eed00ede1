"""The tables of REPRODUCIBILITY.md, and what stands beside them: commands that exist, tolerances, every item answered."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.report.test_tables import CLAIMS as COMPARED
from tests.report.test_tables import record
from tests.test_readability import read
from wsss.errors import WsssError
from wsss.experiments.outcome import AGREEMENT
from wsss.experiments.parts import parts_named
from wsss.experiments.plan import CLAIMS
from wsss.report.pages import Others, write_tables
from wsss.report.reproducibility import claim_list_block, claim_list_table, compute_block, compute_table

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "REPRODUCIBILITY.md").read_text(encoding="utf-8")


def made(*seconds: float, **facts: Any) -> Any:
    """Provenance of as many seeds."""
    parts = [
        {"seed": seed, "wall_s": wall, "cpu_s": wall / 2, "threads": 1, "device": "cpu", "processor": "Abacus", **facts}
        for seed, wall in enumerate(seconds)
    ]
    return {"commit": "0123456789", "parts": parts}


RECORDS = [
    record("cam", 30.0, provenance=made(3600, 7200, commit="0123456789")),
    record("zoom", 31.0, provenance=made(3600, 7200, commit="0123456789")),
    record("cam", 40.0, stage="pseudo", provenance=made(1800, 1800)),
    record("cam", 33.0, stage="segmentation", provenance=made(360, 360, processor="Slide rule")),
    record("cam", 20.0, data="nyuv2"),
]


def claimed(**changes: Any) -> Any:
    row = COMPARED["rows"][0] | {"claimed": "depth@sensor", **changes}
    return COMPARED | {"rows": [row]}


def test_every_comparison_has_a_row_whether_computed_or_not() -> None:
    table = claim_list_table(CLAIMS, claimed(), RECORDS)
    assert list(table.index) == list(range(1, len(CLAIMS) + 1))
    assert list(table["data"]) == [one.data for one in CLAIMS]
    first = table.iloc[0]
    assert first["claim"] == "seeds: depth@sensor − best control > 0, aim +25.0"
    assert first["what came of it"] == "+21.0 [19.0, 23.0]: gain"
    assert first["another processor"] == "2.1"  # from 20.0 to 22.1
    assert first["same processor"] == "0"
    others = table.iloc[1:]
    assert set(others["what came of it"]) == {"not compared yet"}
    assert set(others["another processor"]) == {"–"}
    assert sum("≥ 90 % of full-supervision" in text for text in others["claim"]) == 1
    assert sum("> −2" in text for text in others["claim"]) == 1


def test_rows_are_found_by_what_was_claimed_not_by_what_was_chosen() -> None:
    """The method of a row may have a refinement that the list does not name; another measure is another row."""
    table = claim_list_table(CLAIMS, claimed(method="depth@sensor+par", measure="share of mIoU", kind="share"), [])
    assert set(table["what came of it"]) == {"not compared yet"}
    share = claimed(stage="segmentation", measure="share of mIoU", kind="share", verdict="reached")
    table = claim_list_table(CLAIMS, share, [])
    (row,) = [row for _, row in table.iterrows() if row["what came of it"] != "not compared yet"]
    assert row["what came of it"] == "21.0 [19.0, 23.0]: reached"
    assert row["command"] == "`wsss results tabletop doubled-tabletop`"


def test_the_time_is_that_of_the_stages_that_are_needed_each_part_once() -> None:
    times = {(row["data"], row["claim"].split(":")[0]): row["time"] for _, row in rows()}
    assert times["tabletop", "seeds"] == "1.5 h (2 runs)"
    assert times["tabletop", "network"] == "2.1 h (2 runs)"
    assert times["nyuv2", "seeds"] == times["voc-animals", "seeds"] == "–"


def rows() -> Any:
    return claim_list_table(CLAIMS, None, RECORDS).iterrows()


def test_commands_make_parts_that_there_are() -> None:
    for _, row in rows():
        (names,) = re.findall(r"^`wsss results (.+)`$", row["command"])
        assert {part.data for part in parts_named(names.split())} == {row["data"].removesuffix("-animals")}


def test_tables_are_those_of_the_results_page() -> None:
    page = read((ROOT / "docs" / "results.md").read_text(encoding="utf-8"))
    for _, row in rows():
        ((place, anchor),) = re.findall(r"^\[.+\]\((.+)#(.+)\)$", row["table"])
        assert place == "docs/results.md"
        assert anchor in page.anchors


def test_what_the_records_took() -> None:
    table = compute_table(RECORDS)
    seeds = table.loc[("tabletop", "seeds")]
    assert (seeds["methods"], seeds["time, h"], seeds["processor time, h"]) == ("2", "3.0", "1.5")
    assert (seeds["threads"], seeds["processor"], seeds["commit"]) == ("1", "Abacus", "0123456")
    assert table.loc[("tabletop", "network"), "processor"] == "Slide rule"
    assert table.loc[("nyuv2", "seeds"), "time, h"] == "–"
    assert "6 stages of one training seed each, 4.2 hours of time and 2.1 hours" in compute_block(RECORDS)
    assert "No record here says how long it took" in compute_block([record("cam", 1.0)])


def test_nothing_to_say_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match="no comparison is listed"):
        claim_list_block((), None, RECORDS)
    with pytest.raises(WsssError, match="there is no record"):
        compute_block([])
    (page := tmp_path / "page.md").write_text("<!-- table:claim-list -->\n<!-- /table:claim-list -->\n")
    write_tables(page, RECORDS, Others(claims=claimed(), listed=CLAIMS))
    assert f"1 of {len(CLAIMS)} comparisons are computed" in page.read_text(encoding="utf-8")


# ---- what is written by hand --------------------------------------------------------------------------------------


def test_the_tolerance_is_that_of_the_command() -> None:
    assert f"mIoU within {AGREEMENT:g} points" in PAGE


def section(title: str) -> list[list[str]]:
    """The cells of the rows of a section's table."""
    text = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_item_of_the_checklists_is_answered() -> None:
    neurips, pineau = section("NeurIPS paper checklist"), section("Machine Learning Reproducibility Checklist")
    assert [row[0].split(".")[0] for row in neurips] == [str(number) for number in range(1, 17)]
    assert len(pineau) == 21
    assert all(row[-1] and row[-2] for row in (*neurips, *pineau))


def test_what_is_named_between_backticks_is_there() -> None:
    for name in re.findall(r"`((?:wsss|docs|results)/[\w./-]+\.(?:py|md|json))`", PAGE):
        assert (ROOT / name).exists(), name
