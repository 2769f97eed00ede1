import copy
from collections.abc import Iterator

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from wsss import lean
from wsss.depthwise import depthwise, is_depthwise
from wsss.freezing import freeze_early, train_mode
from wsss.lean import lean_copy, lean_training

BACKBONES = {"tf_efficientnet_lite0": 16, "resnet18": 32, "mobilenetv3_small_050": 32, "vit_tiny_patch16_224": None}


def backbone(name: str) -> nn.Module:
    """A timm model of feature maps with random weights and random batch norm statistics."""
    torch.manual_seed(0)
    stride = BACKBONES[name]
    options = {"output_stride": stride} if stride else {"dynamic_img_size": True}
    model = timm.create_model(name, pretrained=False, features_only=True, out_indices=(-1,), **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.1, 0.1)
    return nn.Sequential(model, Last()).eval()


class Last(nn.Module):
    def forward(self, maps: list[Tensor]) -> Tensor:
        return maps[-1]


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("size", [(64, 96), (80, 48), (67, 101)], ids=str)
@pytest.mark.parametrize("name", BACKBONES)
def test_lean_copy_answers_as_the_original(name: str, size: tuple[int, int]) -> None:
    model = backbone(name)
    if name.startswith("vit"):
        size = (64, 96)  # whole patches only
    images = torch.randn(2, 3, *size)
    with torch.inference_mode():
        wanted, got = model(images), lean_copy(model)(images)
    torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().amax()))


