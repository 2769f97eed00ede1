"""Files and names that somebody else made, at the doors for own photographs, settings, exports and handed-over models.

As in `tests/test_fuzz.py`, whose tools these are: a `WsssError` in one line, or a right answer, and soon. `WSSS_FUZZ=20`
tries twenty times as many cases.
"""

import csv
import json
import os
import pickle
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.test_fuzz import FACTOR, MASK, PICTURE, Reader, outcome, refusals
from wsss import cli, from_pretrained
from wsss.cam.classifier import Classifier, info_for, load_classifier, save_classifier
from wsss.cli.settings import settings_of_file, settings_of_pairs
from wsss.data.base import IGNORE, Sample
from wsss.data.coco import annotations_of, category_list
from wsss.data.labelled import LabelledPhotographs
from wsss.data.mask_sources import open_masks
from wsss.data.own import OwnDataset
from wsss.data.pictures import write_png
from wsss.data.tags import Tags, photographs_in, read_tags
from wsss.data.vocabulary import read_class_names
from wsss.depth.estimators import hub_depth
from wsss.depth.specs import check_source
from wsss.errors import WsssError, in_one_line, is_one_line
from wsss.io import write_json
from wsss.networks.pretrained import pretrained_file
from wsss.networks.released import read_registry
from wsss.pipeline.crop_file import read_crop_settings
from wsss.pipeline.profiles import profile
from wsss.pseudo.export import export_coco, export_voc, require_same_export
from wsss.report.review import Region, Reviewed, write_review
from wsss.segmentation.any_checkpoint import load_any
from wsss.segmentation.folder import image_files
from wsss.segmentation.model_card import model_card
from wsss.segmentation.network import build_network, save_network
from wsss.segmentation.predictor import load_predictor

SIZE = MASK.shape
PHOTOS = ("a.jpg", "b.png", "in/c.jpg")
CLASSES = ("cat", "dog")


def photographs(folder: Path) -> Path:
    for name in PHOTOS:
        if not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(PICTURE).save(folder / name)
    return folder


# ---- spoilt files -------------------------------------------------------------------------------------------------

NARROW = "file,tags\na.jpg,cat;dog\nb.png,\nin/c.jpg,dog\n"
WIDE = "image,cat,dog\na.jpg,1,1\nb.png,0,0\nin/c.jpg,0,1\n"
LINES = '{"file_name": "a.jpg", "labels": ["dog", "cat"]}\n{"file_name": "b.png", "objects": {"categories": []}}\n'
OBJECTS = "<annotation><object><name>cat</name></object><object><name>dog</name></object></annotation>"
TWO = np.where(MASK > 4, 2, np.where(MASK > 1, 1, 0)).astype(np.uint8)
TWO[:4] = IGNORE


def coco() -> dict[str, Any]:
    """Three photographs with outlines as run-length codes, compressed and not, and as polygons."""
    images = [{"id": n, "file_name": name, "height": SIZE[0], "width": SIZE[1]} for n, name in enumerate(PHOTOS, 1)]
    codes = [each for n in (1, 2) for each in annotations_of(TWO, n, 10 * n, [1, 2])]
    corners = {"segmentation": [[2, 3, 20.5, 3, 20, 14], [1, 1, 6, 1, 6, 7]], "area": 99, "bbox": [2, 3, 18, 11]}
    plain = {"segmentation": {"size": list(SIZE), "counts": [100, 30, SIZE[0] * SIZE[1] - 130]}, "iscrowd": 1}
    more = [{"id": 50 + n, "image_id": 3, "category_id": n, **each} for n, each in enumerate((corners, plain), 1)]
    return {"images": images, "categories": category_list(CLASSES), "annotations": [*codes, *more]}


def read_tags_at(path: Path) -> Tags:
    return read_tags(path, photographs(path.parent / "photos"))


