"""Readers on files with flipped, lost and repeated bytes: a `WsssError` that names the file, or a right answer, and soon.

`WSSS_FUZZ=20 python -m pytest tests/test_fuzz.py` tries twenty times as many cases as the suite does.
"""

import io
import json
import os
import re
import signal
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from wsss.analysis.objects import InstanceScore
from wsss.analysis.score import Score, load_score, save_score
from wsss.analysis.strata import scores_frame
from wsss.cam.classifier import Classifier, info_for, load_classifier, save_classifier
from wsss.config import Config
from wsss.data.annotations import xml_labels, xml_marks
from wsss.data.download import extract, read_sbd_mask
from wsss.data.pictures import read_image
from wsss.data.splits import read_split
from wsss.data.tabletop import CLASSES, TabletopDataset
from wsss.data.voc import VOC_CLASSES, read_class_names
from wsss.depth.files import read_depth_file
from wsss.depth.monocular import DepthNetwork, load_depth_network, save_depth_network
from wsss.depth.sources import open_depth
from wsss.depth.specs import check_source
from wsss.errors import WsssError
from wsss.experiments.notebooks import parameters_of
from wsss.io import read_json
from wsss.methods.parameters import CropParameters, RegionParameters
from wsss.paths import notebook_folder
from wsss.pipeline.crop_file import CropSettings, read_crop_settings
from wsss.pipeline.profiles import profile
from wsss.pseudo.labels import load_pseudo_label, save_pseudo_label
from wsss.records.store import load_records
from wsss.segmentation.network import build_network, load_network, save_network

FACTOR = float(os.environ.get("WSSS_FUZZ", "1"))
PATIENCE = 20  # seconds for one case: a hang is a failure

HALF = (0.5, 0.5, 0.5)
SIZE = (24, 32)
RNG = np.random.default_rng(0)
PICTURE = np.kron(RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8), np.ones((4, 4, 1), np.uint8))
MASK = np.kron(RNG.integers(0, 9, (6, 8), dtype=np.uint8), np.ones((4, 4), np.uint8))
METRES = (1000 + 90 * np.add.outer(np.arange(24), np.arange(32))).astype(np.uint16)
XML = (
    "<annotation><size><width>32</width></size><object><name>cat</name><occluded>1</occluded><truncated>0</truncated>"
    "<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>20</xmax><ymax>21</ymax></bndbox></object>"
    "<object><name>dog</name><bndbox><xmin>1.5</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
)  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """A file, how it is read, and what must hold of whatever is read from it.

    Attributes:
        name: of the file, with its suffix.
        write: makes a sound file at a path.
        read: the reader in question.
        holds: `(found, true)`; `true` is what is read from the sound file.
        cases: in the suite; more by `WSSS_FUZZ`.
        named: whether every message names the file.
    """

    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], Any]
    holds: Callable[[Any, Any], bool]
    cases: int = 250
    named: bool = True


def same(found: Any, true: Any) -> bool:
    """For formats with a checksum of their own."""
    return bool(found.dtype == true.dtype and np.array_equal(found, true))


def photograph(found: Any, _: Any) -> bool:
    return found.ndim == 3 and found.shape[2] == 3 and found.dtype == np.uint8


def finite_map(found: Any, _: Any) -> bool:
    return found.ndim == 2 and found.dtype == np.float32


def network(found: Any, _: Any) -> bool:
    module = found.module if isinstance(found, DepthNetwork) else found[0]
    return not module.training and all(tensor.isfinite().all() for tensor in module.state_dict().values())


def score() -> Score:
    rows = [InstanceScore(f"{n:04d}", 1 + n % 2, 40 + n, 0.02, 0.2, float("nan"), 1 / 3, 0.5) for n in range(3)]
    counts = np.random.default_rng(0).integers(0, 50, (2, 3, 4))
    return Score(("cat", "dog"), ("a", "b"), counts, counts, counts, scores_frame(rows), {"threshold": 0.3})


