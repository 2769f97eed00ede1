"""Checkpoints of the three kinds of network: their bytes stay, and what cannot be read is told in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save, save_file
from torch import nn

from wsss.cam.classifier import Classifier, info_for, load_classifier, save_classifier
from wsss.depth.monocular import DepthNetwork, load_depth_network, save_depth_network
from wsss.errors import WsssError
from wsss.networks.checkpoints import explained, is_checkpoint, read_checkpoint, require_normalisation, write_checkpoint
from wsss.segmentation.network import build_network, load_network, save_network

SMALL = "test_efficientnet"
HALF = (0.5, 0.5, 0.5)
META = {"std": "[0.5, 0.5, 0.5]", "classes": '["duck", "mug"]', "labels": '"größe"'}


def plain(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}


def classifier(path: Path) -> bytes:
    """Save a classifier; the bytes that safetensors itself writes of the same tensors and facts."""
    model, info = Classifier(SMALL, 2), info_for(SMALL, ("mug", "größe"), 16, 64)
    info.chosen.update({"depth": {"threshold": 0.5, "parameters": {"level_weights": (1.0, 2.0)}}})
    save_classifier(path, model.to(memory_format=torch.channels_last), info)
    return save(plain(model), metadata={"wsss_classifier": json.dumps(vars(info))})


def depth(path: Path) -> bytes:
    """Likewise of a depth network."""
    network = DepthNetwork.build(SMALL, HALF, HALF, 64, ("b", "a"))
    save_depth_network(path, network)
    facts = {"backbone": SMALL, "mean": HALF, "std": HALF, "side": 64, "trained_on": ("b", "a")}
    return save(plain(network.module), {"wsss_depth": json.dumps(facts)})


def segmentation(path: Path) -> bytes:
    """Likewise of a segmentation network, whose facts are sorted."""
    network = build_network(2, "Unet", f"tu-{SMALL}")
    save_network(path, network, META)
    facts = {**META, "network": json.dumps(network.build_arguments)}
    return save(plain(network), {"wsss_network": json.dumps(facts, sort_keys=True)})


LOADERS: dict[str, tuple[Callable[[Path], bytes], Callable[[Path], Any]]] = {
    "classifier": (classifier, load_classifier),
    "depth network": (depth, load_depth_network),
    "segmentation network": (segmentation, load_network),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_the_bytes_of_checkpoints_stay(tmp_path: Path, kind: str) -> None:
    """Records name the checkpoint that they are of by its contents."""
    write, load = LOADERS[kind]
    torch.manual_seed(0)
    expected = write(tmp_path / "deep" / "one.safetensors")
    assert (tmp_path / "deep" / "one.safetensors").read_bytes() == expected
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["one.safetensors"]
    assert load(tmp_path / "deep" / "one.safetensors") is not None


def test_networks_of_former_versions_are_read(tmp_path: Path) -> None:
    """Each of their facts is an entry of metadata of its own."""
    network, path = build_network(2, "Unet", f"tu-{SMALL}"), tmp_path / "old.safetensors"
    save_file(plain(network), path, {**META, "network": json.dumps(network.build_arguments)})
    loaded, meta = load_network(path)
    assert meta == META
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("other", LOADERS)
def test_each_loader_takes_its_own_kind_alone(tmp_path: Path, kind: str, other: str) -> None:
    path = tmp_path / "one.safetensors"
    LOADERS[other][0](path)
    if kind == other:
        LOADERS[kind][1](path)
        return
    with pytest.raises(WsssError, match=rf"one\.safetensors: it is no {kind} of this package\. [A-Z]") as caught:
        LOADERS[kind][1](path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("spoil", ["gone", "empty", "half", "list", "torn"])
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, kind: str, spoil: str) -> None:
    path = tmp_path / "one.safetensors"
    keys = {"classifier": "wsss_classifier", "depth network": "wsss_depth", "segmentation network": "wsss_network"}
    if spoil in ("list", "torn"):
        save_file({"w": torch.zeros(2)}, path, {keys[kind]: "[1]" if spoil == "list" else "{"})
    elif spoil != "gone":
        whole = LOADERS[kind][0](path)
        path.write_bytes(whole[: len(whole) // 2] if spoil == "half" else b"")
    with pytest.raises(WsssError, match=r"^cannot read .*one\.safetensors: .+\. [A-Z].*\.$") as caught:
        LOADERS[kind][1](path)
    assert "\n" not in str(caught.value)
    if spoil == "list":
        assert "its description is no table" in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float8_e4m3fn, torch.float64])
def test_tensors_that_hold_no_numbers_are_named(tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "one.safetensors"
    tensors = {"good": torch.zeros(2, dtype=dtype), "bad": torch.full((2,), float("nan")).to(dtype)}
    save_file(tensors, path, {"key": "{}"})
    with pytest.raises(WsssError, match="its tensor bad holds NaN or infinity"):
        read_checkpoint(path, "key", "thing")


def test_only_files_with_the_key_are_checkpoints(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "one", nn.Linear(2, 1), "key", {})
    save_file({"w": torch.zeros(2)}, tmp_path / "bare")
    (tmp_path / "other").write_text("key")
    assert is_checkpoint(tmp_path / "one", "key")
    for name, key in (("one", "other"), ("bare", "key"), ("other", "key"), ("gone", "key"), (".", "key")):
        assert not is_checkpoint(tmp_path / name, key), name


def test_facts_come_back_in_their_order(tmp_path: Path) -> None:
    module = nn.Linear(2, 1)
    write_checkpoint(tmp_path / "one", module, "key", {"b": [1, 2.5], "a": None})
    tensors, facts = read_checkpoint(tmp_path / "one", "key", "thing")
    assert list(facts.items()) == [("b", [1, 2.5]), ("a", None)]
    assert all(torch.equal(tensors[name], tensor) for name, tensor in module.state_dict().items())


def test_errors_of_libraries_are_explained() -> None:
    with (
        pytest.raises(WsssError, match=r"^cannot read x: no such model\. Train one\.$") as caught,
        explained("cannot read x", "Train one."),
    ):
        raise RuntimeError("no such model.\n\nTry another.")
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([0.5, 0.5], HALF, r"mean must be a list of 3 numbers from -10 to 10, not \[0\.5, 0\.5\]"),
        (HALF, [0.5, 0.0, 0.5], "std must be a list of 3 numbers from 1e-06 to 10"),
        (None, HALF, "mean must be a list of 3 numbers"),
    ],
)
def test_normalisations_are_of_three_channels(mean: Any, std: Any, message: str) -> None:
    require_normalisation(HALF, list(HALF))
    with pytest.raises(WsssError, match=message):
        require_normalisation(mean, std)