def sound_tags(found: Tags, _: Any) -> bool:
    names = all(is_one_line(each) and each == each.strip() and each for each in found.classes)
    known = set(found.of) <= set(PHOTOS) and all(shown <= set(found.classes) for shown in found.of.values())
    return (
        names
        and known
        and len(set(found.classes)) == len(found.classes) < IGNORE
        and all(map(is_one_line, found.left_out))
    )


def read_masks(path: Path) -> dict[str, np.ndarray]:
    source = open_masks(path, {str(Path(name).with_suffix("")): name for name in PHOTOS}, CLASSES)
    return {name: source.read(name, SIZE) for name in sorted(source.ids)}


def sound_masks(found: dict[str, np.ndarray], _: Any) -> bool:
    allowed = (0, 1, 2, IGNORE)
    return all(
        mask.shape == SIZE and mask.dtype == np.uint8 and np.isin(mask, allowed).all() for mask in found.values()
    )


def read_masks_of_folder(path: Path) -> dict[str, np.ndarray]:
    folder = path.parent / "masks"
    write_png(folder / "a.png", TWO)
    (folder / "classes.txt").write_bytes(path.read_bytes())
    return read_masks(folder)


def read_annotation(path: Path) -> Tags:
    folder = path.parent / "xml"
    folder.mkdir(exist_ok=True)
    (folder / "a.xml").write_bytes(path.read_bytes())
    return read_tags(folder, photographs(path.parent / "photos"))


def label_folder(path: Path) -> LabelledPhotographs:
    folder = path.parent / "labels"
    write_png(folder / "a.png", TWO)
    (folder / "labels.json").write_bytes(path.read_bytes())
    return LabelledPhotographs(photographs(path.parent / "photos"), folder)


def export_file(path: Path) -> None:
    labels = path.parent / "made"
    write_png(labels / "a.png", TWO)
    write_json(labels / "labels.json", {"classes": list(CLASSES)})
    export_voc(
        LabelledPhotographs(photographs(path.parent / "photos"), labels),
        labels,
        path.parent / "out",
        "train",
        progress=False,
    )
    path.write_bytes((path.parent / "out" / "export.json").read_bytes())


def read_export(path: Path) -> Any:
    (path.parent / "out" / "export.json").write_bytes(path.read_bytes())
    data = LabelledPhotographs(path.parent / "photos", path.parent / "made")
    return require_same_export(data, path.parent / "out", "train")


TOML = """profile = "smoke"
root = "photos"
classes = ["cat", "dog"]
depth = "files:depth"
depth_kind = "metric"
methods = ["cam", "depth"]
seed = 3

[classifier]
epochs = 3
learning_rate = 5e-4

[segmentation]
test_scales = [1.0, 1.5]
"""


def usable_settings(found: dict[str, Any], _: Any) -> bool:
    """They can be written, and a run refuses them in one line or takes them."""
    assert json.dumps(found, allow_nan=False)
    name, data = found.get("profile") or "smoke", found.get("data") or "tabletop"
    rest = {key: value for key, value in found.items() if key not in ("profile", "data")}
    message = outcome(lambda: profile(name, data, **rest))[1]
    return message is None or "\n" not in message


RELEASED = {
    "a": {"what": "x", "licence": "MIT", "files": {"model.safetensors": {"url": "https://e.org/a", "sha256": "0" * 64}}}
}

