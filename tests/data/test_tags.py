"""Tags from every file in which people have them, and what is said of files that are wrong."""

import json
import os
from pathlib import Path
from typing import Any
from unicodedata import normalize

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
    "quote.tsv": ('a.jpg\t"cat"s\n', "line 1: '\\t' expected"),
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
    assert photographs_in(photos).files == ("a.jpg", "b.png", "in/c.jpg")
    (photos / "a.png").write_bytes((photos / "b.png").read_bytes())
    with pytest.raises(WsssError, match=r"a.jpg and a.png would have the same label map"):
        photographs_in(photos)
    (photos / "a.png").unlink()
    (photos / "only").mkdir()
    (photos / "only" / "e.heic").touch()
    with pytest.raises(WsssError, match=r"e.heic is a picture of a kind .*Convert it and move it away"):
        photographs_in(photos / "only")
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


def shown(photos: Path, text: str, name: str = "t.csv") -> dict[str, set[str]]:
    return {file: set(names) for file, names in read_tags(written(photos, name, text), photos).of.items()}


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)


# ---- headings and separators of CSV -------------------------------------------------------------------------------


@pytest.mark.parametrize("heading", ["label", "Labels", "TAG", "tags", "class", "Classes", "category", "categories"])
def test_numbers_below_a_heading_of_tags_are_tags(photos: Path, heading: str) -> None:
    assert shown(photos, f"file,{heading}\na,0\nb,1\n") == {"a.jpg": {"0"}, "b.png": {"1"}}
    assert shown(photos, f"file,{heading}\na,0\nb,1\nin/c,2\n") == {
        "a.jpg": {"0"},
        "b.png": {"1"},
        "in/c.jpg": {"2"},
    }


def test_numbers_below_any_other_heading_say_whether_the_class_is_there(photos: Path) -> None:
    assert shown(photos, "file,cat\na,0\nb,1\n") == {"a.jpg": set(), "b.png": {"cat"}}
    assert shown(photos, "file,label,tag\na,0,1\nb,1,1\n") == {"a.jpg": {"tag"}, "b.png": {"label", "tag"}}


@pytest.mark.parametrize(
    "text",
    ["photo,cat\na,dog\n", "photo,cat\n", "photo,1\na,0\n", "photo\na,dog\n"],
)
def test_a_photograph_named_like_a_heading_is_none(photos: Path, text: str) -> None:
    picture(photos / "photo.jpg")
    assert "photo.jpg" in shown(photos, text + "b,cow\n")


@pytest.mark.parametrize(
    "text",
    ["photo,tags\na,dog\n", "photo,cat\na,1\n", "photo,animal\na.jpg,dog\n", "photo,animal\na,dog\nphoto,cat\n"],
)
def test_a_heading_is_one_though_a_photograph_is_named_like_it(photos: Path, text: str) -> None:
    picture(photos / "photo.jpg")
    assert shown(photos, text).get("photo.jpg") == ({"cat"} if text.endswith("photo,cat\n") else None)


SEMICOLONS = {
    "narrow": 'file;tags\na.jpg;"cat;dog"\nb.png;\nin/c.jpg;dog\n',
    "bare": 'a;"cat; dog"\r\nb;\r\nin/c;dog\r\n',
    "wide": "image;cat;dog\na.jpg;1;1\nb.png;0;0\nin/c.jpg;0;1\n",
    "quoted": '"file";"tags"\n"a.jpg";"cat;dog"\n"b.png";""\n"in/c.jpg";"dog"\n',
}


@pytest.mark.parametrize("kind", SEMICOLONS)
def test_columns_may_be_parted_by_semicolons(photos: Path, kind: str) -> None:
    assert shown(photos, "\ufeff" + SEMICOLONS[kind]) == EXPECTED


