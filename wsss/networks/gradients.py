"""Training in less time and memory, on the CPU, by faster equivalents of layers that torch and oneDNN take long for.

Maps and gradients are those of the layers as they come, to the bit: a training that takes less time ends with the same
weights.
"""

from collections.abc import Callable
from types import MethodType
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_weight

from wsss.machine.lazy import lazy
from wsss.networks.freezing import is_frozen_norm
from wsss.networks.lean import inside_padding

__all__ = ["quick_gradients"]

layers = lazy("timm.layers")

Forward = Callable[[Any, Tensor], Tensor]
Rectifier = Literal["none", "relu", "relu6"]


def quick_gradients(model: nn.Module) -> None:
    """Let layers of `model`, in place, find maps and gradients by faster equivalents.

    They are frozen batch norms, dilated depthwise convolutions, frozen convolutions with TensorFlow's padding, and
    upsampling. What they compute stays the same, and so do parameters and their names. On other devices than the CPU
    nothing changes. Two things that work with the layers as they come do not: gradients of gradients, and changing the
    maps of a frozen batch norm in place.

    Args:
        model: in training mode, already frozen (`wsss.networks.freezing`), its parameters in `channels_last`.
    """
    for module in model.modules():
        if forward := _shorter_way(module):
            module.forward = MethodType(forward, module)


def _shorter_way(module: nn.Module) -> Forward | None:
    if is_frozen_norm(module) and not module.training and _rectifier(module):
        return _frozen_norm
    if _is_dilated_depthwise(module):
        return _dilated_depthwise
    if inside_padding(module) and not any(parameter.requires_grad for parameter in module.parameters()):
        return _padded_inside
    if type(module) is nn.Upsample and module.mode == "bilinear":
        return _upsampled
    return None


def _plain_cpu(images: Tensor) -> bool:
    """Whether all is computed on the CPU and in one dtype."""
    return images.device.type == "cpu" and not torch.is_autocast_enabled("cpu")


def _learns_on_cpu(images: Tensor) -> bool:
    """Whether gradients will flow through `images` there."""
    return images.requires_grad and torch.is_grad_enabled() and _plain_cpu(images)


# Batch norms of fixed statistics


def _rectifier(norm: nn.Module) -> Rectifier | None:
    """What a batch norm applies after itself, as timm's do; None of others, or where statistics are the batch's."""
    if isinstance(norm, nn.BatchNorm2d) and not norm.track_running_stats:
        return None
    if type(norm) is nn.BatchNorm2d:
        return "none"
    if type(norm) is not layers.BatchNormAct2d or not isinstance(norm.drop, nn.Identity):
        return None
    kinds: dict[type, Rectifier] = {nn.Identity: "none", nn.ReLU: "relu", nn.ReLU6: "relu6"}
    return kinds.get(type(norm.act))


def _frozen_norm(norm: nn.BatchNorm2d, images: Tensor) -> Tensor:
    if norm.training or not is_frozen_norm(norm) or not _learns_on_cpu(images):
        return type(norm).forward(norm, images)
    maps: Tensor = _FrozenNorm.apply(images, norm, _rectifier(norm))
    return maps


class _FrozenNorm(torch.autograd.Function):
    """A frozen batch norm with its rectifier, whose gradient is a mask and two factors a channel.

    torch's own backward pass also sums over the batch what nobody asks for. It keeps the norm's input, and of ReLU6 a
    copy of the input beside the output, where the output would do.
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
        # The root in float64 and the factors one after the other, as torch does it.
        scale = (norm.running_var.double() + norm.eps).sqrt().reciprocal().to(gradient.dtype)[:, None, None]
        if ctx.rectifier == "relu":
            gradient = torch.ops.aten.threshold_backward(gradient, *ctx.saved_tensors, 0.0).mul_(scale)
        elif ctx.rectifier == "relu6":
            gradient = torch.ops.aten.hardtanh_backward(gradient, *ctx.saved_tensors, 0.0, 6.0).mul_(scale)
        else:
            gradient = gradient * scale
        return gradient.mul_(norm.weight.detach()[:, None, None]), None, None


# Dilated depthwise convolutions


def _is_dilated_depthwise(module: nn.Module) -> bool:
    """One dilated filter of odd sides for each channel, without stride and bias, padded so that sizes stay."""
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
    sides = images.shape[2:]
    if _learns_on_cpu(images) and min(conv.dilation) >= max(sides):
        return _middle_column(conv, images)
    if _learns_on_cpu(images) and max(conv.dilation) < min(sides):
        maps: Tensor = _DilatedDepthwise.apply(images, conv.weight, conv)
        return maps
    return nn.Conv2d.forward(conv, images)


def _middle_column(conv: nn.Conv2d, images: Tensor) -> Tensor:
    """What a filter that reaches no other pixel than its own computes, by its middle column alone.

    The atrous pyramid of DeepLab has such filters in small images. The column and not just its middle, for which oneDNN
    would have another kernel, which sums up the weights' gradient in another order.
    """
    middle = conv.kernel_size[1] // 2
    column = conv.weight[..., middle : middle + 1]
    padding, dilation = (conv.padding[0], 0), (conv.dilation[0], 1)
    return F.conv2d(images, column, None, conv.stride, padding, dilation, conv.groups)  # type: ignore[arg-type]


class _DilatedDepthwise(torch.autograd.Function):
    """A depthwise convolution that finds the gradient of its input by the same convolution.

    oneDNN has fast kernels for the forward pass of dilated depthwise convolutions, but none for the backward pass,
    which takes ten times as long. That gradient is the convolution with the kernel turned by 180°. Turning the maps
    instead, there and back, adds up the products in the order in which oneDNN would have.
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


# Frozen convolutions with TensorFlow's padding


def _padded_inside(conv: nn.Conv2d, images: Tensor) -> Tensor:
    """A strided convolution that pads its kernel instead of a copy of the images; see `wsss.networks.lean`."""
    padding, stride = inside_padding(conv), conv.stride[0]
    divides = not any(side % stride for side in images.shape[2:])
    if padding is None or not divides or images.requires_grad or not _plain_cpu(images):
        return type(conv).forward(conv, images)
    return F.conv2d(images, F.pad(conv.weight, (1, 0, 1, 0)), conv.bias, stride, padding, 1, conv.groups)


# Upsampling


def _upsampled(upsample: nn.Upsample, images: Tensor) -> Tensor:
    """torch has a fast kernel for gradients in `channels_last`, and does not bring others into that order."""
    maps = nn.Upsample.forward(upsample, images)
    if _learns_on_cpu(images) and images.is_contiguous(memory_format=torch.channels_last):
        maps.register_hook(lambda gradient: gradient.contiguous(memory_format=torch.channels_last))
    return maps