READERS = {
    "narrow": Reader("a.csv", lambda p: p.write_text(NARROW), read_tags_at, sound_tags, 300),
    "wide": Reader("a.csv", lambda p: p.write_text(WIDE), read_tags_at, sound_tags, 300),
    "tabs": Reader("a.tsv", lambda p: p.write_text(NARROW.replace(",", "\t")), read_tags_at, sound_tags, 150),
    "lines": Reader("a.jsonl", lambda p: p.write_text(LINES), read_tags_at, sound_tags, 300),
    "coco tags": Reader("a.json", lambda p: p.write_text(json.dumps(coco())), read_tags_at, sound_tags, 300),
    "coco masks": Reader("a.json", lambda p: p.write_text(json.dumps(coco())), read_masks, sound_masks, 600),
    "objects": Reader("a.xml", lambda p: p.write_text(OBJECTS), read_annotation, sound_tags, 300),
    "mask names": Reader(
        "a.txt", lambda p: p.write_text("cat\ndog\n"), read_masks_of_folder, sound_masks, 200, named=False,
    ),
    "labels": Reader(
        "a.json", lambda p: write_json(p, {"classes": list(CLASSES), "method": "cam"}), label_folder,
        lambda found, _: all(map(is_one_line, found.classes)) and 0 < len(set(found.classes)) == len(found.classes), 300, named=False,
    ),
    "export": Reader("a.json", export_file, read_export, lambda found, _: set(found) <= {"train"} or bool(found), 300, named=False),
    "settings": Reader("a.toml", lambda p: p.write_text(TOML), settings_of_file, usable_settings, 600),
    "registry": Reader(
        "a.json", lambda p: write_json(p, RELEASED), read_registry,
        lambda found, _: all(f.url.startswith("https://") for w in found.values() for f in w.files.values()), 300,
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_spoilt_files(tmp_path: Path, name: str) -> None:
    assert all(map(is_one_line, refusals(tmp_path, name, READERS[name])))


# ---- any text, any value ------------------------------------------------------------------------------------------

often = settings(
    max_examples=max(1, round(100 * FACTOR)), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SIGNS = st.characters(codec=None, exclude_categories=())
TEXTS = st.one_of(st.text(SIGNS, min_size=1, max_size=30), st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "../../x", "/etc/passwd", "a/b", "a\\b", "a,b;c", "a\nb",
     "\x1b[31mred", "others", "none", "10 euro", "a:b", "#1", "$x_{", "%s{0}", "می‌خواهم", "日本", "\ud800", "=1+1", "'", "|a|"]
))  # fmt: skip
JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)


@often
@given(st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from(["csv", "jsonl", "json"]))
def test_any_tag(tmp_path: Path, names: list[str], form: str) -> None:
    """Refused in one line; or it comes back from `classes.txt` as it is, and the maps of others are read by it."""
    path = tmp_path / f"tags.{form}"
    if form == "json":
        categories = [{"id": n, "name": name} for n, name in enumerate(names, 1)]
        annotations = [{"image_id": 1, "category_id": n} for n in range(1, len(names) + 1)]
        held = {"images": [{"id": 1, "file_name": "a.jpg"}], "categories": categories, "annotations": annotations}
        path.write_text(json.dumps(held))
    elif form == "jsonl":
        path.write_text(json.dumps({"file_name": "a.jpg", "labels": names}))
    else:
        with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
            csv.writer(file).writerow(["a.jpg", ";".join(names)])
    tags, message = outcome(lambda: read_tags(path, photographs(tmp_path / "photos")))
    if message is not None:
        assert is_one_line(message)
        return
    assert sound_tags(tags, None)
    folder = tmp_path / "labels"
    write_png(folder / "a.png", TWO)
    write_json(folder / "labels.json", {"classes": list(tags.classes)})
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in tags.classes), encoding="utf-8")
    assert read_class_names(folder) == tags.classes
    assert LabelledPhotographs(tmp_path / "photos", folder).classes == tags.classes


def test_entities_that_grow_are_refused(tmp_path: Path) -> None:
    """A billion of laughs in a few lines: the parser stops, and so does an entity that names another file."""
    levels = "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10}">' for k in range(1, 10))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "laugh">{levels}]><annotation><object><name>&a9;</name></object></annotation>'
    (tmp_path / "secret.txt").write_text("cat")
    other = f'<!DOCTYPE x [<!ENTITY a SYSTEM "file://{tmp_path}/secret.txt">]><annotation><object><name>&a;</name></object></annotation>'
    for text in (bomb, other):
        (tmp_path / "a.xml").write_text(text)
        with pytest.raises(WsssError, match=r"a\.xml") as caught:
            read_annotation(tmp_path / "a.xml")
        assert is_one_line(str(caught.value))


