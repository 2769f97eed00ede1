"""Nothing but image labels: all stages run with a preset, and nothing is scored."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pipeline.test_full_supervision import OBJECT, XML, configured
from wsss import cli
from wsss.data.pictures import read_image
from wsss.errors import WsssError
from wsss.experiments.own_photographs import write_label_folder
from wsss.experiments.results import write_stage
from wsss.io import read_json
from wsss.methods.presets import preset_for, read_preset
from wsss.paths import checkout_folder
from wsss.pipeline import open_run
from wsss.pipeline.run import Run
from wsss.records.record import Stage
from wsss.records.store import load_preset_records

pytestmark = pytest.mark.usefixtures("tiny_weights")


@pytest.fixture
def tagged(tiny_voc: Path) -> Path:
    """The tiny folder without any mask: every image has its classes, in an XML file."""
    (tiny_voc / "Annotations").mkdir()
    for index, image in enumerate(sorted((tiny_voc / "JPEGImages").iterdir())):
        names = [kind for place, kind in enumerate(("cat", "dog")) if index % 3 in (place, 2)]
        (tiny_voc / "Annotations" / f"{image.stem}.xml").write_text(XML.format("".join(map(OBJECT.format, names))))
    for folder in ("SegmentationClass", "SegmentationClassAug"):
        shutil.rmtree(tiny_voc / folder)
    return tiny_voc


@pytest.mark.parametrize("stage", ["cam", "pseudo", "segmentation"])
def test_all_stages_run_and_say_that_nothing_is_scored(
    tagged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], stage: Stage
) -> None:
    config = replace(configured(tagged), methods=("cam", "depth"), pseudo_methods=("cam+par", "depth"))
    run = Run(config, tmp_path / "cache", progress=False)
    records = write_stage([run], stage, tmp_path / "results")
    shown = capsys.readouterr()
    split = "train_aug" if stage == "pseudo" else "val"
    assert f"not scored: no pixel of {split} has a label" in shown.out.splitlines()
    assert "tune has no masks, so parameters and thresholds are of the preset photographs" in shown.err
    for record in records:
        assert record["not_scored"] == f"not scored: no pixel of {split} has a label"
        assert record["miou"]["mean"] is None
        assert record["tune_miou"] is None
        if stage != "segmentation":
            threshold = record["threshold"]
            assert threshold is not None
            assert threshold["chosen_on"] == "preset"
            assert threshold["oracle"] is None
        assert read_json(next((tmp_path / "results").rglob(f"{record['method']}*.json")))["not_scored"]


def test_choices_are_those_of_the_preset_and_enter_the_keys(tagged: Path, tmp_path: Path) -> None:
    run = Run(configured(tagged), tmp_path / "cache", progress=False)
    assert run.preset == preset_for("tiny-voc")
    assert run.choose(["depth"])["depth"] == preset_for("tiny-voc").choice("depth")
    assert run.choose_labels(["cam"])["cam"].low == run.choose(["cam"])["cam"].threshold
    other = Run(replace(configured(tagged), preset="without-voc-animals"), tmp_path / "cache", progress=False)
    assert other.preset == read_preset("without-voc-animals")
    assert other.choose(["depth"])["depth"] == read_preset("without-voc-animals").choice("depth")
    assert other.seed_key("depth", "report") != run.seed_key("depth", "report")
    assert other.classifier_key == run.classifier_key


def test_with_masks_no_preset_is_taken(tiny_voc: Path, tmp_path: Path) -> None:
    run = Run(configured(tiny_voc), tmp_path / "cache", progress=False)
    assert run.preset is None
    assert run.not_scored("report") is None
    assert run.choose(["cam"])["cam"].chosen_on is None


def test_a_forgotten_mask_is_still_an_error(tagged: Path, tmp_path: Path) -> None:
    """Annotations stand in for masks of other splits only where there is no mask at all."""
    (tagged / "SegmentationClass").mkdir()
    with pytest.raises(WsssError, match="is neither in SegmentationClass nor in SegmentationClassAug"):
        Run(configured(tagged), tmp_path / "cache", progress=False).data("report")[0]


def test_the_command_shows_no_table_without_scores(
    tagged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "runs"))
    run = Run(configured(tagged), tmp_path / "cache", progress=False)
    monkeypatch.setattr(cli.options, "open_run_of", lambda *_, **__: run)
    cli.stages.pseudo()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "not scored: no pixel of train_aug has a label"
    assert [line.split()[0] for line in lines[1:]] == ["record", "pseudo-labels"]


def test_photographs_of_voc_animals_are_labelled_without_their_masks(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tags are those of train_aug; no mask can be read while labels are made. What they score is in the record."""
    data = shared_data / "voc-animals"
    names = {8: "cat", 10: "cow", 12: "dog", 13: "horse", 15: "person", 17: "sheep"}
    ids = (data / "ImageSets" / "Segmentation" / "train_aug.txt").read_text().split()[::250]
    lines, masks = [], {}
    (tmp_path / "photos").mkdir()
    for name in ids:
        masks[name] = read_image(data / "SegmentationClassAug" / f"{name}.png", mode=None)
        shutil.copy(data / "JPEGImages" / f"{name}.jpg", tmp_path / "photos")
        lines.append(f"{name}.jpg,{';'.join(names[kind] for kind in np.unique(masks[name]) if kind in names)}\n")
    (tmp_path / "tags.csv").write_text("".join(lines))
    opened = Image.open

    def guarded(file: Any, *more: Any, **named: Any) -> Any:
        assert "Segmentation" not in str(file)
        return opened(file, *more, **named)

    monkeypatch.setattr(Image, "open", guarded)
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "runs"))
    settings: dict[str, Any] = {
        "classifier.backbone": "test_efficientnet",
        "preset": "without-voc-animals",
        "depth_kind": "metric",
    }
    run = open_run(
        "smoke",
        "photographs",
        root=str(tmp_path / "photos"),
        tags=str(tmp_path / "tags.csv"),
        depth=f"files:{data / 'DepthMETER'}",
        progress=False,
        **settings,
    )
    facts = write_label_folder(run, "depth", tmp_path / "labels")
    assert facts["chosen_on"] == "preset"
    assert facts["scores"] == "not scored: no pixel of train has a label"
    for name in ids:
        assert read_image(tmp_path / "labels" / f"{name}.png", mode=None).shape == masks[name].shape
    (record,) = (each for each in load_preset_records(checkout_folder("results")) if each["data"] == "voc-animals")
    assert record["split"] == "val"
    assert [row["method"] for row in record["rows"]] == ["cam", "zoom", "rgb-region", "depth@meter"]
    assert all(0 < row["preset"]["miou"] <= row["tuned"]["miou"] + 1 for row in record["rows"])
