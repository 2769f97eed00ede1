"""Label maps as COCO's annotations and back, against pycocotools; outlines of others, and broken ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from wsss.data.coco import _runs, annotations_of, category_list, label_map_of, read_instances
from wsss.data.photographs import TaggedPhotographs
from wsss.errors import WsssError

mask = pytest.importorskip("pycocotools.mask")

SIZE = (6, 8)
LABELS = st.sampled_from([0, 1, 2, 254, 255])


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=17), elements=LABELS))
def test_a_label_map_comes_back(label: np.ndarray) -> None:
    annotations = annotations_of(label, 3, 5, [1, 2])
    json.dumps(annotations)
    assert [one["id"] for one in annotations] == list(range(5, 5 + len(annotations)))
    for one in annotations:
        inside = label == (255 if one["iscrowd"] else one["category_id"])
        rows, columns = np.nonzero(inside)
        assert (mask.decode(one["segmentation"]) == inside).all()
        assert one["area"] == inside.sum()
        assert one["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
    size = (label.shape[0], label.shape[1])
    assert (label_map_of(annotations, size, {1: 1, 2: 2, 254: 254}, "it") == label).all()


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.sampled_from([0, 1])))
def test_compressed_codes_are_read_as_pycocotools_writes_them(region: np.ndarray) -> None:
    flat = region.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(np.array([-1, *flat, -1])))
    expected = ([0] if flat[0] else []) + np.diff(edges).tolist()
    assert _runs(mask.encode(np.asfortranarray(region))["counts"].decode()) == expected


def annotation(outline: Any, category: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": 9, "image_id": 1, "category_id": category, "segmentation": outline, **more}


SQUARE = [1, 1, 7, 1, 7, 5, 1, 5]
SMALL = [[2, 2, 4, 2, 4, 4, 2, 4]]


def test_small_objects_lie_on_large_ones_and_crowds_below_all() -> None:
    """Whatever `area` says, and whatever the order in the file; of a polygon, counts, and compressed counts."""
    crowd = np.zeros(SIZE, np.uint8)
    crowd[:, 3:] = 1
    code = mask.encode(np.asfortranarray(crowd))
    counts = {"size": list(SIZE), "counts": _runs(code["counts"].decode())}
    packed = {"size": list(SIZE), "counts": code["counts"].decode()}
    for outline in (counts, packed):
        held = [annotation(SMALL, 2, area=99), annotation(outline, 1, iscrowd=1), annotation([SQUARE], 1, area=1)]
        label = label_map_of(held, SIZE, {1: 7, 2: 4}, "it")
        expected = crowd * np.uint8(255)
        expected[1:5, 1:7], expected[2:4, 2:4] = 7, 4
        assert (label == expected).all()


BROKEN: dict[str, tuple[Any, str]] = {
    "none": (None, "has no outline"),
    "empty": ([], "has no outline"),
    "text": ("abc", "has no outline"),
    "odd": ([SQUARE[:-1]], "a polygon of 7 numbers"),
    "box": ([[1, 1, 4, 4]], "a polygon of 4 numbers"),
    "words": ([["a"] * 6], "no list of numbers"),
    "nan": ([[1, 1, 7, 1, 7, float("nan")]], "no list of numbers"),
    "far": ([[1, 1, 1e9, 1, 7, 5]], "a polygon far outside its image"),
    "size": ({"size": [8, 6], "counts": [48]}, r"an outline of size \[8, 6\], but its image \[6, 8\]"),
    "few": ({"size": [6, 8], "counts": [40]}, "its counts are of 40 pixels, not of 48"),
    "negative": ({"size": [6, 8], "counts": [-1, 49]}, "its counts are no numbers of pixels"),
    "fractions": ({"size": [6, 8], "counts": [24.0, 24.0]}, "its counts are no numbers of pixels"),
    "cut off": ({"size": [6, 8], "counts": "oo"}, "its counts are no numbers of pixels"),
    "short": ({"size": [6, 8], "counts": "0"}, "its counts are of 0 pixels, not of 48"),
    "strange": ({"size": [6, 8], "counts": "é\0"}, "its counts are no numbers of pixels"),
    "endless": ({"size": [6, 8], "counts": "o" * 999 + "0"}, "its counts are no numbers of pixels"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_outlines_are_named(name: str) -> None:
    outline, reason = BROKEN[name]
    with pytest.raises(WsssError, match=rf"^it, annotation 9 .*{reason}") as caught:
        label_map_of([annotation(outline)], SIZE, {1: 1}, "it")
    assert "\n" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=[chr(code) for code in range(48, 112)], max_size=12))
def test_any_code_is_a_mask_or_an_error(text: str) -> None:
    try:
        label = label_map_of([annotation({"size": list(SIZE), "counts": text})], SIZE, {1: 1}, "it")
    except WsssError:
        return
    assert set(np.unique(label)) <= {0, 1}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "in").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "c.jpg", "in/d.jpg"):
        Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(folder / name)
    return folder


NAMES = ["cat/dog", 'a "quoted" one', "mug"]
HELD: dict[str, Any] = {
    "categories": [{"id": 10 * number, "name": name} for number, name in enumerate(NAMES, start=1)],
    "images": [
        {"id": 1, "file_name": "a.jpg", "height": 6, "width": 8},
        {"id": 2, "file_name": "b.jpg", "height": 6, "width": 8},
        {"id": 3, "file_name": "in/d.jpg"},
        {"id": 4, "file_name": "c.jpg"},
    ],
    "annotations": [
        annotation([SQUARE], 10),
        annotation(SMALL, 30),
        {"id": 2, "image_id": 2, "category_id": 20, "bbox": [0, 0, 2, 2]},
        {"id": 3, "image_id": 3, "category_id": 20, "segmentation": SMALL},
    ],
}


def opened(photos: Path, held: Any = HELD, split: str = "tune", **more: Any) -> TaggedPhotographs:
    path = photos.parent / "instances.json"
    path.write_text(json.dumps(held))
    return TaggedPhotographs(photos, split, path, masks=path, **more)


def test_one_file_gives_tags_and_masks(photos: Path) -> None:
    """A photograph with boxes alone, or without annotations, has tags and no mask."""
    train, tune = opened(photos, split="train"), opened(photos)
    assert (train.ids, tune.ids) == (("a", "b", "c", "in/d"), ("a", "in/d"))
    assert train.classes == tune.classes == tuple(NAMES)
    assert train.left_out == ()
    assert tune.left_out == (
        "the masks of 1 photograph (such as b) in instances.json, where not all objects have an outline",
    )
    expected = np.zeros(SIZE, np.uint8)
    expected[1:5, 1:7], expected[2:4, 2:4] = 1, 3
    assert (tune[0].required_mask == expected).all()
    assert tune[0].labels.tolist() == [True, False, True]
    many = [{"id": 1000 + number, "name": f"other {number}"} for number in range(300)]
    path = photos.parent / "many.json"
    path.write_text(json.dumps(HELD | {"categories": [*HELD["categories"], *many]}))
    tags = photos.parent / "tags.csv"
    tags.write_text("a.jpg,cat/dog;mug\n")
    other = TaggedPhotographs(photos, "tune", tags, masks=path)
    assert (other[0].required_mask == np.where(expected == 3, 2, expected)).all()
    mug = opened(photos, classes=("mug",), limit=1)
    assert np.unique(mug[0].required_mask).tolist() == [0, 1]


def test_keys_are_of_the_outlines(photos: Path) -> None:
    before = opened(photos).fingerprint()
    more = HELD | {"info": {"year": 2024}, "annotations": [{**one, "area": 3} for one in HELD["annotations"]]}
    assert opened(photos, more).fingerprint() == before
    moved = HELD | {"annotations": [annotation([SQUARE[2:]], 10), *HELD["annotations"][1:]]}
    assert opened(photos, moved).fingerprint() != before


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "size": ({"images": [{"id": 1, "file_name": "a.jpg", "height": 8, "width": 6}], "annotations": HELD["annotations"][:2]}, r"says that a\.jpg is \[8, 6\] \(H, W\), but the photograph is \[6, 8\]"),
    "NaN": ({"annotations": [annotation([[1, 2, 3, 4, 5, float("nan")]], 10)]}, r"image a\.jpg, annotation 9 has a polygon that is no list of numbers"),
    "polygon": ({"annotations": [annotation([[1, 2, 3, 4, 5, 6, 7]], 10)]}, r"image a\.jpg, annotation 9 has a polygon of 7 numbers"),
    "categories": ({"categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}], "annotations": []}, "names the category 'a' twice"),
    "category ids": ({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}], "annotations": []}, "two categories have the id 1"),
    "image ids": ({"images": [{"id": 1, "file_name": "a.jpg"}] * 2, "annotations": []}, "two images have the id 1"),
    "same image": ({"images": [*HELD["images"], {"id": 5, "file_name": "a.jpg"}]}, r"has the image a\.jpg twice"),
    "name": ({"categories": [{"id": 10, "name": 3}]}, "not as COCO"),
    "no text": ({"categories": [{"id": 10, "name": 3}], "annotations": []}, "must be text"),
    "boxes": ({"annotations": HELD["annotations"][2:3]}, "has no outlines of a photograph with tags"),
}  # fmt: skip


def used(data: TaggedPhotographs) -> None:
    data.fingerprint()
    list(data)


@pytest.mark.parametrize("name", WRONG)
def test_files_that_are_wrong_are_named(photos: Path, name: str) -> None:
    change, reason = WRONG[name]
    with pytest.raises(WsssError, match=rf"instances\.json.*{reason}") as caught:
        used(opened(photos, HELD | change))
    assert "\n" not in str(caught.value)


def test_other_classes_other_places_and_no_library(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masks, tags = photos.parent / "masks.json", photos.parent / "tags.csv"
    tags.write_text("a.jpg,dog\n")
    masks.write_text(json.dumps(HELD))
    with pytest.raises(WsssError, match=r"masks\.json does not name dog, which the tags do"):
        TaggedPhotographs(photos, "tune", tags, masks=masks)
    tags.write_text("a.jpg,mug\n")
    moved = [{**one, "file_name": f"images/{one['file_name']}"} for one in HELD["images"]]
    masks.write_text(json.dumps(HELD | {"images": moved}))
    with pytest.raises(WsssError, match=r"Its images are called images/a\.jpg, the photographs a\.jpg"):
        TaggedPhotographs(photos, "tune", tags, masks=masks)
    with pytest.raises(WsssError, match=r"cannot read .*gone\.json: No such file"):
        TaggedPhotographs(photos, "tune", tags, masks=photos / "gone.json")
    monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
    with pytest.raises(WsssError, match=r"pip install 'wsss-depth-cam\[export\]'"):
        TaggedPhotographs(photos, "tune", tags, masks=masks)


def test_categories_have_the_ids_of_label_maps(tmp_path: Path) -> None:
    path = tmp_path / "i.json"
    path.write_text(json.dumps({"categories": category_list(NAMES), "images": [], "annotations": []}))
    assert read_instances(path).categories == {1: NAMES[0], 2: NAMES[1], 3: NAMES[2]}