@often
@given(JSON)
def test_any_line_of_json(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "tags.jsonl"
    for held in (
        value,
        {"file_name": "a.jpg", "labels": value},
        {"file_name": value, "label": "cat"},
        {"file_name": "a", "objects": value},
    ):
        path.write_text(json.dumps(held))
        tags, message = outcome(lambda: read_tags(path, photographs(tmp_path / "photos")))
        assert sound_tags(tags, None) if message is None else is_one_line(message) and "tags.jsonl" in message


@often
@example(value="\x1f", part="annotations", key="size")
@example(value="\x1f", part="images", key="file_name")
@given(JSON, st.sampled_from(["images", "categories", "annotations"]), st.sampled_from(
    ["id", "file_name", "name", "image_id", "category_id", "segmentation", "iscrowd", "height", "size", "counts"]))  # fmt: skip
def test_any_value_in_coco(tmp_path: Path, value: Any, part: str, key: str) -> None:
    held = coco()
    for each in held[part]:
        inner = (
            each["segmentation"] if key in ("size", "counts") and isinstance(each.get("segmentation"), dict) else each
        )
        inner[key] = value
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(held))
    masks, message = outcome(lambda: read_masks(path))
    assert sound_masks(masks, None) if message is None else is_one_line(message) and "instances.json" in message
    tags, message = outcome(lambda: read_tags(path, photographs(tmp_path / "photos")))
    assert sound_tags(tags, None) if message is None else is_one_line(message) and "instances.json" in message


def test_the_id_of_a_broken_outline_is_shown_in_one_line(tmp_path: Path) -> None:
    held = coco()
    for each in held["annotations"]:
        each |= {"id": "\x1b[31m\n" * 30, "segmentation": None}
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(held))
    with pytest.raises(WsssError, match="has no outline") as caught:
        read_masks(path)
    assert is_one_line(str(caught.value))
    assert len(str(caught.value)) < 300


@often
@given(
    JSON,
    st.sampled_from(
        ["root", "depth", "sources", "tags", "classifier.weights", "classifier.backbone", "seed", "classes"]
    ),
)
def test_any_value_of_a_setting(tmp_path: Path, value: Any, name: str) -> None:
    assume(not isinstance(value, float) or value == value)
    texts = [json.dumps(value, ensure_ascii=True)] if not isinstance(value, dict) and value is not None else []
    for text in (*texts, f"'{value}'"):
        path = tmp_path / "run.toml"
        section, _, key = name.rpartition(".")
        path.write_text(
            f"{f'[{section}]' if section else ''}\n{key} = {text}\n", encoding="utf-8", errors="surrogatepass"
        )
        found, message = outcome(lambda: settings_of_file(path))  # noqa: B023
        assert usable_settings(found, None) if message is None else is_one_line(message)
        found, message = outcome(lambda: settings_of_pairs([f"{name}={value}"]))
        assert message is None or in_one_line(message)


# ---- names of files -----------------------------------------------------------------------------------------------

KEPT = (
    "<script>alert(1)<script>",
    "a&b 100% #1?",
    "-rf",
    "a;b,c",
    "'quoted\"",
    "日本 👩‍🔬",
    "=1+1",
    "$x_{",
    "a\\b",
    "x" * 200,
)
REFUSED = (b"two\nlines", b"red\x1b[31m", b"tab\tted", b"caf\xe9", "a\u2028b".encode(), b"\x7f", b"bell\a")


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("export", [export_voc, export_coco])
def test_names_of_photographs_are_kept(tmp_path: Path, name: str, export: Callable[..., Path]) -> None:
    """Through a folder of labels and an export: the list names what is there, and nothing lies outside."""
    photos, labels, out = (tmp_path / each for each in ("photos", "labels", "out"))
    photos.mkdir()
    Image.fromarray(PICTURE).save(photos / f"{name}.jpg", quality=95)
    write_png(labels / f"{name}.png", TWO)
    write_json(labels / "labels.json", {"classes": list(CLASSES)})
    assert photographs_in(photos).files == (f"{name}.jpg",) == tuple(path.name for path in image_files(photos))
    listed = export(LabelledPhotographs(photos, labels), labels, out, "train", progress=False)
    if export is export_voc:
        assert listed.read_text(encoding="utf-8").splitlines() == [name]
        assert (out / "JPEGImages" / f"{name}.jpg").is_file()
        assert (out / "SegmentationClass" / f"{name}.png").is_file()
    else:
        (image,) = json.loads(listed.read_text(encoding="utf-8"))["images"]
        assert (out / "images" / "train" / image["file_name"]).is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels", "out", "photos"]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("find", [photographs_in, image_files])
