"""The committed records, tables and notebook outputs belong to the committed code."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from wsss.config import ALGORITHM_VERSION, algorithms_of
from wsss.data.tabletop import FROZEN
from wsss.errors import WsssError
from wsss.experiments.committed import check_committed
from wsss.experiments.notebooks import NOTEBOOKS, check_outputs
from wsss.experiments.plan import (
    CLAIMS,
    RESULT_LABELS,
    RESULT_TEACHERS,
    VARIANTS,
)
from wsss.io import content_hash, read_json, write_json
from wsss.methods.names import CONTROLS, MethodName
from wsss.paths import notebook_folder
from wsss.pipeline.profiles import profile
from wsss.pipeline.run import Run
from wsss.records.store import (
    ablation_path,
    check_fresh,
    check_not_smoke,
    find_record,
    full_name,
    load_ablation,
    load_records,
    series_path,
)
from wsss.report.pages import PAGES, is_current, load_others

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
    check_fresh(record, Run(profile("reference", "tabletop")).config_hash, data, algorithms_of(stage))


@pytest.mark.parametrize("name", ["nyuv2", "voc"])
def test_records_of_real_data_have_the_settings_of_the_profile(name: str) -> None:
    wanted = Run(profile("reference", name)).config_hash
    real = [record for record in RECORDS if record["data"].startswith(name)]
    assert real
    assert {record["provenance"]["config_sha256"] for record in real} == {wanted}


@pytest.mark.parametrize("data", RESULT_TEACHERS)
def test_networks_learn_from_the_labels_that_are_best_on_tune(data: str) -> None:
    """Of each method its best refinement, which uses depth only where the method does; of controls the best."""
    own = [r for r in RECORDS if r["stage"] == "pseudo" and data in (r["data"], r["data"].partition("-")[0])]
    config = profile("reference", data)
    tuned = {full_name(record): record["tune_per_seed"][0] or 0.0 for record in own}
    for teacher in RESULT_TEACHERS[data]:
        base = MethodName.parse(teacher).base
        kind = [base] if base in ("cam", "depth") else [name for name in CONTROLS if name != "cam"]
        names = [
            each
            for each in RESULT_LABELS[data]
            if (parts := MethodName.parse(each)).base in kind and (base == "depth" or parts.refinement != "par-depth")
        ]
        assert max(names, key=lambda name: tuned[config.full_name(name)]) == teacher


def test_the_ablation_is_fresh() -> None:
    record = load_ablation(ablation_path(CHECKOUT / "results", "tabletop", 0))
    assert record is not None
    assert record["profile"] == "reference"
    assert [(row["group"], row["variant"]) for row in record["rows"]] == [(each.group, each.name) for each in VARIANTS]
    found = record["provenance"]
    assert found["config_sha256"] == Run(profile("reference", "tabletop")).config_hash
    assert (found["data_sha256"], found["algorithm_version"]) == (FROZEN["tune"], ALGORITHM_VERSION["cam"])


def test_everything_that_make_results_makes_is_there() -> None:
    check_committed(RECORDS, CHECKOUT / "results")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CHECKOUT / "results", tmp_path / "results"))


def test_missing_stale_and_smoke_records_are_named(tree: Path, tmp_path: Path) -> None:
    def refused(records: Sequence[Any], root: Path, message: str) -> None:
        with pytest.raises(WsssError, match=message):
            check_committed(records, root)

    records: list[Any] = list(RECORDS)
    check_committed(records, tree)
    gone = [record for record in records if (record["data"], record["method"]) != ("nyuv2", "zoom")]
    refused(gone, tree, r"no record with.*nyuv2.*zoom.*wsss results")
    old = [{**one, "provenance": one["provenance"] | {"algorithms": {}}} for one in records]
    refused(old, tree, r"tabletop/cam/test/cam is stale: algorithms")
    refused([{**records[0], "profile": "smoke"}, *records[1:]], tree, "smoke")
    refused([], tree, "no record with")
    refused([*records, {**records[0], "method": "mine"}], tree, "left over")
    refused(records, tmp_path / "none", r"no record .*ablation.*make results")
    path = series_path(tree, "covering")
    write_json(path, read_json(path) | {"profile": "smoke"})
    refused(records, tree, r"covering\.json is stale, or of the smoke profile")
    path.unlink()
    refused(records, tree, r"no record .*covering\.json")


def test_no_record_is_of_a_smoke_run() -> None:
    check_not_smoke(RECORDS)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_tables_of_the_pages_are_those_of_the_records(page: Path) -> None:
    assert is_current(CHECKOUT / page, RECORDS, load_others(CHECKOUT / "results", CLAIMS)), "run `wsss report`"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_outputs_of_notebooks_belong_to_their_source(name: str) -> None:
    check_outputs(notebook_folder() / f"{name}.ipynb")
