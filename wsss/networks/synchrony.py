"""Trainings of several processes, each with a part of every batch: gradients are averaged, layers see the whole.

The outcome is that of one process with the whole batch, within rounding: batch norm takes mean and variance over all
parts, and dropout draws for the whole batch and applies what falls on its own part.
"""

from collections.abc import Callable
from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from wsss.machine.lazy import lazy
from wsss.machine.processes import num_processes, share, summed

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["accelerated"]

layers = lazy("timm.layers")

Forward = Callable[[Any, Tensor], Tensor]


def accelerated(model: nn.Module) -> tuple[nn.Module, "Accelerator"]:
    """`model` so wrapped that backward passes average gradients over the processes, and what can suspend that.

    In a single process it is the model itself. In several its layers that look at the whole batch, those that take
    statistics or chance from it, then do so over all of them.

    Args:
        model: in training mode, on the device of this process.
    """
    from accelerate import Accelerator

    if num_processes() > 1:
        _see_whole_batch(model)
    # Where tensors lie and in which precision they are is the training's own: accelerate has one of each for good.
    accelerator = Accelerator(device_placement=False)
    wrapped: nn.Module = accelerator.prepare_model(model)
    return wrapped, accelerator


def _see_whole_batch(model: nn.Module) -> None:
    """Let the layers of `model`, in place, that take statistics or chance from a batch see those of all processes.

    Args:
        model: in training mode; frozen batch norms and all layers in evaluation mode stay as they are. All processes
            have the same state of torch's generator, and part `share(n)` of a batch of n.
    """
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.training:
            module.forward = MethodType(_norm, module)  # type: ignore[method-assign]
        elif isinstance(module, _DropoutNd) and module.p > 0:
            module.forward = MethodType(_dropout, module)


class _Total(torch.autograd.Function):
    """Sum over the processes. Each of them learns from it, so the gradients that come back are summed too."""

    @staticmethod
    def forward(_: Any, value: Tensor) -> Tensor:
        value = value.clone()
        dist.all_reduce(value)
        return value

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient


def _total(value: Tensor) -> Tensor:
    result: Tensor = _Total.apply(value)
    return result


def _norm(norm: _BatchNorm, maps: Tensor) -> Tensor:
    """Batch norm of `(N,C,…)` with the mean and variance of all processes' maps."""
    if not norm.training:
        plain: Tensor = type(norm).forward(norm, maps)
        return plain
    values = maps.float()
    others, shape = [0, *range(2, maps.ndim)], [1, -1, *[1] * (maps.ndim - 2)]
    count = summed(torch.tensor(maps.numel() / maps.shape[1], dtype=torch.float64, device=maps.device))
    mean = _total(values.sum(others, dtype=torch.float64)) / count
    centred = values - mean.float().reshape(shape)
    variance = _total(centred.square().sum(others, dtype=torch.float64)) / count
    if norm.track_running_stats:
        _remember(norm, mean, variance * count / (count - 1).clamp(min=1))
    out = centred * torch.rsqrt(variance + norm.eps).float().reshape(shape)
    if norm.affine:
        out = out * norm.weight.reshape(shape) + norm.bias.reshape(shape)
    out = out.to(maps.dtype)
    if isinstance(norm, layers.BatchNormAct2d):
        out = norm.act(norm.drop(out))
    return out


@torch.no_grad()
def _remember(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Take a batch's statistics into the running ones."""
    assert norm.num_batches_tracked is not None
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.num_batches_tracked.add_(1)
    weight = norm.momentum if norm.momentum is not None else 1 / norm.num_batches_tracked.item()
    norm.running_mean.lerp_(mean.float(), weight)
    norm.running_var.lerp_(variance.float(), weight)


def _dropout(dropout: _DropoutNd, maps: Tensor) -> Tensor:
    """Dropout of this process's maps `(N,…)` as one process with the whole batch would draw it."""
    forward: Forward = type(dropout).forward
    if not dropout.training:
        return forward(dropout, maps)
    count = int(summed(torch.tensor(len(maps), device=maps.device)).item())
    last = maps.ndim == 4 and maps.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    whole = torch.ones((count, *maps.shape[1:]), dtype=maps.dtype, device=maps.device).to(memory_format=layout)
    own = share(count)
    return maps * forward(dropout, whole)[own.start :: own.step]
