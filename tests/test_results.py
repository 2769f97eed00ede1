"""The committed records, tables and notebook outputs belong to the committed code."""

from pathlib import Path

import pytest

from wsss.ablation import VARIANTS, ablation_path
from wsss.config import profile
from wsss.data.series import SERIES
from wsss.data.tabletop import FROZEN
from wsss.errors import WsssError
from wsss.io import content_hash
from wsss.notebooks import NOTEBOOKS, check_outputs, notebook_folder
from wsss.pipeline import ALGORITHM_VERSION, Run
from wsss.report.ablations import load_ablation
from wsss.report.readme import readme_is_current
from wsss.report.series import load_series
from wsss.report.store import check_fresh, check_not_smoke, find_record, load_records
from wsss.results import check_committed, config_hash
from wsss.series import series_path

CHECKOUT = Path(__file__).resolve().parent.parent
RECORDS = load_records(CHECKOUT / "results")


@pytest.mark.parametrize("stage", ["cam", "pseudo", "segmentation"])
def test_records_of_tabletop_are_fresh(stage: str) -> None:
    split = "train" if stage == "pseudo" else "test"
    record = find_record(RECORDS, data="tabletop", stage=stage, method="depth@sensor", split=split)
    data = content_hash([FROZEN["tune"], FROZEN[split]])
    check_fresh(record, config_hash(Run(profile("default", "tabletop"))), data, ALGORITHM_VERSION[stage])


@pytest.mark.parametrize("name", ["nyuv2", "voc"])
def test_records_of_real_data_have_the_settings_of_the_profile(name: str) -> None:
    wanted = config_hash(Run(profile("default", name)))
    real = [record for record in RECORDS if record["data"].startswith(name)]
    assert real
    assert {record["provenance"]["config_sha256"] for record in real} == {wanted}


def test_the_ablation_is_fresh() -> None:
    record = load_ablation(ablation_path(CHECKOUT / "results", "tabletop", 0))
    assert record is not None
    assert record["profile"] == "default"
    assert [(row["group"], row["variant"]) for row in record["rows"]] == [(each.group, each.name) for each in VARIANTS]
    found = record["provenance"]
    assert found["config_sha256"] == config_hash(Run(profile("default", "tabletop")))
    assert (found["data_sha256"], found["algorithm_version"]) == (FROZEN["tune"], ALGORITHM_VERSION["cam"])


@pytest.mark.parametrize("name", SERIES)
def test_records_of_the_series_are_fresh(name: str) -> None:
    record = load_series(series_path(CHECKOUT / "results", name))
    assert record["profile"] == "default"
    found = record["provenance"]
    assert found["config_sha256"] == config_hash(Run(profile("default", "tabletop")))
    assert found["algorithm_version"] == ALGORITHM_VERSION["cam"]


def test_everything_that_make_results_makes_is_there() -> None:
    check_committed(RECORDS)


def test_missing_stale_and_smoke_records_are_named() -> None:
    gone = [record for record in RECORDS if (record["data"], record["method"]) != ("nyuv2", "zoom")]
    with pytest.raises(WsssError, match=r"no record with.*nyuv2.*zoom.*wsss results"):
        check_committed(gone)
    old = [record | {"provenance": record["provenance"] | {"algorithm_version": 0}} for record in RECORDS]
    with pytest.raises(WsssError, match=r"tabletop/cam/test/cam is stale: algorithm_version"):
        check_committed(old)
    with pytest.raises(WsssError, match="smoke"):
        check_committed([RECORDS[0] | {"profile": "smoke"}, *RECORDS[1:]])
    with pytest.raises(WsssError, match="no record with"):
        check_committed([])


def test_no_record_is_of_a_smoke_run() -> None:
    check_not_smoke(RECORDS)


def test_tables_of_the_readme_are_those_of_the_records() -> None:
    assert readme_is_current(CHECKOUT / "README.md", RECORDS), "run `python -m wsss report`"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_outputs_of_notebooks_belong_to_their_source(name: str) -> None:
    check_outputs(notebook_folder() / f"{name}.ipynb")
