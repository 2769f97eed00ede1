"""Network checkpoints that are wrong or of something else are named."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from wsss.errors import WsssError
from wsss.segmentation.network import build_network, load_network

ARGUMENTS: dict[str, Any] = {
    "num_classes": 2, "architecture": "DeepLabV3Plus", "encoder": "tu-test_efficientnet", "output_stride": 16,
    "decoder_channels": 16,
}  # fmt: skip


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
