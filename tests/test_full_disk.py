"""A disk that is full at any moment of a hand-over: one line that says so, nothing half written, and it goes on later.

Each writer is stopped before every one of its files in turn (the disk has no room for another), and by files that may
not grow beyond a size. Both times nothing temporary is left, and the same call then gives what an undisturbed one does.
"""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from PIL import Image

from tests.experiments.test_claims import stages
from tests.segmentation.handed_over import checkpoint
from tests.test_faults import files_of_at_most
from tests.test_kill import essence
from wsss.config import ClassifierConfig, Config
from wsss.errors import WsssError, is_one_line
from wsss.experiments.claims import write_claims
from wsss.experiments.own_photographs import write_label_folder
from wsss.experiments.release import in_16_bit, write_zip
from wsss.methods.depth_cam import DepthCAM
from wsss.pipeline import Run
from wsss.pseudo.cam_files import export_cams
from wsss.pseudo.export import export_coco, export_voc
from wsss.records.parts import save_part
from wsss.report.review import Region, Reviewed, write_review
from wsss.segmentation.folder import predict_folder
from wsss.segmentation.onnx_file import export_onnx
from wsss.segmentation.predictor import load_predictor
from wsss.segmentation.pretrained import card_beside, save_pretrained

Writer = Callable[[Path], Any]


@pytest.fixture(scope="module")
def run(tabletop_root: Path, tmp_path_factory: pytest.TempPathFactory, tiny_weights: None) -> Run:
    config = Config(
        profile="smoke", root=str(tabletop_root), tabletop_side=64, tabletop_scenes=(4, 2, 2), methods=("cam",),
        pseudo_methods=("cam",), label_methods=("cam",),
        classifier=ClassifierConfig(backbone="test_efficientnet", base_side=64, crop_side=64, epochs=1, batch_size=4),
    )  # fmt: skip
    run = Run(config, tmp_path_factory.mktemp("full") / "cache", progress=False)
    run.labels(["cam"])
    return run


@pytest.fixture(scope="module")
def writers(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Writer]:
    held = tmp_path_factory.mktemp("held")
    data, labels = run.data("train"), run.pseudo_folder("cam")
    network = checkpoint("segmentation network", held / "network.safetensors")
    files = {f"in/{path.name}": path for path in (network, *labels.glob("*.png"))}
    region = Region("duck", 0.5, 0.25, 0.5, (0, 1, 2, 3))

    compared = stages("nyuv2")

    def parts(out: Path) -> None:
        for stage in compared.values():
            save_part(out, stage[0])

    def cams(out: Path) -> None:
        export_cams(
            run.labeller("cam"), "cam", run.choose_labels(["cam"])["cam"], data, out, "train",
            identity=run.label_key("cam"), progress=False,
        )  # fmt: skip

    def card(out: Path) -> None:
        card_beside(checkpoint("depth network", held / "depth.safetensors"))
        out.mkdir(exist_ok=True)
        os.replace(held / "depth.md", out / "depth.md")

    photographs = held / "photographs"
    photographs.mkdir()
    for name in ("a", "b"):
        Image.fromarray(data[0].image).save(photographs / f"{name}.png")
    predictor = load_predictor(network)
    torch.manual_seed(0)
    result = DepthCAM(timm.create_model("test_efficientnet", num_classes=2), activation="sigmoid")(data[0].image, [0])

    return {
        "voc": lambda out: export_voc(data, labels, out, "train", progress=False),
        "coco": lambda out: export_coco(data, labels, out, "train", progress=False),
        "class maps": cams,
        "labels": lambda out: write_label_folder(run, "cam", out),
        "review": lambda out: write_review(out, [Reviewed("a", ("duck",), (region,))], ["duck"], ["by hand"]),
        "parts": parts,
        "claims": lambda out: write_claims("nyuv2", out, compared),
        "network": lambda out: save_pretrained(network, out / "mugs"),
        "card": card,
        "16 bit": lambda out: in_16_bit(network, out / "small.safetensors"),
        "zip": lambda out: write_zip(out / "a.zip", files),
        "onnx": lambda out: export_onnx(network, out / "a.onnx"),
        "predicted": lambda out: predict_folder(predictor, photographs, out, progress=False),
        "result": lambda out: result.save(out, threshold=0.4),
    }


NAMES = (
    "voc", "coco", "class maps", "labels", "review", "parts", "claims", "network", "card", "16 bit", "zip", "onnx",
    "predicted", "result",
)  # fmt: skip


@contextmanager
def room_for(files: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A disk on which so many files can be made; yields how many were asked for."""
    asked: list[int] = []
    make = tempfile.mkstemp

    def full(*arguments: Any, **named: Any) -> Any:
        asked.append(1)
        if len(asked) > files:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return make(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", full)
        yield asked


def left_in(folder: Path) -> dict[str, Any]:
    return {str(path.relative_to(folder)): essence(path) for path in folder.rglob("*") if path.is_file()}


def refused(writer: Writer, out: Path) -> None:
    """It says in one line which file, and leaves nothing that is half written."""
    with pytest.raises(WsssError, match=r"cannot write .*(No space left|File too large).*free space") as caught:
        writer(out)
    assert is_one_line(str(caught.value))
    assert not [path for path in out.rglob("*") if ".part" in path.name]


@pytest.mark.parametrize("name", NAMES)
def test_no_room_for_another_file(
    writers: dict[str, Writer], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers[name](tmp_path / "first")  # what the cache lacks is made now
    with room_for(10_000, monkeypatch) as asked:
        writers[name](tmp_path / "calm")
    expected = left_in(tmp_path / "calm")
    assert expected
    for files in range(len(asked)):
        out = tmp_path / str(files)
        with room_for(files, monkeypatch):
            refused(writers[name], out)
        left = left_in(out)
        facts = left.pop("labels.json", None) if name == "predicted" else None  # it grows with the maps
        assert left == {place: expected[place] for place in left}  # whole files, the same ones
        assert facts is None or set(facts) == set(expected["labels.json"])
        writers[name](out)
        assert left_in(out) == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0, 20])
def test_no_room_within_a_file(writers: dict[str, Writer], name: str, size: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with files_of_at_most(size):
        refused(writers[name], out)
    writers[name](tmp_path / "calm")
    writers[name](out)
    assert left_in(out) == left_in(tmp_path / "calm")


def test_every_writer_is_tried(writers: dict[str, Writer]) -> None:
    assert tuple(writers) == NAMES
