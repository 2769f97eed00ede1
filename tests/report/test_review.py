"""The page for review: least certain first, what is not found on top, and no script."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsss.report.review import THUMBNAIL, reviewed, thumbnail, write_review

CLASSES = ("cat", "dog")


def found(kind: int, margin: float, area: float = 0.1) -> dict:
    return {"class": kind, "area": area, "margin": margin, "box": [1, 2, 3, 4]}


SURE = reviewed("sure", ["cat"], {"cat": 0.9, "dog": 0.1}, [found(1, 0.8)], CLASSES)
TWO = reviewed("two", ["cat", "dog"], {"cat": 0.9, "dog": 0.5}, [found(1, 0.6), found(1, 0.1), found(2, 0.4)], CLASSES)
LOST = reviewed("in/<lost>", ["cat", "dog"], {"cat": 0.9, "dog": 0.2}, [found(1, 0.9)], CLASSES)
NONE = reviewed("none", [], {"cat": 0.1, "dog": 0.1}, [], CLASSES)


def test_a_photograph_is_as_sure_as_the_tag_that_is_found_worst() -> None:
    assert SURE.confidence == pytest.approx(0.72)
    assert [one.confidence for one in TWO.regions] == pytest.approx([0.09, 0.2, 0.54])
    assert TWO.confidence == pytest.approx(0.2)  # the dog's; a bad second region of the cat does not count
    assert (LOST.confidence, LOST.regions[0].box) == (0, None)
    assert NONE.confidence == 1


def test_csv_and_page_begin_with_the_least_certain(tmp_path: Path) -> None:
    page = write_review(tmp_path, [SURE, NONE, TWO, LOST], CLASSES, ["Chosen on < 20 masks."])
    with (tmp_path / "review.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["photograph"] for row in rows] == ["in/<lost>"] * 2 + ["two"] * 3 + ["sure", "none"]
    assert rows[0] == {
        "photograph": "in/<lost>", "confidence": "0.0", "class": "dog", "region_confidence": "0.0", "probability": "0.2",
        "area_percent": "0.0", "margin": "0.0", "top": "", "left": "", "bottom": "", "right": "",
    }  # fmt: skip
    assert (rows[5]["confidence"], rows[5]["area_percent"], rows[5]["right"]) == ("0.72", "10.0", "4")
    text = page.read_text()
    order = [text.index(f"<h2>{name}</h2>") for name in ("in/&lt;lost&gt;", "two", "sure", "none")]
    assert order == sorted(order)
    assert 'src="review/in/%3Clost%3E.jpg"' in text
    assert "Chosen on &lt; 20 masks." in text
    assert "<script" not in text
    assert "http" not in text
    assert text.count("not found") == 1


def test_thumbnails_are_small_and_show_the_label() -> None:
    image, label = np.full((800, 400, 3), 100, np.uint8), np.zeros((800, 400), np.uint8)
    label[:400] = 1
    colours = np.array([[0, 0, 0], [255, 0, 0]], np.uint8)
    with Image.open(io.BytesIO(thumbnail(image, label, colours))) as picture:
        assert picture.size == (THUMBNAIL // 2, THUMBNAIL)
        assert np.abs(np.array(picture)[20, 20].astype(int) - [170, 55, 55]).max() <= 3  # 0.55 × 100 + 0.45 × 255
        assert np.abs(np.array(picture)[-20, 20].astype(int) - 100).max() <= 3
