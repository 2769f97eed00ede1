import pytest
import timm
import torch
from torch import nn

from wsss.networks.freezing import freeze_early, train_mode

# What is frozen besides the batch norms when two stages are.
EARLY = {
    "tf_efficientnet_lite0": ("conv_stem.", "blocks.0.", "blocks.1."),
    "mobilenetv3_small_050": ("conv_stem.", "blocks.0.", "blocks.1."),
    "resnet18": ("conv1.", "layer1.", "layer2."),
    "convnext_atto": ("stem.", "stages.0.", "stages.1."),
}


def batch_norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("features_only", [False, True])
@pytest.mark.parametrize("name", EARLY)
def test_stem_stages_and_batch_norms_are_frozen(name: str, features_only: bool) -> None:
    model = timm.create_model(name, pretrained=False, features_only=features_only)
    assert freeze_early(model, 2) > 0
    norms = {id(parameter) for norm in batch_norms(model) for parameter in norm.parameters()}
    for key, parameter in model.named_parameters():
        early = key.replace("stages_", "stages.").replace("stem_", "stem.").startswith(EARLY[name])
        assert parameter.requires_grad == (not early and id(parameter) not in norms), key


def test_zero_stages_freeze_the_stem_alone() -> None:
    model = timm.create_model("resnet18", pretrained=False)
    freeze_early(model, 0)
    parameters = dict(model.named_parameters())
    assert not parameters["conv1.weight"].requires_grad
    assert parameters["layer1.0.conv1.weight"].requires_grad


def test_vit_is_left_alone() -> None:
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, img_size=32, depth=2)
    assert freeze_early(model, 2) == 0
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_frozen_weights_and_statistics_survive_training_and_the_rest_moves() -> None:
    torch.manual_seed(0)
    backbone = timm.create_model("mobilenetv3_small_050", pretrained=False, features_only=True)
    network = nn.ModuleDict({"backbone": backbone, "norm": nn.BatchNorm2d(288)})
    freeze_early(backbone, 1)
    assert train_mode(network) is network
    assert network.training
    assert not any(norm.training for norm in batch_norms(backbone))
    assert network["norm"].training  # not frozen: it learns
    before = {key: value.clone() for key, value in network.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network["norm"](backbone(torch.randn(2, 3, 64, 64))[-1]).square().sum().backward()
    optimiser.step()
    after = network.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert {"norm.running_mean", "norm.weight"} <= changed
    assert any(key.startswith("backbone.blocks.4.") for key in changed)
    assert not any(key.startswith(("backbone.conv_stem", "backbone.blocks.0.")) for key in changed)
    assert not any("running" in key for key in changed if key.startswith("backbone"))
