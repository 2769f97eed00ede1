"""A folder that is named like a file: `x.jpg`, `x.png`, `x.npy`. It is passed over, or refused in one line that names it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from wsss import cli
from wsss.cam.classifier import load_classifier
from wsss.data.nyuv2 import NyuV2Dataset
from wsss.data.pictures import read_image
from wsss.data.voc import VOC_CLASSES, VocDataset
from wsss.depth.files import files_depth, read_depth_file
from wsss.errors import WsssError
from wsss.io import file_hash, read_json
from wsss.pipeline.crop_file import read_crop_settings
from wsss.segmentation.folder import image_files
from wsss.segmentation.predictor import load_predictor

SUFFIXES = (".jpg", ".png", ".npy", ".npz", ".xml", ".txt")


def everything(data: VocDataset) -> list[np.ndarray]:
    return [array for sample in data for array in (sample.image, sample.required_mask)]


@pytest.mark.parametrize("split", ["train", "train_aug", "tune", "val"])
def test_strange_folders_beside_the_files_change_nothing(tiny_voc: Path, split: str) -> None:
    before = VocDataset(tiny_voc, split)
    arrays, fingerprint = everything(before), before.fingerprint()
    for folder in (
        "JPEGImages",
        "SegmentationClass",
        "DepthMETER",
        "ImageSets/Segmentation",
        "SegmentationObject",
        ".",
    ):
        for suffix in SUFFIXES:
            (tiny_voc / folder / f"x{suffix}").mkdir(parents=True)
    after = VocDataset(tiny_voc, split)
    assert after.fingerprint() == fingerprint
    for one, other in zip(arrays, everything(after), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_may_be_missing_is_missing_where_it_is_a_folder(tiny_voc: Path) -> None:
    ids = VocDataset(tiny_voc, "train").ids
    (tiny_voc / "ImageSets/Segmentation/train_aug.txt").unlink()
    for name in (
        "ImageSets/Segmentation/train_aug.txt",
        "classes.txt",
        f"SegmentationObject/{ids[0]}.png",
        f"Annotations/{ids[0]}.xml",
    ):
        (tiny_voc / name).mkdir(parents=True)
    data = VocDataset(tiny_voc, "train_aug")
    assert data.ids == ids
    assert data.classes == VOC_CLASSES
    assert data[0].instances is None


@pytest.mark.parametrize("folder", ["JPEGImages", "SegmentationClass"])
def test_a_folder_in_place_of_an_images_file_is_named(tiny_voc: Path, folder: str) -> None:
    name = VocDataset(tiny_voc, "val").ids[0]
    path = tiny_voc / folder / (f"{name}.jpg" if folder == "JPEGImages" else f"{name}.png")
    path.unlink()
    path.mkdir()
    data = VocDataset(tiny_voc, "val")
    for attempt in (lambda: data[0], data.fingerprint):
        with pytest.raises(WsssError, match=name) as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_a_folder_in_place_of_a_split_or_of_a_nyu_file_is_named(tiny_voc: Path, tmp_path: Path) -> None:
    path = tiny_voc / "ImageSets/Segmentation/val.txt"
    path.unlink()
    path.mkdir()
    with pytest.raises(WsssError, match=r"cannot read split file .*val\.txt"):
        VocDataset(tiny_voc, "val")
    nyu = tmp_path / "nyu"
    for name in ("rgb/a.jpg", "depth/a.png", "labels/a.png"):
        (nyu / name).mkdir(parents=True)
    (nyu / "test.txt").write_text("a\n")
    data = NyuV2Dataset(nyu, "test")
    for attempt in (lambda: data[0], data.fingerprint):
        with pytest.raises(WsssError, match=r"a\.jpg"):
            attempt()


def test_a_depth_map_is_found_beside_a_folder_of_its_name(tiny_voc: Path) -> None:
    data, folder = VocDataset(tiny_voc, "val"), tiny_voc / "DepthMETER"
    expected = [files_depth(data, folder, "metric")(index) for index in range(len(data))]
    for name in data.ids:  # the maps are npy now, and what is looked for before that is a folder
        np.save(folder / f"{name}.npy", read_depth_file(folder / f"{name}.png"))
        (folder / f"{name}.png").unlink()
        (folder / f"{name}.png").mkdir()
    read = files_depth(data, folder, "metric")
    for index, depth in enumerate(expected):
        np.testing.assert_array_equal(read(index), depth)
    (folder / f"{data.ids[0]}.npy").unlink()
    with pytest.raises(WsssError, match=f"no depth for image {data.ids[0]}"):
        read(0)


def test_predict_passes_it_over(tiny_voc: Path) -> None:
    files = image_files(tiny_voc / "JPEGImages")
    for suffix in SUFFIXES:
        (tiny_voc / "JPEGImages" / f"x{suffix}").mkdir()
    (
        tiny_voc / "JPEGImages" / files[0].with_suffix(".png").name
    ).mkdir()  # as an image it would have the same label map
    assert image_files(tiny_voc / "JPEGImages") == files


READERS: dict[str, Callable[[Path], object]] = {
    "image": read_image,
    "JSON": read_json,
    "hash": file_hash,
    "depth map": read_depth_file,
    "crops": read_crop_settings,
    "checkpoint": load_classifier,
    "network": load_predictor,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".npy", ".npz", ".json", ".toml", ".safetensors"])
def test_a_reader_that_is_given_a_folder_says_so_in_one_line(tmp_path: Path, reader: str, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.mkdir()
    with pytest.raises(WsssError, match=rf"x\{suffix}") as caught:
        READERS[reader](path)
    assert "\n" not in str(caught.value)


def test_a_network_that_is_a_folder_is_one_line(
    tiny_voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.safetensors").mkdir()
    command = [
        "predict",
        "--network",
        str(tmp_path / "net.safetensors"),
        "--images",
        str(tiny_voc / "JPEGImages"),
        "--out",
    ]
    monkeypatch.setattr("sys.argv", ["wsss", *command, str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        cli.main()
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert "net.safetensors" in lines[0]
