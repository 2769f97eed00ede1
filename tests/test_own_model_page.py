"""The page on one's own model: every example runs as it is written, with random weights in place of downloaded ones."""

import re
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
import transformers
from PIL import Image

from wsss.data.labelled import LabelledPhotographs
from wsss.data.masks import read_class_mask

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "own-model.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?^```python ci\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
BLOCKS = re.findall(r"^```python ci\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}


def no_network(*_: object, **__: object) -> None:
    raise AssertionError("an example reaches for the network")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a photograph and its depth; models that would be downloaded are small and random."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.jpg")
    Image.fromarray(np.linspace(800, 4000, 60 * 80).reshape(60, 80).astype(np.uint16)).save(tmp_path / "depth.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", no_network)
    torch.manual_seed(0)
    create = timm.create_model

    def of_timm(name: str, **more: Any) -> Any:
        return create("convnext_atto" if more.pop("pretrained", False) else name, **more)

    def of_transformers(_name: str) -> Any:
        names = {index: "moped" if index == 665 else f"class {index}" for index in range(1000)}
        config = transformers.AutoConfig.for_model("vit", id2label=names, image_size=64, **SMALL)
        return transformers.AutoModelForImageClassification.from_config(config)

    def random_state(self: Any, *_: Any, **__: Any) -> Any:
        return torchvision.models.resnet50(weights=None).state_dict()

    size = {"height": 64, "width": 64}
    monkeypatch.setattr(timm, "create_model", of_timm)
    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", random_state)
    monkeypatch.setattr(transformers.AutoModelForImageClassification, "from_pretrained", of_transformers)
    monkeypatch.setattr(
        transformers.AutoImageProcessor, "from_pretrained", lambda _: transformers.ViTImageProcessor(size=size)
    )
    return tmp_path


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_an_example_runs(number: int, place: Path) -> None:
    found: dict[str, Any] = {"__name__": "example"}
    exec(compile(BLOCKS[number], f"docs/own-model.md, example {number}", "exec"), found)
    if number == 0:
        result = found["result"]
        assert sorted(path.name for path in (place / "motorcycle").iterdir()) == [
            "figure.png",
            "label.png",
            "result.json",
            "scores.npz",
        ]
        # The rear wheel belongs to the motorcycle with depth, and is dark in the plain CAM; the wall above is neither.
        near, plain = result.scores[0], result.plain[0]
        wheel, wall = (slice(240, 400), slice(130, 240)), (slice(0, 60), slice(0, 741))
        assert near[wheel].mean() > plain[wheel].mean() + 0.1
        assert near[wall].mean() < near[wheel].mean() / 2


def test_there_is_an_example_of_each_library() -> None:
    headings = [heading for heading, _ in EXAMPLES]
    assert headings == [
        "Three lines",
        "torchvision",
        "timm",
        "Hugging Face",
        "A module of your own",
        "A folder of photographs",
    ]
    assert len(BLOCKS) == 7


def test_the_labels_of_a_folder_are_handed_on(place: Path) -> None:
    """As `wsss export` reads them."""
    exec(compile(BLOCKS[-1], "docs/own-model.md, a folder", "exec"), {"__name__": "example"})
    data = LabelledPhotographs(place / "photos", place / "labels")
    assert (data.classes, data.ids) == (("mug", "cat"), ("a", "b"))
    assert set(np.unique(read_class_mask(place / "labels" / "a.png", (60, 80), 2))) <= {0, 1, 2, 255}
