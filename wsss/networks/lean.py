"""The same network with fewer passes over memory: batch norms whose statistics are fixed are work that weights can do.

Which layers follow each other is read from the order in which a module names its children. That order is a convention,
so every change is tried on random images, and taken back where it changes the answer.
"""

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wsss.machine.lazy import lazy

__all__ = ["inside_padding", "lean_copy"]

layers = lazy("timm.layers")

PROBE_SIDE = 64

Neighbours = tuple[nn.Module, str, nn.Module, str, nn.Module]


def lean_copy(model: nn.Module) -> nn.Module:
    """A copy of `model` for inference alone, in evaluation mode and `channels_last`: the same answers in less time.

    Batch norms are folded into the convolutions before them, padding that needs a copy of the activations becomes a
    part of the kernel, and on the CPU a ReLU or ReLU6 that follows a convolution directly, as in timm's EfficientNets
    but not in its ResNets, is computed while the convolution's results are still at hand. Each of these is done
    everywhere or, where it cannot be done or changes the answer, nowhere. Weights are read once: they must not be
    changed.
    """
    lean = copy.deepcopy(model).eval()
    wanted = _answer(lean)
    for change in (_fold_norms, _pad_inside, _cast_and_rectify):
        changed = copy.deepcopy(lean)
        try:
            change(changed)
        except Exception:  # children that follow each other by name and do not fit together
            continue
        if _same(wanted, _answer(changed)):
            lean = changed
    return lean.to(memory_format=torch.channels_last)


def _neighbours(model: nn.Module) -> Iterator[Neighbours]:
    """Parent, and name and module of each two children that follow each other."""
    for parent in list(model.modules()):
        for (first_name, first), (second_name, second) in pairwise(list(parent.named_children())):
            yield parent, first_name, first, second_name, second


@torch.inference_mode()
def _answer(model: nn.Module) -> Tensor | None:
    """What `model` in evaluation mode says of random images; None where it fails."""
    like = next(model.parameters())
    probe = torch.randn(1, 3, PROBE_SIDE, PROBE_SIDE, generator=torch.Generator().manual_seed(0))
    try:
        answer: Tensor = model(probe.to(like).contiguous(memory_format=torch.channels_last))
        return answer
    except Exception:  # of any module, or of an operator that is not what it was in another version of torch
        return None


def _same(wanted: Tensor | None, got: Tensor | None) -> bool:
    if wanted is None or got is None or not wanted.isfinite().all():
        return False
    return torch.allclose(wanted, got, rtol=1e-3, atol=1e-3 * float(wanted.abs().amax()))


def _fold_norms(model: nn.Module) -> None:
    for parent, conv_name, conv, norm_name, norm in _neighbours(model):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(parent, conv_name, fuse_conv_bn_eval(conv, norm))
            # timm's batch norms carry the activation that follows; a plain one leaves nothing behind.
            setattr(parent, norm_name, getattr(norm, "act", nn.Identity()))


class _PaddedInside(nn.Module):
    """A strided convolution with TensorFlow's padding, one row and column more at the end than at the start.

    With a row and a column of zeros before its kernel both sides are padded alike, and the convolution does it by
    itself instead of reading a padded copy. Results are the same to the bit.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        side, self.stride, padding = conv.kernel_size[0], conv.stride[0], inside_padding(conv)
        assert padding is not None
        inside = nn.Conv2d(conv.in_channels, conv.out_channels, side + 1, self.stride, padding, groups=conv.groups)
        inside.weight, inside.bias = nn.Parameter(F.pad(conv.weight.detach(), (1, 0, 1, 0))), conv.bias
        self.inside: nn.Module = inside
        self.outside: nn.Module = conv

    def forward(self, images: Tensor) -> Tensor:
        """Maps of images `(N,C,H,W)`; those with sides that the stride does not divide are left to the original."""
        divides = not (images.shape[2] % self.stride or images.shape[3] % self.stride)
        maps: Tensor = self.inside(images) if divides else self.outside(images)
        return maps


def _pad_inside(model: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, conv in list(parent.named_children()):
            if isinstance(conv, nn.Conv2d) and conv.bias is not None and inside_padding(conv):
                setattr(parent, name, _PaddedInside(conv))


def inside_padding(conv: nn.Module) -> int | None:
    """Padding with which a strided convolution, zeros before its kernel, needs no padded images.

    Only one with TensorFlow's padding that adds one row and column more at the end than at the start has it; None for
    all else.
    """
    if not isinstance(conv, layers.Conv2dSame):
        return None
    (rows, columns), (stride, other) = conv.kernel_size, conv.stride
    square = rows == columns and stride == other > 1 and conv.dilation == (1, 1)
    return (rows - stride) // 2 + 1 if square and rows > stride and (rows - stride) % 2 else None


class _Convolution(nn.Module):
    """A convolution with its weights in the dtype of autocast once, and with the rectifier after it if there is one.

    With it, it is one step of oneDNN, which writes its results once instead of twice. The operator is what
    `torch.compile` makes of the two, and torch promises nothing about its name: `lean_copy` tries it first.
    """

    def __init__(self, conv: nn.Conv2d, rectifier: nn.Module | None) -> None:
        super().__init__()
        self.conv = conv
        kinds: dict[type, tuple[str, list[float]]] = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}
        self.operation = kinds[type(rectifier)] if rectifier else None
        self.cast: dict[torch.dtype, tuple[Tensor, Tensor | None]] = {}

    def forward(self, images: Tensor) -> Tensor:
        """Maps, in the dtype of autocast where that is on."""
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype
        if kind not in self.cast:
            self.cast[kind] = self.conv.weight.to(kind), None if self.conv.bias is None else self.conv.bias.to(kind)
        images, (weight, bias), conv = images.to(kind), self.cast[kind], self.conv
        if self.operation is None:
            return F.conv2d(images, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)
        geometry = conv.padding, conv.stride, conv.dilation, conv.groups
        maps: Tensor = torch.ops.mkldnn._convolution_pointwise(images, weight, bias, *geometry, *self.operation, "")
        return maps


def _cast_and_rectify(model: nn.Module) -> None:
    if next(model.parameters()).device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return
    for parent, conv_name, conv, act_name, act in _neighbours(model):
        if type(act) not in (nn.ReLU, nn.ReLU6):
            continue
        if isinstance(conv, _PaddedInside) and _is_conv(conv.inside):
            conv.inside, conv.outside = _Convolution(conv.inside, act), nn.Sequential(conv.outside, act)
        elif _is_conv(conv):
            setattr(parent, conv_name, _Convolution(conv, act))
        else:
            continue
        setattr(parent, act_name, nn.Identity())
    for parent in list(model.modules()):
        for name, conv in list(parent.named_children()):
            if _is_conv(conv) and not isinstance(parent, _Convolution):
                setattr(parent, name, _Convolution(conv, None))


def _is_conv(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether it is a plain convolution: subclasses pad in ways of their own."""
    return type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str)
