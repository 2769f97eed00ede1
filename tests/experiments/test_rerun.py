"""A record tells enough to be made anew, and a rerun tells whether the numbers agree."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from wsss import cli
from wsss.checks import settings_from
from wsss.config import ClassifierConfig, Config, SegmentationConfig
from wsss.errors import WsssError
from wsss.experiments.evaluate import evaluate_folder
from wsss.experiments.outcome import Outcome, differences
from wsss.experiments.rerun import name_of_method, rerun_record, settings_of_record
from wsss.experiments.results import write_stage
from wsss.io import read_json, write_json
from wsss.pipeline import Run
from wsss.pipeline.profiles import profile
from wsss.records.store import STAGES, full_name, load_records, record_path

BACKBONE = "test_efficientnet"
RESULTS = Path(__file__).resolve().parents[2] / "results"


pytestmark = pytest.mark.usefixtures("tiny_weights")


@pytest.fixture(scope="module")
def runs(tabletop_root: Path, tiny_weights: None, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two seeds of a tiny configuration with a method whose name does not say all of its depth source."""
    cache = tmp_path_factory.mktemp("cache")
    maps = cache / "DepthMETER"
    config = Config(
        profile="smoke", root=str(tabletop_root), tabletop_side=64, tabletop_scenes=(4, 2, 2), depth="inverted",
        methods=("cam", "depth", "crop-only@shuffled"), pseudo_methods=("cam", "cam+par"), label_methods=("cam+par",),
        classifier=ClassifierConfig(backbone=BACKBONE, base_side=64, crop_side=64, epochs=1, batch_size=4),
        segmentation=SegmentationConfig(encoder=f"tu-{BACKBONE}", iterations=2, batch_size=2, crop_size=64, frozen_stages=0),
    )  # fmt: skip
    assert not maps.exists()
    return [Run(Config(**{**vars(config), "seed": seed}), cache, progress=False) for seed in (0, 1)]


