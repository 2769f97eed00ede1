"""Every input of a run × a change of it → new keys, and a change of nothing but the place → the same ones."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from wsss.config import ClassifierConfig, Config, SegmentationConfig
from wsss.pipeline import Run
from wsss.pipeline.crop_file import read_crop_settings
from wsss.pseudo.refinement import REFINEMENTS
from wsss.records.store import FULL_SUPERVISION

XML = "<annotation><object><name>cat</name><bndbox/><occluded>0</occluded></object></annotation>"
VAL, TRAIN, AUGMENTED, TUNE = "2012_000008", "2012_000000", "2012_000006", "2012_000002"

SEEDS = {"cam", "depth", "learned", "hub", "colour"}
LABELS = {"labels", "refined"}
TRAINED = {"classifier", *SEEDS, *LABELS, "network", "full"}
"""Keys of what follows from the training images."""


@pytest.fixture
def place(tiny_voc: Path, tmp_path: Path) -> Path:
    """A folder with everything that a run may read: `data`, `maps`, `model`, weights, checkpoints and a file of crops."""
    root = tmp_path / "place"
    root.mkdir()
    shutil.move(tiny_voc, root / "data")
    data = root / "data"
    (data / "classes.txt").write_text("\n".join(["cat", *(f"c{n}" for n in range(2, 12)), "dog"]) + "\n")
    for folder in ("SegmentationObject", "Annotations"):
        (data / folder).mkdir()
    for name in (VAL, TRAIN):
        Image.fromarray(np.ones((40, 48), np.uint8)).save(data / "SegmentationObject" / f"{name}.png")
        (data / "Annotations" / f"{name}.xml").write_text(XML)
    shutil.move(data / "DepthMETER", root / "maps")
    (root / "model").mkdir()
    (root / "model" / "config.json").write_text('{"model_type": "depth_anything"}')
    for name in ("weights", "learned", "learned.fold0"):
        save_file({"tensor": torch.arange(4.0)}, root / f"{name}.safetensors")
    (root / "crops.toml").write_text("[crops]\ncount = 3\n")
    return root


def keys(root: Path) -> dict[str, str]:
    """The cache key of each stage of a run on the folder."""
    config = Config(
        profile="smoke", data="voc", root=str(root / "data"), classes=("cat", "dog"), train_split="train_aug", report_split="val",
        depth=f"files:{root / 'maps'}", depth_kind="metric",
        classifier=ClassifierConfig(weights=str(root / "weights.safetensors")), segmentation=SegmentationConfig(iterations=2),
    )  # fmt: skip
    given = read_crop_settings(root / "crops.toml")
    run = Run(given.applied(config), root / "cache", progress=False, crop_settings=given)
    return {
        "classifier": run.classifier_key,
        "cam": run.seed_key("cam", "report"),
        "colour": run.seed_key("rgb-region", "report"),
        "depth": run.seed_key("depth", "report"),
        "learned": run.seed_key(f"depth@learned:{root / 'learned.safetensors'}", "report"),
        "hub": run.seed_key(f"depth@hf:{root / 'model'}", "report"),
        "labels": run.label_key("cam"),
        "refined": run.label_key("depth+par"),
        "network": run.network_key("depth+par"),
        "full": run.network_key(FULL_SUPERVISION),
    }


def flipped(path: Path) -> None:
    """One bit of the file is another; its size and its time of modification are as they were."""
    state, held = path.stat(), bytearray(path.read_bytes())
    held[-3] ^= 1
    path.write_bytes(held)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def lines_changed(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        path.write_text("\n".join(change(path.read_text().split())) + "\n")

    return changed


USES_MAPS = {"depth", "refined", "network"}
CHANGES: dict[str, tuple[str, Callable[[Path], None], set[str]]] = {
    "a training image": (f"data/JPEGImages/{TRAIN}.jpg", flipped, TRAINED),
    "a training mask": (f"data/SegmentationClass/{TRAIN}.png", flipped, TRAINED),
    "an augmented mask": (f"data/SegmentationClassAug/{AUGMENTED}.png", flipped, TRAINED),
    "objects of training": (f"data/SegmentationObject/{TRAIN}.png", flipped, TRAINED),
    "an annotation of training": (f"data/Annotations/{TRAIN}.xml", flipped, TRAINED),
    "a tune image": (f"data/JPEGImages/{TUNE}.jpg", flipped, TRAINED - {"classifier", "full"}),
    "a tune mask": (f"data/SegmentationClass/{TUNE}.png", flipped, TRAINED - {"classifier", "full"}),
    "a reported image": (f"data/JPEGImages/{VAL}.jpg", flipped, SEEDS),
    "a reported mask": (f"data/SegmentationClass/{VAL}.png", flipped, SEEDS),
    "reported objects": (f"data/SegmentationObject/{VAL}.png", flipped, SEEDS),
    "a reported annotation": (f"data/Annotations/{VAL}.xml", flipped, SEEDS),
    "the training list": (
        "data/ImageSets/Segmentation/train_aug.txt",
        lines_changed(lambda ids: ids[:-1]),
        TRAINED,
    ),
    "the reported list": ("data/ImageSets/Segmentation/val.txt", lines_changed(lambda ids: ids[::-1]), SEEDS),
    "names of classes": ("data/classes.txt", lines_changed(lambda names: ["c2", *names[:1], *names[2:]]), TRAINED),
    "a depth map": (f"maps/{VAL}.png", flipped, USES_MAPS),
    "a hub model's file": ("model/config.json", flipped, {"hub"}),
    "pretrained weights": ("weights.safetensors", flipped, TRAINED),
    "a depth network": ("learned.safetensors", flipped, {"learned"}),
    "a fold of a depth network": ("learned.fold0.safetensors", flipped, {"learned"}),
    "a file of crops": (
        "crops.toml",
        lines_changed(lambda _: ["[crops]", "count=4"]),
        {"depth", "learned", "hub", "colour", "refined", "network"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_input_gives_new_keys(place: Path, name: str) -> None:
    path, change, expected = CHANGES[name]
    before = keys(place)
    change(place / path)
    after = keys(place)
    assert {stage for stage in before if before[stage] != after[stage]} == expected


def test_every_file_of_the_place_is_in_the_table(place: Path) -> None:
    """Kinds of files, by folder: nothing that a run may read is left out."""
    there = {path.relative_to(place).parts[:-1] or (path.name,) for path in place.rglob("*") if path.is_file()}
    tried = {Path(path).parts[:-1] or (path,) for path, _, _ in CHANGES.values()}
    assert there == tried


def test_a_refinement_of_another_version_gives_new_keys(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(place)
    monkeypatch.setitem(REFINEMENTS, "par", replace(REFINEMENTS["par"], version=99))
    after = keys(place)
    assert {stage for stage in before if before[stage] != after[stage]} == {"refined", "network"}


@pytest.mark.parametrize("move", ["copied", "moved", "linked", "touched"])
def test_nothing_but_another_place_gives_the_same_keys(place: Path, tmp_path: Path, move: str) -> None:
    before, other = keys(place), tmp_path / "elsewhere" / "other"
    other.parent.mkdir()
    if move == "copied":
        shutil.copytree(place, other)
    elif move == "moved":
        place.rename(other)
    elif move == "linked":
        other.symlink_to(place)
    else:
        other = place
        for path in place.rglob("*"):
            os.utime(path, (1, 1))
    assert keys(other) == before


@pytest.mark.parametrize("folder", ["rgb", "masks", "instances", "depth"])
def test_rendered_files_are_known_by_their_contents(tabletop_root: Path, tmp_path: Path, folder: str) -> None:
    root = shutil.copytree(tabletop_root, tmp_path / "scenes")
    config = Config(profile="smoke", root=str(root), tabletop_side=64, tabletop_scenes=(4, 2, 2))
    before = Run(config, tmp_path, progress=False).seed_key("cam", "report")
    assert before == Run(replace(config, root=str(tabletop_root)), tmp_path, progress=False).seed_key("cam", "report")
    flipped(next((root / "test" / folder).iterdir()))
    assert Run(config, tmp_path, progress=False).seed_key("cam", "report") != before
