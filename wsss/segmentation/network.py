"""Segmentation networks of segmentation_models_pytorch on timm encoders: build, initialise, save, load."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from wsss.errors import WsssError, first_line
from wsss.machine.lazy import lazy, needed
from wsss.networks.backbones import DEFAULT_BACKBONE, check_backbone, load_encoder
from wsss.networks.checkpoints import explained, load_tensors, read_checkpoint, write_checkpoint
from wsss.segmentation.registry import NETWORKS

__all__ = ["build_network", "check_network", "load_network", "save_network"]

timm = lazy("timm")

DEFAULT_ARCHITECTURE, DEFAULT_ENCODER = "DeepLabV3Plus", f"tu-{DEFAULT_BACKBONE}"
STRIDE = 16  # pixels, of the default network
METADATA = "wsss_network"
"""Key of the description in a checkpoint."""

_TIMM = "tu-"  # prefix of timm's models among the library's encoders


def build_network(
    num_classes: int,
    architecture: str = "DeepLabV3Plus",
    encoder: str = "tu-tf_efficientnet_lite0",
    output_stride: int = 16,
    decoder_channels: int = 128,
) -> nn.Module:
    """A network with random weights: `(N, 3, H, W) float32` → logits `(N, num_classes + 1, H, W)`, background first.

    H and W must be multiples of `output_stride` (of 32 in architectures without that option).

    Args:
        num_classes: foreground classes, 1…254.
        architecture: any of segmentation_models_pytorch, DeepLabV3+ (Chen et al., ECCV 2018) by default, or one of
            `register_network`, to which the other arguments mean nothing.
        encoder: name in segmentation_models_pytorch; `tu-NAME` is timm's NAME.
        output_stride: of the encoder, 8 or 16; used by the DeepLab family only.
        decoder_channels: width of the decoder; used by the DeepLab family only. 256, the paper's, trains about a
            fifth slower (192 px crops, the default encoder).

    Raises:
        WsssError: the architecture or the encoder does not exist or they do not go together.
        ValueError: `num_classes` is out of range.
    """
    if not 1 <= num_classes <= 254:
        raise ValueError(f"num_classes must be 1…254 (255 means ignore), got {num_classes}")
    arguments = {
        "num_classes": num_classes,
        "architecture": architecture,
        "encoder": encoder,
        "output_stride": output_stride,
        "decoder_channels": decoder_channels,
    }
    if architecture in NETWORKS:
        return _own_network(arguments)
    library = needed("segmentation_models_pytorch", f"network {architecture}")
    options: dict[str, int] = {}
    if architecture.lower().startswith("deeplab"):
        options = {"encoder_output_stride": output_stride, "decoder_channels": decoder_channels}
    try:
        network = library.create_model(architecture, encoder, encoder_weights=None, classes=num_classes + 1, **options)
    except Exception as error:  # of two libraries with hundreds of models, each with its own way to say no
        raise _refused(architecture, encoder, first_line(error)) from error
    network.build_arguments = arguments
    assert isinstance(network, nn.Module)
    return network


def _own_network(arguments: Mapping[str, Any]) -> nn.Module:
    """A network that `register_network` knows how to build."""
    name, outputs = arguments["architecture"], arguments["num_classes"] + 1
    own = NETWORKS[name]
    try:
        network = own.build(outputs)
    except Exception as error:  # of somebody else's function
        raise WsssError(f"network {name} cannot be built for {outputs} outputs: {first_line(error)}") from error
    if not isinstance(network, nn.Module):
        raise WsssError(f"network {name} must be a torch.nn.Module, not {type(network).__name__}")
    network.build_arguments = dict(arguments)  # type: ignore[assignment]
    return network


def _refused(architecture: str, encoder: str, reason: str) -> WsssError:
    return WsssError(
        f"cannot build {architecture} with encoder {encoder}: {reason}. "
        "Choose names that segmentation_models_pytorch lists (tu-NAME for timm's NAME), such as DeepLabV3Plus or Unet "
        f"with {DEFAULT_ENCODER} or tu-resnet50; or import what registers {architecture}."
    )


@cache
def check_network(architecture: str, encoder: str, crop_size: int) -> None:
    """Raise a `WsssError` unless a network can be built, get a timm backbone's weights and learn on crops of this side.

    It is tried on small images, so that what does not go together is known before anything is computed; once in a
    process.
    """
    if (architecture, encoder) == (DEFAULT_ARCHITECTURE, DEFAULT_ENCODER) and crop_size % STRIDE == 0:
        return  # known to work
    if architecture in NETWORKS:
        _check_own(architecture, crop_size)
        return
    backbone = encoder.removeprefix(_TIMM)
    check_backbone(backbone)  # where its weights come from
    state = torch.random.get_rng_state()
    network = build_network(1, architecture, encoder).eval()
    try:
        load_encoder(network, timm.create_model(backbone, pretrained=False).state_dict())
        with torch.inference_mode():
            shapes = {size: network(torch.zeros(1, 3, *size)).shape[2:] for size in ((crop_size, crop_size), (64, 96))}
    except Exception as error:  # likewise
        raise _refused(architecture, encoder, first_line(error)) from error
    finally:
        torch.random.set_rng_state(state)
    for size, found in shapes.items():
        if size != tuple(found):
            raise _refused(architecture, encoder, f"it answers images of {size[0]}×{size[1]} pixels with other sizes")


def _check_own(architecture: str, crop_size: int) -> None:
    """Raise a `WsssError` unless a user's own network answers images of two sizes with logits of theirs."""
    state = torch.random.get_rng_state()
    try:
        network = build_network(1, architecture).eval()
        for size in ((crop_size, crop_size), (64, 96)):
            with torch.inference_mode():
                found = network(torch.zeros(1, 3, *size))
            if not isinstance(found, torch.Tensor) or found.shape != (1, 2, *size):
                what = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
                raise WsssError(
                    f"network {architecture} must answer images (1, 3, {size[0]}, {size[1]}) with logits (1, 2, "
                    f"{size[0]}, {size[1]}) of one class, and answers with {what}"
                )
    except WsssError:
        raise
    except Exception as error:  # of somebody else's network
        raise WsssError(f"network {architecture} fails on an image: {first_line(error)}") from error
    finally:
        torch.random.set_rng_state(state)