@pytest.fixture(scope="module")
def records(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Stage and method → file."""
    root = tmp_path_factory.mktemp("records")
    made = [record for stage in ("cam", "pseudo", "segmentation") for record in write_stage(runs, stage, root)]
    return {f"{record['stage']}/{full_name(record)}": record_path(root, record) for record in made}


@pytest.mark.parametrize(
    "name",
    [
        "cam/cam", "cam/depth@inverted", "cam/crop-only@shuffled", "pseudo/cam", "pseudo/cam+par",
        "segmentation/cam+par", "segmentation/full-supervision",
    ],
)  # fmt: skip
def test_every_stage_is_made_anew_number_for_number(
    records: dict[str, Path], tabletop_root: Path, tmp_path: Path, name: str
) -> None:
    outcome = rerun_record(records[name], root=tabletop_root, cache=tmp_path / "cache", progress=False)
    assert outcome.different == ()
    assert outcome.agrees
    assert list(outcome.lines())[-1] == "identical: every number is that of the record"
    assert outcome.new["provenance"]["utc"] >= outcome.old["provenance"]["utc"]
    assert any((tmp_path / "cache" / "classifier").iterdir())  # it was computed, not looked up


def test_no_record_tells_of_a_place(records: dict[str, Path], runs: list[Run]) -> None:
    assert runs[0].config.root is not None
    for path in records.values():
        assert runs[0].config.root not in path.read_text()
    settings = read_json(records["cam/cam"])["provenance"]["settings"]
    assert settings["root"] is None
    assert "seed" not in settings
    assert settings_from(Config, {**settings, "seed": 0}).classifier == runs[0].config.classifier


def changed(path: Path, target: Path, **fields: Any) -> Path:
    record = read_json(path)
    for name, value in fields.items():
        inner = record
        *parts, last = name.split("__")
        for part in parts:
            inner = inner[part]
        inner[last] = value
    write_json(target, record)
    return target


def test_numbers_that_do_not_agree_are_told(records: dict[str, Path], tabletop_root: Path, tmp_path: Path) -> None:
    whole = read_json(records["cam/cam"])
    per_seed = whole["miou"]["per_seed"]
    near = changed(records["cam/cam"], tmp_path / "near.json", miou__per_seed=[value + 0.05 for value in per_seed])
    far = changed(records["cam/cam"], tmp_path / "far.json", miou__per_seed=[per_seed[0], per_seed[1] + 1])
    runner, common = CliRunner(), ["--root", str(tabletop_root), "--cache", str(tmp_path / "cache")]
    for path, code, word in ((near, 0, "agrees: mIoU within 0.1"), (far, 1, "DIFFERS: mIoU by 1.000 points")):
        result = runner.invoke(cli.app, ["rerun", str(path), *common], catch_exceptions=False)
        assert result.exit_code == code
        assert word in result.output
        assert "first miou.per_seed" in result.output
        told = "another processor" in result.output and "seeds are up to" in result.output
        assert told == (code == 1)


def test_other_data_settings_and_files_are_refused(
    records: dict[str, Path], tabletop_root: Path, tmp_path: Path
) -> None:
    path = records["cam/cam"]
    other = changed(path, tmp_path / "data.json", provenance__data_sha256="0" * 64)
    with pytest.raises(WsssError, match=r"not that of .*data\.json.*--root"):
        rerun_record(other, root=tabletop_root, cache=tmp_path / "cache", progress=False)
    other = changed(path, tmp_path / "hash.json", provenance__config_sha256="0" * 64)
    with pytest.raises(WsssError, match=r"hash\.json was made with settings that are not this code's.*commit"):
        rerun_record(other, root=tabletop_root, progress=False)
    settings = read_json(path)["provenance"]["settings"]
    for odd in (
        {**settings, "new_knob": 1},
        {key: value for key, value in settings.items() if key != "depth"},
        [1],
        {**settings, "depth": 4},
    ):
        other = changed(path, tmp_path / "odd.json", provenance__settings=odd)
        with pytest.raises(WsssError, match=r"odd\.json cannot be made anew"):
            rerun_record(other, root=tabletop_root, progress=False)
    write_json(tmp_path / "series.json", {"series": "covering"})
    with pytest.raises(WsssError, match=r"series\.json is no record of a stage"):
        rerun_record(tmp_path / "series.json")


def test_an_evaluation_is_made_anew(tiny_voc: Path, tiny_checkpoint: Path, tmp_path: Path) -> None:
    evaluate_folder(
        tiny_checkpoint, tmp_path / "out", data="voc", root=str(tiny_voc), split="val", limit=3, progress=False
    )
    path = tmp_path / "out" / "tiny-voc" / "cam" / "val" / "cam.json"
    outcome = rerun_record(path, root=tiny_voc, checkpoint=tiny_checkpoint, progress=False)
    assert outcome.different == ()
    with pytest.raises(WsssError, match=r"made with tiny\.safetensors.*--checkpoint"):
        rerun_record(path, root=tiny_voc, progress=False)
    (tmp_path / "other.safetensors").write_bytes(tiny_checkpoint.read_bytes() + b" ")
    with pytest.raises(WsssError, match="that very file"):
        rerun_record(path, root=tiny_voc, checkpoint=tmp_path / "other.safetensors", progress=False)


OF_STAGES = sorted(path for stage in STAGES for path in RESULTS.glob(f"*/{stage}/*/*.json"))


@pytest.mark.parametrize("path", OF_STAGES, ids=lambda path: str(path.relative_to(RESULTS)))
def test_every_committed_record_tells_its_settings(path: Path) -> None:
    record = read_json(path)
    config = settings_of_record(path, record)
    assert config.data in ("tabletop", "nyuv2", "voc")
    assert Run(config, progress=False).config.full_name(name_of_method(path, record, config)) == full_name(record)


def test_there_are_committed_records() -> None:
    assert load_records(RESULTS)


def test_differences_say_where() -> None:
    old = {"a": [1, {"b": 2}], "c": None, "d": "x"}
    new = copy.deepcopy(old)
    assert differences(old, new) == []
    new["a"][1]["b"] = 3  # type: ignore[index]
    new["d"] = "y"
    assert differences(old, new) == ["a.1.b", "d"]
    assert differences([1], [1, 2], "a") == ["a"]
    assert differences({"a": 1}, {}) == ["a"]


def test_nothing_to_compare_is_no_agreement() -> None:
    empty: Any = {"miou": {"mean": None, "per_seed": [None]}}
    some: Any = {"miou": {"mean": 3.0, "per_seed": [3.0]}}
    assert Outcome(empty, empty, ()).agrees
    assert not Outcome(empty, some, ("miou",)).agrees


@pytest.mark.parametrize("name", ["smoke", "default", "reference", "full"])
@pytest.mark.parametrize("data", ["tabletop", "nyuv2", "voc"])
def test_settings_survive_json(name: str, data: str) -> None:
    config = profile(name, data)
    assert settings_from(Config, json.loads(json.dumps(config.dictionary()))) == config


def test_another_number_of_threads_agrees(runs: list[Run], tmp_path: Path) -> None:
    """mIoU of seeds and of pseudo-labels within 0.1 point."""
    before = torch.get_num_threads()
    own = runs[0].seeds(["depth"])["depth"].miou
    try:
        torch.set_num_threads(2 if before == 1 else 1)
        other = Run(runs[0].config, tmp_path, progress=False)
        assert other.seeds(["depth"])["depth"].miou == pytest.approx(own, abs=0.1)
        assert other.labels(["cam"])["cam"].miou == pytest.approx(runs[0].labels(["cam"])["cam"].miou, abs=0.1)
    finally:
        torch.set_num_threads(before)
