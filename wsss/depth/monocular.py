"""A small network that predicts inverse depth from a photograph: the offline way to a *predicted* depth.

A U-Net of segmentation_models_pytorch on the classifier's own backbone. It is trained (`wsss.depth.training`) up to
scale and shift, as MiDaS is (Ranftl et al., Towards Robust Monocular Depth Estimation, TPAMI 2022), and its output is
normalised like every other source's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from wsss.checks import require_number
from wsss.data.transforms import resize_image, scaled_size, to_tensor
from wsss.errors import WsssError, first_line
from wsss.machine.lazy import needed
from wsss.machine.runtime import autocast, to_device
from wsss.networks.backbones import check_backbone
from wsss.networks.checkpoints import (
    explained,
    load_tensors,
    read_checkpoint,
    require_normalisation,
    write_checkpoint,
)

__all__ = ["DepthNetwork", "load_depth_network", "predict_inverse_depth", "save_depth_network"]

DECODER_CHANNELS = (96, 64, 48, 32, 16)

METADATA = "wsss_depth"
"""Key of the description in a checkpoint."""


@dataclass(frozen=True)
class DepthNetwork:
    """A network with what is needed to use it.

    Attributes:
        module: `(N,3,H,W)` normalised images → `(N,1,H,W)` inverse depth up to scale and shift; H, W multiples of 32.
        backbone: timm name of the encoder.
        mean, std: of the encoder's normalisation, for images in [0, 1].
        side: long side in pixels at which images are looked at.
        trained_on: ids of the images whose depth it has seen; its predictions for them are better than for others.
    """

    module: nn.Module
    backbone: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    side: int
    trained_on: tuple[str, ...]

    @staticmethod
    def build(
        backbone: str, mean: Sequence[float], std: Sequence[float], side: int, trained_on: Sequence[str] = ()
    ) -> "DepthNetwork":
        """A network with random weights; a `WsssError` where the backbone is unknown or makes no encoder of a U-Net."""
        check_backbone(backbone)
        library = needed("segmentation_models_pytorch", "a depth network")
        try:
            module = library.Unet(f"tu-{backbone}", encoder_weights=None, decoder_channels=DECODER_CHANNELS, classes=1)
            _require_any_size(module)
        except Exception as error:  # of two libraries with hundreds of models, each with its own way to say no
            raise WsssError(
                f"a depth network cannot have the backbone {backbone}: {first_line(error)}. "
                "Choose a convolutional one, such as tf_efficientnet_lite0 or resnet50, or another depth source."
            ) from error
        return DepthNetwork(
            module.to(memory_format=torch.channels_last), backbone, tuple(mean), tuple(std), side, tuple(trained_on)
        )


@torch.inference_mode()
def _require_any_size(module: nn.Module) -> None:
    """Raise an error, of whatever type, unless a network answers an image with a map of its size."""
    size = 64, 96
    found = tuple(module.eval()(torch.zeros(1, 3, *size)).shape)
    module.train()
    if found != (1, 1, *size):
        raise WsssError(f"it answers an image of 64×96 pixels with a map of shape {found}")


def save_depth_network(path: Path, network: DepthNetwork) -> None:
    """Write weights and description as one safetensors file, atomically."""
    facts = {name: getattr(network, name) for name in ("backbone", "mean", "std", "side", "trained_on")}
    write_checkpoint(path, network.module, METADATA, facts)


def load_depth_network(path: Path) -> DepthNetwork:
    """Read what `save_depth_network` wrote, in evaluation mode.

    Raises:
        WsssError: the file is missing, broken, holds NaN or infinity, or is no depth network of this package.
    """
    with explained(f"cannot read the depth network {path}", "Train one with `wsss train-depth`."):
        tensors, facts = read_checkpoint(path, METADATA, "depth network")
        require_number("side", facts["side"], 32, 16384, whole=True)
        require_normalisation(facts["mean"], facts["std"])
        network = DepthNetwork.build(**facts)
        load_tensors(network.module, tensors)
    network.module.to(memory_format=torch.channels_last).eval()
    return network


@torch.inference_mode()
def predict_inverse_depth(
    network: DepthNetwork, image: NDArray[np.uint8], device: torch.device | None = None
) -> NDArray[np.float32]:
    """Inverse depth `H×W float32` of `H×W×3 uint8`, up to scale and shift; the mean over the image and its mirror.

    Args:
        network: on `device`; it is left in evaluation mode.
        device: None is the CPU.
    """
    device = device or torch.device("cpu")
    height, width = image.shape[:2]
    size = scaled_size(height, width, network.side, 1.0, step=32)
    tensor = to_device(to_tensor(image, network.mean, network.std)[None], device)
    scaled = resize_image(tensor, size)
    network.module.eval()
    with autocast(device):
        maps = network.module(torch.cat([scaled, scaled.flip(3)]).contiguous(memory_format=torch.channels_last))
    straight, mirrored = maps.float().chunk(2)
    both = (straight + mirrored.flip(3)) / 2
    return F.interpolate(both, size=(height, width), mode="bilinear", align_corners=False)[0, 0].cpu().numpy()
