"""Gradients by faster equivalents are those of the layers as they come: to the bit with AVX-512, else nearly."""

import copy
from itertools import product

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers import BatchNormAct2d, Conv2dSame
from torch import Tensor, nn

from wsss.networks.backbones import encoder_model
from wsss.networks.freezing import freeze_early, train_mode
from wsss.networks.gradients import quick_gradients
from wsss.segmentation.network import build_network

SAME_KERNELS = torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"


def assert_same(new: Tensor, old: Tensor) -> None:
    """To the bit with the kernels that were measured; elsewhere sums may be made in another order."""
    if SAME_KERNELS:
        assert torch.equal(new.isnan(), old.isnan())
        assert torch.equal(new.nan_to_num(), old.nan_to_num())
    else:
        torch.testing.assert_close(new, old, rtol=1e-5, atol=1e-5, equal_nan=True)


def frozen_norm(kind: str, channels: int) -> nn.BatchNorm2d:
    layer: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "relu6": nn.ReLU6, "none": nn.Identity, "silu": nn.SiLU}
    norm = nn.BatchNorm2d(channels) if kind == "plain" else BatchNormAct2d(channels, act_layer=layer[kind])
    for tensor in norm.state_dict().values():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.2, 3.0)
    return norm.eval().requires_grad_(False)


def quick(module: nn.Module) -> nn.Module:
    wrapped = nn.Sequential(copy.deepcopy(module))
    quick_gradients(wrapped)
    return wrapped[0]


def through(module: nn.Module, images: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
    """The maps, and the gradients of the images and of all parameters that learn."""
    own = images.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    maps = module(own)
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return maps.detach(), *torch.autograd.grad(maps, [own, *learning], gradient)


def random_maps(*shape: int, scale: float = 1.0) -> Tensor:
    return (scale * torch.randn(shape)).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", ["plain", "none", "relu", "relu6", "silu"])
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 6), st.integers(1, 6)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30, deadline=None)
def test_frozen_norms(kind: str, shape: tuple[int, int, int, int], seed: int) -> None:
    torch.manual_seed(seed)
    norm = frozen_norm(kind, shape[1])
    images, gradient = random_maps(*shape, scale=4), random_maps(*shape)
    for new, old in zip(through(quick(norm), images, gradient), through(norm, images, gradient), strict=True):
        torch.testing.assert_close(new, old, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["plain", "none", "relu", "relu6"])
@pytest.mark.parametrize("shape", [(16, 144, 14, 14), (4, 24, 9, 7), (2, 33, 1, 50)])
def test_frozen_norms_to_the_bit(kind: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    norm = frozen_norm(kind, shape[1])
    images, gradient = random_maps(*shape, scale=4), random_maps(*shape)
    for new, old in zip(through(quick(norm), images, gradient), through(norm, images, gradient), strict=True):
        assert_same(new, old)


@pytest.mark.parametrize("kind", ["relu", "relu6"])
def test_at_the_ends_of_a_rectifier_and_beyond_numbers(kind: str) -> None:
    norm = frozen_norm(kind, 8)
    norm.reset_parameters()
    nn.init.constant_(norm.get_buffer("running_var"), 1 - norm.eps)
    values = torch.tensor([-1.0, -0.0, 0.0, 1e-30, 6.0, 7.0, float("nan"), float("inf")])
    images = values.view(1, 8, 1, 1).repeat(2, 1, 3, 3).contiguous(memory_format=torch.channels_last)
    gradient = random_maps(2, 8, 3, 3)
    for new, old in zip(through(quick(norm), images, gradient), through(norm, images, gradient), strict=True):
        assert_same(new, old)


@pytest.mark.parametrize(
    ("kernel", "dilation", "padding", "shape"),
    [
        (5, 2, 4, (16, 64, 14, 14)),
        (3, 2, 2, (4, 32, 12, 9)),
        (3, (2, 3), (2, 3), (1, 16, 5, 31)),
        ((3, 5), 2, (2, 4), (2, 48, 8, 8)),
        (3, 12, 12, (2, 32, 12, 12)),  # sees nothing but its own pixel, as in the atrous pyramid of a small image
        (3, 36, 36, (8, 32, 12, 12)),
        (3, 24, 24, (3, 32, 7, 19)),
        ((3, 5), 9, (9, 18), (2, 16, 1, 1)),
        (3, 12, 12, (2, 32, 20, 9)),  # sees others in one direction alone
        (3, 4, 4, (1, 8, 1, 40)),
    ],
)
def test_dilated_depthwise_convolutions(kernel, dilation, padding, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    channels = shape[1]
    conv = nn.Conv2d(channels, channels, kernel, padding=padding, dilation=dilation, groups=channels, bias=False)
    assert "forward" in vars(quick(conv))
    images = random_maps(*shape)
    gradient = random_maps(*shape)
    for new, old in zip(through(quick(conv), images, gradient), through(conv, images, gradient), strict=True):
        assert_same(new, old)


@pytest.mark.parametrize(
    ("side", "stride", "shape"), [(3, 2, (4, 32, 64, 48)), (5, 2, (2, 16, 32, 32)), (3, 2, (2, 8, 33, 20))]
)
def test_frozen_convolutions_with_tensorflows_padding(side: int, stride: int, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    channels = shape[1]
    conv = Conv2dSame(channels, channels, side, stride, groups=channels, bias=False).requires_grad_(False)
    assert "forward" in vars(quick(conv))
    images = random_maps(*shape)
    assert_same(quick(conv)(images), conv(images))
    assert_same(quick(conv)(images.requires_grad_()), conv(images))


@pytest.mark.parametrize("shape", [(8, 128, 12, 12), (2, 11, 48, 36), (1, 3, 1, 7)])
def test_upsampling_of_gradients_that_come_in_another_order(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    up = nn.Upsample(scale_factor=4, mode="bilinear", align_corners=True)
    assert "forward" in vars(quick(up))
    images, wide = random_maps(*shape), random_maps(shape[0], shape[1] + 5, 4 * shape[2], 4 * shape[3])
    for gradient in (wide[:, 2:-3], wide[:, 2:-3].contiguous()):  # as after a concatenation, or from a loss
        for new, old in zip(through(quick(up), images, gradient), through(up, images, gradient), strict=True):
            assert_same(new, old)


@pytest.mark.parametrize("dilation", [2, 8])
def test_gradients_are_right_by_finite_differences(dilation: int) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 3, 3, padding=dilation, dilation=dilation, groups=3, bias=False, dtype=torch.float64)
    model = nn.Sequential(conv, frozen_norm("relu6", 3).double(), nn.Upsample(scale_factor=2, mode="bilinear"))
    quick_gradients(model)
    images = torch.randn(2, 3, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model, (images,), nondet_tol=0.0)


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8),  # with bias
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),  # not dilated
        nn.Conv2d(8, 8, 3, padding=2, dilation=2),  # not depthwise
        nn.Conv2d(8, 8, 3, stride=2, padding=2, dilation=2, groups=8, bias=False),
        nn.Conv2d(8, 8, 3, dilation=2, groups=8, bias=False),  # smaller maps
        nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=8, bias=False, padding_mode="reflect"),
        nn.BatchNorm2d(8).eval(),  # learns
        nn.BatchNorm2d(8).requires_grad_(False),  # statistics of the batch
        nn.BatchNorm2d(8, affine=False).eval(),
        frozen_norm("silu", 8),
        Conv2dSame(8, 8, 3, 2),  # learns
        Conv2dSame(8, 8, 3, 1).requires_grad_(False),  # pads alike at both ends
        nn.Upsample(scale_factor=2),
    ],
    ids=str,
)
def test_other_layers_are_left_alone(module: nn.Module) -> None:
    assert "forward" not in vars(quick(module))


