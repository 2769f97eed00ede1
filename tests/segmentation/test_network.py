import json
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch

from wsss.cam.classifier import Classifier
from wsss.errors import WsssError
from wsss.networks.backbones import encoder_model, load_encoder
from wsss.pipeline import Run
from wsss.pipeline.profiles import profile
from wsss.segmentation.network import build_network, check_network, load_network, save_network

META = {"classes": json.dumps(["duck", "mug"]), "mean": "[0.5, 0.5, 0.5]"}


@pytest.mark.parametrize(
    ("architecture", "encoder"),
    [("DeepLabV3Plus", "tu-tf_efficientnet_lite0"), ("Unet", "tu-mobilenetv3_small_050")],
)
def test_output_has_background_and_classes_at_full_resolution(architecture: str, encoder: str) -> None:
    network = build_network(2, architecture, encoder).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 32, 64)).shape == (1, 3, 32, 64)


@pytest.mark.parametrize("arguments", [(2, "NoSuchNet"), (2, "Unet", "tu-no_such_encoder"), (2, "Unet", "nothing")])
def test_unknown_names_are_explained(arguments: tuple[int, str]) -> None:
    with pytest.raises(WsssError, match="cannot build"):
        build_network(*arguments)


@pytest.mark.parametrize(
    ("architecture", "encoder", "crop_size"),
    [
        ("NoSuchNet", "tu-resnet18", 64),
        ("Unet", "tu-no_such_encoder", 64),
        ("Unet", "nothing", 64),
        ("Unet", "tu-swin_tiny_patch4_window7_224", 64),  # takes images of its own size only
        ("DeepLabV3Plus", "tu-test_vit", 64),
        ("Unet", "tu-test_vit", 64),
        ("DeepLabV3Plus", "tu-tf_efficientnet_lite0", 100),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(architecture: str, encoder: str, crop_size: int) -> None:
    with pytest.raises(WsssError, match=r"cannot build .*Choose names|timm has no model") as caught:
        check_network(architecture, encoder, crop_size)
    assert "\n" not in str(caught.value)
    config = profile("smoke")
    own = replace(config.segmentation, architecture=architecture, encoder=encoder, crop_size=crop_size)
    with pytest.raises(WsssError, match=r"cannot build|timm has no model"):  # before anything is computed
        Run(replace(config, segmentation=own), progress=False)


@pytest.mark.parametrize(
    ("architecture", "encoder", "crop_size"),
    [
        ("DeepLabV3Plus", "tu-tf_efficientnet_lite0", 192),
        ("DeepLabV3Plus", "resnet50", 448),
        ("Unet", "tu-convnext_atto", 64),
        ("FPN", "tu-pvt_v2_b0", 96),
    ],
)
def test_what_goes_together_is_let_through(architecture: str, encoder: str, crop_size: int) -> None:
    check_network(architecture, encoder, crop_size)


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "pvt_v2_b0", "mambaout_femto"])
def test_an_encoder_takes_the_weights_of_a_classifier_of_the_same_backbone(name: str) -> None:
    torch.manual_seed(0)
    state = Classifier(name, 2).features.state_dict()
    network = build_network(2, "Unet", f"tu-{name}")
    assert load_encoder(network, state) >= 0.95 * len(encoder_model(network).state_dict())


@pytest.mark.parametrize("num_classes", [0, 255])
def test_number_of_classes_is_checked(num_classes: int) -> None:
    with pytest.raises(ValueError, match="1…254"):
        build_network(num_classes)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "convnext_atto"])
def test_encoder_gives_the_backbone_features(name: str) -> None:
    torch.manual_seed(0)
    backbone = timm.create_model(name, pretrained=False).eval()
    network = build_network(2, "FPN", f"tu-{name}").eval()
    encoder = encoder_model(network)
    assert load_encoder(network, backbone.state_dict()) == len(encoder.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected = backbone.forward_intermediates(image, intermediates_only=True)[-1]  # type: ignore[operator]
        torch.testing.assert_close(encoder(image)[-1], expected)


def test_wrong_backbone_is_refused() -> None:
    network = build_network(2)
    before = [tensor.clone() for tensor in network.state_dict().values()]
    with pytest.raises(WsssError, match="same timm model"):
        load_encoder(network, timm.create_model("resnet18", pretrained=False).state_dict())
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))


def test_saved_network_comes_back_with_its_description(tmp_path: Path) -> None:
    network = build_network(2, decoder_channels=32).to(memory_format=torch.channels_last)
    path = tmp_path / "deep" / "network.safetensors"
    save_network(path, network, META)
    loaded, meta = load_network(path)
    assert meta == META
    assert not loaded.training
    assert loaded.build_arguments == network.build_arguments
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert [item.name for item in path.parent.iterdir()] == ["network.safetensors"]


def test_unreadable_checkpoints_are_named(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save_network(whole, build_network(2, "Unet", "tu-mobilenetv3_small_050"), META)
    cut, foreign = tmp_path / "cut.safetensors", tmp_path / "foreign.safetensors"
    cut.write_bytes(whole.read_bytes()[:1000])
    foreign.write_bytes(b"no checkpoint")
    for path in (cut, foreign, tmp_path / "missing.safetensors"):
        with pytest.raises(WsssError, match=path.name):
            load_network(path)


def test_weights_without_a_description_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "plain.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(WsssError, match=r"plain\.safetensors"):
        load_network(path)
