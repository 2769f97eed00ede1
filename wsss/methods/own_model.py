"""A trained classifier of another library in the form that the methods ask for."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from wsss.cam.adapters import AdaptedClassifier
from wsss.cam.classifier import ClassifierInfo
from wsss.cam.model_facts import class_names, model_facts
from wsss.errors import WsssError
from wsss.methods.choice import Choice
from wsss.methods.registry import method

__all__ = ["adapted", "facts_of", "is_fixed", "of_one_scale"]


def adapted(
    model: nn.Module, classes: Iterable[str] | None = None, layer: str | None = None, **told: Any
) -> tuple[AdaptedClassifier, ClassifierInfo]:
    """A classifier whose class maps the methods can ask for, and what is known of it.

    Args:
        classes: names of its outputs; None takes those that it names.
        layer: see `AdaptedClassifier`.
        told: see `wsss.cam.model_facts.model_facts`.

    Raises:
        WsssError: it has no class maps, or an argument is not what it must be.
    """
    if not isinstance(model, nn.Module):
        raise WsssError(
            f"model must be a torch.nn.Module, such as timm.create_model('resnet50', pretrained=True), not "
            f"{type(model).__name__}; a checkpoint of `wsss train` opens with DepthCAM.from_checkpoint(path)"
        )
    facts = model_facts(model, **told)
    assert facts.mean is not None
    assert facts.std is not None
    assert facts.side is not None
    whole = AdaptedClassifier(model, facts.side, layer)
    if facts.activation == "softmax" and whole.outputs == 1:
        raise WsssError("the softmax of a single output is always 1: give activation='sigmoid'")
    names = class_names(classes, facts, whole.outputs)
    info = ClassifierInfo(
        whole.name, names, whole.step, facts.mean, facts.std, facts.side, {}, activation=facts.activation or ""
    )
    return whole, info


def is_fixed(model: nn.Module) -> bool:
    """Whether a network takes images of one size alone, so that several scales make no sense."""
    return isinstance(model, AdaptedClassifier) and model.fixed


def of_one_scale(choices: Mapping[str, Choice]) -> dict[str, Choice]:
    """What was chosen for methods, without weights of several scales: for networks of one size.

    Those of `layers` stay: they are of several stages at one scale.
    """
    return {
        name: choice
        if method(name).proposal == "layers"
        else replace(choice, parameters=replace(choice.parameters, level_weights=()))
        for name, choice in choices.items()
    }


def facts_of(model: nn.Module, info: ClassifierInfo, device: torch.device) -> dict[str, Any]:
    """What files of results say of a classifier; `fixed` where it takes images of one size alone."""
    by_gradient = model.site.name if isinstance(model, AdaptedClassifier) and not model.exact else None
    return {
        "name": info.backbone,
        "maps": "exact" if by_gradient is None else f"LayerCAM of {by_gradient}",
        "activation": info.activation or None,
        "mean": list(info.mean),
        "std": list(info.std),
        "side": info.base_side,
        "fixed": is_fixed(model),
        "device": str(device),
    }
