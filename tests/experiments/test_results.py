"""The committed records, tables and notebook outputs belong to the committed code."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from wsss.config import ALGORITHM_VERSION, algorithms_of, config_hash, hashed_splits
from wsss.data.series import SERIES
from wsss.data.tabletop import FROZEN
from wsss.errors import WsssError
from wsss.experiments import committed
from wsss.experiments.committed import check_committed, earlier_version
from wsss.experiments.notebooks import NOTEBOOKS, check_outputs
from wsss.experiments.plan import (
    CLAIMS,
    PRESET_IMAGES,
    RESULT_LABELS,
    RESULT_METHODS,
    RESULT_TEACHERS,
    VARIANTS,
)
from wsss.io import content_hash, read_json, write_json
from wsss.methods.names import CONTROLS, MethodName
from wsss.methods.presets import preset_for
from wsss.paths import notebook_folder
from wsss.pipeline.profiles import profile
from wsss.pipeline.run import Run
from wsss.records.record import Record
from wsss.records.store import (
    STAGES,
    ablation_path,
    check_fresh,
    check_not_smoke,
    doubled_path,
    find_record,
    full_name,
    load_ablation,
    load_preset_records,
    load_records,
    preset_path,
    series_path,
)
from wsss.report.pages import PAGES, is_current, load_others

CHECKOUT = Path(__file__).resolve().parents[2]
RECORDS = load_records(CHECKOUT / "results")


EARLIER = earlier_version(CHECKOUT / "results")
of_this_code = pytest.mark.skipif(
    EARLIER is not None, reason=f"the committed records are of an earlier version, {EARLIER}"
)


@of_this_code
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


@of_this_code
@pytest.mark.parametrize("name", ["nyuv2", "voc"])
def test_records_of_real_data_have_the_settings_of_the_profile(name: str) -> None:
    wanted = Run(profile("reference", name)).config_hash
    real = [record for record in RECORDS if record["data"].startswith(name)]
    assert real
    assert {record["provenance"]["config_sha256"] for record in real} == {wanted}


@of_this_code
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


@of_this_code
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


def as_of_this_code(record: Record) -> Any:
    """A record as if it had just been made: the committed one itself, where it has been."""
    config = profile("reference", record["data"] if record["data"] in RESULT_METHODS else "voc")
    stage, made = record["stage"], {"config_sha256": config_hash(config)}
    if config.data == "tabletop":
        names = ("test" if split == "report" else split for split in hashed_splits(stage))
        made["data_sha256"] = content_hash([FROZEN[name] for name in names])
    return {**record, "provenance": record["provenance"] | made | {"algorithms": algorithms_of(stage)}}


def is_planned(record: Record) -> bool:
    """Whether a record is one of those that the code makes now: an earlier version may have had others."""
    config = profile("reference", record["data"] if record["data"] in RESULT_METHODS else "voc")
    return full_name(record) in committed.committed_names(config, record["stage"])


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The committed tree as if it had just been made, of the methods whose records it has."""
    found = {(r["data"] if r["data"] in RESULT_METHODS else "voc", r["stage"], full_name(r)) for r in RECORDS}
    configs = {data: profile("reference", data) for data in RESULT_METHODS}
    for names, stage in zip(("RESULT_METHODS", "RESULT_LABELS", "RESULT_TEACHERS"), STAGES, strict=True):
        plan = getattr(committed, names)
        kept = {d: tuple(n for n in plan[d] if (d, stage, configs[d].full_name(n)) in found) for d in RESULT_METHODS}
        monkeypatch.setattr(committed, names, kept)
    root = Path(shutil.copytree(CHECKOUT / "results", tmp_path / "results"))
    (root / "earlier.json").unlink(missing_ok=True)
    for name in {path.parents[2].name for path in root.glob("*/parts/seed-*/*.json")}:
        own = configs[name if name in configs else "voc"]
        made = {"config_sha256": config_hash(own), "algorithms": algorithms_of("segmentation")}
        write_json(doubled_path(root, name, 0), {"provenance": made})
    wanted = {
        "config_sha256": config_hash(profile("reference", "tabletop")),
        "algorithm_version": ALGORITHM_VERSION["cam"],
        "algorithms": algorithms_of("cam"),
    }
    for path in (ablation_path(root, "tabletop", 0), *(series_path(root, name) for name in SERIES)):
        record = read_json(path)
        write_json(path, record | {"provenance": record["provenance"] | wanted})
    path = ablation_path(root, "tabletop", 0)
    ablation = read_json(path)
    rows = [ablation["rows"][0] | {"group": each.group, "variant": each.name} for each in VARIANTS]
    write_json(path, ablation | {"rows": rows})
    for record in load_preset_records(root):
        name = record["data"]
        config = profile("reference", name if name in RESULT_METHODS else "voc", report_limit=PRESET_IMAGES)
        now: Any = wanted | {"config_sha256": config_hash(config), "preset_sha256": preset_for(name).whole_identity}
        write_json(preset_path(root, name, record["split"]), {**record, "provenance": record["provenance"] | now})
    return root


def test_missing_stale_and_smoke_records_are_named(tree: Path, tmp_path: Path) -> None:
    def refused(records: Sequence[Any], root: Path, message: str) -> None:
        with pytest.raises(WsssError, match=message):
            check_committed(records, root)

    records: list[Any] = [as_of_this_code(record) for record in RECORDS if is_planned(record)]
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


def test_a_tree_of_an_earlier_version_must_be_whole_but_not_fresh(tree: Path) -> None:
    old: list[Any] = [{**one, "provenance": one["provenance"] | {"algorithm_version": 0}} for one in RECORDS]
    write_json(tree / "earlier.json", {"commit": "0123abc", "why": "scenes have other sizes"})
    assert earlier_version(tree) == "commit 0123abc: scenes have other sizes"
    check_committed(old, tree)
    with pytest.raises(WsssError, match="no record with"):
        check_committed(old[:-1], tree)
    less = [one for one in old if one["method"] != "zoom"]
    write_json(tree / "earlier.json", {"commit": "0123abc", "why": "no zoom yet", "without": ["zoom"]})
    check_committed(less, tree)
    write_json(tree / "earlier.json", {"commit": "0123abc"})
    with pytest.raises(WsssError, match=r"earlier\.json must hold.*why"):
        check_committed(old, tree)


def test_no_record_is_of_a_smoke_run() -> None:
    check_not_smoke(RECORDS)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_tables_of_the_pages_are_those_of_the_records(page: Path) -> None:
    assert is_current(CHECKOUT / page, RECORDS, load_others(CHECKOUT / "results", CLAIMS)), "run `wsss report`"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_outputs_of_notebooks_belong_to_their_source(name: str) -> None:
    check_outputs(notebook_folder() / f"{name}.ipynb")