def same_score(found: Score, true: Score) -> bool:
    counts = (
        np.array_equal(getattr(found, name), getattr(true, name)) for name in ("confusions", "curve", "predicted")
    )
    return (
        all(counts) and found.ids == true.ids and found.facts == true.facts and found.instances.equals(true.instances)
    )


def index_file(path: Path) -> None:
    scenes = [{"id": f"test-{n:04d}", "kind": "mixed", "classes": [1, 3], "occlusion": [0.0, 0.25]} for n in range(3)]
    path.write_text(json.dumps({"identity": {"version": 1}, "scenes": scenes}))


def read_index(path: Path) -> TabletopDataset:
    (path.parent / "test").mkdir(exist_ok=True)
    (path.parent / "test" / "index.json").write_bytes(path.read_bytes())
    return TabletopDataset(path.parent, "test")


def sound_index(found: TabletopDataset, _: Any) -> bool:
    named = all(name.startswith("test-") and "/" not in name for name in found.ids)
    return named and len(found.fingerprint()) == 64


def record_file(path: Path) -> None:
    whole = {"data": "d", "stage": "cam", "split": "test", "method": "cam", "refinement": None, "profile": "default"}
    more = {
        "seeds": [0],
        "num_images": 1,
        "classes": ["a"],
        "miou": {"mean": 3.5},
        "iou": {},
        "strata": [],
        "paired": [],
    }
    path.write_text(json.dumps({**whole, **more, "provenance": {"utc": "now"}}))


def read_tree(path: Path) -> Any:
    place = path.parent / "tree" / "d" / "cam" / "test" / "cam.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(path.read_bytes())
    return load_records(path.parent / "tree")


