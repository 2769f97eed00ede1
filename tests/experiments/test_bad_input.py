"""The catalogue of bad settings, parameters and folders, from the outside: evaluation, notebooks, command line."""

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import wsss.machine.memory
from wsss import cli
from wsss.cam.classifier import Classifier, info_for, save_classifier
from wsss.data.classes import keep_ids
from wsss.data.registry import open_dataset
from wsss.errors import WsssError
from wsss.experiments.evaluate import evaluate_folder
from wsss.experiments.notebooks import execute
from wsss.machine.memory import require_memory
from wsss.methods.parameters import CropParameters, RegionParameters
from wsss.pipeline.profiles import profile

BACKBONE = "test_efficientnet"
CHOSEN: dict[str, Any] = {
    "cam": {"parameters": {}, "threshold": 0.26, "miou": 30.0, "trials": 1},
    "depth": {"parameters": {"crop_weight": 3.0, "vote": 0.5}, "threshold": 0.42, "miou": 35.0, "trials": 12},
}
LOOKS: dict[str, Any] = {
    "regions": asdict(RegionParameters(guides=(0, 4))),
    "crops": asdict(CropParameters(scales=(1.0, 1.5), count=3)),
}


def checkpoint(folder: Path, classes: tuple[str, ...] = ("cat", "dog"), **change: Any) -> Path:
    torch.manual_seed(0)
    model = Classifier(BACKBONE, len(classes)).eval()
    torch.nn.init.normal_(model.head.weight, std=10)
    info = info_for(BACKBONE, classes, 16, 64)
    info.chosen.update(change.get("chosen", CHOSEN))
    info.looks.update(change.get("looks", LOOKS))
    save_classifier(folder / "model.safetensors", model, info)
    return folder / "model.safetensors"


def evaluated(path: Path, root: Path, out: Path, **settings: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "data": "voc", "split": "val", "root": str(root), "progress": False,
        "depth": f"files:{root / 'DepthMETER'}", "depth_kind": "metric",
    }  # fmt: skip
    return {record["method"]: record for record in evaluate_folder(path, out, **{**defaults, **settings})}


# ---- --on-error ---------------------------------------------------------------------------------------------------

