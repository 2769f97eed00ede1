"""Scoring a checkpoint on a foreign folder, without tuning."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import wsss.experiments.evaluate as evaluate
import wsss.methods.scoring as scoring
from wsss.cam.classifier import Classifier, info_for, save_classifier
from wsss.data.tabletop import CLASSES
from wsss.errors import WsssError
from wsss.experiments.evaluate import evaluate_folder
from wsss.methods.depth_cam import DepthCAM
from wsss.methods.parameters import CropParameters, RegionParameters

BACKBONE = "test_efficientnet"
CHOSEN: dict[str, Any] = {
    "cam": {"parameters": {}, "threshold": 0.26, "miou": 30.0, "trials": 1},
    "zoom": {"parameters": {"level_weights": [1, 0, 1]}, "threshold": 0.3, "miou": 31.0, "trials": 12},
    "depth": {"parameters": {"crop_weight": 3.0, "vote": 0.5}, "threshold": 0.42, "miou": 35.0, "trials": 12},
}

LOOKS: dict[str, Any] = {
    "regions": asdict(RegionParameters(guides=(0, 4))),
    "crops": asdict(CropParameters(scales=(1.0, 1.5), count=3)),
}


def checkpoint(
    folder: Path, classes: tuple[str, ...], chosen: dict[str, Any] | None = None, looks: dict[str, Any] = LOOKS
) -> Path:
    torch.manual_seed(0)
    model = Classifier(BACKBONE, len(classes)).eval()
    torch.nn.init.normal_(model.head.weight, std=10)  # maps that are not flat
    torch.nn.init.zeros_(model.head.bias)  # type: ignore[arg-type]
    info = info_for(BACKBONE, classes, 16, 64)
    info.chosen.update(CHOSEN if chosen is None else chosen)
    info.looks.update(looks)
    save_classifier(folder / "model.safetensors", model, info)
    return folder / "model.safetensors"


@pytest.fixture(autouse=True)
def no_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is evaluated must never be tuned on."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("tuned on what is scored")

    monkeypatch.setattr(scoring, "choose_parameters", refuse)
    monkeypatch.setattr(scoring, "choose_threshold", refuse)
    assert not hasattr(evaluate, "choose_parameters")


def run(path: Path, root: Path, out: Path, **settings: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {"data": "voc", "split": "val", "root": str(root), "progress": False}
    records = evaluate_folder(path, out, **{**defaults, **settings})
    return {record["method"]: record for record in records}


def test_stored_parameters_are_used(tiny_voc: Path, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, ("dog", "cat"))
    written: list[Path] = []
    records = run(
        path, tiny_voc, tmp_path / "out", depth=f"files:{tiny_voc / 'DepthMETER'}", depth_kind="metric",
        on_written=written.append,
    )  # fmt: skip
    assert set(records) == {"cam", "zoom", "depth@meter"}
    for name, record in records.items():
        chosen = CHOSEN[name.partition("@")[0]]
        assert record["threshold"]["value"] == chosen["threshold"]
        assert record["tuning_trials"] == chosen["trials"]
        assert record["profile"] == "evaluate"
        assert set(record["iou"]) == {"background", "cat", "dog"}
        assert 0 <= record["miou"]["mean"] <= 100
    assert [json.loads(file.read_text()) for file in written] == list(records.values())
    assert {file.relative_to(tmp_path / "out").parts[:3] for file in written} == {(tiny_voc.name, "cam", "val")}


def test_without_depth_only_methods_that_need_none(tiny_voc: Path, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, ("cat", "dog"))
    assert set(run(path, tiny_voc, tmp_path / "out")) == {"cam", "zoom"}
    with pytest.raises(WsssError, match="--depth"):
        run(path, tiny_voc, tmp_path / "out", methods=["depth"])


def test_depth_folders_are_looked_for_in_the_data(tiny_voc: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = checkpoint(tmp_path, ("cat", "dog"))
    records = run(path, tiny_voc, tmp_path / "out", depth="files:DepthMETER", depth_kind="metric", methods=["depth"])
    assert set(records) == {"depth@meter"}


@pytest.mark.parametrize(
    ("method", "name"),
    [("depth@files:DepthMETER", "depth@meter"), ("depth@noisy:0.05+files:DepthMETER", "depth@noisy-0.05-meter")],
)
def test_methods_are_named_by_their_own_depth(tiny_voc: Path, tmp_path: Path, method: str, name: str) -> None:
    path = checkpoint(tmp_path, ("cat", "dog"), chosen={method: CHOSEN["depth"]})
    records = run(path, tiny_voc, tmp_path / "out", depth_kind="metric", methods=[method])
    assert set(records) == {name}


def test_the_order_of_classes_does_not_matter(tiny_voc: Path, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, ("cow", "cat", "dog"))
    first = run(path, tiny_voc, tmp_path / "out", methods=["cam"], classes=["cat", "dog"])["cam"]
    second = run(path, tiny_voc, tmp_path / "out", methods=["cam"], classes=["dog", "cat"])["cam"]
    assert first["iou"] == pytest.approx(second["iou"])


def test_only_shared_classes_are_scored_by_name(tiny_voc: Path, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, ("dog", "car", "teapot"))
    record = run(path, tiny_voc, tmp_path / "out", methods=["cam"])["cam"]
    assert set(record["iou"]) <= {"background", "dog", "car"}
    assert "dog" in record["iou"]


def test_folders_without_a_shared_class_are_refused(tiny_voc: Path, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, ("teapot", "duck"))
    with pytest.raises(WsssError, match="knows teapot, duck, none of the folder's"):
        run(path, tiny_voc, tmp_path / "out")
    with pytest.raises(WsssError, match="does not know class 'cat'"):
        run(path, tiny_voc, tmp_path / "out", classes=["cat"])


def test_on_rendered_scenes(tabletop_root: Path, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, CLASSES)
    records = run(path, tabletop_root, tmp_path / "out", data="tabletop", split="test", depth="sensor")
    assert set(records) == {"cam", "zoom", "depth@sensor"}
    assert records["depth@sensor"]["strata"]
    assert all(record["megapixels_per_image"] > 0 for record in records.values())


def test_limits(tiny_voc: Path, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, ("cat", "dog"))
    whole = run(path, tiny_voc, tmp_path / "out", methods=["cam"])["cam"]
    half = run(path, tiny_voc, tmp_path / "out", methods=["cam"], limit=2)["cam"]
    assert whole["provenance"]["data_sha256"] != half["provenance"]["data_sha256"]


def test_methods_without_parameters_are_refused(tiny_voc: Path, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, ("cat", "dog"), chosen={"cam": CHOSEN["cam"]})
    with pytest.raises(WsssError, match=r"no parameters for 'zoom'.*wsss train"):
        run(path, tiny_voc, tmp_path / "out", methods=["zoom"])
    with pytest.raises(WsssError, match="unknown method 'magic'"):
        run(path, tiny_voc, tmp_path / "out", methods=["magic"])
    bare = checkpoint(tmp_path, ("cat", "dog"), chosen={})
    with pytest.raises(WsssError, match="no chosen parameters"):
        run(bare, tiny_voc, tmp_path / "out")


def test_missing_checkpoints_are_named(tiny_voc: Path, tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=r"gone\.safetensors"):
        run(tmp_path / "gone.safetensors", tiny_voc, tmp_path / "out")


def test_chosen_parameters_decide_the_score(tiny_voc: Path, tmp_path: Path) -> None:
    scores = []
    for threshold in (0.04, 0.6):
        path = checkpoint(tmp_path, ("cat", "dog"), chosen={"cam": {**CHOSEN["cam"], "threshold": threshold}})
        scores.append(run(path, tiny_voc, tmp_path / f"out-{threshold}", methods=["cam"])["cam"]["miou"]["mean"])
    assert not np.isclose(*scores)


def test_crops_are_made_as_when_the_parameters_were_chosen(tiny_voc: Path, tmp_path: Path, monkeypatch) -> None:
    cams: list[DepthCAM] = []

    def remember(cam: DepthCAM, *arguments: Any, **settings: Any) -> Any:
        cams.append(cam)
        return scoring.score_seeds(cam, *arguments, **settings)

    monkeypatch.setattr(evaluate, "score_seeds", remember)
    path = checkpoint(tmp_path, ("cat", "dog"))
    settings = {"depth": "files:DepthMETER", "depth_kind": "metric", "methods": ["depth"]}
    record = run(path, tiny_voc, tmp_path / "out", **settings)["depth@meter"]
    assert (asdict(cams[0].regions), asdict(cams[0].crops)) == (LOOKS["regions"], LOOKS["crops"])
    more = {**LOOKS, "crops": {**LOOKS["crops"], "count": 9}}
    path = checkpoint(tmp_path, ("cat", "dog"), looks=more)
    dearer = run(path, tiny_voc, tmp_path / "dearer", **settings)["depth@meter"]
    assert dearer["megapixels_per_image"] > record["megapixels_per_image"]


@pytest.mark.parametrize(
    "looks", [{}, {"regions": LOOKS["regions"]}, {**LOOKS, "crops": {"number": 3}}], ids=["none", "half", "unknown"]
)
def test_checkpoints_that_do_not_say_how_they_looked_are_named(tiny_voc: Path, tmp_path: Path, looks) -> None:
    path = checkpoint(tmp_path, ("cat", "dog"), looks=looks)
    with pytest.raises(WsssError, match=r"model\.safetensors does not say how its crops were made.*wsss train"):
        run(path, tiny_voc, tmp_path / "out", methods=["cam"])
