"""Data sets of torchvision and Hugging Face, and splits that are given as objects."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder, VOCSegmentation
from torchvision.transforms import ToTensor

from wsss.data import as_dataset
from wsss.data.adapters import as_splits
from wsss.data.voc import VOC_CLASSES
from wsss.errors import WsssError
from wsss.segmentation.folder import image_files


def picture(value: int = 50) -> Image.Image:
    return Image.fromarray(np.full((6, 8, 3), value, np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path = tmp_path / "Photographs"
    for number, name in enumerate(("cat", "cat", "dog")):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        picture(number).save(tmp_path / name / f"{number}.png")
    return tmp_path


def test_torchvision_image_folder(folder: Path) -> None:
    data = as_dataset(ImageFolder(str(folder)), split="tune")
    assert (data.name, data.split, data.classes) == ("photographs", "tune", ("cat", "dog"))
    assert data.ids == ("tune-000000", "tune-000001", "tune-000002")
    assert [sample.labels.tolist() for sample in data] == [[True, False], [True, False], [False, True]]
    assert data[2].image[0, 0].tolist() == [2, 2, 2]
    assert (data[0].truth == 255).all()  # nothing is known of any pixel
    assert data.fingerprint() == as_dataset(ImageFolder(str(folder)), split="tune").fingerprint()


def test_torchvision_segmentation(tiny_voc: Path, tmp_path: Path) -> None:
    root = tmp_path / "VOCdevkit"
    root.mkdir()
    (root / "VOC2012").symlink_to(tiny_voc)
    source = VOCSegmentation(str(tmp_path), year="2012", image_set="val", download=False)
    data = as_dataset(source, name="my-voc", classes=VOC_CLASSES, ids=[Path(path).stem for path in source.images])
    assert data.ids == tuple(Path(path).stem for path in source.images)
    assert set(data.ids) <= {path.stem for path in image_files(tiny_voc / "JPEGImages")}
    sample = data[0]
    np.testing.assert_array_equal(sample.mask, np.asarray(Image.open(tiny_voc / f"SegmentationClass/{sample.id}.png")))
    named = {data.classes[index] for index in np.flatnonzero(sample.labels)}
    assert named
    assert named <= {"cat", "dog"}


class Rows:
    """What `datasets.Dataset` shows of itself: rows by index, `features`, `info`."""

    def __init__(self, features: dict[str, Any], rows: list[dict[str, Any]], name: str | None = "beans") -> None:
        self.features, self.rows = features, rows
        self.info = SimpleNamespace(dataset_name=name, builder_name="imagefolder")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]


CLASS = SimpleNamespace(names=["healthy", "rust"])


@pytest.mark.parametrize(
    ("features", "row", "labels"),
    [
        ({"image": None, "label": CLASS}, {"image": picture(), "label": 1}, [False, True]),
        ({"img": None, "labels": SimpleNamespace(feature=CLASS)}, {"img": picture(), "labels": [0, 1]}, [True, True]),
        ({"image": None, "labels": SimpleNamespace(feature=CLASS)}, {"image": picture(), "labels": []}, [False, False]),
    ],
)
def test_hugging_face_rows(features: dict[str, Any], row: dict[str, Any], labels: list[bool]) -> None:
    data = as_dataset(Rows(features, [row]))
    assert (data.name, data.classes) == ("beans", ("healthy", "rust"))
    assert data[0].labels.tolist() == labels
    assert data[0].image.shape == (6, 8, 3)


def test_hugging_face_masks() -> None:
    mask = np.zeros((6, 8), np.uint8)
    mask[2, 2] = 2
    row = {"image": picture(), "annotation": Image.fromarray(mask)}
    data = as_dataset(Rows({"image": None, "annotation": None}, [row]), classes=["leaf", "spot"], name="leaves")
    assert data[0].labels.tolist() == [False, True]
    np.testing.assert_array_equal(data[0].mask, mask)


@pytest.mark.parametrize(
    ("target", "labels"),
    [(1, [0, 1]), (np.int64(0), [1, 0]), ([0, 1], [1, 1]), (torch.tensor([0, 1]), [0, 1]), (torch.tensor(1), [0, 1])],
)
def test_targets(target: Any, labels: list[int]) -> None:
    assert as_dataset([(picture(), target)], name="x", classes=["a", "b"])[0].labels.tolist() == [
        bool(x) for x in labels
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((picture(), 2), r"class number 2 is none of 0…1"),
        ((picture(), -1), r"class number -1 is none"),
        ((picture(), torch.tensor([0, 2])), r"must be \(2,\) of 0 and 1"),
        ((picture(), "cat"), "class number, several, or a mask"),
        ((picture(), [{"bbox": [0, 0, 1, 1]}]), "class number, several, or a mask, not dict"),
        ((picture(), True), "class number, several, or a mask"),
        ((picture(), None), "class number, several, or a mask"),
        ((picture().convert("F"), 0), "the image has mode F, whose range is unknown"),
        ((ToTensor()(picture()), 0), "leave out the transform to a tensor"),
        ((picture(), Image.fromarray(np.full((6, 8), 7, np.uint8))), r"its mask holds 7, but class ids are 0…2"),
        ((picture(), np.zeros((6, 8), np.float32)), r"a mask must be H×W of class ids"),
    ],
)
def test_rows_that_fit_no_form_are_named(row: tuple[Any, Any], message: str) -> None:
    with pytest.raises(WsssError, match=message) as caught:
        as_dataset([row], name="x", classes=["a", "b"])[0]
    assert "data set x" in str(caught.value)
    assert "train-000000" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pictures_of_16_bits_keep_their_range() -> None:
    ramp = np.linspace(0, 65535, 48).reshape(6, 8).astype(np.uint16)
    (sample,) = as_dataset([(Image.fromarray(ramp), 0)], name="x", classes=["a", "b"])
    assert np.array_equal(sample.image, np.repeat((ramp >> 8).astype(np.uint8)[..., None], 3, axis=2))


def test_what_is_no_data_set_is_refused() -> None:
    with pytest.raises(WsssError, match="has no class names: give them"):
        as_dataset([(picture(), 0)], name="x")
    with pytest.raises(WsssError, match="a list has no name for records: give it one"):
        as_dataset([(picture(), 0)], classes=["a"])
    with pytest.raises(WsssError, match="int is no data set"):
        as_dataset(3)
    with pytest.raises(WsssError, match="use rename_column"):
        as_dataset(Rows({"photo": None, "label": CLASS}, []))


def blocks(count: int, split: str, **more: Any) -> Any:
    rows = [(picture(number), number % 2) for number in range(count)]
    return as_dataset(rows, **{"name": "blocks", "classes": ["a", "b"], "split": split, **more})


def test_splits_of_a_dictionary() -> None:
    for keys in (("train", "tune", "report"), ("train", "validation", "test")):
        splits = as_splits({key: blocks(4, key) for key in keys})
        assert list(splits) == ["train", "tune", "report"]
        assert splits["tune"].ids[0] == f"{keys[1]}-000000"
        assert [data.split for data in splits.values()] == ["train", "tune", "test"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"train": blocks(2, "train"), "test": blocks(2, "test")}, "see 'tune' among train, test"),
        ({"train": 1, "tune": 1, "val": 1, "test": 1}, "see 'tune' among"),
        ({"train": 1, "tune": 1, "report": 1, "extra": 1}, "see 'extra' among"),
        ({}, "among nothing"),
        (
            {name: blocks(2, "train") for name in ("train", "tune", "report")},
            "image train-000000 is in train and in tune",
        ),
        (
            {"train": blocks(2, "train"), "tune": blocks(2, "tune", name="other"), "test": blocks(2, "test")},
            "the splits must have one name and the same classes",
        ),
        (
            {"train": blocks(2, "train"), "tune": blocks(2, "tune"), "test": blocks(2, "test", classes=["b", "a"])},
            "the splits must have one name and the same classes",
        ),
    ],
)
def test_splits_that_do_not_go_together_are_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(WsssError, match=message) as caught:
        as_splits(data)
    assert "\n" not in str(caught.value)


def test_one_data_set_is_cut_in_blocks() -> None:
    splits = as_splits(blocks(25, "train"))
    ids = {split: set(data.ids) for split, data in splits.items()}
    assert [len(each) for each in ids.values()] == [16, 5, 4]
    assert not ids["train"] & ids["tune"] | ids["tune"] & ids["report"] | ids["train"] & ids["report"]
    assert [data.split for data in splits.values()] == ["train", "tune", "test"]
    assert splits["report"][0].id == splits["report"].ids[0]
