"""VOC-layout folders: class subsets, splits, masks, annotations, instances, and the files that are wrong."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss.data import Dataset, open_dataset
from wsss.data.annotations import xml_labels
from wsss.data.voc import VOC_CLASSES, VocDataset, instance_classes
from wsss.errors import WsssError

FIRST_VAL = "2012_000008"
XML = (
    "<annotation><object><name>{}</name><difficult>1</difficult></object><object><name>cow</name></object></annotation>"
)


def raw_mask(root: Path, name: str, folder: str = "SegmentationClass") -> np.ndarray:
    return np.array(Image.open(root / folder / f"{name}.png"))


def test_default_is_the_whole_vocabulary(tiny_voc: Path) -> None:
    dataset = VocDataset(tiny_voc, "val")
    assert isinstance(dataset, Dataset)
    assert (dataset.name, dataset.split, dataset.has_depth) == ("tiny-voc", "val", False)
    assert dataset.classes == VOC_CLASSES
    sample = dataset[0]
    np.testing.assert_array_equal(sample.mask, raw_mask(tiny_voc, FIRST_VAL))
    assert [dataset.classes[index] for index in np.flatnonzero(sample.labels)] == ["cat", "dog"]
    assert sample.image.shape == (40, 48, 3)
    assert sample.instances is None
    assert sample.depth is None


def test_selected_classes_are_numbered_in_the_given_order(tiny_voc: Path) -> None:
    sample = VocDataset(tiny_voc, "val", classes=("dog", "sheep"))[0]
    raw = raw_mask(tiny_voc, FIRST_VAL)
    np.testing.assert_array_equal(sample.mask == 1, raw == 12)
    np.testing.assert_array_equal(sample.mask == 255, raw == 255)
    assert set(np.unique(sample.required_mask)) == {0, 1, 255}
    assert sample.labels.tolist() == [True, False]


def test_splits(tiny_voc: Path) -> None:
    ids = {split: VocDataset(tiny_voc, split).ids for split in ("train", "train_aug", "tune", "val")}
    assert [len(ids[split]) for split in ids] == [5, 7, 1, 4]
    assert not set(ids["tune"]) & (set(ids["train"]) | set(ids["train_aug"]))
    assert set(ids["train"]) < set(ids["train_aug"])


def test_augmented_mask_serves_where_the_fine_one_is_missing(tiny_voc: Path) -> None:
    dataset = VocDataset(tiny_voc, "train_aug")
    sample = dataset[dataset.ids.index("2012_000007")]
    np.testing.assert_array_equal(sample.mask, raw_mask(tiny_voc, "2012_000007", "SegmentationClassAug"))


def test_the_fine_mask_is_preferred(tiny_voc: Path) -> None:
    fine = tiny_voc / "SegmentationClass" / "2012_000007.png"
    Image.fromarray(np.full((40, 48), 3, dtype=np.uint8)).save(fine)
    dataset = VocDataset(tiny_voc, "train_aug")
    assert (dataset[dataset.ids.index("2012_000007")].required_mask == 3).all()


def test_training_on_reported_images_is_refused(tiny_voc: Path) -> None:
    file = tiny_voc / "ImageSets" / "Segmentation" / "train_aug.txt"
    file.write_text(file.read_text() + FIRST_VAL + "\n")
    with pytest.raises(WsssError, match=FIRST_VAL):
        VocDataset(tiny_voc, "train_aug")
    assert len(VocDataset(tiny_voc, "train")) == 5


def test_a_folder_with_val_alone_can_be_scored(tiny_voc: Path) -> None:
    for split in ("train", "train_aug"):
        (tiny_voc / "ImageSets" / "Segmentation" / f"{split}.txt").unlink()
    assert len(list(VocDataset(tiny_voc, "val"))) == 4
    with pytest.raises(WsssError, match=r"train\.txt"):
        VocDataset(tiny_voc, "tune")


def test_labels_from_annotations_without_a_mask(tiny_voc: Path) -> None:
    (tiny_voc / "SegmentationClassAug" / "2012_000006.png").unlink()
    (tiny_voc / "Annotations").mkdir()
    (tiny_voc / "Annotations" / "2012_000006.xml").write_text(XML.format("dog"))
    dataset = VocDataset(tiny_voc, "train_aug", classes=("cat", "cow", "dog"))
    sample = dataset[dataset.ids.index("2012_000006")]
    assert sample.labels.tolist() == [False, True, True]
    assert (sample.required_mask == 255).all()
    assert len(dataset.fingerprint()) == 64


def test_scored_images_need_masks(tiny_voc: Path) -> None:
    (tiny_voc / "SegmentationClass" / f"{FIRST_VAL}.png").unlink()
    (tiny_voc / "Annotations").mkdir()
    (tiny_voc / "Annotations" / f"{FIRST_VAL}.xml").write_text(XML.format("dog"))
    with pytest.raises(WsssError, match=rf"{FIRST_VAL}\.png is neither"):
        VocDataset(tiny_voc, "val")[0]


@pytest.mark.parametrize("content", [XML.format("unicorn"), "<annotation>", None])
def test_bad_annotations_are_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "a.xml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(WsssError, match=r"a\.xml"):
        xml_labels(file, VOC_CLASSES)


def test_own_vocabulary(tiny_voc: Path) -> None:
    (tiny_voc / "classes.txt").write_text("\n".join(f"thing {number}" for number in range(1, 13)) + "\n")
    assert VocDataset(tiny_voc, "val").classes[7] == "thing 8"
    sample = VocDataset(tiny_voc, "val", classes=("thing 12",))[0]
    np.testing.assert_array_equal(sample.mask == 1, raw_mask(tiny_voc, FIRST_VAL) == 12)


@pytest.mark.parametrize("content", ["", "a\na\n", "\n".join(f"c{number}" for number in range(255))])
def test_bad_vocabulary_is_named(tiny_voc: Path, content: str) -> None:
    (tiny_voc / "classes.txt").write_text(content)
    with pytest.raises(WsssError, match=r"classes\.txt"):
        VocDataset(tiny_voc, "val")


def test_instances_of_selected_classes(tiny_voc: Path) -> None:
    objects = np.zeros((40, 48), dtype=np.uint8)
    raw = raw_mask(tiny_voc, FIRST_VAL)
    objects[raw == 8], objects[raw == 12], objects[raw == 255] = 5, 2, 255
    (tiny_voc / "SegmentationObject").mkdir()
    Image.fromarray(objects).save(tiny_voc / "SegmentationObject" / f"{FIRST_VAL}.png")
    sample = VocDataset(tiny_voc, "val", classes=("cat", "dog"))[0]
    assert sample.instances is not None
    assert sample.instance_classes is not None
    assert sample.instance_classes.tolist() == [2, 1]
    np.testing.assert_array_equal(sample.instances, np.select([raw == 12, raw == 8], [1, 2]))
    only_cat = VocDataset(tiny_voc, "val", classes=("cat",))[0]
    assert only_cat.instances is not None
    np.testing.assert_array_equal(only_cat.instances, raw == 8)
    assert VocDataset(tiny_voc, "val")[1].instances is None


def test_objects_without_class_pixels_are_left_out() -> None:
    objects = np.array([[1, 1, 1, 3, 3, 255, 0]], dtype=np.uint8)
    mask = np.array([[255, 0, 0, 7, 255, 255, 7]], dtype=np.uint8)
    instances, classes = instance_classes(objects, mask)
    assert instances.tolist() == [[0, 0, 0, 1, 1, 0, 0]]
    assert classes.tolist() == [7]


@pytest.mark.parametrize("damage", ["missing", "size", "colour", "bits", "foreign", "truncated"])
def test_a_bad_mask_is_named(tiny_voc: Path, damage: str) -> None:
    file = tiny_voc / "SegmentationClass" / f"{FIRST_VAL}.png"
    bad: dict[str, np.ndarray] = {
        "size": np.zeros((48, 40), np.uint8),
        "colour": np.zeros((40, 48, 3), np.uint8),
        "bits": np.zeros((40, 48), np.uint16),
        "foreign": np.full((40, 48), 38, np.uint8),
    }
    if damage == "missing":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:60])
    else:
        Image.fromarray(bad[damage]).save(file)
    with pytest.raises(WsssError, match=rf"{FIRST_VAL}\.png"):
        VocDataset(tiny_voc, "val")[0]


def test_a_missing_image_is_named(tiny_voc: Path) -> None:
    (tiny_voc / "JPEGImages" / f"{FIRST_VAL}.jpg").unlink()
    with pytest.raises(WsssError, match=rf"{FIRST_VAL}\.jpg"):
        VocDataset(tiny_voc, "val")[0]
    with pytest.raises(WsssError, match=rf"{FIRST_VAL}\.jpg"):
        VocDataset(tiny_voc, "val").fingerprint()


def test_wrong_arguments_list_the_valid_ones(tiny_voc: Path) -> None:
    with pytest.raises(WsssError, match="train, train_aug, tune, val"):
        VocDataset(tiny_voc, "trainval")
    with pytest.raises(WsssError, match=r"'hen'.*aeroplane, bicycle"):
        VocDataset(tiny_voc, "val", classes=("cat", "hen"))
    for classes in ((), ("cat", "cat")):
        with pytest.raises(WsssError, match="each once"):
            VocDataset(tiny_voc, "val", classes=classes)
    with pytest.raises(WsssError, match="nowhere is no folder"):
        VocDataset(tiny_voc / "nowhere", "val")


def test_fingerprint_is_the_same_for_a_copy(tiny_voc: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(tiny_voc, copy)
    assert VocDataset(copy, "val").fingerprint() == VocDataset(tiny_voc, "val").fingerprint()
    assert VocDataset(copy, "val").fingerprint() != VocDataset(copy, "val", classes=("cat",)).fingerprint()
    assert VocDataset(copy, "val").fingerprint() != VocDataset(copy, "train").fingerprint()


def test_the_shared_photographs(shared_data: Path) -> None:
    root, classes = shared_data / "voc-animals", ("cat", "cow", "dog", "horse", "person", "sheep")
    ids = {split: open_dataset("voc", split, root=root).ids for split in ("train", "train_aug", "tune", "val")}
    assert [len(ids[split]) for split in ids] == [337, 1900, 100, 205]
    dataset = open_dataset("voc", "val", root=root, classes=classes, limit=4)
    assert dataset.name == "voc-animals"
    for sample in dataset:
        assert sample.labels.any()
        assert set(np.unique(sample.required_mask)) <= {*range(7), 255}


def test_fingerprint_follows_contents_and_the_meaning_of_ids(tiny_voc: Path) -> None:
    seen = {VocDataset(tiny_voc, "val", classes=("dog",)).fingerprint()}
    mask = tiny_voc / "SegmentationClass" / f"{VocDataset(tiny_voc, 'val').ids[0]}.png"
    contents, state = bytearray(mask.read_bytes()), mask.stat()
    contents[-20] ^= 1  # as many bytes, and the time of change put back
    mask.write_bytes(contents)
    os.utime(mask, ns=(state.st_atime_ns, state.st_mtime_ns))
    seen.add(VocDataset(tiny_voc, "val", classes=("dog",)).fingerprint())
    (tiny_voc / "classes.txt").write_text("dog\n" + "".join(f"other{n}\n" for n in range(19)))
    seen.add(VocDataset(tiny_voc, "val", classes=("dog",)).fingerprint())
    assert len(seen) == 3


@pytest.mark.parametrize(
    "first", ["_background_", "__background__", "__ignore__", "0 background", "background:0,0,0::", "Void"]
)
def test_classes_txt_that_begins_with_the_background_is_refused(tiny_voc: Path, first: str) -> None:
    (tiny_voc / "classes.txt").write_text(f"{first}\nbox\nball\n")
    with pytest.raises(WsssError, match=r"classes\.txt.*is no class name"):
        VocDataset(tiny_voc, "val")


def test_without_train_aug_there_is_train(tiny_voc: Path) -> None:
    (tiny_voc / "ImageSets/Segmentation/train_aug.txt").unlink()
    assert VocDataset(tiny_voc, "train_aug").ids == VocDataset(tiny_voc, "train").ids