def test_lean_copy_has_neither_norms_nor_separate_rectifiers_and_leaves_the_original_alone() -> None:
    model = backbone("tf_efficientnet_lite0")
    before = copy.deepcopy(model.state_dict())
    kinds = {type(module).__name__ for module in lean_copy(model).modules()}
    assert not kinds & {"BatchNormAct2d"}
    assert {"_PaddedInside", "_Rectified"} <= kinds
    assert norms(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("change", ["_fuse_rectifiers", "_pad_inside"])
def test_what_comes_after_folding_keeps_every_bit(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = backbone("tf_efficientnet_lite0")
    images = torch.randn(1, 3, 96, 64)
    both = lean_copy(model)
    monkeypatch.setattr(lean, change, lambda _: None)
    without = lean_copy(model)
    for kind in (torch.float32, torch.bfloat16):
        with torch.inference_mode(), torch.autocast("cpu", kind, enabled=kind is not torch.float32):
            assert torch.equal(both(images), without(images))


def test_a_change_that_would_change_answers_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(model: nn.Module) -> None:
        next(model.parameters()).data.mul_(2)

    def fail(model: nn.Module) -> None:
        model.forward = lambda _: torch.ops.aten.add()  # an operator of another version of torch

    model = backbone("resnet18")
    monkeypatch.setattr(lean, "_fold_norms", spoil)
    monkeypatch.setattr(lean, "_pad_inside", fail)
    monkeypatch.setattr(lean, "_fuse_rectifiers", fail)
    model = model.to(memory_format=torch.channels_last)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(lean_copy(model)(images), model(images))


class Order(nn.Module):
    """Names its children in an order in which they are not used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.other = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(3, 4, 3)
        nn.init.uniform_(self.norm.running_var, 2, 4)
        nn.init.uniform_(self.norm.bias, 1, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.other(images)) * self.conv(images)


def test_children_in_an_unusual_order_are_noticed() -> None:
    torch.manual_seed(0)
    model, images = Order().eval(), torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(lean_copy(model)(images), model(images))
    freeze(model)
    wanted = gradients(model, images)
    with lean_training(model):
        assert not patched(model)
        assert all(torch.equal(one, other) for one, other in zip(gradients(model, images), wanted, strict=True))


def freeze(model: nn.Module) -> None:
    for norm in norms(model):
        norm.requires_grad_(False)
    train_mode(model)


def patched(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if "forward" in vars(module)]


def gradients(model: nn.Module, images: Tensor) -> Iterator[Tensor]:
    model.zero_grad(set_to_none=True)
    torch.manual_seed(0)  # for dropout
    output = model(images)
    (output * torch.linspace(-1, 1, output.numel()).reshape(output.shape)).mean().backward()
    return iter([parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None])


@pytest.mark.parametrize("name", BACKBONES)
def test_lean_training_has_the_gradients_of_plain_training(name: str) -> None:
    model = backbone(name).double()  # so that no rounding sends a pixel to the other side of a rectifier
    freeze_early(model[0], 1)
    train_mode(model)
    images, names = torch.randn(2, 3, 64, 96, dtype=torch.float64), list(model.state_dict())
    wanted = list(gradients(model, images))
    with lean_training(model):
        assert bool(patched(model)) == (name != "vit_tiny_patch16_224")
        got = list(gradients(model, images))
        assert list(model.state_dict()) == names
    assert not patched(model)
    assert len(got) == len(wanted) > 0
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9 * float(other.abs().amax()))


def test_lean_training_of_a_segmentation_network_leaves_norms_that_learn() -> None:
    torch.manual_seed(0)
    network = smp.create_model("DeepLabV3Plus", "tu-tf_efficientnet_lite0", encoder_weights=None, classes=3).double()
    freeze_early(network.encoder.model, 2)
    train_mode(network)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    learning = [norm for norm in norms(network) if norm.training]
    assert learning
    wanted, statistics = list(gradients(network, images)), [norm.running_mean.clone() for norm in learning]
    with lean_training(network):
        assert not {id(module) for module in patched(network)} & {id(norm) for norm in learning}
        dilated = [module for module in patched(network) if type(module) is nn.Conv2d and is_depthwise(module)]
        assert {tuple(module.dilation) for module in dilated} >= {(2, 2), (12, 12), (24, 24), (36, 36)}
        assert all(torch.equal(norm.running_mean, old) for norm, old in zip(learning, statistics, strict=True))
        got = list(gradients(network, images))
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9 * float(other.abs().amax()))


def test_a_training_that_fails_leaves_the_model_as_it_was() -> None:
    model = backbone("tf_efficientnet_lite0")
    freeze_early(model[0], 1)
    train_mode(model)
    modes = [module.training for module in model.modules()]
    training = lean_training(model)
    training.__enter__()
    assert patched(model)
    assert [module.training for module in model.modules()] == modes
    training.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not patched(model)


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 5])),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.booleans(),
)
def test_depthwise_has_outputs_and_gradients_of_conv2d(
    shape: tuple[int, int, int, int], kernel: tuple[int, int], dilation: tuple[int, int], with_bias: bool
) -> None:
    torch.manual_seed(0)
    channels = shape[1]
    conv = nn.Conv2d(channels, channels, kernel, 1, dilation=dilation, groups=channels, bias=with_bias).double()
    conv.padding = tuple(step * (side // 2) for step, side in zip(dilation, kernel, strict=True))
    images = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert is_depthwise(conv) == (max(dilation) > 1)
    wanted = conv(images)
    upstream = torch.randn_like(wanted)
    inputs = [images, *conv.parameters()]
    got = depthwise(images, conv.weight, conv.bias, conv.dilation)
    torch.testing.assert_close(got, wanted)
    for one, other in zip(
        torch.autograd.grad(got, inputs, upstream), torch.autograd.grad(wanted, inputs, upstream), strict=True
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    "options",
    [
        {"groups": 4, "dilation": 1, "padding": 1},
        {"groups": 2, "dilation": 2, "padding": 2},
        {"groups": 4, "dilation": 2, "padding": 1},
        {"groups": 4, "dilation": 2, "padding": 2, "stride": 2},
    ],
    ids=str,
)
def test_other_convolutions_are_not_taken_for_depthwise_ones(options: dict[str, int]) -> None:
    assert not is_depthwise(nn.Conv2d(4, 4, 3, **options))


def test_no_gradient_is_computed_that_nobody_asks_for() -> None:
    weight = torch.randn(2, 1, 3, 3, requires_grad=True)
    images = torch.randn(1, 2, 5, 5)
    depthwise(images, weight, None, (2, 2)).sum().backward()
    reference = weight.detach().clone().requires_grad_()
    F.conv2d(images, reference, None, 1, 2, 2, 2).sum().backward()
    torch.testing.assert_close(weight.grad, reference.grad)
    assert images.grad is None
