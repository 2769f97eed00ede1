"""Network checkpoints that are wrong or of something else are named."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from wsss.errors import WsssError
from wsss.segmentation.network import build_network, load_network
from wsss.segmentation.predictor import load_predictor

ARGUMENTS: dict[str, Any] = {
    "num_classes": 2,
    "architecture": "DeepLabV3Plus",
    "encoder": "tu-test_efficientnet",
    "output_stride": 16,
    "decoder_channels": 16,
}


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return build_network(**ARGUMENTS).state_dict()


BAD: dict[str, Any] = {
    "other encoder": {**ARGUMENTS, "encoder": "tu-resnet18"},
    "other classes": {**ARGUMENTS, "num_classes": 3},
    "no classes": {**ARGUMENTS, "num_classes": 0},
    "too many classes": {**ARGUMENTS, "num_classes": 300},
    "text for classes": {**ARGUMENTS, "num_classes": "two"},
    "unknown argument": {**ARGUMENTS, "code": "import os"},
    "list": [1],
    "null": None,
}


@pytest.mark.parametrize("case", BAD)
def test_descriptions_that_make_no_sense_are_named(
    tmp_path: Path, state: dict[str, torch.Tensor], case: str, monkeypatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = tmp_path / "network.safetensors"
    save_file(state, path, {"network": json.dumps(BAD[case])})
    with pytest.raises(WsssError, match=r"(?s)network\.safetensors.*(train again|another)"):
        load_network(path)


def test_another_kind_of_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    save_file({"w": torch.zeros(2)}, path, {"wsss_classifier": "{}"})
    with pytest.raises(WsssError, match=r"network\.safetensors"):
        load_network(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_named(tmp_path: Path, state: dict[str, torch.Tensor], value: float) -> None:
    spoilt = {name: tensor.clone() for name, tensor in state.items()}
    name = next(name for name in spoilt if name.startswith("segmentation_head") and name.endswith("bias"))
    spoilt[name][1] = value
    path = tmp_path / "network.safetensors"
    save_file(spoilt, path, {"network": json.dumps(ARGUMENTS)})
    with pytest.raises(
        WsssError, match=r"network\.safetensors: its tensor segmentation_head.* NaN or infinity\. Delete"
    ):
        load_network(path)


def test_no_description_makes_a_hub_be_asked(tmp_path: Path, state: dict[str, torch.Tensor], monkeypatch) -> None:
    monkeypatch.setattr("wsss.segmentation.network.build_network", lambda **_: pytest.fail("it was built"))
    path = tmp_path / "network.safetensors"
    save_file(state, path, {"network": json.dumps({**ARGUMENTS, "encoder": "tu-hf-hub:somebody/something"})})
    with pytest.raises(WsssError, match=r"network\.safetensors: timm has no model 'hf-hub:.*Delete"):
        load_network(path)


FACTS: dict[str, Any] = {
    "classes": ["cat", "dog"],
    "mean": [0.5] * 3,
    "std": [0.5] * 3,
    "long_side": 64,
    "scales": [1.0],
}
WRONG: dict[str, Any] = {
    "classes": [3, ["cat"], [1, 2], None],
    "mean": [0.5, [0.5], ["a", "b", "c"]],
    "std": [[0.5, 0.0, 0.5]],
    "long_side": [0, "64", 10**400],
    "scales": [[], [0], 1.0],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_facts_that_make_no_sense_are_named(tmp_path: Path, name: str, value: Any, monkeypatch) -> None:
    network = build_network(2, "Unet", "tu-test_efficientnet")
    facts = {key: json.dumps(each) for key, each in {**FACTS, name: value}.items()}
    monkeypatch.setattr("wsss.segmentation.predictor.load_network", lambda _: (network, facts))
    with pytest.raises(WsssError, match=r"network\.safetensors has a description that makes no sense.*wsss segment"):
        load_predictor(tmp_path / "network.safetensors")
