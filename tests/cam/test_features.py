"""Backbones of every kind: cells cover the image, odd sides work, or the model is refused at once."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import timm
import torch

from wsss.cam.classifier import Classifier, build_classifier, info_for, load_classifier, save_classifier
from wsss.cam.features import Sides, check_class_maps, feature_maps, features_version
from wsss.cam.maps import pyramid_maps, step_of
from wsss.cam.training import predict_probabilities, train_classifier
from wsss.errors import WsssError
from wsss.networks.lean import lean_copy
from wsss.pipeline import Run
from wsss.pipeline.profiles import profile

CPU = torch.device("cpu")

CELLS = {
    "test_efficientnet": 16, "resnet18": 16, "convnext_atto": 16, "test_vit": 16, "deit_tiny_patch16_224": 16,
    "eva02_tiny_patch14_224": 14, "vit_small_patch14_dinov2": 14, "vit_small_patch32_224": 32, "densenet121": 32,
    "swin_tiny_patch4_window7_224": 32, "swinv2_cr_tiny_224": 32, "pvt_v2_b0": 32, "xcit_nano_12_p8_224": 8,
    "edgenext_xx_small": 32, "mambaout_femto": 32, "vgg11": 32, "efficientvit_m0": 64,
}  # fmt: skip
"""Pixels per cell of the class maps."""


@pytest.mark.parametrize("name", CELLS)
def test_backbones_of_every_kind_serve(name: str) -> None:
    cell = CELLS[name]
    torch.manual_seed(0)
    model = Classifier(name, 2).eval()
    assert step_of(model) in (cell, 16)
    with torch.inference_mode():
        for size in ((cell * 6, cell * 4), (97, 131), (33, 300)):
            maps = model(torch.randn(1, 3, *size))
            expected = tuple(max(1, round(side / cell)) for side in size)
            if model.sides.step == 1:  # convolutions take any size, and begin a cell at the edge
                expected = (maps.shape[2], maps.shape[3])
            assert maps.shape == (1, 2, *expected)
            assert maps.isfinite().all()
        lean = lean_copy(model)
        views = torch.randn(1, 3, 128, 64)
        torch.testing.assert_close(lean(views), model(views), atol=1e-2, rtol=1e-2)
    info = info_for(name, ("cat", "dog"), 16, 64)
    images = [np.random.default_rng(0).integers(0, 256, (50, 75, 3), dtype=np.uint8)] * 2
    found = pyramid_maps(lean, info, images[0], (1, 0), scales=(0.5, 1.0, 1.7), flip=True, device=CPU)
    assert found.maps.shape == (3, 2, 50, 75)
    assert found.maps.isfinite().all()
    before = model.head.weight.detach().clone()
    train_classifier(
        model, info, images, np.eye(2, dtype=bool), epochs=1, batch_size=2, crop_side=50, seed=0, progress=False
    )
    assert not torch.equal(before, model.head.weight)
    assert predict_probabilities(model, info, images, CPU).shape == (2, 2)


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "densenet121", "pvt_v2_b0"])
def test_the_mean_of_the_maps_are_the_logits_of_timms_own_linear_head(name: str) -> None:
    """Order of channels and last normalisation are right: else the same weights would not give the same logits."""
    torch.manual_seed(0)
    theirs, ours = timm.create_model(name, pretrained=False, num_classes=3).eval(), Classifier(name, 3).eval()
    state = {each.removeprefix("head.fc."): tensor for each, tensor in theirs.state_dict().items()}
    linear: Any = theirs.get_submodule(theirs.pretrained_cfg["classifier"])  # type: ignore[index, arg-type]
    assert ours.head.bias is not None
    with torch.no_grad():
        ours.features.model.load_state_dict(state, strict=False)
        ours.head.weight.copy_(linear.weight[:, :, None, None])
        ours.head.bias.copy_(linear.bias)
        images = torch.randn(2, 3, 224, 224)
        torch.testing.assert_close(ours(images).mean(dim=(2, 3)), theirs(images), atol=1e-5, rtol=1e-4)


def test_patches_are_normalised_and_lie_where_they_were() -> None:
    torch.manual_seed(0)
    model = Classifier("test_vit", 2).eval()
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        vit = model.features.model
        tokens = vit.forward_features(images)[:, vit.num_prefix_tokens :]
        wanted = tokens.transpose(1, 2).unflatten(2, (4, 6))
        torch.testing.assert_close(model.features(images)[-1], wanted)


@pytest.mark.parametrize("name", ["test_vit_relpos", "gmlp_s16_224", "convit_tiny", "crossvit_tiny_240"])
def test_models_of_one_size_are_refused_in_one_line_before_anything_is_computed(name: str) -> None:
    with pytest.raises(WsssError, match=rf"{name} gives no class maps.*Choose another backbone, such as") as caught:
        Classifier(name, 2)
    assert "\n" not in str(caught.value)
    config = profile("smoke")
    config = replace(config, classifier=replace(config.classifier, backbone=name))
    with pytest.raises(WsssError, match=f"{name} gives no class maps"):
        Run(config, progress=False)


@pytest.mark.parametrize("name", ["no_such_model", "resnet50.no_such_tag"])
def test_unknown_names_are_refused_before_anything_is_computed(name: str) -> None:
    config = profile("smoke")
    config = replace(config, classifier=replace(config.classifier, backbone=name))
    with pytest.raises(WsssError, match=name) as caught:
        Run(config, progress=False)
    assert "\n" not in str(caught.value)


def test_the_examples_of_the_message_exist() -> None:
    with pytest.raises(WsssError) as caught:
        Classifier("gmlp_s16_224", 2)
    names = str(caught.value).partition("such as ")[2].rstrip(".").replace(" or ", ", ").split(", ")
    assert len(names) == 5
    assert all(timm.is_model(name) for name in names)


def test_a_stride_that_a_model_has_not_is_refused_and_one_without_strides_keeps_its_own() -> None:
    with pytest.raises(
        WsssError, match=r"resnet18 has no output stride of 12 pixels: output_stride may be 8 or 16 or 32"
    ):
        Classifier("resnet18", 2, 12)
    assert feature_maps("pvt_v2_b0", 8).sides == Sides(32, 32)
    check_class_maps("tf_efficientnet_lite0", 16)


def test_other_sides_become_the_nearest_that_a_model_takes() -> None:
    sides = Sides(14, 28)
    assert [sides.nearest(side) for side in (1, 28, 34, 36, 224, 256)] == [28, 28, 28, 42, 224, 252]
    images = torch.randn(1, 3, 28, 42)
    assert sides.fitted(images) is images
    assert sides.fitted(torch.ones(1, 3, 30, 50)).shape == (1, 3, 28, 56)
    assert Sides().fitted(torch.ones(1, 3, 31, 57)).shape == (1, 3, 31, 57)


@pytest.mark.parametrize("name", ["test_vit", "pvt_v2_b0", "eva02_tiny_patch14_224"])
def test_weights_of_the_whole_model_are_taken_up_and_checkpoints_come_back(name: str, tmp_path, monkeypatch) -> None:
    torch.manual_seed(1)
    state = timm.create_model(name, pretrained=False).state_dict()
    monkeypatch.setattr("wsss.cam.classifier.backbone_state", lambda *_: state)
    model = build_classifier(name, 2).eval()
    own = model.features.state_dict()
    assert all(torch.equal(tensor, state[key.removeprefix("model.")]) for key, tensor in own.items())
    save_classifier(tmp_path / "model.safetensors", model, info_for(name, ("cat", "dog"), 16, 64))
    loaded, _ = load_classifier(tmp_path / "model.safetensors")
    images = torch.randn(1, 3, 50, 70)
    with torch.inference_mode():
        assert torch.equal(loaded(images), model(images))


def test_only_backbones_whose_maps_are_as_they_were_keep_their_keys() -> None:
    assert features_version("tf_efficientnet_lite0", 16) == features_version("test_efficientnet", 16) == {}
    assert features_version("test_vit", 16)