def save_network(path: Path, network: nn.Module, meta: Mapping[str, str]) -> None:
    """Write weights and description as safetensors, atomically.

    Args:
        network: from `build_network`; its arguments are stored under the key `network`, as JSON.
        meta: what else belongs to it, as strings (JSON where it is structured): `classes`, `mean`, `std`, …
            Equal networks with equal descriptions, in whatever order, are written as equal bytes.

    Raises:
        WsssError: the file cannot be written.
    """
    facts = {**meta, "network": json.dumps(network.build_arguments)}
    write_checkpoint(path, network, METADATA, dict(sorted(facts.items())))


def load_network(path: Path) -> tuple[nn.Module, dict[str, str]]:
    """Read what `save_network` wrote: the network, on the CPU in evaluation mode, and its `meta`.

    Raises:
        WsssError: the file is missing, broken, holds NaN or infinity, or is no such checkpoint; the message names it.
    """
    with explained(f"cannot read the network {path}", "Delete the file and train again, or give another one."):
        tensors, meta = read_checkpoint(path, METADATA, "segmentation network", former="network")
        arguments = json.loads(meta.pop("network"))
        if (
            arguments["encoder"].startswith(_TIMM) and arguments["architecture"] not in NETWORKS
        ):  # no file may make timm fetch something from a hub
            check_backbone(arguments["encoder"].removeprefix(_TIMM))
        network = build_network(**arguments)
        load_tensors(network, tensors)
    return network.eval(), meta
