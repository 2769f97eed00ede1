"""The same network with fewer passes over memory: batch norms whose statistics are fixed are work that weights can do.

Which layers follow each other is read from the order in which a module names its children. That order is a convention, so every
change is tried on random images, and taken back where it changes the answer.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from wsss.depthwise import depthwise, is_depthwise
from wsss.lazy import lazy

__all__ = ["lean_copy", "lean_training"]

layers = lazy("timm.layers")

PROBE_SIDE = 64

Neighbours = tuple[nn.Module, str, nn.Module, str, nn.Module]


def lean_copy(model: nn.Module) -> nn.Module:
    """A copy of `model` for inference alone, in evaluation mode and `channels_last`, that answers the same in less time.

    Batch norms are folded into the convolutions before them, padding that needs a copy of the activations becomes a part of the
    kernel, and on the CPU rectifiers are computed while a convolution's results are still at hand.
    """
    lean = copy.deepcopy(model).eval()
    for change in (_fold_norms, _pad_inside, _fuse_rectifiers):
        changed = copy.deepcopy(lean)
        change(changed)
        if _same(_answer(lean), _answer(changed)):
            lean = changed
    return lean.to(memory_format=torch.channels_last)


@contextmanager
def lean_training(model: nn.Module) -> Iterator[None]:
    """Context in which `model` computes the same outputs and gradients, up to rounding, in less time.

    Frozen batch norms scale the weights instead of the activations, `norm(W x) = (s W) x + b`, and gradients flow on to the same
    parameters. On the CPU dilated depthwise convolutions find the gradient of their input by `wsss.depthwise`.

    Args:
        model: in training mode, already frozen (`wsss.freezing`), its weights loaded. Names and parameters stay as they are.
    """
    before = _answer(model)
    changed: list[nn.Module] = []

    def computes(module: nn.Module, forward: Callable[[Tensor], Tensor]) -> None:
        module.forward = forward
        changed.append(module)

    scaled = [(conv, norm) for _, _, conv, _, norm in _neighbours(model) if _is_conv(conv) and _is_frozen(norm)]
    try:
        for conv, norm in scaled:
            computes(conv, partial(_scaled, conv, *_scale_and_shift(norm)))
            computes(norm, partial(_after_norm, norm))
        for module in model.modules():
            if module not in changed and _is_conv(module) and is_depthwise(module):
                computes(module, partial(_convolved, module))
        if not _same(before, _answer(model)):
            _restore(changed)
        yield
    finally:
        _restore(changed)


def _restore(changed: list[nn.Module]) -> None:
    for module in changed:
        del module.forward
    changed.clear()


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
    modes = {module: module.training for module in model.modules()}
    try:
        answer: Tensor = model.eval()(probe.to(like).contiguous(memory_format=torch.channels_last))
        return answer
    except Exception:  # of any module, or of an operator that is not what it was in another version of torch
        return None
    finally:
        for module, mode in modes.items():
            module.training = mode


def _same(wanted: Tensor | None, got: Tensor | None) -> bool:
    if wanted is None or got is None or not wanted.isfinite().all():
        return False
    return torch.allclose(wanted, got, rtol=1e-3, atol=1e-3 * float(wanted.abs().amax()))


# Inference


def _fold_norms(model: nn.Module) -> None:
    for parent, conv_name, conv, norm_name, norm in _neighbours(model):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(parent, conv_name, fuse_conv_bn_eval(conv, norm))
            # timm's batch norms carry the activation that follows; a plain one leaves nothing behind.
            setattr(parent, norm_name, getattr(norm, "act", nn.Identity()))


class _PaddedInside(nn.Module):
    """A strided convolution with TensorFlow's padding, one row and column more at the end than at the start.

    With a row and a column of zeros before its kernel both sides are padded alike, and the convolution does it by itself instead
    of reading a padded copy. Results are the same to the bit.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        side, self.stride = conv.kernel_size[0], conv.stride[0]
        inside = nn.Conv2d(
            conv.in_channels, conv.out_channels, side + 1, self.stride, (side - self.stride) // 2 + 1, groups=conv.groups
        )  # fmt: skip
        inside.weight, inside.bias = nn.Parameter(F.pad(conv.weight.detach(), (1, 0, 1, 0))), conv.bias
        self.inside: nn.Module = inside
        self.outside: nn.Module = conv

    def forward(self, images: Tensor) -> Tensor:
        """Maps of images `(N,C,H,W)`; where the stride does not divide their sides, padding differs and is left to the original."""
        divides = not (images.shape[2] % self.stride or images.shape[3] % self.stride)
        maps: Tensor = self.inside(images) if divides else self.outside(images)
        return maps


