"""Checkpoints and weights that are wrong or hostile: named, and nothing of theirs is run or fetched."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from wsss.cam.classifier import Classifier, build_classifier, info_for, load_classifier, save_classifier
from wsss.errors import WsssError
from wsss.networks.backbones import backbone_state

SMALL = "test_efficientnet"


@pytest.fixture(scope="module")
def model() -> Classifier:
    torch.manual_seed(0)
    return Classifier(SMALL, 2).eval()


def write(path: Path, model: Classifier, change: dict[str, Any], state: dict[str, torch.Tensor] | None = None) -> Path:
    """A checkpoint with some fields of its description changed; None takes a field away."""
    fields = {**vars(info_for(SMALL, ("cat", "dog"), 16, 64)), **change}
    fields = {name: value for name, value in fields.items() if value is not None}
    save_file(state or model.state_dict(), path, metadata={"wsss_classifier": json.dumps(fields)})
    return path


HOSTILE: dict[str, dict[str, Any]] = {
    "hub": {"backbone": "hf-hub:somebody/something"},
    "folder": {"backbone": "local-dir:/tmp"},
    "unknown backbone": {"backbone": "wunderkind"},
    "number for a backbone": {"backbone": 7},
    "no backbone": {"backbone": None},
    "no classes": {"classes": []},
    "class twice": {"classes": ["cat", "cat"]},
    "numbers for classes": {"classes": [1, 2]},
    "text for classes": {"classes": 3},
    "too many classes": {"classes": [f"c{n}" for n in range(300)]},
    "no mean": {"mean": None},
    "two means": {"mean": [0.5, 0.5]},
    "std of zero": {"std": [0.5, 0.0, 0.5]},
    "text in std": {"std": ["a", "b", "c"]},
    "huge side": {"base_side": 10**9},
    "negative side": {"base_side": -256},
    "stride": {"output_stride": 3.5},
    "list for chosen": {"chosen": [1]},
    "text for looks": {"looks": "regions"},
    "softmax": {"activation": "softmax"},
    "unknown field": {"code": "__import__('os')"},
}


def test_a_checkpoint_that_does_not_say_its_activation_is_this_packages(tmp_path: Path, model: Classifier) -> None:
    path = write(tmp_path / "model.safetensors", model, {"activation": None})
    assert load_classifier(path)[1].activation == "sigmoid"


@pytest.mark.parametrize("case", HOSTILE)
def test_descriptions_that_make_no_sense_are_named(tmp_path: Path, model: Classifier, case: str, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = write(tmp_path / "model.safetensors", model, HOSTILE[case])
    with pytest.raises(WsssError, match=r"cannot read checkpoint .*model\.safetensors.*wsss train"):
        load_classifier(path)


@pytest.mark.parametrize("backbone", ["resnet18", "test_vit"])
def test_a_checkpoint_of_another_backbone_is_named(tmp_path: Path, model: Classifier, backbone: str) -> None:
    path = write(tmp_path / "model.safetensors", model, {"backbone": backbone})
    with pytest.raises(WsssError, match=rf"model\.safetensors does not fit {backbone} with 2 classes.*wsss train"):
        load_classifier(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_named(tmp_path: Path, model: Classifier, value: float) -> None:
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state["head.bias"][1] = value
    path = write(tmp_path / "model.safetensors", model, {}, state)
    with pytest.raises(WsssError, match=r"model\.safetensors: its tensor head\.bias holds NaN or infinity"):
        load_classifier(path)


@pytest.mark.parametrize("text", ["[", "[]", "7", "null", "[" * 100_000])
def test_descriptions_that_are_no_table_are_named(tmp_path: Path, model: Classifier, text: str) -> None:
    path = tmp_path / "model.safetensors"
    save_file(model.state_dict(), path, metadata={"wsss_classifier": text})
    with pytest.raises(WsssError, match=r"model\.safetensors.*wsss train"):
        load_classifier(path)


class Trap:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_pickles_are_not_run(tmp_path: Path, name: str) -> None:
    sprung = tmp_path / "sprung"
    path = tmp_path / name
    torch.save({"conv_stem.weight": Trap(sprung)}, path)
    with pytest.raises(WsssError, match=rf"cannot read weights .*{name}"):
        backbone_state(SMALL, path)
    with pytest.raises(WsssError, match=rf"cannot read weights .*{name}"):
        build_classifier(SMALL, 2, weights=path)
    with pytest.raises(WsssError, match=rf"cannot read checkpoint .*{name}"):
        load_classifier(path)
    path.write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(WsssError, match=rf"cannot read weights .*{name}"):
        backbone_state(SMALL, path)
    assert not sprung.exists()
    with path.open("rb") as file:
        pickle.load(file)  # the trap itself works
    assert sprung.exists()


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18.a1_in1k", "local-dir:/tmp", "nothing"])
def test_backbones_by_address_are_refused(name: str, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WsssError, match="timm has no model"):
        build_classifier(name, 2)


def test_a_full_disk_is_told(tmp_path: Path, model: Classifier) -> None:
    """safetensors' own writer raises an error of its own, which nobody would have caught."""
    import resource

    path = tmp_path / "model.safetensors"
    save_classifier(path, model, info_for(SMALL, ("cat", "dog"), 16, 64))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(WsssError, match=r"cannot write .*model\.safetensors: File too large.*free space"):
            save_classifier(path, model, info_for(SMALL, ("cat", "dog"), 16, 64))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