def test_semicolons_part_tags_where_there_is_a_comma_or_a_photograph_with_one(photos: Path) -> None:
    assert shown(photos, "a.jpg,cat;dog\n") == {"a.jpg": {"cat", "dog"}}
    picture(photos / "d;e.jpg")
    assert shown(photos, "d;e.jpg\na.jpg,cat\n") == {"d;e.jpg": set(), "a.jpg": {"cat"}}
    assert shown(photos, '"d;e.jpg";"black, white"\n') == {"d;e.jpg": {"black, white"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg;cat;dog\n", r"as in file;cat;dog; .*in quotes, as in file;\"tag;tag\""),
        ("a.jpg;cat\nb.png;cat;dog\n", r"line 2: it must be file;\"tag;tag\", not 'b.png;cat;dog'"),
        ("file;tags\na.jpg;cat,dog\n", "begins with file;tags, .*Commas part columns, semicolons part tags"),
    ],
)
def test_errors_of_semicolons_say_what_is_meant(photos: Path, text: str, message: str) -> None:
    with pytest.raises(WsssError, match=message):
        shown(photos, text)


# ---- names of other systems ---------------------------------------------------------------------------------------

COMPOSED, APART = normalize("NFC", "café"), normalize("NFD", "café")


@pytest.mark.parametrize(("on_disk", "in_tags"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_accents_that_are_written_in_two_ways_are_the_same(photos: Path, on_disk: str, in_tags: str) -> None:
    picture(photos / f"{on_disk}.jpg")
    tags = read_tags(written(photos, "t.csv", f"{in_tags}.jpg,{on_disk}\na,{in_tags}\nb,\nin/c,\n"), photos)
    assert (tags.of[f"{on_disk}.jpg"], tags.of["a.jpg"]) == ({COMPOSED}, {COMPOSED})
    assert (tags.classes, tags.left_out) == ((COMPOSED,), ())


def test_classes_of_every_file_are_in_composed_form(photos: Path) -> None:
    wide = read_tags(written(photos, "t.csv", f"file,{APART},{COMPOSED}\na,1,0\nb,0,1\n"), photos)
    assert wide.of == {"a.jpg": {COMPOSED}, "b.png": {COMPOSED}}
    assert wide.classes == (COMPOSED,)
    categories = [{"id": 1, "name": APART}, {"id": 3, "name": COMPOSED}]
    coco = read_tags(written(photos, "t.json", json.dumps(COCO | {"categories": categories})), photos)
    assert (coco.classes, coco.of["a.jpg"]) == ((COMPOSED,), {COMPOSED})
    written(photos, "xml/a.xml", f"<annotation><object><name>{APART}</name></object></annotation>")
    assert read_tags(photos.parent / "xml", photos).classes == (COMPOSED,)
    picture(photos / APART / "d.jpg")
    assert read_tags("folders", photos).classes == (COMPOSED, "in")


@pytest.mark.parametrize("name", ["A.JPG", "A", "a.JPG", "in\\C.jpg", "IN\\c", "in\\c.jpg"])
def test_capitals_and_separators_of_windows_do_not_matter(photos: Path, name: str) -> None:
    assert shown(photos, f"{name},cat\n") == {"a.jpg" if "c" not in name.lower() else "in/c.jpg": {"cat"}}


def test_a_name_in_other_capitals_counts_only_where_it_can_mean_one_photograph(photos: Path) -> None:
    picture(photos / "B.jpg")
    tags = read_tags(written(photos, "t.csv", "a.jpg,cat\nA.jpg,dog\nb.PNG,cow\nB,ox\n"), photos)
    assert tags.of == {"a.jpg": {"cat"}, "b.png": {"cow"}, "B.jpg": {"ox"}}
    assert "1 photograph (A.jpg) named in t.csv but not there" in tags.left_out
    tags = read_tags(written(photos, "t.csv", "b.JPG,cow\na,cat\nIN/c,ox\nIn/c,ox\n"), photos)
    assert tags.of == {"B.jpg": {"cow"}, "a.jpg": {"cat"}}
    assert "2 photographs (IN/c, In/c) named in t.csv, which may be more than one file" in tags.left_out


def test_a_full_name_goes_before_one_without_suffix(photos: Path) -> None:
    picture(photos / "cat.jpg")
    picture(photos / "cat.jpg.png")
    assert shown(photos, "cat.jpg,cat\n") == {"cat.jpg": {"cat"}}
    assert shown(photos, "cat.jpg,cat\ncat.jpg.png,dog\n") == {"cat.jpg": {"cat"}, "cat.jpg.png": {"dog"}}


# ---- what is passed over ------------------------------------------------------------------------------------------


def test_links_to_folders_are_followed_and_no_circle_is(photos: Path) -> None:
    picture(photos.parent / "elsewhere" / "d.jpg")
    (photos / "linked").symlink_to("../elsewhere")
    (photos / "in" / "self").symlink_to(".")
    (photos / "up").symlink_to("..")
    (photos.parent / "elsewhere" / "back").symlink_to(photos / "in")
    (photos / "in" / "forth").symlink_to(photos.parent / "elsewhere")
    assert {"linked/d.jpg", "linked/back/c.jpg", "in/forth/d.jpg"} <= set(photographs_in(photos).files)
    tags = read_tags("folders", photos)
    assert tags.of["linked/d.jpg"] == {"linked"}
    assert tags.classes == ("in", "linked")


def test_a_folder_that_cannot_be_opened_is_said(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "lost+found").mkdir()
    listed = os.listdir

    def closed(place: Path) -> list[str]:
        if Path(place).name in names:
            raise PermissionError(13, "Permission denied")
        return listed(place)

    monkeypatch.setattr("os.listdir", closed)
    names = ["lost+found"]
    found = photographs_in(photos)
    assert (found.files, found.left_out) == (("a.jpg", "b.png", "in/c.jpg"), ("1 folder (lost+found) not open to us",))
    names = ["photos"]
    with pytest.raises(WsssError, match=r"cannot open the folder .*photos"):
        photographs_in(photos)


@pytest.mark.parametrize("foreign", ["a.gif", "a.CR2"])
def test_what_a_picture_was_converted_from_is_left_out_and_may_name_it(photos: Path, foreign: str) -> None:
    (photos / foreign).touch()
    beside = f"1 photograph ({foreign}) of a kind that is not read, beside a picture of the same name that is"
    for name in (foreign, "a", "a.jpg"):
        tags = read_tags(written(photos, "t.csv", f"{name},cat\n{name},dog\nb,\nin/c,\n"), photos)
        assert tags.of["a.jpg"] == {"cat", "dog"}
        assert tags.left_out == (beside,)
    assert shown(photos, f"{foreign},cat\na.jpg,cat\n") == {"a.jpg": {"cat"}}
    (photos / foreign).unlink()
    assert shown(photos, f"{foreign},cat\n") == {"a.jpg": {"cat"}}


def test_a_picture_that_cannot_be_read_is_refused_where_it_has_tags(photos: Path) -> None:
    (photos / "x.heic").touch()
    tags = read_tags(written(photos, "t.csv", "a,cat\nb,\nin/c,\n"), photos)
    assert tags.left_out == ("1 photograph (x.heic) of a kind that is not read, and not named in t.csv",)
    for name in ("x.heic", "x", "X.HEIC"):
        with pytest.raises(WsssError, match=r"x\.heic is a picture of a kind .*Convert it and move it away"):
            shown(photos, f"a,cat\n{name},dog\n")
    assert read_tags("folders", photos).left_out == ("3 photographs (a.jpg, b.png, x.heic) in no folder of a class",)
    (photos / "in" / "x.heic").touch()
    with pytest.raises(WsssError, match=r"in/x\.heic is a picture of a kind"):
        read_tags("folders", photos)


def test_jfif_is_a_photograph(photos: Path) -> None:
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(photos / "in" / "d.jfif", "JPEG")
    assert shown(photos, "in/d.jfif,cat\n") == {"in/d.jfif": {"cat"}}
    assert read_tags("folders", photos).of["in/d.jfif"] == {"in"}
