"""Dilated depthwise convolutions whose backward pass is fast on the CPU.

oneDNN has fast kernels for the forward pass of depthwise convolutions, dilated or not, but none for the gradient of the input if
they are dilated: it takes ten times as long. That gradient is a depthwise convolution itself, with the kernel turned by 180°.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.grad import conv2d_weight

__all__ = ["depthwise", "is_depthwise"]

Pair = tuple[int, ...]


def is_depthwise(conv: nn.Conv2d) -> bool:
    """Whether `depthwise` computes `conv`: one filter a channel, dilated, without stride, as large a map as the image."""
    return (
        conv.groups == conv.in_channels == conv.out_channels
        and max(conv.dilation) > 1
        and max(conv.stride) == 1
        and tuple(conv.padding) == _same_padding(conv.kernel_size, conv.dilation)
        and all(side % 2 for side in conv.kernel_size)
    )


def _same_padding(kernel: Pair, dilation: Pair) -> Pair:
    return tuple(step * (side // 2) for side, step in zip(kernel, dilation, strict=True))


def depthwise(images: Tensor, weight: Tensor, bias: Tensor | None, dilation: Pair) -> Tensor:
    """Maps `(N,C,H,W)` of images `(N,C,H,W)` and kernels `(C,1,h,w)` of odd sides, padded with zeros; differentiable once."""
    maps: Tensor = _Depthwise.apply(images, weight, bias, dilation)
    return maps


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, dilation: Pair) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.dilation = dilation
        return F.conv2d(images, weight, bias, 1, _same_padding(weight.shape[2:], dilation), dilation, len(weight))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        images, weight = ctx.saved_tensors
        dilation, channels = ctx.dilation, len(weight)
        padding = _same_padding(weight.shape[2:], dilation)
        of_images = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_images = F.conv2d(gradient, weight.flip(2, 3), None, 1, padding, dilation, channels)
        if ctx.needs_input_grad[1]:
            of_weight = conv2d_weight(images, weight.shape, gradient, 1, padding, dilation, channels)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_images, of_weight, of_bias, None
