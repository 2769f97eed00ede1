"""`open_dataset`: names, class views, depth left out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wsss.data import dataset_names, open_dataset
from wsss.data.base import Sample
from wsss.data.classes import DatasetView, class_table, select_classes
from wsss.data.voc import VocDataset
from wsss.errors import WsssError


class Scenes:
    """One sample with sensor depth and three instances, the smallest data set that there can be."""

    name = "scenes"
    split = "test"
    classes: tuple[str, ...] = ("duck", "mug", "bunny")
    ids: tuple[str, ...] = ("a",)
    has_depth = True

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        mask = np.array([[0, 1, 2, 3, 255]], dtype=np.uint8)
        instances = np.array([[0, 1, 2, 3, 0]], dtype=np.uint16)
        numbers = np.array([1, 2, 3], dtype=np.uint8)
        occlusion = np.array([0.1, 0.2, 0.3], dtype=np.float32)
        image = np.zeros((1, 5, 3), dtype=np.uint8)
        return Sample("a", image, np.ones(3, bool), mask, instances, numbers, occlusion, np.zeros((1, 5), np.float32))

    def __iter__(self) -> Iterator[Sample]:
        yield self[0]

    def fingerprint(self) -> str:
        return "f"


def test_names() -> None:
    assert set(dataset_names()) == {"tabletop", "nyuv2", "voc"}
    with pytest.raises(WsssError, match="tabletop, nyuv2, voc"):
        open_dataset("coco", "train")


def test_voc_by_name(tiny_voc: Path) -> None:
    opened = open_dataset("voc", "train_aug", root=tiny_voc, classes=["dog", "cat"], limit=3)
    assert isinstance(opened, VocDataset)
    assert opened.classes == ("dog", "cat")
    assert len(opened) == 3
    with pytest.raises(WsssError, match="limit"):
        open_dataset("voc", "val", root=tiny_voc, limit=0)


def test_nyuv2_needs_a_root() -> None:
    with pytest.raises(WsssError, match="--root"):
        open_dataset("nyuv2", "test")


def test_selection_renumbers_masks_labels_and_instances() -> None:
    sample = select_classes(Scenes()[0], Scenes.classes, ("bunny", "duck"))
    assert sample.required_mask.tolist() == [[0, 2, 0, 1, 255]]
    assert sample.labels.tolist() == [True, True]
    assert sample.instances is not None
    assert sample.instances.tolist() == [[0, 1, 0, 2, 0]]
    assert sample.instance_classes is not None
    assert sample.instance_classes.tolist() == [2, 1]
    assert sample.occlusion is not None
    np.testing.assert_allclose(sample.occlusion, [0.1, 0.3])


def test_selecting_all_changes_nothing() -> None:
    np.testing.assert_array_equal(class_table(Scenes.classes, Scenes.classes)[[0, 1, 2, 3, 255]], [0, 1, 2, 3, 255])


def test_view_without_depth() -> None:
    scenes = Scenes()
    view = DatasetView(scenes, depth=False)
    assert not view.has_depth
    assert [sample.depth for sample in view] == [None]
    assert view.classes == scenes.classes
    assert view.fingerprint() != DatasetView(scenes, ("mug",)).fingerprint()
    assert DatasetView(scenes, ("mug",))[0].depth is not None
    with pytest.raises(WsssError, match="duck, mug, bunny"):
        DatasetView(scenes, ("dragon",))


def test_nyuv2_views(shared_data: Path) -> None:
    root = shared_data / "nyuv2"
    whole = open_dataset("nyuv2", "test", root=root, limit=2)
    same = open_dataset("nyuv2", "test", root=root, limit=2, classes=whole.classes)
    assert same.fingerprint() == whole.fingerprint()
    beds = open_dataset("nyuv2", "test", root=root, limit=2, classes=["bed"], depth=False)
    np.testing.assert_array_equal(beds[0].mask == 1, whole[0].mask == 1)
    assert beds[0].depth is None
