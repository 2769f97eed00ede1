"""Marks of VOC's annotations: which box belongs to which instance, and files that are wrong."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss.data.annotations import _box_ious, xml_marks
from wsss.data.voc import VocDataset
from wsss.errors import WsssError

OBJECT = (
    "<object><name>{}</name><truncated>{}</truncated>{}<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>"
    "<ymax>{}</ymax></bndbox></object>"
)


def annotation(path: Path, *objects: tuple) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotation>{''.join(OBJECT.format(*each) for each in objects)}</annotation>")
    return path


def instances() -> np.ndarray:
    """Three things in a wide image: rows 2–9, at columns 0–9, 20–29 and 30–39."""
    found = np.zeros((12, 48), dtype=np.uint16)
    for number, left in enumerate((0, 20, 30), start=1):
        found[2:10, left : left + 10] = number
    return found


def test_instances_take_the_marks_of_the_box_that_is_theirs(tmp_path: Path) -> None:
    file = annotation(
        tmp_path / "a.xml",
        ("dog", 1, "<occluded>0</occluded>", 31, 3, 40, 10),
        ("cat", 0, "<occluded>1</occluded>", 20, 3, 31, 10),  # a pixel too wide on each side
        ("cat", 1, "<occluded>0</occluded>", 1, 3, 4, 10),  # of another cat: 40 % of the first instance
        ("dog", 0, "<occluded>1</occluded>", 1, 3, 10, 10),  # the right box, but another class
    )
    occluded, truncated = xml_marks(file, instances(), ("cat", "cat", "dog"))
    np.testing.assert_array_equal(occluded, [np.nan, 1, 0])
    np.testing.assert_array_equal(truncated, [np.nan, 0, 1])


def test_marks_that_are_not_given_are_unknown(tmp_path: Path) -> None:
    file = annotation(tmp_path / "a.xml", ("cat", "", "", 1, 3, 10, 10))
    marks = np.array(xml_marks(file, instances(), ("cat", "dog", "dog")))
    assert np.isnan(marks).all()
    assert np.array(xml_marks(file, np.zeros((4, 4), np.uint16), ())).shape == (2, 0)
    invisible = np.array(xml_marks(file, instances(), ("cat", "dog", "dog", "cat")))
    assert np.isnan(invisible).all()


@pytest.mark.parametrize(
    "content", ["<annotation>", None, "<annotation><object><name>cat</name></object></annotation>"]
)
def test_bad_annotations_are_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "a.xml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(WsssError, match=r"a\.xml"):
        xml_marks(file, instances(), ("cat", "cat", "cat"))


def test_samples_carry_the_marks_of_their_classes(tiny_voc: Path) -> None:
    name = "2012_000008"
    mask = np.array(Image.open(tiny_voc / "SegmentationClass" / f"{name}.png"))
    objects = np.select([mask == 8, mask == 12, mask == 255], [2, 1, 255]).astype(np.uint8)
    (tiny_voc / "SegmentationObject").mkdir()
    Image.fromarray(objects).save(tiny_voc / "SegmentationObject" / f"{name}.png")
    before = VocDataset(tiny_voc, "val", classes=("cat",))
    plain = before.fingerprint()
    assert before[0].marked_occluded is None
    rows, columns = np.nonzero(mask == 8)
    box = (columns.min() + 1, rows.min() + 1, columns.max() + 1, rows.max() + 1)
    annotation(tiny_voc / "Annotations" / f"{name}.xml", ("cat", 1, "<occluded>0</occluded>", *box))
    dataset = VocDataset(tiny_voc, "val", classes=("cat",))
    sample = dataset[0]
    assert sample.marked_occluded is not None
    assert sample.marked_truncated is not None
    assert (sample.marked_occluded.tolist(), sample.marked_truncated.tolist()) == ([0], [1])
    assert dataset.fingerprint() != plain


def test_boxes_overlap_as_torchvision_says() -> None:
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    corners = np.random.default_rng(0).integers(0, 500, (200, 2, 2)).astype(np.float32)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1) + 1], axis=1)
    for box in boxes[:20]:
        expected = ops.box_iou(torch.from_numpy(box[None]), torch.from_numpy(boxes))[0].numpy()
        np.testing.assert_array_equal(_box_ious(box.tolist(), boxes.tolist()), expected)