def test_nothing_changes_without_gradients_or_in_training_mode_of_a_norm() -> None:
    torch.manual_seed(0)
    norm = frozen_norm("relu6", 8)
    own, images = quick(norm), random_maps(2, 8, 4, 4)
    assert torch.equal(own(images), norm(images))
    assert own(images).grad_fn is None
    own.train(), norm.train()
    assert torch.equal(own(images.requires_grad_()), norm(images))
    assert torch.equal(own.get_buffer("running_mean"), norm.get_buffer("running_mean"))


def test_a_norm_that_is_thawed_learns_again() -> None:
    own = quick(frozen_norm("relu6", 8)).requires_grad_()
    own(random_maps(2, 8, 4, 4).requires_grad_()).sum().backward()
    assert all(parameter.grad is not None for parameter in own.parameters())


class Last(nn.Module):
    def forward(self, maps: list[Tensor]) -> Tensor:
        return maps[-1]


def backbone(name: str) -> nn.Module:
    return timm.create_model(name, features_only=True, output_stride=16, out_indices=(4,))


MODELS = {
    "tf_efficientnet_lite0": lambda: nn.Sequential(backbone("tf_efficientnet_lite0"), Last()),
    "resnet18": lambda: nn.Sequential(backbone("resnet18"), Last()),
    "DeepLabV3Plus": lambda: build_network(4, "DeepLabV3Plus", "tu-tf_efficientnet_lite0", decoder_channels=32),
}


def trained(shortened: bool, name: str) -> dict[str, Tensor]:
    torch.manual_seed(0)
    model = MODELS[name]()
    model.to(memory_format=torch.channels_last)
    freeze_early(encoder_model(model) if name == "DeepLabV3Plus" else model.get_submodule("0"), 2)
    train_mode(model)
    if shortened:
        quick_gradients(model)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(3):
        optimiser.zero_grad()
        model(random_maps(4, 3, 64, 96)).square().mean().backward()
        optimiser.step()
    return model.state_dict()


@pytest.mark.parametrize(
    ("name", "norms", "others"), [("tf_efficientnet_lite0", 48, 6), ("resnet18", 20, 0), ("DeepLabV3Plus", 48, 11)]
)
def test_the_layers_of_these_models_are_found(name: str, norms: int, others: int) -> None:
    model = MODELS[name]()
    freeze_early(encoder_model(model) if name == "DeepLabV3Plus" else model.get_submodule("0"), 2)
    train_mode(model)
    quick_gradients(model)
    found = [isinstance(module, nn.BatchNorm2d) for module in model.modules() if "forward" in vars(module)]
    assert (sum(found), len(found) - sum(found)) == (norms, others)


@pytest.mark.parametrize("name", MODELS)
def test_a_training_ends_with_the_same_weights(name: str) -> None:
    new, old = trained(True, name), trained(False, name)
    assert new.keys() == old.keys()
    for key in old:
        assert_same(new[key], old[key])


def test_copies_and_half_precision_still_compute() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16, bias=False)
    model = nn.Sequential(conv, frozen_norm("relu6", 16))
    plain = copy.deepcopy(model)
    quick_gradients(model)
    images = random_maps(2, 16, 8, 8).requires_grad_()
    twin = copy.deepcopy(model)
    assert vars(twin[0])["forward"].__self__ is twin[0]
    for enabled, module in product((False, True), (model, twin)):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            assert torch.equal(module(images), plain(images))
            module(images).float().sum().backward()