def _pad_inside(model: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, conv in list(parent.named_children()):
            if isinstance(conv, layers.Conv2dSame) and conv.bias is not None and _pads_one_more(conv):
                setattr(parent, name, _PaddedInside(conv))


def _pads_one_more(conv: nn.Conv2d) -> bool:
    (rows, columns), (stride, other) = conv.kernel_size, conv.stride
    return (
        rows == columns
        and stride == other > 1
        and conv.dilation == (1, 1)
        and rows > stride
        and (rows - stride) % 2 == 1
    )


class _Rectified(nn.Module):
    """A convolution with the rectifier after it as one step of oneDNN, which writes its results once instead of twice.

    The operator is what `torch.compile` makes of the two, and torch promises nothing about its name: `lean_copy` tries it first.
    """

    def __init__(self, conv: nn.Conv2d, rectifier: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.operation = ("hardtanh", [0.0, 6.0]) if isinstance(rectifier, nn.ReLU6) else ("relu", [])

    def forward(self, images: Tensor) -> Tensor:
        """Rectified maps, in the number format of autocast where that is on."""
        conv, (name, limits) = self.conv, self.operation
        kind = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else images.dtype
        images, weight = images.to(kind), conv.weight.to(kind)
        bias = None if conv.bias is None else conv.bias.to(kind)
        geometry = conv.padding, conv.stride, conv.dilation, conv.groups
        maps: Tensor = torch.ops.mkldnn._convolution_pointwise(images, weight, bias, *geometry, name, limits, "")
        return maps


def _fuse_rectifiers(model: nn.Module) -> None:
    if next(model.parameters()).device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return
    for parent, conv_name, conv, act_name, act in _neighbours(model):
        if type(act) not in (nn.ReLU, nn.ReLU6):
            continue
        if isinstance(conv, _PaddedInside) and _is_conv(conv.inside):
            conv.inside, conv.outside = _Rectified(conv.inside, act), nn.Sequential(conv.outside, act)
        elif _is_conv(conv):
            setattr(parent, conv_name, _Rectified(conv, act))
        else:
            continue
        setattr(parent, act_name, nn.Identity())


# Training


def _is_conv(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether it is a plain convolution: subclasses pad in ways of their own."""
    return type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str)


def _is_frozen(norm: nn.Module) -> TypeGuard[nn.BatchNorm2d]:
    return (
        isinstance(norm, nn.BatchNorm2d) and not norm.training and not any(p.requires_grad for p in norm.parameters())
    )


def _scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a frozen batch norm multiplies by and adds, `(C,)` each."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    return scale, norm.bias.detach() - norm.running_mean * scale


def _scaled(conv: nn.Conv2d, scale: Tensor, shift: Tensor, images: Tensor) -> Tensor:
    bias = shift if conv.bias is None else shift + conv.bias * scale
    return _convolved(conv, images, conv.weight * scale[:, None, None, None], bias)


def _convolved(conv: nn.Conv2d, images: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """What `conv` makes of `images`, with other weights if they are given."""
    weight, bias = (conv.weight, conv.bias) if weight is None else (weight, bias)
    if is_depthwise(conv) and images.device.type == "cpu":
        return depthwise(images, weight, bias, conv.dilation)
    return F.conv2d(images, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def _after_norm(norm: nn.Module, maps: Tensor) -> Tensor:
    """What timm's batch norms do after normalising; plain ones do nothing."""
    for name in ("drop", "act"):
        maps = getattr(norm, name, nn.Identity())(maps)
    return maps
