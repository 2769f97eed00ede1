"""Tags from every file in which people have them, and what is said of files that are wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsss.data.tags import photographs_in, read_tags
from wsss.errors import WsssError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """`a.jpg`, `b.png` and `in/c.jpg`, a hidden file and a text."""
    folder = tmp_path / "photos"
    (folder / "in").mkdir(parents=True)
    for name in ("a.jpg", "b.png", "in/c.jpg", ".d.jpg"):
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


def written(folder: Path, name: str, text: str) -> Path:
    path = folder.parent / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


EXPECTED = {"a.jpg": {"cat", "dog"}, "b.png": set(), "in/c.jpg": {"dog"}}

COCO: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.png"}, {"id": 9, "file_name": "in/c.jpg"}],
    "categories": [{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}],
    "annotations": [
        {"image_id": 7, "category_id": 1},
        {"image_id": 7, "category_id": 3},
        {"image_id": 7, "category_id": 3},
        {"image_id": 9, "category_id": 3},
    ],
}
HUGGING_FACE = """{"file_name": "a.jpg", "labels": ["dog", "cat"]}
{"file_name": "b.png", "objects": {"bbox": [], "categories": []}}

{"file_name": "in/c.jpg", "label": "dog"}
"""
SAME = {
    "narrow.csv": "file,tags\na.jpg,cat; dog\nb.png,\nin/c.jpg,dog\n",
    "bare.csv": "a,dog\na,cat\nb,\n./in/c,dog\n",
    "quoted.csv": '\ufeff"a.jpg","cat;dog"\r\n"b.png",""\r\n"in/c.jpg","dog"\r\n',
    "wide.csv": "image,cat,dog\na.jpg,1,1\nb.png,0,0\nin/c.jpg,0,1\n",
    "tabs.tsv": "a.jpg\tcat;dog\nb.png\t\nin/c.jpg\tdog\n",
    "metadata.jsonl": HUGGING_FACE,
    "instances.json": json.dumps(COCO),
}


@pytest.mark.parametrize("name", SAME)
def test_all_files_say_the_same(photos: Path, name: str) -> None:
    tags = read_tags(written(photos, name, SAME[name]), photos)
    assert {file: set(names) for file, names in tags.of.items()} == EXPECTED
    assert tags.classes == ("cat", "dog")
    assert tags.left_out == ()


def test_classes_keep_the_order_of_columns_and_of_coco_ids(photos: Path) -> None:
    assert read_tags(written(photos, "t.csv", "file,zebra,ant\na.jpg,1,0\n"), photos).classes == ("zebra", "ant")
    assert read_tags(written(photos, "t.csv", "file,zebra\na.jpg,1\nb.png,0\n"), photos).of == {
        "a.jpg": {"zebra"},
        "b.png": set(),
    }
    turned = COCO | {"categories": [{"id": 1, "name": "dog"}, {"id": 3, "name": "cat"}]}
    assert read_tags(written(photos, "t.json", json.dumps(turned)), photos).classes == ("dog", "cat")


def test_cocos_outlines_are_no_tags_and_that_is_said(photos: Path) -> None:
    outlined = COCO | {"annotations": [{**one, "segmentation": [[0, 0, 1, 0, 1, 1]]} for one in COCO["annotations"]]}
    tags = read_tags(written(photos, "t.json", json.dumps(outlined)), photos)
    assert {file: set(names) for file, names in tags.of.items()} == EXPECTED
    (said,) = tags.left_out
    assert said.startswith("the outlines of the objects (they are read from what --tune-masks names")


def test_a_folder_a_class(photos: Path) -> None:
    tags = read_tags("folders", photos)
    assert tags.of == {"in/c.jpg": {"in"}}
    assert tags.left_out == ("2 photographs (a.jpg, b.png) in no folder of a class",)


def test_voc_annotations(photos: Path) -> None:
    for name, names in (("a", ("cat", "dog", "dog")), ("b", ())):
        objects = "".join(f"<object><name> {each} </name></object>" for each in names)
        written(photos, f"xml/{name}.xml", f"<annotation>{objects}</annotation>")
    tags = read_tags(photos.parent / "xml", photos)
    assert tags.of == {"a.jpg": {"cat", "dog"}, "b.png": set()}
    assert tags.left_out == ("1 photograph (in/c.jpg) there but not named in xml",)


def test_what_is_left_out_is_said(photos: Path) -> None:
    rows = "".join(f"x{number}.jpg,cat\n" for number in range(4))
    tags = read_tags(written(photos, "t.csv", f"a.jpg,cat\n{rows}"), photos)
    assert tags.left_out == (
        "4 photographs (x0.jpg, x1.jpg, x2.jpg, …) named in t.csv but not there",
        "2 photographs (b.png, in/c.jpg) there but not named in t.csv",
    )


WRONG = {
    "empty.csv": ("", "is empty"),
    "three.csv": ("a.jpg,cat,dog\n", "line 1: with one column a class, the first line names them"),
    "number.csv": ("file,cat,dog\na.jpg,1,0\nb.png,2,0\n", "line 3: '2' must be 0 or 1"),
    "short.csv": ("file,cat,dog\na.jpg,1\n", "line 2: 2 columns, but the heading has 3"),
    "blank.csv": ("file,cat,dog\na.jpg,1,\n", "line 2: an empty column must be 0 or 1"),
    "twice.csv": ("file,cat,dog\na.jpg,1,0\na.jpg,0,1\n", "line 3: a.jpg stands in line 2 already"),
    "comma.csv": ("a.jpg,cat\nb.png,cat,dog\n", "line 2: it must be file,tag;tag"),
    "quote.csv": ('a.jpg,"cat\n', "line 1: unexpected end of data"),
    "strange.csv": (
        "other.jpg,cat\n",
        "gives no photograph a tag. It begins with other.jpg, the photographs with a.jpg",
    ),
    "background.csv": ("a.jpg,background\n", "'background' is no name of a class"),
    "columns.csv": ("file,cat,cat\na.jpg,1,0\n", "names the class 'cat' twice"),
    "many.csv": ("a.jpg," + ";".join(f"c{n}" for n in range(255)), "255 different tags"),
    "word.jsonl": ("{}\n", "line 1: it must be a JSON object with file_name"),
    "broken.jsonl": ('{"file_name": "a.jpg", "label": "cat"}\n{"file\n', "line 2: it must be a JSON object"),
    "ids.jsonl": ('{"file_name": "a.jpg", "label": 3}\n', "line 1: classes must be given by name"),
    "nothing.jsonl": ('{"file_name": "a.jpg", "text": "a cat"}\n', "line 1: it has no labels, label or objects"),
    "broken.json": ("[", "is no JSON"),
    "other.json": ('{"images": [{"id": 1}]}', "is not as COCO's instances.json"),
    "tags.txt": ("a.jpg cat", "is no file of tags"),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_name_file_and_line(photos: Path, name: str) -> None:
    text, message = WRONG[name]
    with pytest.raises(WsssError) as caught:
        read_tags(written(photos, name, text), photos)
    assert message in str(caught.value)
    assert str(photos.parent / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_photographs_of_one_name_or_of_a_foreign_kind_are_refused(photos: Path) -> None:
    assert photographs_in(photos) == ("a.jpg", "b.png", "in/c.jpg")
    (photos / "a.png").write_bytes((photos / "b.png").read_bytes())
    with pytest.raises(WsssError, match=r"a.jpg and a.png would have the same label map"):
        photographs_in(photos)
    (photos / "a.png").unlink()
    (photos / "e.heic").touch()
    with pytest.raises(WsssError, match=r"e.heic is a picture of a kind"):
        photographs_in(photos)
    with pytest.raises(WsssError, match="there is no folder"):
        photographs_in(photos / "nowhere")


def test_annotations_that_are_broken_are_named(photos: Path) -> None:
    with pytest.raises(WsssError, match=r"holds no \.xml file"):
        read_tags(photos, photos)
    written(photos, "xml/a.xml", "<annotation><object/>")
    with pytest.raises(WsssError, match=r"cannot read annotation .*a\.xml"):
        read_tags(photos.parent / "xml", photos)
    written(photos, "xml/a.xml", "<annotation><object><name> </name></object></annotation>")
    with pytest.raises(WsssError, match=r"a\.xml: an object has no name"):
        read_tags(photos.parent / "xml", photos)
