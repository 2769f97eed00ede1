"""The part of a timm backbone that class maps are made from: its last feature maps, in one form for all models.

Convolutional networks come with the output stride that is asked for. All other models keep their own cells, such as
patches; their maps are brought into the order `(N,C,h,w)` and go through the model's last normalisation, as they do
before its own classifier.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsss.errors import WsssError, first_line
from wsss.machine.lazy import lazy
from wsss.machine.runtime import autocast
from wsss.networks.backbones import DEFAULT_BACKBONE, check_backbone

__all__ = ["Features", "Sides", "check_class_maps", "feature_maps", "features_version"]

timm = lazy("timm")

STRIDES = (8, 16, 32)
OWN = 32  # the stride of a convolutional network as it comes
STEP = 16  # pixels, of which convolutional networks are given multiples by `wsss.cam.maps`
EXAMPLES = f"{DEFAULT_BACKBONE}, resnet50, convnext_tiny, vit_small_patch16_224 or swin_tiny_patch4_window7_224"
_PROBED = 64  # pixels: about the side of the images that a model is tried on
_LONG = 2048  # pixels: about the longest side, of flat images; some models have positions up to a number only


@dataclass(frozen=True)
class Sides:
    """Sides in pixels of the images that a model takes: multiples of `step`, at least `least`; step 1 is any."""

    step: int = 1
    least: int = 1

    def fitted(self, images: Tensor) -> Tensor:
        """`images (N,3,H,W)`, resized to the nearest sides that the model takes where theirs are others."""
        height, width = images.shape[2:]
        size = self.nearest(height), self.nearest(width)
        return images if size == (height, width) else F.interpolate(images, size=size, mode="bilinear")

    def nearest(self, side: int) -> int:
        """The side that the model takes in place of `side`."""
        return max(self.least, self.step * round(side / self.step))


@dataclass(frozen=True)
class Features:
    """A backbone without its classifier.

    Attributes:
        module: images `(N,3,H,W)` → a list, the last entry of which is `(N,channels,h,w)`; cells cover the image
            evenly.
        channels: of the maps.
        sides: of the images that it takes.
    """

    module: nn.Module
    channels: int
    sides: Sides


class _Whole(nn.Module):
    """A whole timm model that hands out its last feature maps, as its own classifier would be given them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        model.prune_intermediate_layers(1, prune_norm=False, prune_head=True)  # what nothing learns is not kept either
        self.model = model
        self.norm = True

    def forward(self, images: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.model.forward_intermediates(
            images, indices=1, norm=self.norm, output_fmt="NCHW", intermediates_only=True
        )
        return maps


def feature_maps(backbone: str, output_stride: int = 16) -> Features:
    """The feature maps of a timm model with random weights.

    A model is tried on small images first, so that one that does not give class maps is known before anything is
    computed.

    Args:
        output_stride: pixels per cell, 8, 16 or 32, of a convolutional network that can be dilated. Other models keep
            their own.

    Raises:
        WsssError: timm has no such model; or it has no class maps, takes images of one size only, or has not that
            stride.
    """
    check_backbone(backbone)
    try:
        dilated = _dilated(backbone, output_stride)
    except Exception as error:  # the models of a library of hundreds, each with its own way to say no
        reason = first_line(error)
        _require_stride(backbone, output_stride)
    else:
        if found := _tried(dilated, Sides()):
            return found
        reason = "it fails on images of other sides than its own"
    for build in _whole_models(backbone):
        try:
            whole = build()
            cell, own = _cell_and_side(whole.model)
        except Exception as error:  # likewise
            reason = first_line(error)
            continue
        for step in sorted({cell, own}):
            for least in (step, 2 * step, 4 * step):
                if step % cell == 0 and (found := _tried(whole, Sides(step, least), cell)):
                    return found
        reason = "it does not take images of every size, or its cells do not cover an image evenly"
    raise WsssError(
        f"timm's {backbone} gives no class maps that can be used: {reason}. Choose another backbone, such as "
        f"{EXAMPLES}."
    )


@cache
def check_class_maps(backbone: str, output_stride: int) -> Sides:
    """The sides that a backbone takes, or the `WsssError` of `feature_maps`; a model is tried once in a process."""
    if backbone == DEFAULT_BACKBONE and output_stride in STRIDES:
        return Sides()  # known
    state = torch.random.get_rng_state()
    found = feature_maps(backbone, output_stride)
    torch.random.set_rng_state(state)
    return found.sides


def features_version(backbone: str, output_stride: int) -> dict[str, int]:
    """What enters cache keys for how maps are made: nothing of dilated networks, for which that has not changed."""
    return {} if check_class_maps(backbone, output_stride) == Sides() else {"features": 2}


def _dilated(backbone: str, output_stride: int) -> Any:
    """A convolutional network of this stride; any exception where timm's model is none, or has not that stride."""
    return timm.create_model(
        backbone, pretrained=False, features_only=True, out_indices=(-1,), output_stride=output_stride
    )


def _require_stride(backbone: str, output_stride: int) -> None:
    """Raise a `WsssError` if the model can be dilated, but not to this output stride."""
    having = [stride for stride in STRIDES if _builds(partial(_dilated, backbone, stride))]
    if set(having) - {OWN}:
        names = " or ".join(map(str, having))
        raise WsssError(f"{backbone} has no output stride of {output_stride} pixels: output_stride may be {names}")


def _builds(build: Callable[[], object]) -> bool:
    try:
        build()
    except Exception:  # see `feature_maps`
        return False
    return True


def _whole_models(backbone: str) -> Iterator[Callable[[], _Whole]]:
    """Ways to make the whole model, those first in which it takes images of any size."""
    options: tuple[dict[str, bool], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})
    for more in options:
        yield partial(_whole, backbone, more)


