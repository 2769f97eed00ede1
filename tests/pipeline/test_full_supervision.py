"""Full supervision is the bound only where there are masks to learn from; else it is skipped, and that is said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import write_palette_png
from wsss import cli
from wsss.config import ClassifierConfig, Config, SegmentationConfig
from wsss.errors import WsssError
from wsss.experiments.results import record_of, write_stage
from wsss.pipeline.run import Run
from wsss.records.store import FULL_SUPERVISION, NO_FULL_SUPERVISION
from wsss.report.label_panels import label_figure
from wsss.report.learnt import short_difference

pytestmark = pytest.mark.usefixtures("tiny_weights")

BACKBONE = "test_efficientnet"
XML = "<annotation>{}</annotation>"
OBJECT = "<object><name>{}</name></object>"


@pytest.fixture
def tagged_voc(tiny_voc: Path) -> Path:
    """The tiny folder with masks for tune and val alone: training images have their classes, in XML files."""
    lists = tiny_voc / "ImageSets" / "Segmentation"
    training = (lists / "train_aug.txt").read_text().split()
    tune = Run(configured(tiny_voc), tiny_voc.parent / "cache", progress=False).data("tune").ids
    (tiny_voc / "Annotations").mkdir()
    for index, name in enumerate(training):
        if name in tune:
            continue
        for folder in ("SegmentationClass", "SegmentationClassAug"):
            (tiny_voc / folder / f"{name}.png").unlink(missing_ok=True)
        names = [kind for place, kind in enumerate(("cat", "dog")) if index % 3 in (place, 2)]
        (tiny_voc / "Annotations" / f"{name}.xml").write_text(XML.format("".join(map(OBJECT.format, names))))
    return tiny_voc


def configured(root: Path, **more: Any) -> Config:
    return Config(
        profile="smoke", data="voc", root=str(root), classes=("cat", "dog"), train_split="train_aug", report_split="val",
        depth="files:DepthMETER", depth_kind="metric", methods=("cam",), pseudo_methods=("cam",), label_methods=("cam",),
        classifier=ClassifierConfig(backbone=BACKBONE, base_side=64, crop_side=64, epochs=1, batch_size=4),
        segmentation=SegmentationConfig(encoder=f"tu-{BACKBONE}", iterations=2, batch_size=2, crop_size=64, frozen_stages=0),
        **more,
    )  # fmt: skip


def test_it_is_skipped_where_training_images_have_their_classes_alone(
    tagged_voc: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(configured(tagged_voc), tmp_path / "cache", progress=False)
    records = write_stage([run], "segmentation", tmp_path / "results")
    assert NO_FULL_SUPERVISION == "full supervision skipped: no pixel of train has a label"
    assert capsys.readouterr().out.splitlines() == [NO_FULL_SUPERVISION]
    assert [record["method"] for record in records] == ["cam"]
    assert [pair["against"] for pair in records[0]["paired"]] == []
    assert [path.name for path in (tmp_path / "results").rglob("*.json")] == ["cam.json"]
    assert run.network_labels == ("cam",)
    assert len(list((tmp_path / "cache" / "network").glob("*.safetensors"))) == 1
    with pytest.raises(WsssError, match=f"{NO_FULL_SUPERVISION}. Add masks to SegmentationClass/"):
        run.network_path(FULL_SUPERVISION)

    # What chapters 05 and 06 ask of it is answered with the same words, and with no number.
    bound = record_of(run, records, "segmentation", FULL_SUPERVISION)
    assert np.isnan(bound["miou"]["mean"])
    assert short_difference(bound, "cam") == NO_FULL_SUPERVISION
    report = run.network_report(FULL_SUPERVISION)
    assert report["history"] == []
    assert np.isnan(report["seconds"])
    sample = run.data("report")[0]
    labels = {name: list(run.predictions(name, [sample])) for name in ("cam", FULL_SUPERVISION)}
    assert labels[FULL_SUPERVISION] == []
    assert [axes.get_title() for axes in label_figure([sample], labels, ("cat", "dog")).axes] == [
        "image",
        "cam",
        "truth",
    ]


def test_whether_there_are_masks_is_found_once(
    tagged_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Run(configured(tagged_voc), tmp_path / "cache", progress=False).has_masks is False
    again = Run(configured(tagged_voc), tmp_path / "cache", progress=False)
    monkeypatch.setattr(again.data("train"), "_read", lambda name: pytest.fail("read again"))
    assert again.has_masks is False
    # One labelled pixel is enough, and it is new data.
    name = again.data("train").ids[-1]
    mask = np.full((40, 48), 255, np.uint8)
    mask[3, 4] = 0
    write_palette_png(tagged_voc / "SegmentationClass" / f"{name}.png", mask)
    assert Run(configured(tagged_voc), tmp_path / "cache", progress=False).has_masks is True


def test_with_masks_it_is_the_bound(tiny_voc: Path, tmp_path: Path) -> None:
    run = Run(configured(tiny_voc), tmp_path / "cache", progress=False)
    assert run.network_labels == ("cam", FULL_SUPERVISION)


def test_the_command_names_the_networks_that_there_are(
    tagged_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(configured(tagged_voc), tmp_path / "cache", progress=False)
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(cli.options, "open_run_of", lambda *_, **__: run)
    cli.stages.segment()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == NO_FULL_SUPERVISION
    assert [line.split(":")[0] for line in lines if line.startswith("network on")] == ["network on cam"]
    assert "full-supervision" not in "".join(lines)
