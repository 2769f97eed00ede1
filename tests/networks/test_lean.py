import copy

import pytest
import timm
import torch
from torch import Tensor, nn

from wsss.networks import lean
from wsss.networks.lean import lean_copy

BACKBONES = {"tf_efficientnet_lite0": 16, "resnet18": 32, "mobilenetv3_small_050": 32, "vit_tiny_patch16_224": None}


def backbone(name: str) -> nn.Module:
    """A timm model of feature maps with random weights and random batch norm statistics."""
    torch.manual_seed(0)
    stride = BACKBONES[name]
    options = {"output_stride": stride} if stride else {"dynamic_img_size": True}
    model = timm.create_model(name, pretrained=False, features_only=True, out_indices=(-1,), **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            randomise(module)
    return nn.Sequential(model, Last()).eval()


def randomise(norm: nn.BatchNorm2d) -> None:
    for name, middle in {"running_mean": 0, "running_var": 1, "weight": 1, "bias": 0}.items():
        norm.state_dict()[name].uniform_(middle - 0.4, middle + 0.4)


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
    assert {"_PaddedInside", "_Convolution"} <= kinds
    assert norms(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_number_format_without_fast_kernels_is_folded_alone() -> None:
    model = backbone("tf_efficientnet_lite0").double()
    images, lean_model = torch.randn(1, 3, 64, 64, dtype=torch.float64), lean_copy(model)
    assert not norms(lean_model)
    assert "_Convolution" not in {type(module).__name__ for module in lean_model.modules()}
    with torch.inference_mode():
        torch.testing.assert_close(lean_model(images), model(images))


@pytest.mark.parametrize(
    ("name", "fused"), [("resnet18", 0), ("mobilenetv3_small_050", 14), ("tf_efficientnet_lite0", 32)]
)
def test_norms_are_folded_and_rectifiers_fused_where_they_follow_directly(name: str, fused: int) -> None:
    modules = list(lean_copy(backbone(name)).modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in modules)
    assert sum(getattr(module, "operation", None) is not None for module in modules) == fused


@pytest.mark.parametrize("change", ["_cast_and_rectify", "_pad_inside"])
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
    monkeypatch.setattr(lean, "_cast_and_rectify", fail)
    model = model.to(memory_format=torch.channels_last)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(lean_copy(model)(images), model(images))


class Order(nn.Module):
    """Names its children in an order in which they are not used."""

    def __init__(self, channels: int, statistics: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3)
        self.norm = nn.BatchNorm2d(4, track_running_stats=statistics)
        self.other = nn.Conv2d(3, 4, 3)
        if statistics:
            randomise(self.norm)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.other(images)) * self.conv(images)[:, :1]


@pytest.mark.parametrize(("channels", "statistics"), [(4, True), (5, True), (4, False)])
def test_children_in_an_unusual_order_are_noticed(channels: int, statistics: bool) -> None:
    torch.manual_seed(0)
    model, images = Order(channels, statistics).eval(), torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(lean_copy(model)(images), model(images))
