"""What a classifier returns: its logits, told apart from probabilities and from what is no answer."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wsss.errors import WsssError

__all__ = ["STRENGTHS", "logits_of", "noise", "refuse_probabilities", "require_logits"]

STRENGTHS = (1.0, 0.1, 10.0, 100.0)
"""Factors of the noise that shows whether outputs stay in [0, 1] whatever the image."""

_SQUASHING = ("Softmax", "Sigmoid", "Hardsigmoid")
_RESHAPING = ("View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Clone", "ToCopy", "Alias", "Mean", "Select")
_OF_LOGITS = ("Addmm", "Mm", "Bmm", "Add", "Sub", "Convolution", "Mkldnn", "LogSoftmax", "Cat")
"""How the names of autograd's steps begin."""


def logits_of(output: Any, images: Tensor, name: str) -> Tensor:
    """The logits `(N,C)` in what a network `name` returns for `images (N,3,H,W)`.

    They may be it, or be its `.logits`, its `["logits"]`, the first of a list, or maps `(N,C,h,w)` whose mean they are.

    Raises:
        WsssError: there are none; the message says what it returns.
    """
    found = output
    if not isinstance(output, Tensor):
        first = output[0] if isinstance(output, tuple | list) and output else None
        found = getattr(output, "logits", output.get("logits") if isinstance(output, Mapping) else first)
    if isinstance(found, Tensor) and found.dim() == 4:
        found = found.mean(dim=(2, 3))
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != len(images):
        what = tuple(found.shape) if isinstance(found, Tensor) else type(output).__name__
        raise WsssError(f"{name} must give logits (N, classes) of images (N,3,H,W), not {what}")
    return found


def require_logits(logits: Tensor, name: str) -> None:
    """Raise a `WsssError` where logits say nothing: NaN, or 0 throughout."""
    if logits.isnan().any():
        raise WsssError(f"{name} gives NaN for an image of noise: look for NaN among its weights, and load them again")
    if not logits.any():
        raise WsssError(f"{name} gives logits of 0 whatever the image: give a trained classifier")


def refuse_probabilities(outputs: Tensor, name: str, stacklevel: int) -> None:
    """Raise a `WsssError` where outputs `(N,C)` of several images are probabilities, and warn where they may be.

    That they are is certain where a softmax or a sigmoid is the last step, and where each image's sum to 1.

    Args:
        outputs: with their history, as far as they have one.
        stacklevel: of the warning.
    """
    if outputs.min() < 0 or outputs.max() > 1:
        return
    several, last = outputs.shape[1] > 1, _last_step(outputs)
    sums = bool(((outputs.float().sum(dim=1) - 1).abs() < 1e-2).all())
    remedy = "leave its last softmax or sigmoid out, and say which it is with activation="
    if last.startswith(_SQUASHING) or (several and sums):
        raise WsssError(f"{name} gives probabilities, and maps are made of logits: {remedy}")
    if several and not last.startswith(_OF_LOGITS):
        warnings.warn(
            f"all outputs of {name} for images of noise lie in [0, 1]: if they are probabilities, {remedy}",
            stacklevel=stacklevel + 1,
        )


def _last_step(outputs: Tensor) -> str:
    """Autograd's name of the step that made a tensor, but for those that only give it another shape; may be empty."""
    step: Any = outputs.grad_fn
    while step is not None and step.name().startswith(_RESHAPING):
        before = [one for one, _ in step.next_functions if one is not None]
        step = before[0] if before else None
    return "" if step is None else str(step.name())


def noise(height: int, width: int, strengths: tuple[float, ...] = STRENGTHS[:1]) -> Tensor:
    """An image `(N,3,height,width)` of noise, the same at every call, once for each strength."""
    one = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    return torch.cat([one * strength for strength in strengths])