def _whole(backbone: str, more: dict[str, bool]) -> _Whole:
    return _Whole(timm.create_model(backbone, pretrained=False, **more))


def _cell_and_side(model: Any) -> tuple[int, int]:
    """Pixels per cell of a model's last maps, and the side of the images that it was made for."""
    return int(model.feature_info[-1]["reduction"]), int(model.pretrained_cfg["input_size"][-1])


def _tried(module: nn.Module, sides: Sides, cell: int | None = None) -> Features | None:
    """`module` as `Features` that take images of `sides`; None where it fails on some, or gives no maps.

    Args:
        cell: pixels per cell that the maps must have; None asks nothing of them.
    """
    some, step = sides.least * -(-_PROBED // sides.least), sides.step
    if cell is None:
        sizes = [(_PROBED, _PROBED + STEP)]
    else:
        long = step * (_LONG // step)
        sizes = [(some, some + step), (sides.least, long), (some + step, sides.least), (long, sides.least)]
    for norm in (
        (True, False) if isinstance(module, _Whole) else (True,)
    ):  # models without one refuse to be asked for it
        if isinstance(module, _Whole):
            module.norm = norm
        channels = _channels(module, sizes[0], cell)
        if channels and all(_channels(module, size, cell) == channels for size in sizes[1:]):
            return Features(module, channels, sides)
    return None


@torch.inference_mode()
def _channels(module: nn.Module, size: tuple[int, int], cell: int | None) -> int | None:
    """Channels of the last maps of an image of this size; None where the model fails or the cells are others."""
    was_training = module.training
    try:
        with autocast(torch.device("cpu")):
            maps = module.eval()(torch.zeros(1, 3, *size))[-1]
    except Exception:  # see `feature_maps`
        return None
    finally:
        module.train(was_training)
    if not isinstance(maps, Tensor) or maps.dim() != 4:
        return None
    whole = cell is None or maps.shape[2:] == tuple(side // cell for side in size)
    return maps.shape[1] if whole else None
