"""The committed records, tables and notebook outputs belong to the committed code."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from wsss.config import ALGORITHM_VERSION
from wsss.data.tabletop import FROZEN
from wsss.errors import WsssError
from wsss.experiments.committed import check_committed
from wsss.experiments.notebooks import NOTEBOOKS, check_outputs
from wsss.experiments.plan import VARIANTS
from wsss.io import content_hash, read_json, write_json
from wsss.paths import notebook_folder
from wsss.pipeline.profiles import profile
from wsss.pipeline.run import Run
from wsss.records.record import Record
from wsss.records.store import (
    ablation_path,
    check_fresh,
    check_not_smoke,
    find_record,
    load_ablation,
    load_preset_records,
    load_records,
    series_path,
)
from wsss.report.pages import PAGES, is_current

CHECKOUT = Path(__file__).resolve().parents[2]
RECORDS = load_records(CHECKOUT / "results")


@pytest.mark.parametrize("stage", ["cam", "pseudo", "segmentation"])
def test_records_of_tabletop_are_fresh(stage: str) -> None:
    split = "train" if stage == "pseudo" else "test"
    record = find_record(
        RECORDS,
        data="tabletop",
        stage=stage,
        method="full-supervision" if stage == "segmentation" else "depth@sensor",
        split=split,
    )
    data = content_hash([FROZEN[each] for each in dict.fromkeys(("train", "tune", split))])
    check_fresh(record, Run(profile("default", "tabletop")).config_hash, data, ALGORITHM_VERSION[stage])


@pytest.mark.parametrize("name", ["nyuv2", "voc"])
def test_records_of_real_data_have_the_settings_of_the_profile(name: str) -> None:
    wanted = Run(profile("default", name)).config_hash
    real = [record for record in RECORDS if record["data"].startswith(name)]
    assert real
    assert {record["provenance"]["config_sha256"] for record in real} == {wanted}


def test_the_ablation_is_fresh() -> None:
    record = load_ablation(ablation_path(CHECKOUT / "results", "tabletop", 0))
    assert record is not None
    assert record["profile"] == "default"
    assert [(row["group"], row["variant"]) for row in record["rows"]] == [(each.group, each.name) for each in VARIANTS]
    found = record["provenance"]
    assert found["config_sha256"] == Run(profile("default", "tabletop")).config_hash
    assert (found["data_sha256"], found["algorithm_version"]) == (FROZEN["tune"], ALGORITHM_VERSION["cam"])


def test_everything_that_make_results_makes_is_there() -> None:
    check_committed(RECORDS, CHECKOUT / "results")


def test_missing_stale_and_smoke_records_are_named(tmp_path: Path) -> None:
    def refused(records: Sequence[Record], root: Path, message: str) -> None:
        with pytest.raises(WsssError, match=message):
            check_committed(records, root)

    root = CHECKOUT / "results"
    gone = [record for record in RECORDS if (record["data"], record["method"]) != ("nyuv2", "zoom")]
    refused(gone, root, r"no record with.*nyuv2.*zoom.*wsss results")
    old: list[Any] = [{**one, "provenance": one["provenance"] | {"algorithm_version": 0}} for one in RECORDS]
    refused(old, root, r"tabletop/cam/test/cam is stale: algorithm_version")
    refused([{**RECORDS[0], "profile": "smoke"}, *RECORDS[1:]], root, "smoke")
    refused([], root, "no record with")
    refused([*RECORDS, {**RECORDS[0], "method": "mine"}], root, "left over")
    refused(RECORDS, tmp_path, r"no record .*ablation.*make results")
    copy = Path(shutil.copytree(root / "tabletop", tmp_path / "tabletop")).parent
    path = series_path(copy, "covering")
    write_json(path, read_json(path) | {"profile": "smoke"})
    refused(RECORDS, copy, r"covering\.json is stale, or of the smoke profile")
    path.unlink()
    refused(RECORDS, copy, r"no record .*covering\.json")


def test_no_record_is_of_a_smoke_run() -> None:
    check_not_smoke(RECORDS)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_tables_of_the_pages_are_those_of_the_records(page: Path) -> None:
    assert is_current(CHECKOUT / page, RECORDS, load_preset_records(CHECKOUT / "results")), "run `wsss report`"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_outputs_of_notebooks_belong_to_their_source(name: str) -> None:
    check_outputs(notebook_folder() / f"{name}.ipynb")
