"""The same gradients in less time and memory, on the CPU, for two kinds of layers that torch and oneDNN take long for.

Gradients are those of the layers as they come, to the bit: a training that takes less time ends with the same weights.
"""

from collections.abc import Callable
from types import MethodType
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_weight

from wsss.freezing import is_frozen_norm
from wsss.lazy import lazy

__all__ = ["quick_gradients"]

layers = lazy("timm.layers")

Forward = Callable[[Any, Tensor], Tensor]
Rectifier = Literal["none", "relu", "relu6"]


def quick_gradients(model: nn.Module) -> None:
    """Let frozen batch norms and dilated depthwise convolutions of `model`, in place, find their gradients by shorter ways.

    What they compute stays the same, and so do parameters and their names. On other devices than the CPU nothing changes.

    Args:
        model: in training mode, already frozen (`wsss.freezing`).
    """
    for module in model.modules():
        forward: Forward | None = None
        if is_frozen_norm(module) and not module.training and _rectifier(module):
            forward = _frozen_norm
        elif _is_dilated_depthwise(module):
            forward = _dilated_depthwise
        if forward:
            module.forward = MethodType(forward, module)


def _learns_on_cpu(images: Tensor) -> bool:
    """Whether gradients will flow through `images` on the CPU, in one number format."""
    learns = images.requires_grad and torch.is_grad_enabled()
    return learns and images.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


# Batch norms of fixed statistics


def _rectifier(norm: nn.Module) -> Rectifier | None:
    """What a batch norm applies after itself, as timm's do; None where that is something else, or statistics are the batch's."""
    if isinstance(norm, nn.BatchNorm2d) and not norm.track_running_stats:
        return None
    if type(norm) is nn.BatchNorm2d:
        return "none"
    if type(norm) is not layers.BatchNormAct2d or not isinstance(norm.drop, nn.Identity):
        return None
    kinds: dict[type, Rectifier] = {nn.Identity: "none", nn.ReLU: "relu", nn.ReLU6: "relu6"}
    return kinds.get(type(norm.act))


def _frozen_norm(norm: nn.BatchNorm2d, images: Tensor) -> Tensor:
    if norm.training or not _learns_on_cpu(images):
        return type(norm).forward(norm, images)
    maps: Tensor = _FrozenNorm.apply(images, norm, _rectifier(norm))
    return maps


class _FrozenNorm(torch.autograd.Function):
    """A frozen batch norm with its rectifier, whose gradient is a mask and two factors a channel.

    torch's own backward pass also sums over the batch what nobody asks for. It keeps the norm's input, and of ReLU6 a copy of the
    input beside the output, where the output would do.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, norm: nn.BatchNorm2d, rectifier: Rectifier) -> Tensor:
        maps = F.batch_norm(images, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        if rectifier == "relu":
            maps = F.relu_(maps)
        elif rectifier == "relu6":
            maps = F.hardtanh_(maps, 0.0, 6.0)
        ctx.norm, ctx.rectifier = norm, rectifier
        if rectifier != "none":
            ctx.save_for_backward(maps)
        return maps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        norm = ctx.norm
        if ctx.rectifier == "relu":
            gradient = torch.ops.aten.threshold_backward(gradient, *ctx.saved_tensors, 0.0)
        elif ctx.rectifier == "relu6":
            gradient = torch.ops.aten.hardtanh_backward(gradient, *ctx.saved_tensors, 0.0, 6.0)
        # The root in float64 and the factors one after the other, as torch does it.
        scale = (norm.running_var.double() + norm.eps).sqrt().reciprocal().to(gradient.dtype)
        return (gradient * scale[:, None, None]).mul_(norm.weight.detach()[:, None, None]), None, None


# Dilated depthwise convolutions


def _is_dilated_depthwise(module: nn.Module) -> bool:
    """One filter of odd sides for each channel, dilated, without stride and bias, padded so that maps are as large as images."""
    return (
        type(module) is nn.Conv2d
        and module.bias is None
        and module.groups == module.in_channels == module.out_channels
        and max(module.dilation) > 1
        and max(module.stride) == 1
        and all(side % 2 for side in module.kernel_size)
        and module.padding == tuple(d * (k // 2) for d, k in zip(module.dilation, module.kernel_size, strict=True))
        and module.padding_mode == "zeros"
    )


def _dilated_depthwise(conv: nn.Conv2d, images: Tensor) -> Tensor:
    reaches = max(conv.dilation) < min(images.shape[2:])  # else a filter sees next to nothing but its own pixel
    if not reaches or not _learns_on_cpu(images):
        return nn.Conv2d.forward(conv, images)
    maps: Tensor = _DilatedDepthwise.apply(images, conv.weight, conv)
    return maps


class _DilatedDepthwise(torch.autograd.Function):
    """A depthwise convolution that finds the gradient of its input by the same convolution.

    oneDNN has fast kernels for the forward pass of dilated depthwise convolutions, but none for the backward pass, which takes ten
    times as long. That gradient is the convolution with the kernel turned by 180°. Turning the maps instead, there and back, adds
    up the products in the order in which oneDNN would have.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, conv: nn.Conv2d) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.geometry = conv.stride, conv.padding, conv.dilation, conv.groups
        return F.conv2d(images, weight, None, *ctx.geometry)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        images, weight = ctx.saved_tensors
        of_images = of_weight = None
        if ctx.needs_input_grad[0]:
            of_images = F.conv2d(gradient.flip(2, 3), weight, None, *ctx.geometry).flip(2, 3)
        if ctx.needs_input_grad[1]:
            of_weight = conv2d_weight(images, weight.shape, gradient, *ctx.geometry)
        return of_images, of_weight, None
