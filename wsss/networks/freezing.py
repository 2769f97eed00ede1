"""Keeping parts of a pretrained backbone as they are: faster, and batches too small for statistics do no harm."""

import math
import re
from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from wsss.errors import WsssError

__all__ = ["freeze_early", "is_frozen_norm", "require_learning", "train_mode"]

_STEM = re.compile(r"(conv_stem|conv1|bn1|stem)\b|stem_\d+\.")
_STAGE = re.compile(r"(?:layer(?P<from_one>\d+)|(?:blocks|stages)[._](?P<from_zero>\d+))\.")


def freeze_early(backbone: nn.Module, stages: int) -> int:
    """Freeze the stem, the first `stages` stages and every batch norm of a timm CNN, whole or `features_only`.

    Frozen means that the parameters no longer require gradients; the backward pass ends where the last frozen stage
    does. Early filters are generic, so little is lost (Yosinski et al., NeurIPS 2014). Running statistics stay fixed
    only in models that are put into training mode by `train_mode`. A backbone without a convolutional stem (a ViT)
    is left alone.

    Args:
        backbone: names as timm's: `conv_stem, bn1, blocks.i` (EfficientNet, MobileNet), `conv1, bn1, layer1…`
            (ResNet), `stem, stages.i` (ConvNeXt).
        stages: how many stages after the stem; 0 freezes the stem alone.

    Returns:
        The number of frozen parameter tensors.
    """
    if not any(_STEM.match(name) for name, _ in backbone.named_parameters()):
        return 0
    for name, parameter in backbone.named_parameters():
        if _is_early(name, stages):
            parameter.requires_grad_(False)
    for module in backbone.modules():
        if isinstance(module, _BatchNorm):
            module.requires_grad_(False)
            module.eval()
    return sum(not parameter.requires_grad for parameter in backbone.parameters())


def _is_early(name: str, stages: int) -> bool:
    """Whether the parameter belongs to the stem or to one of the first `stages` stages."""
    if stage := _STAGE.match(name):
        number = int(stage["from_one"]) if stage["from_one"] else int(stage["from_zero"]) + 1
        return number <= stages
    return _STEM.match(name) is not None


def train_mode(module: nn.Module) -> nn.Module:
    """`module.train()`, except that frozen batch norms (affine parameters without gradients) keep their statistics."""
    module.train()
    for part in module.modules():
        if is_frozen_norm(part):
            part.eval()
    return module


def is_frozen_norm(module: nn.Module) -> bool:
    """Whether it is a batch norm that has affine parameters, none of which learns."""
    parameters = list(module.parameters(recurse=False))
    return isinstance(module, _BatchNorm) and bool(parameters) and not any(p.requires_grad for p in parameters)


def require_learning(losses: Sequence[float], what: str, learning_rate: float) -> None:
    """Raise a `WsssError` unless all losses are finite: weights of a training that has diverged are not kept."""
    if not all(map(math.isfinite, losses)):
        raise WsssError(
            f"the training of {what} has diverged (its loss is {losses[-1]}): learning_rate is {learning_rate:g}, "
            "lower it"
        )