def archive_file(path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        for name in ("data/a.txt", "data/deep/b.txt", "other/c.txt"):
            member = tarfile.TarInfo(name)
            member.size = 700
            tar.addfile(member, io.BytesIO(b"x" * 700))


def read_archive(path: Path) -> list[str]:
    import shutil

    target = path.parent / "in" / "side" / "out"
    shutil.rmtree(path.parent / "in", ignore_errors=True)
    extract(path, "data", target)
    assert list(path.parent.iterdir()) == [path, path.parent / "in"] or set(path.parent.iterdir()) == {
        path,
        path.parent / "in",
    }
    return [name.name for name in (path.parent / "in" / "side").iterdir()]


def checkpoint_file(path: Path) -> None:
    torch.manual_seed(0)
    info = info_for("test_efficientnet", ("cat", "dog"), 16, 64)
    info.looks.update(regions=asdict(RegionParameters()), crops=asdict(CropParameters()))
    save_classifier(path, Classifier("test_efficientnet", 2).eval(), info)


def depth_file(path: Path) -> None:
    save_depth_network(path, DepthNetwork.build("test_efficientnet", HALF, HALF, 64, ("a",)))


def network_file(path: Path) -> None:
    save_network(
        path, build_network(2, "DeepLabV3Plus", "tu-test_efficientnet", decoder_channels=16), {"classes": '["a"]'}
    )


CROPS = """# found in the explorer
[regions]
jump = 0.02
guides = [0, 4]
layering = "levels"
trust = [5e-3, 2e-2]

[crops]
scales = [1.0, 2.0]
count = 13
exclude = "fill"

[fusion]
crop_weight = 1.0
gate = 1.0
vote = 1.0
colour = 0.5
reach = 0.9

[label]
threshold = 0.75
"""


def usable_crops(found: CropSettings, _: Any) -> bool:
    """A run can take them: nothing is left for later that may fail without naming the file."""
    config = found.applied(profile("smoke", "tabletop"))
    return json.dumps([config.dictionary(), found.given], allow_nan=False) != "" and found.name == "a"


def marks(path: Path) -> Any:
    instances = np.zeros(SIZE, np.int32)
    instances[3:21, 2:20] = 1
    return xml_marks(path, instances, ["cat"])


def valid_marks(found: Any, _: Any) -> bool:
    return all(values.shape == (1,) and (np.isnan(values) | np.isin(values, [0, 1])).all() for values in found)


READERS = {
    "photograph": Reader(
        "a.jpg", lambda p: Image.fromarray(PICTURE).save(p, quality=90), read_image, photograph, 400,
    ),
    "progressive": Reader(
        "a.jpg", lambda p: Image.fromarray(PICTURE).save(p, progressive=True, exif=Image.Exif()), read_image, photograph,
    ),
    "png": Reader("a.png", lambda p: Image.fromarray(PICTURE).save(p), read_image, same, 400),
    "mask": Reader("a.png", lambda p: save_pseudo_label(p, MASK), load_pseudo_label, same, 400),
    "16-bit depth": Reader(
        "a.png", lambda p: Image.fromarray(METRES).save(p), read_depth_file, same, 400,
    ),
    "tiff": Reader("a.tif", lambda p: Image.fromarray(PICTURE).save(p, "TIFF"), read_image, photograph),
    "npy": Reader("a.npy", lambda p: np.save(p, METRES / 1000), read_depth_file, finite_map, 400),
    "npz": Reader("a.npz", lambda p: np.savez_compressed(p, depth=METRES / 1000), read_depth_file, same, 400),
    "score": Reader("a.npz", lambda p: save_score(p, score()), load_score, same_score),
    "index": Reader("a.json", index_file, read_index, sound_index, 400),
    "record": Reader("a.json", record_file, read_tree, lambda found, _: len(found) == 1, 400),
    "json": Reader("a.json", index_file, read_json, lambda found, _: json.dumps(found, allow_nan=False) != "", 400),
    "labels": Reader(
        "a.xml", lambda p: p.write_text(XML), lambda p: xml_labels(p, VOC_CLASSES), lambda found, _: found.shape == (20,), 400,
    ),
    "marks": Reader("a.xml", lambda p: p.write_text(XML), marks, valid_marks, 400),
    "split": Reader(
        "a.txt", lambda p: p.write_text("\n".join(f"2007_{n:06d}" for n in range(40))), read_split,
        lambda found, _: len(set(found)) == len(found) and not any({"/", "\0"} & set(name) for name in found), 400,
    ),
    "sbd": Reader(
        "a.mat", lambda p: savemat(p, {"GTcls": {"Segmentation": MASK, "CategoriesPresent": np.array([12])}}, do_compression=True),
        read_sbd_mask, lambda found, _: found.dtype == np.uint8,
    ),
    "archive": Reader("a.tar", archive_file, read_archive, lambda found, _: found == ["out"], 150),
    "notebook": Reader(
        "a.ipynb", lambda p: p.write_bytes(small_notebook()), parameters_of, lambda found, _: isinstance(found, dict), 60,
    ),
    "crops": Reader("a.toml", lambda p: p.write_text(CROPS), read_crop_settings, usable_crops, 600),
    "classifier": Reader("a.safetensors", checkpoint_file, load_classifier, network, 40),
    "depth network": Reader("a.safetensors", depth_file, load_depth_network, network, 30),
    "network": Reader("a.safetensors", network_file, load_network, network, 30),
}  # fmt: skip


def small_notebook() -> bytes:
    notebook = nbformat.read(notebook_folder() / "01_baseline_cam.ipynb", as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    return nbformat.writes(notebook).encode()


def spoilt(content: bytes, rng: np.random.Generator) -> bytes:
    """`content` with a few bytes flipped, set, lost, added, repeated or cut off; half of the time near its beginning."""
    data = bytearray(content)
    reach = len(data) if rng.random() < 0.5 else max(1, min(len(data), 600))
    for _ in range(int(rng.choice([1, 1, 1, 2, 5, 20]))):
        place, length = int(rng.integers(reach)), int(rng.integers(1, 9))
        value = int(rng.integers(256))
        match rng.choice(["flip", "set", "lose", "add", "repeat", "cut"], p=[0.5, 0.2, 0.1, 0.08, 0.06, 0.06]):
            case "flip":
                data[place % len(data)] ^= 1 << int(rng.integers(8))
            case "set":
                data[place % len(data)] = (0, 255, value)[value % 3]
            case "lose":
                del data[place : place + length]
            case "add":
                data[place:place] = rng.bytes(length)
            case "repeat":
                data[place:place] = data[place : place + 40 * length]
            case "cut":
                del data[max(1, place) :]
        if not data:
            return b""
    return bytes(data)


@contextmanager
def patience() -> Iterator[None]:
    """A `TimeoutError` after `PATIENCE` seconds: no reader may hang."""

    def ring(_: int, __: FrameType | None) -> None:
        raise TimeoutError("the reader hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome(read: Callable[[], Any]) -> tuple[Any, str | None]:
    """What was read and None, or None and the message of the `WsssError`; any other error is one."""
    try:
        with patience():
            return read(), None
    except WsssError as error:
        return None, str(error)


def refusals(folder: Path, name: str, reader: Reader) -> list[str]:
    """What a reader says of a file that is spoilt in many ways; what it reads nevertheless must hold."""
    path = folder / reader.name
    reader.write(path)
    content = path.read_bytes()
    true = reader.read(path)
    assert reader.holds(true, true)
    rng, messages = np.random.default_rng(len(name)), []
    for case in range(round(FACTOR * reader.cases)):
        path.write_bytes(spoilt(content, rng))
        found, message = outcome(lambda: reader.read(path))
        if message is None:
            assert reader.holds(found, true), (name, case)
        else:
            assert not reader.named or re.search(r"/a\.\w+|index\.json|cam\.json", message), (case, message)
            messages.append(message)
    assert messages
    return messages


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_spoilt_files(tmp_path: Path, name: str) -> None:
    refusals(tmp_path, name, READERS[name])


# ---- text and values ----------------------------------------------------------------------------------------------

often = settings(
    max_examples=max(1, round(200 * FACTOR)), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@often
@given(st.one_of(st.binary(max_size=200), st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_split_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "split.txt"
    path.write_bytes(content)
    ids, message = outcome(lambda: read_split(path))
    if message is not None:
        assert "split.txt" in message
        return
    assert ids
    for name in ids:
        assert name == name.strip()
        assert (tmp_path / f"{name}.png").resolve().parent == tmp_path.resolve()
        (tmp_path / f"{name}.png").touch()  # it is a file name


@often
@given(st.binary(max_size=200))
def test_any_vocabulary(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "classes.txt").write_bytes(content)
    names, message = outcome(lambda: read_class_names(tmp_path))
    assert 0 < len(names) < 255 if message is None else "classes.txt" in message


@often
@given(st.text(max_size=60))
def test_any_annotation(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(
        f"<annotation><object><name>{text}</name></object></annotation>", encoding="utf-8", errors="replace"
    )
    labels, message = outcome(lambda: xml_labels(path, VOC_CLASSES))
    assert labels.sum() <= 1 if message is None else "a.xml" in message


HEADS = ("files:", "hf:", "learned:", "noisy:", "shuffled+", "inverted+files:", "files:~")


@often
@given(st.one_of(st.text(max_size=30), st.builds(str.__add__, st.sampled_from(HEADS), st.text(max_size=12))))
def test_any_depth_source(spec: str) -> None:
    class Nothing:
        name, split, ids, classes, has_depth = "nothing", "test", ("a",), CLASSES, False

        def __len__(self) -> int:
            return 1

    source, message = outcome(lambda: open_depth(spec, Nothing(), "metric"))  # type: ignore[arg-type]
    assert callable(source) if message is None else message != ""
    formal = outcome(lambda: check_source(spec))[1]
    if formal is not None and spec != "learned":  # what is refused by its form is never opened
        assert message is not None


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=4,
)
FIELDS = sorted(set(Config.__dataclass_fields__) - {"profile", "data"})


@often
@given(st.sampled_from([*FIELDS, "epocs", ""]), VALUES)
def test_any_setting(name: str, value: Any) -> None:
    config, message = outcome(lambda: profile("smoke", "tabletop", **{name: value}))
    assert json.dumps(config.dictionary(), allow_nan=False) if message is None else name in message
