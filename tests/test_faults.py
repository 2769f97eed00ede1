"""Full disks, read-only folders, unreadable files, folders that vanish: one line with the path, and what was finished stays."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from wsss import cli
from wsss.config import ClassifierConfig, Config, SegmentationConfig
from wsss.data.pictures import write_png
from wsss.data.voc import VocDataset
from wsss.errors import WsssError
from wsss.io import file_hash, read_json, write_json
from wsss.networks import backbones
from wsss.pipeline import Run

BACKBONE = "test_efficientnet"
NOBODY = 65534


@pytest.fixture(autouse=True)
def weights(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    state = timm.create_model(BACKBONE, pretrained=False).state_dict()
    monkeypatch.setitem(backbones._WEIGHTS, BACKBONE, lambda: state)


@pytest.fixture
def config(tabletop_root: Path) -> Config:
    return Config(
        profile="smoke", root=str(tabletop_root), tabletop_side=64, tabletop_scenes=(4, 2, 2),
        methods=("cam",), pseudo_methods=("cam",), label_methods=("cam",),
        classifier=ClassifierConfig(backbone=BACKBONE, base_side=64, crop_side=64, epochs=1, batch_size=4),
        segmentation=SegmentationConfig(encoder=f"tu-{BACKBONE}", iterations=2, batch_size=2, crop_size=64, frozen_stages=0),
    )  # fmt: skip


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user can reach, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="wsss-faults-"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=False)
    shutil.rmtree(folder)


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """The administrator may write anywhere, so tests that run as such step back for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Writing fails beyond `size` bytes of a file, as it does when the disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    """A file system of its own at `place`; skips the test where it may not be made."""
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True
    ).returncode:
        pytest.skip("file systems can only be made by the administrator")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False, capture_output=True)


def parts(folder: Path) -> list[Path]:
    return list(folder.rglob(".*.part*"))


def test_what_was_finished_outlives_a_full_disk(config: Config, tmp_path: Path) -> None:
    run = Run(config, tmp_path / "cache", progress=False)
    with (
        files_of_at_most(20_000),
        pytest.raises(WsssError, match=r"cannot write .*classifier/.*safetensors: File too large.*free space"),
    ):
        run.seeds(["cam"])
    assert parts(tmp_path) == []
    assert not list((tmp_path / "cache" / "classifier").glob("*.safetensors"))
    _ = run.classifier
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "classifier").iterdir()}
    with files_of_at_most(100), pytest.raises(WsssError, match=r"cannot (write|lock).*free space"):
        Run(config, tmp_path / "cache", progress=False).seeds(["cam"])
    assert parts(tmp_path) == []
    whole = Run(config, tmp_path / "cache", progress=False).seeds(["cam"])["cam"]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    undisturbed = Run(config, tmp_path / "other", progress=False).seeds(["cam"])["cam"]
    np.testing.assert_array_equal(whole.confusions, undisturbed.confusions)


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k"):
        write_json(tmp_path / "disk" / "kept.json", {"a": 1})
        noise = np.random.default_rng(0).integers(0, 256, (400, 400), dtype=np.uint8)
        with pytest.raises(WsssError, match=r"cannot write .*disk/noise\.png: No space left on device.*free space"):
            write_png(tmp_path / "disk" / "noise.png", noise)
        assert [path.name for path in (tmp_path / "disk").iterdir()] == ["kept.json"]
        assert read_json(tmp_path / "disk" / "kept.json") == {"a": 1}


def test_a_mount_that_vanishes(tiny_voc: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m"):
        root = shutil.copytree(tiny_voc, tmp_path / "disk" / "voc")
        data = VocDataset(root, "val")
        assert data[0].labels.any()
        subprocess.run(["umount", "--lazy", str(tmp_path / "disk")], check=True)
        with pytest.raises(WsssError, match=r"2012_000009\.jpg.*No such file.*take its id out"):
            data[1]
        with pytest.raises(WsssError, match=r"disk/voc is no folder"):
            VocDataset(root, "val")


def test_a_read_only_cache(config: Config, open_folder: Path, tabletop_root: Path) -> None:
    data = shutil.copytree(tabletop_root, open_folder / "data")
    for path in (data, *data.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (open_folder / "cache").mkdir(mode=0o555)
    (open_folder / "cache").chmod(0o555)
    run = Run(replace(config, root=str(data)), open_folder / "cache", progress=False)
    with (
        an_ordinary_user(),
        pytest.raises(WsssError, match=r"cannot lock in .*cache/locks: Permission denied.*permissions"),
    ):
        run.seeds(["cam"])
    assert not list((open_folder / "cache").iterdir())


def test_a_finished_cache_may_be_read_only(config: Config, open_folder: Path, tabletop_root: Path) -> None:
    data = shutil.copytree(tabletop_root, open_folder / "data")
    config = replace(config, root=str(data))
    made = Run(config, open_folder / "cache", progress=False).seeds(["cam"])["cam"]
    for path in open_folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with an_ordinary_user():
        read = Run(config, open_folder / "cache", progress=False).seeds(["cam"])["cam"]
    np.testing.assert_array_equal(read.confusions, made.confusions)


@pytest.mark.parametrize("folder", ["JPEGImages", "SegmentationClass", "ImageSets/Segmentation"])
def test_unreadable_files(tiny_voc: Path, open_folder: Path, folder: str) -> None:
    root = shutil.copytree(tiny_voc, open_folder / "voc")
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    name = "val.txt" if folder.startswith("ImageSets") else next((root / folder).glob("2012_000008.*")).name
    (root / folder / name).chmod(0)
    with an_ordinary_user(), pytest.raises(WsssError, match=rf"cannot read .*{name}.*Permission denied"):
        VocDataset(root, "val")[0]
    if folder == "JPEGImages":
        with an_ordinary_user(), pytest.raises(WsssError, match=rf"{name}: Permission denied"):
            file_hash(root / folder / name)


def test_an_unreadable_folder(tiny_voc: Path, open_folder: Path) -> None:
    root = shutil.copytree(tiny_voc, open_folder / "voc")
    (root / "SegmentationClass").chmod(0)
    with an_ordinary_user(), pytest.raises(WsssError, match=r"2012_000008.*(SegmentationClass|Permission)"):
        VocDataset(root, "val")[0]


def test_the_command_line_says_it_in_one_line(
    tiny_voc: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And ends with another code than 0. The record cannot be written since a file has the name of its folder."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / tiny_voc.name).write_text("in the way")
    arguments = [
        "evaluate",
        "--checkpoint",
        str(tiny_checkpoint),
        "--root",
        str(tiny_voc),
        "--methods",
        "cam",
        "--out",
        str(tmp_path / "out"),
    ]
    monkeypatch.setattr(sys, "argv", ["wsss", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert "error: cannot write" in capsys.readouterr().err