def test_names_that_no_list_can_hold_are_refused(tmp_path: Path, name: bytes, find: Callable[[Path], Any]) -> None:
    photographs(tmp_path / "photos")
    os.rename(tmp_path / "photos" / "b.png", os.path.join(os.fsencode(tmp_path / "photos"), name + b".png"))
    message = outcome(lambda: find(tmp_path / "photos"))[1]
    assert message is not None
    assert "Rename it" in message
    assert is_one_line(message)


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_of_such_names_are_named_in_one_line(
    tmp_path: Path, name: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    photographs(tmp_path / "photos")
    with open(os.path.join(os.fsencode(tmp_path / "photos"), name), "wb"):
        pass
    image_files(tmp_path / "photos")
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("name", ["x\ny", "\x1b[2J", "\ud800", "../../x", "<b>"])
def test_names_in_tags_of_what_is_not_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / "tags.jsonl"
    path.write_text("".join(json.dumps({"file_name": each, "label": "cat"}) + "\n" for each in ("a.jpg", name)))
    tags = read_tags_at(path)
    assert sound_tags(tags, None)
    assert in_one_line(name) in tags.left_out[0]


# ---- places -------------------------------------------------------------------------------------------------------

NOBODY = "~nobody-has-this-name/x"


@pytest.mark.parametrize(
    "read",
    [
        lambda: settings_of_file(Path(f"{NOBODY}.toml")), lambda: settings_of_pairs([f"classifier.weights={NOBODY}"]) and None,
        lambda: read_crop_settings(Path(NOBODY)), lambda: pretrained_file(NOBODY), lambda: from_pretrained(NOBODY),
    ],
)  # fmt: skip
def test_the_home_of_nobody_is_a_name_like_others(read: Callable[[], Any]) -> None:
    found, message = outcome(read)
    assert found is None
    assert message is None or NOBODY in message


def test_the_home_of_nobody_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(photographs(tmp_path))
    for more in (
        ["--tags", NOBODY],
        ["--tags", "t.csv", "--tune-masks", NOBODY],
        ["--tags", "t.csv", "--config", NOBODY],
    ):
        Path("t.csv").write_text(NARROW)
        monkeypatch.setattr(
            sys,
            "argv",
            ["wsss", "label", "--images", ".", "--out", "out", "--profile", "smoke", "--runs", NOBODY, *more],
        )
        with pytest.raises(SystemExit):
            cli.main()
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("error: ")


def test_what_is_printed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n\x1b[2Jx")
    monkeypatch.setattr(
        sys, "argv", ["wsss", "label", "--images", folder, "--tags", "folders", "--out", str(tmp_path / "o")]
    )
    with pytest.raises(SystemExit):
        cli.main()
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "\\x1b[2J" in line


@pytest.mark.parametrize("spec", ["shuffled+" * 3000 + "sensor", "noisy:0.1+" * 40 + "files:x", "inverted+" * 32])
def test_controls_of_controls_of_controls_end(spec: str) -> None:
    assert "too many" in str(outcome(lambda: check_source(spec))[1])
    assert "too many" in str(outcome(lambda: settings_of_pairs([f"depth={spec}"]))[1])


# ---- names of classes in models and data sets ---------------------------------------------------------------------

NO_CLASSES = [("a\nb", "b"), ("a", "a"), ("", "b"), ("\x1b[31m", "b"), ("\ud800", "b"), ("a\x85", "b"), (3, "b"), ()]


@pytest.mark.parametrize("names", NO_CLASSES)
def test_class_names_of_checkpoints_are_names(tmp_path: Path, names: tuple[Any, ...]) -> None:
    path = tmp_path / "a.safetensors"
    save_classifier(path, Classifier("test_efficientnet", 2).eval(), info_for("test_efficientnet", names, 16, 64))
    message = outcome(lambda: load_classifier(path))[1]
    assert message is not None
    assert "a.safetensors" in message
    assert is_one_line(message)
    half = {"mean": "[0.5, 0.5, 0.5]", "std": "[0.5, 0.5, 0.5]", "long_side": "64", "scales": "[1.0]"}
    network = build_network(2, "DeepLabV3Plus", "tu-test_efficientnet", decoder_channels=16)
    save_network(tmp_path / "n.safetensors", network, {"classes": json.dumps(names), **half})
    message = outcome(lambda: load_predictor(tmp_path / "n.safetensors"))[1]
    assert message is not None
    assert "n.safetensors" in message
    assert is_one_line(message)


@pytest.mark.parametrize("names", NO_CLASSES)
def test_class_names_of_own_data_are_names(names: tuple[Any, ...]) -> None:
    class Own:
        name, classes, ids = "own", names, ("a",)

        def __len__(self) -> int:
            return 1

        def __getitem__(self, _: int) -> Sample:
            return Sample("a", PICTURE, np.zeros(len(names), bool), None)

    message = outcome(lambda: OwnDataset(Own()))[1]
    assert message is not None
    assert "own" in message
    assert is_one_line(message)


# ---- pages --------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would make of a page: elements, links, attributes that run something, and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.links: list[str] = []
        self.runs: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        for name, value in attributes:
            self.links += [value or ""] if name in ("href", "src") else []
            self.runs += [name] if name.startswith("on") else []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "p", "ul", "li", "span", "main", "article", "a", "img",
    "meter", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


@often
@given(
    st.lists(
        TEXTS.map(str.strip).filter(lambda name: bool(name) and is_one_line(name)), min_size=1, max_size=3, unique=True
    ),
    TEXTS.filter(lambda name: is_one_line(name) and name.strip("./") != "" and "\0" not in name),
)
def test_the_page_for_review_shows_names_and_runs_none(tmp_path: Path, classes: list[str], photograph: str) -> None:
    regions = (Region(classes[0], 0.5, 0.25, 0.5, (0, 1, 2, 3)), *(Region(name, 0.25) for name in classes[1:]))
    one = Reviewed(photograph, tuple(classes), regions)
    page = Page(write_review(tmp_path, [one], classes, [f"labelled by {classes[0]}"]).read_text(encoding="utf-8"))
    assert page.elements <= ELEMENTS
    assert page.runs == []
    assert photograph in page.texts
    assert set(classes) <= set(page.texts)
    for link in page.links:
        assert not re.match(r"[A-Za-z][\w+.-]*:|//", link), link
        assert not set("?#") & set(link)
    assert {unquote(link) for link in page.links} == {f"{photograph}.png", f"review/{photograph}.jpg"}
    with (tmp_path / "review.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert {row[0] for row in rows} == {photograph}
    assert {row[2] for row in rows} == set(classes)


@pytest.mark.parametrize("name", ['m"); import os  #', "`x`", "<script>", "a]b(c)", "two\nlines", "# head", "$x$"])
def test_a_model_card_says_names_and_runs_none(tmp_path: Path, name: str) -> None:
    save_classifier(
        tmp_path / "c.safetensors", Classifier("test_efficientnet", 2).eval(), info_for("test_efficientnet", ("<b>", "|x|"), 16, 64)
    )  # fmt: skip
    card = model_card(load_any(tmp_path / "c.safetensors"), name, "mit\n---\nevil: 1", None)
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    (given,) = re.findall(r"pretrained_file\((.*)\)\)$", code, re.MULTILINE)
    assert json.loads(given) == name
    prose = card.replace(code, "")
    assert "<script>" not in re.sub(r"\\<", "", prose)
    assert not re.search(r"^evil", prose, re.MULTILINE)
    assert not re.search(r"(?<!\\)<b>", prose)


# ---- folders of models --------------------------------------------------------------------------------------------


class Evil:
    """An object whose pickle makes a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def header(length: int, text: bytes = b"") -> bytes:
    return length.to_bytes(8, "little") + text


WEIGHTS: dict[str, bytes | None] = {
    "a folder": None, "nothing": b"", "text": b"hello", "length alone": header(8), "length of terabytes": header(1 << 62, b"{}"),
    "no table": header(2, b"[]"), "no tensor": header(2, b"{}"),
    "offsets outside": header(76, b'{"a": {"dtype": "F32", "shape": [1000000], "data_offsets": [0, 4000000]}}   '),
    "shape of terabytes": header(84, b'{"a": {"dtype": "F32", "shape": [1000000000000, 9], "data_offsets": [0, 4]}}'.ljust(84)) + b"0000",
    "deep": header(100_000, b"[" * 100_000), "zip": b"PK\x03\x04" + b"\0" * 40,
}  # fmt: skip


@pytest.mark.parametrize("case", [*WEIGHTS, "pickle", "link to nothing", "link to itself"])
def test_hostile_weights_in_a_folder_of_a_model(tmp_path: Path, case: str) -> None:
    folder, mark = tmp_path / "model", tmp_path / "mark"
    folder.mkdir()
    (folder / "config.json").write_text('{"auto_map": {"AutoModel": "run.Evil"}, "classes": "../../x"}')
    (folder / "run.py").write_text(f"import os; os.mkdir({str(mark)!r})")
    file = folder / "model.safetensors"
    if case == "pickle":
        file.write_bytes(pickle.dumps(Evil(mark)))
    elif case.startswith("link"):
        file.symlink_to("nowhere" if case == "link to nothing" else "model.safetensors")
    elif (content := WEIGHTS[case]) is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    for read in (
        from_pretrained,
        lambda place: load_predictor(place / file.name),
        lambda place: load_classifier(place / file.name),
    ):
        message = outcome(lambda: read(folder))[1]  # noqa: B023
        assert message is not None
        assert is_one_line(message)
        assert "model" in message
    assert not mark.exists()


@pytest.mark.parametrize(
    "config",
    [
        "", "[]", "{}", "{", "null", '{"model_type": 3}', '{"model_type": "nothing-like-it"}', '{"model_type": "bert"}', "[" * 100_000,
        '{"model_type": "depth_anything", "auto_map": {"AutoConfig": "run.Evil", "AutoModelForDepthEstimation": "run.Evil"}}',
        '{"model_type": "dpt", "hidden_size": -1}', '{"model_type": "dpt", "num_hidden_layers": 1e99}',
        '{"auto_map": {"AutoConfig": "run.Evil"}}',
    ],
)  # fmt: skip
def test_a_hostile_folder_of_a_depth_model(tmp_path: Path, config: str) -> None:
    folder, mark = tmp_path / "model", tmp_path / "mark"
    folder.mkdir()
    (folder / "config.json").write_text(config)
    (folder / "preprocessor_config.json").write_text('{"auto_map": {"AutoImageProcessor": "run.Evil"}}')
    (folder / "run.py").write_text(f"import os; os.mkdir({str(mark)!r})")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(mark)))

    class Own:
        name, split, ids, classes, has_depth = "own", "test", ("a",), CLASSES, False

        def __len__(self) -> int:
            return 1

        def __getitem__(self, _: int) -> Sample:
            return Sample("a", PICTURE, np.zeros(2, bool), None)

    message = outcome(lambda: hub_depth(str(folder), Own(), "inverse")(0))[1]  # type: ignore[arg-type]
    assert message is not None
    assert is_one_line(message)
    assert not mark.exists()


def test_the_marks_of_hostile_files_would_be_seen(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil(tmp_path / "mark")))
    assert (tmp_path / "mark").is_dir()