SPOILT = {
    "2012_000008": lambda root: (root / "JPEGImages" / "2012_000008.jpg").write_bytes(b""),
    "2012_000009": lambda root: (root / "SegmentationClass" / "2012_000009.png").unlink(),
    "2012_000011": lambda root: (root / "DepthMETER" / "2012_000011.png").write_bytes(b"torn"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_evaluation_stops_at_a_bad_file_by_default(tiny_voc: Path, tmp_path: Path, name: str) -> None:
    SPOILT[name](tiny_voc)
    with pytest.raises(WsssError, match=name):
        evaluated(checkpoint(tmp_path), tiny_voc, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_evaluation_skips_bad_files_when_told_to_and_says_so(tiny_voc: Path, tmp_path: Path) -> None:
    """Its numbers are those of a list without the bad images."""
    path, clean = checkpoint(tmp_path), tmp_path / "clean" / tiny_voc.name
    shutil.copytree(tiny_voc, clean)
    (clean / "ImageSets" / "Segmentation" / "val.txt").write_text("2012_000010\n")
    for spoil in SPOILT.values():
        spoil(tiny_voc)
    skipping = evaluated(path, tiny_voc, tmp_path / "out", on_error="skip")
    wanted = evaluated(path, clean, tmp_path / "wanted")
    for name, record in skipping.items():
        assert [one["id"] for one in record["skipped"]] == list(SPOILT)
        assert all(one["id"] in one["reason"] for one in record["skipped"])
        assert record["num_images"] == 1
        for key in ("miou", "iou", "curve", "coverage", "strata", "paired"):
            assert record[key] == wanted[name][key], key
        assert record["provenance"]["data_sha256"] == wanted[name]["provenance"]["data_sha256"]
        assert wanted[name]["skipped"] == []
        assert json.loads((tmp_path / "out" / tiny_voc.name / "cam" / "val" / f"{name}.json").read_text()) == record


def test_skipping_all_is_an_error(tiny_voc: Path, tmp_path: Path) -> None:
    shutil.rmtree(tiny_voc / "JPEGImages")
    with pytest.raises(WsssError, match=r"no image of tiny-voc, val can be read; the first: .*2012_000008\.jpg"):
        evaluated(checkpoint(tmp_path), tiny_voc, tmp_path / "out", on_error="skip")
    with pytest.raises(WsssError, match="stop or skip, not 'ignore'"):
        evaluated(checkpoint(tmp_path), tiny_voc, tmp_path / "out", on_error="ignore")


def test_shuffled_depth_is_checked_where_it_is_made_from(tiny_voc: Path, tmp_path: Path) -> None:
    SPOILT["2012_000011"](tiny_voc)
    chosen = {"depth@shuffled": CHOSEN["depth"]}
    (record,) = evaluated(
        checkpoint(tmp_path, chosen=chosen), tiny_voc, tmp_path / "out", on_error="skip", methods=["depth@shuffled"]
    ).values()
    assert [one["id"] for one in record["skipped"]] == ["2012_000011"]
    assert record["num_images"] == 3


def test_the_command_line_lists_what_was_skipped(tiny_voc: Path, tmp_path: Path) -> None:
    SPOILT["2012_000008"](tiny_voc)
    arguments = ["evaluate", "--checkpoint", str(checkpoint(tmp_path)), "--root", str(tiny_voc), "--methods", "cam"]
    arguments += ["--out", str(tmp_path / "out"), "--on-error", "skip"]
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "skipped 2012_000008: cannot read image" in result.output


@pytest.mark.parametrize("data", ["voc", "tabletop"])
def test_a_part_of_a_data_set_is_that_part(data: str, tiny_voc: Path, tabletop_root: Path) -> None:
    root, split, classes = (tiny_voc, "val", ("dog",)) if data == "voc" else (tabletop_root, "train", ("mug",))
    for chosen in (None, classes):
        whole = open_dataset(data, split, root=root, classes=chosen)
        part = keep_ids(whole, whole.ids[1:3])
        assert part.ids == whole.ids[1:3]
        assert len(part) == len(list(part)) == 2
        assert part[0].id == whole.ids[1]
        np.testing.assert_array_equal(part[1].mask, whole[2].mask)
        assert part.fingerprint() not in (whole.fingerprint(), keep_ids(whole, whole.ids[:2]).fingerprint())
        assert keep_ids(whole, whole.ids).fingerprint() == whole.fingerprint()
        assert len(whole) > 2


# ---- what a checkpoint says ---------------------------------------------------------------------------------------

CHOICES: dict[str, Any] = {
    "threshold above 1": {"parameters": {}, "threshold": 1.5},
    "negative threshold": {"parameters": {}, "threshold": -0.1},
    "NaN for a threshold": {"parameters": {}, "threshold": float("nan")},
    "text for a threshold": {"parameters": {}, "threshold": "0.3"},
    "no threshold": {"parameters": {}},
    "unknown parameter": {"parameters": {"votes": 1}, "threshold": 0.3},
    "vote above 1": {"parameters": {"vote": 3}, "threshold": 0.3},
    "list": [0.3],
    "null": None,
}


@pytest.mark.parametrize("case", CHOICES)
def test_parameters_that_make_no_sense_are_named(tiny_voc: Path, tmp_path: Path, case: str) -> None:
    path = checkpoint(tmp_path, chosen={"cam": CHOICES[case]})
    with pytest.raises(WsssError, match=r"model\.safetensors.*(makes no sense|no chosen parameters|NaN).*wsss train"):
        evaluated(path, tiny_voc, tmp_path / "out", methods=["cam"])


@pytest.mark.parametrize(
    "looks",
    [
        {**LOOKS, "crops": {**LOOKS["crops"], "count": 10**9}},
        {**LOOKS, "crops": {**LOOKS["crops"], "scales": "big"}},
        {**LOOKS, "regions": {**LOOKS["regions"], "jump": -1}},
        {**LOOKS, "regions": [1]},
    ],
    ids=["count", "scales", "jump", "list"],
)
def test_looks_that_make_no_sense_are_named(tiny_voc: Path, tmp_path: Path, looks: dict[str, Any]) -> None:
    with pytest.raises(WsssError, match=r"model\.safetensors does not say how its crops were made.*wsss train"):
        evaluated(checkpoint(tmp_path, looks=looks), tiny_voc, tmp_path / "out")


# ---- degenerate data ----------------------------------------------------------------------------------------------


def fill_masks(root: Path, label: int) -> None:
    for file in (root / "SegmentationClass").iterdir():
        Image.fromarray(np.full((40, 48), label, np.uint8)).save(file)


def test_folders_without_truth_are_named(tiny_voc: Path, tmp_path: Path) -> None:
    fill_masks(tiny_voc, 255)
    with pytest.raises(WsssError, match="no pixel of tiny-voc, val is scored: its masks are all 255"):
        evaluated(checkpoint(tmp_path), tiny_voc, tmp_path / "out")


def test_folders_without_objects_are_refused(tiny_voc: Path, tmp_path: Path) -> None:
    """Their score would be that of background alone, 100 mIoU for an answer of nothing."""
    fill_masks(tiny_voc, 0)
    with pytest.raises(WsssError, match="no pixel of tiny-voc, val shows cat or dog"):
        evaluated(checkpoint(tmp_path), tiny_voc, tmp_path / "out")


def test_one_class_and_two_hundred(tiny_voc: Path, tmp_path: Path) -> None:
    """The cat is the eighth of two hundred, the only one that the checkpoint knows; a second one knows all of them."""
    names = tuple(f"kind{number}" for number in range(1, 201))
    (tiny_voc / "classes.txt").write_text("\n".join(names))
    one = evaluated(checkpoint(tmp_path, ("kind8",)), tiny_voc, tmp_path / "one", methods=["cam"])["cam"]
    assert one["classes"] == ["kind8"]
    many = evaluated(checkpoint(tmp_path, names), tiny_voc, tmp_path / "many", methods=["cam"])["cam"]
    assert len(many["classes"]) == 200
    assert {name for name, value in many["iou"].items() if value is not None} >= {"background", "kind8", "kind12"}


@pytest.mark.parametrize("size", [(1, 1), (1, 60), (60, 1)], ids=str)
def test_the_smallest_images_can_be_scored(tiny_voc: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    for name in ("2012_000008", "2012_000009"):
        Image.new("RGB", size[::-1], (200, 30, 30)).save(tiny_voc / "JPEGImages" / f"{name}.jpg")
        Image.new("L", size[::-1], 8).save(tiny_voc / "SegmentationClass" / f"{name}.png")
    records = evaluated(checkpoint(tmp_path), tiny_voc, tmp_path / "out")
    assert all(0 <= record["miou"]["mean"] <= 100 for record in records.values())


def test_images_whose_maps_do_not_fit_into_memory_are_named(tiny_voc: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(wsss.machine.memory, "UNNOTICED", 0)
    monkeypatch.setattr(wsss.machine.memory, "free_memory", lambda: 500_000.0)
    message = r"image 2012_000008 has 48×40 pixels.*2 classes need about .*GB.*are free.*smaller"
    with pytest.raises(WsssError, match=message):
        evaluated(checkpoint(tmp_path), tiny_voc, tmp_path / "out")
    with pytest.raises(WsssError, match="no image of tiny-voc"):
        evaluated(checkpoint(tmp_path), tiny_voc, tmp_path / "out", on_error="skip")


def test_forty_eight_megapixels_need_more_than_a_laptop_has(monkeypatch) -> None:
    monkeypatch.setattr(wsss.machine.memory, "free_memory", lambda: 16e9)
    with pytest.raises(
        WsssError, match=r"image big has 8000×6000 pixels: its maps of 20 classes need about 131\.1 GB.*16\.0 GB"
    ):
        require_memory("big", (6000, 8000), 20, 15)
    require_memory("photograph", (500, 500), 20, 15)
    require_memory("large", (2500, 2500), 10, 15)
    with pytest.raises(WsssError, match=r"image large .*18\.8 GB of memory with 2 images side by side, and 16\.0 GB"):
        require_memory("large", (2500, 2500), 10, 15, at_once=2)


# ---- settings and parameters --------------------------------------------------------------------------------------

WRONG_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"seeds": 1}, r"unknown setting 'seeds'; choose from .*seed"),
    ({"seed": "0"}, "setting seed must be an integer from 0 to 4294967295, not '0'"),
    ({"seed": 1.5}, "setting seed must be an integer from 0 to 4294967295, not 1.5"),
    ({"seed": True}, "setting seed must be an integer from 0 to 4294967295, not True"),
    ({"seed": -1}, "setting seed must be .* from 0 to"),
    ({"classes": "cat,dog"}, "setting classes must be a list of texts or nothing, not 'cat,dog'"),
    ({"classes": ["cat", 3]}, "setting classes must be a list of texts"),
    ({"depth": 3}, "setting depth must be text"),
    ({"root": 7}, "setting root must be text or nothing"),
    ({"train_limit": 0}, "setting train_limit must be an integer of at least 1 or nothing, not 0"),
    ({"tabletop_side": 3}, "setting tabletop_side must be an integer from 32 to 4096"),
    ({"tabletop_scenes": (4, 2)}, "setting tabletop_scenes must be a list of 3 integers"),
    ({"classifier": {"epocs": 3}}, "setting classifier must be a ClassifierConfig"),
    ({"methods": ("cam", None)}, "setting methods"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), WRONG_SETTINGS, ids=lambda value: str(value)[:40])
def test_wrong_settings_are_named_before_anything_runs(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(WsssError, match=message):
        profile("smoke", **settings)


def test_nested_settings_are_checked_too() -> None:
    from dataclasses import replace

    config = profile("smoke")
    with pytest.raises(WsssError, match=r"setting classifier\.epochs must be an integer of at least 1, not '3'"):
        profile("smoke", classifier=replace(config.classifier, epochs="3"))  # type: ignore[arg-type]
    with pytest.raises(
        WsssError, match=r"setting segmentation\.crop_size must be a multiple of 32 from 32 to 16384, not 8"
    ):
        profile("smoke", segmentation=replace(config.segmentation, crop_size=8))
    for setting, value, message in (
        ("batch_size", 1, r"segmentation\.batch_size must be an integer of at least 2"),
        ("crop_size", 200, r"segmentation\.crop_size must be a multiple of 32 from 32 to 16384, not 200"),
        (
            "test_scales",
            (),
            r"segmentation\.test_scales must be a list of one or more numbers from 0\.01 to 100, not \(\)",
        ),
    ):
        with pytest.raises(WsssError, match=message):
            profile("smoke", segmentation=replace(config.segmentation, **{setting: value}))  # type: ignore[arg-type]
    assert profile("smoke", classes=["mug"]).classes == ("mug",)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"seed": "zero"}, "setting seed must be an integer from 0 to 4294967295, not 'zero'"),
        ({"root": '"\nopen("pwned", "w")\n"'}, "must be text or nothing"),
    ],
    ids=["type", "lines"],
)
def test_notebooks_take_parameters_as_values_never_as_code(
    tmp_path: Path, parameters: dict[str, Any], message: str, monkeypatch
) -> None:
    monkeypatch.setenv("WSSS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("WSSS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    small = {"profile": "smoke", "data": "voc"} | parameters
    with pytest.raises(WsssError, match=rf"(?s)01_baseline_cam failed in cell \d+: .*({message})"):
        execute(small, tmp_path / "out", ["01_baseline_cam"], progress=False)
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("content", ["[]", "7", '{"cells": 3}', '{"cells": [{}], "nbformat": 4}', "\x00"])
def test_notebooks_that_are_something_else_are_named(tmp_path: Path, content: str) -> None:
    from wsss.experiments.notebooks import parameters_of

    path = tmp_path / "odd.ipynb"
    path.write_text(content)
    with pytest.raises(WsssError, match=r"odd\.ipynb"):
        parameters_of(path)


def test_a_failing_disk_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path: Path) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error", "/mnt/gone/a.png")

    monkeypatch.delenv("WSSS_DEBUG", raising=False)
    monkeypatch.setattr("wsss.experiments.evaluate.evaluate_folder", fail)
    monkeypatch.setattr(sys, "argv", ["wsss", "evaluate", "--checkpoint", "x", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert capsys.readouterr().err.strip() == (
        "error: cannot read or write /mnt/gone/a.png: Input/output error. Check the disk, free space and permissions."
    )
    monkeypatch.setenv("WSSS_DEBUG", "1")
    with pytest.raises(OSError, match="Input/output"):
        cli.main()
