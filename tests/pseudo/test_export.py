"""What is handed over, read back by the tools' own libraries; the guarantees of all exports are in tests/test_outputs.py."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsss.analysis.thresholds import pseudo_label
from wsss.data.labelled import LabelledPhotographs
from wsss.data.registry import open_dataset
from wsss.errors import WsssError
from wsss.pseudo.cam_files import cam_dictionary
from wsss.pseudo.export import FACTS, export_coco, export_voc
from wsss.pseudo.labels import load_pseudo_label, save_pseudo_label

COCO = pytest.importorskip("pycocotools.coco").COCO

CLASSES = ("cat", "dog")


@pytest.fixture
def data(tiny_voc: Path) -> Any:
    return open_dataset("voc", "train", root=tiny_voc, classes=CLASSES)


@pytest.fixture
def labels(data: Any, tmp_path: Path) -> Path:
    """Label maps of noise: every label occurs, and what belongs together does not touch. The last shows nothing."""
    rng = np.random.default_rng(0)
    for sample in data:
        label = rng.choice(np.array([0, 1, 2, 255], np.uint8), size=(40, 48))
        save_pseudo_label(tmp_path / "labels" / f"{sample.id}.png", label * (sample.id != data.ids[-1]))
    return tmp_path / "labels"


def read_back(path: Path) -> dict[str, np.ndarray]:
    """Label maps of a file of annotations, as pycocotools reads it, by the stem of their image."""
    coco, found = COCO(str(path)), {}
    for image in coco.loadImgs(coco.getImgIds()):
        label = np.zeros((image["height"], image["width"]), np.uint8)
        for one in coco.loadAnns(coco.getAnnIds(image["id"])):
            inside = coco.annToMask(one).astype(bool)
            label[inside] = 255 if one["iscrowd"] else one["category_id"]
        found[image["file_name"].removesuffix(".jpg")] = label
    return found


def test_coco_gives_the_label_maps_back(data: Any, labels: Path, tmp_path: Path) -> None:
    path = export_coco(data, labels, tmp_path / "out", "train", progress=False)
    assert path == tmp_path / "out" / "annotations" / "instances_train.json"
    found, coco = read_back(path), COCO(str(path))
    assert list(found) == list(data.ids)
    for name in data.ids:
        assert (found[name] == load_pseudo_label(labels / f"{name}.png")).all()
        with Image.open(tmp_path / "out" / "images" / "train" / f"{name}.jpg") as picture:
            assert (picture.format, picture.size) == ("JPEG", (48, 40))
    assert coco.loadCats(coco.getCatIds()) == [
        {"id": 1, "name": "cat", "supercategory": ""},
        {"id": 2, "name": "dog", "supercategory": ""},
    ]
    assert (tmp_path / "out" / "classes.txt").read_text() == "cat\ndog\n"
    first = coco.loadAnns(coco.getAnnIds(1))
    assert [(one["category_id"], one["iscrowd"]) for one in first] == [(1, 0), (2, 0), (1, 1), (2, 1)]
    assert [one["id"] for one in coco.dataset["annotations"]] == list(range(1, len(coco.anns) + 1))
    for one in first:
        assert one["area"] == coco.annToMask(one).sum()
    assert "guesses of a network" in coco.dataset["info"]["description"]
    assert not coco.getAnnIds(len(data.ids))


def test_true_masks_and_void_pixels(data: Any, tmp_path: Path) -> None:
    """Of an image the classes of which are known, what nothing is known of may be these alone."""
    path = export_coco(data, None, tmp_path / "out", "val", progress=False)
    held, coco = read_back(path), COCO(str(path))
    for index, sample in enumerate(data, start=1):
        assert (held[sample.id] == sample.mask).all()
        crowds = [one["category_id"] for one in coco.loadAnns(coco.getAnnIds(index, iscrowd=True))]
        assert crowds == [label for label, shown in enumerate(sample.labels, start=1) if shown]
    assert "true masks" in coco.dataset["info"]["description"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_coco_goes_on_and_mixes_nothing(data: Any, labels: Path, tiny_voc: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = export_coco(data, labels, out, "train", progress=False)
    whole = contents(out)
    path.unlink()  # as if it had been interrupted
    (out / "images" / "train" / f"{data.ids[-1]}.jpg").unlink()
    export_coco(data, labels, out, "train", progress=False)
    assert contents(out) == whole
    assert json.loads(whole[FACTS])["format"] == "coco"
    with pytest.raises(WsssError, match=r"holds an export as coco, not as voc\. Give another folder with --out"):
        export_voc(data, labels, out, "train", progress=False)
    with pytest.raises(WsssError, match="other labels of the list train"):
        export_coco(data, None, out, "train", progress=False)
    assert contents(out) == whole
    export_coco(open_dataset("voc", "val", root=tiny_voc, classes=CLASSES), None, out, "val", progress=False)
    assert sorted(json.loads((out / FACTS).read_text())["lists"]) == ["train", "val"]
    (out / FACTS).unlink()
    with pytest.raises(WsssError, match=r"holds classes\.txt already, and does not say"):
        export_coco(data, labels, out, "train", progress=False)


def test_a_folder_of_others_is_left_alone(data: Any, labels: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "annotations").mkdir(parents=True)
    with pytest.raises(WsssError, match="holds annotations already, and does not say"):
        export_coco(data, labels, tmp_path / "out", "train", progress=False)


@pytest.mark.parametrize("change", ["missing", "size", "class"])
def test_label_maps_that_do_not_fit_are_named(data: Any, labels: Path, tmp_path: Path, change: str) -> None:
    path = labels / f"{data.ids[1]}.png"
    size, value = {"size": ((48, 40), 0), "class": ((40, 48), 3)}.get(change, ((1, 1), 0))
    path.unlink() if change == "missing" else save_pseudo_label(path, np.full(size, value, np.uint8))
    with pytest.raises(WsssError, match=path.name):
        export_coco(data, labels, tmp_path / "out", "train", progress=False)
    assert not (tmp_path / "out" / "annotations").exists()


def test_without_pycocotools_nothing_is_written(
    data: Any, labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
    with pytest.raises(WsssError, match=r"pycocotools, which is not installed: pip install 'wsss-depth-cam\[export\]'"):
        export_coco(data, labels, tmp_path / "out", "train", progress=False)
    assert not (tmp_path / "out").exists()


def test_label_folders_of_own_photographs(tmp_path: Path) -> None:
    photos, labels = tmp_path / "photos", tmp_path / "labels"
    (photos / "in").mkdir(parents=True)
    for name in ("a.jpg", "in/b.png", "c.jpg"):
        Image.fromarray(np.full((6, 8, 3), 90, np.uint8)).save(photos / name)
    turned = Image.fromarray(np.zeros((6, 8, 3), np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(photos / "turned.jpg", exif=exif)
    for name, size in (("a", (6, 8)), ("in/b", (6, 8)), ("turned", (8, 6)), ("gone", (6, 8))):
        save_pseudo_label(labels / f"{name}.png", np.full(size, 2, np.uint8))
    with pytest.raises(WsssError, match=r"has no classes\.txt or labels\.json that names the classes"):
        LabelledPhotographs(photos, labels)
    (labels / "labels.json").write_text(json.dumps({"classes": ['a "quoted" one', "cat/dog"]}))
    data = LabelledPhotographs(photos, labels)
    assert data.ids == ("a", "in/b", "turned")
    assert data.left_out == (f"1 photograph (c.jpg) without a label map in {labels}",)
    found = read_back(export_coco(data, labels, tmp_path / "out", "train", progress=False))
    assert {name: (label.shape, np.unique(label).tolist()) for name, label in found.items()} == {
        "a": ((6, 8), [2]), "in/b": ((6, 8), [2]), "turned": ((8, 6), [2]),
    }  # fmt: skip
    (labels / "in" / "classes.txt").write_text("mug\n")
    with pytest.raises(WsssError, match=r"holds no label map of a photograph in .*that of a\.jpg would be a\.png"):
        LabelledPhotographs(photos, labels / "in")


@pytest.mark.parametrize(("low", "high"), [(0.3, 0.6), (0.5, 0.5)])
def test_irns_rule_gives_our_labels(low: float, high: float) -> None:
    """`cam_to_ir_label.py` without its CRF, of scores that often equal each other or a threshold."""
    scores = np.random.default_rng(0).integers(0, 11, (3, 40, 48)).astype(np.float32) / np.float32(10)
    held = cam_dictionary(np.array([0, 3, 7]), scores)
    keys = np.pad(held["keys"] + 1, (1, 0), mode="constant")
    sure, maybe = (
        keys[np.argmax(np.pad(held["high_res"], ((1, 0), (0, 0), (0, 0)), constant_values=edge), axis=0)]
        for edge in (high, low)
    )
    expected = np.where(maybe == 0, 0, np.where(sure == 0, 255, sure))
    assert (pseudo_label(scores, np.array([1, 4, 8]), low, high) == expected).all()
    assert set(np.unique(expected)) >= {0, 1, 4, 8} | ({255} if low < high else set())


@pytest.mark.parametrize("size", [(40, 48), (41, 47), (3, 2)])
def test_class_maps_are_as_irn_reads_them(size: tuple[int, int]) -> None:
    """The sizes of IRN's `get_strided_size`; `high_res` is what was given, `cam` has it at a quarter."""
    scores = np.random.default_rng(0).random((2, *size), dtype=np.float32)
    held = cam_dictionary(np.array([0, 4]), scores)
    assert np.pad(held["keys"] + 1, (1, 0), mode="constant").tolist() == [0, 1, 5]
    assert tuple(held["cam"].shape) == (2, (size[0] - 1) // 4 + 1, (size[1] - 1) // 4 + 1)
    assert held["cam"].amax(dim=(1, 2)).tolist() == [1, 1]
    assert (held["high_res"] == scores).all()
    nothing = cam_dictionary(np.zeros(0, np.int64), np.zeros((0, *size), np.float32))
    assert nothing["cam"].shape[0] == len(nothing["keys"]) == 0
