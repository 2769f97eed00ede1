"""ONNX files give what torch gives, at sizes that were not traced, by onnxruntime."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from tests.segmentation.handed_over import CLASSES, KINDS, MEAN, STD, checkpoint
from wsss.cam.classifier import Classifier, ClassifierInfo, load_classifier, save_classifier
from wsss.cli import app
from wsss.depth.monocular import load_depth_network
from wsss.errors import WsssError
from wsss.segmentation import onnx_file
from wsss.segmentation.network import load_network
from wsss.segmentation.onnx_file import export_onnx

onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module", params=KINDS)
def exported(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    folder = tmp_path_factory.mktemp("onnx")
    path = checkpoint(request.param, folder / "one.safetensors")
    result = CliRunner().invoke(
        app, ["export-network", "--network", str(path), "--out", str(folder / "one.onnx")], catch_exceptions=False
    )
    assert "largest difference from torch at two sizes" in result.stdout
    return request.param, path, folder / "one.onnx"


def normalised(image: torch.Tensor) -> torch.Tensor:
    return (image - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


@pytest.mark.parametrize("size", [(1, 64, 64), (3, 96, 160)])
def test_outputs_are_those_of_torch(exported: tuple[str, Path, Path], size: tuple[int, int, int]) -> None:
    """Of sides that every network takes as they are, so that nothing of the exported module is needed to know them."""
    kind, path, out = exported
    image = torch.rand(size[0], 3, *size[1:])
    found = runtime.InferenceSession(str(out)).run(None, {"image": image.numpy()})
    with torch.inference_mode():
        if kind == "classifier":
            maps = load_classifier(path)[0](normalised(image))
            expected = [maps.mean(dim=(2, 3)), maps]
        elif kind == "depth network":
            expected = [load_depth_network(path).module(normalised(image))]
        else:
            expected = [load_network(path)[0](normalised(image))]
    for ours, theirs in zip(expected, found, strict=True):
        np.testing.assert_allclose(theirs, ours.numpy(), atol=1e-4)
        assert np.ptp(theirs) > 1e-3


def test_any_size_is_answered_in_its_own(exported: tuple[str, Path, Path]) -> None:
    kind, _, out = exported
    session = runtime.InferenceSession(str(out))
    answer = session.run(None, {"image": np.random.default_rng(0).random((1, 3, 33, 71), np.float32)})[0]
    assert answer.shape == {"classifier": (1, 3), "depth network": (1, 1, 33, 71)}.get(kind, (1, 4, 33, 71))


def test_metadata_names_the_channels(exported: tuple[str, Path, Path]) -> None:
    kind, _, out = exported
    held = {entry.key: entry.value for entry in onnx.load(str(out)).metadata_props}
    assert held["wsss_kind"] == kind
    expected = {"classifier": list(CLASSES), "depth network": []}.get(kind, ["background", *CLASSES])
    assert json.loads(held["classes"]) == expected
    assert (held["side"], json.loads(held["mean"]), json.loads(held["std"])) == ("64", list(MEAN), list(STD))
    inputs = runtime.InferenceSession(str(out)).get_inputs()
    assert [(each.name, each.shape) for each in inputs] == [("image", ["batch", 3, "height", "width"])]


def test_files_of_others_are_not_replaced(exported: tuple[str, Path, Path], tmp_path: Path) -> None:
    _, path, out = exported
    export_onnx(path, out)  # its own earlier one is
    with pytest.raises(WsssError, match="is, holds or lies in"):
        export_onnx(path, path)
    for name in ("notes.onnx", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "notes.onnx").write_text("mine")
        with pytest.raises(WsssError, match=rf"{name} is there and is no ONNX file of this package"):
            export_onnx(path, tmp_path / name)
    assert (tmp_path / "notes.onnx").read_text() == "mine"


def test_what_cannot_be_exported_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.onnx"
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(WsssError, match=r"cannot read the network .*broken\.safetensors"):
        export_onnx(tmp_path / "broken.safetensors", out)
    with pytest.raises(WsssError, match=r"there is no file .*gone"):
        export_onnx(tmp_path / "gone", out)
    info = ClassifierInfo("test_vit", ("cat",), 16, (0.5,) * 3, (0.5,) * 3, 64, {})
    save_classifier(tmp_path / "vit.safetensors", Classifier("test_vit", 1), info)
    with pytest.raises(WsssError, match="a classifier on test_vit, which takes images of some sizes only"):
        export_onnx(tmp_path / "vit.safetensors", out)
    path = checkpoint("classifier", tmp_path / "one.safetensors")

    class Wrong(nn.Module):
        def __init__(self, held: Any) -> None:
            super().__init__()
            self.runs = 0

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self.runs += 1  # what is traced is not what is asked for later
            return image.mean(dim=(2, 3)) * self.runs, image

    monkeypatch.setattr(onnx_file, "NormalisedNetwork", Wrong)
    with pytest.raises(WsssError, match=r"one\.safetensors as ONNX differs from torch by"):
        export_onnx(path, out)
    monkeypatch.setattr(onnx_file, "_trace", lambda *_: 1 / 0)
    with pytest.raises(WsssError, match=r"one\.safetensors cannot be written as ONNX: division by zero"):
        export_onnx(path, out)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(
        WsssError, match=r"ONNX needs onnxruntime, which is not installed: pip install 'wsss-depth-cam\[export\]'"
    ):
        export_onnx(path, out)
    assert not list(tmp_path.glob("*.onnx*")) + list(tmp_path.glob(".*"))
