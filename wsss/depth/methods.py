"""The methods that are compared: the same classifier, the same image-level classes, other looks at the image.

Each method is a fixed plan of forward passes (`gather`) and a small grid of fusion parameters (`trials`), one of which is
chosen on the tune split. All plans but `cam`'s own scales cost the same megapixels within 5 %.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from wsss.cam.cam import class_maps, pyramid_maps
from wsss.cam.classifier import ClassifierInfo
from wsss.data.transforms import to_tensor
from wsss.depth.crops import CropParameters, crop, crop_plan, hidden_pixels, uncrop
from wsss.depth.fusion import Evidence, FusionParameters
from wsss.depth.regions import RegionParameters, depth_regions
from wsss.errors import WsssError

__all__ = ["METHODS", "Method", "crop_side", "gather", "method"]


@dataclass(frozen=True)
class Method:
    """One way to make seeds.

    Attributes:
        scales, flip: of the passes over the whole image.
        uses_crops: whether depth regions are cropped and looked at.
        trials: fusion parameters to choose from on the tune split.
    """

    scales: tuple[float, ...]
    flip: bool
    uses_crops: bool
    trials: tuple[FusionParameters, ...] = field(default=(FusionParameters(),))


_LEVEL_WEIGHTS = ((1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (1, 2, 2), (2, 2, 1), (0, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 0),
                  (0, 1, 2), (0, 2, 1))  # fmt: skip
_CROP_ONLY = tuple(FusionParameters(crop_weight=w, gate=g) for w, g in product((0.3, 1.0, 3.0, 10.0), (0.5, 1.0, 2.0)))
_DEPTH = tuple(FusionParameters(crop_weight=w, vote=v) for w, v in product((0.3, 1.0, 3.0), (0.25, 0.5, 0.75, 1.0)))

METHODS: dict[str, Method] = {
    "cam": Method((0.5, 1.0, 1.5, 2.0), True, False),
    "zoom": Method((1.0, 2.0, 3.1), False, False, tuple(FusionParameters(level_weights=w) for w in _LEVEL_WEIGHTS)),
    "crop-only": Method((0.5, 1.0), True, True, _CROP_ONLY),
    "depth": Method((0.5, 1.0), True, True, _DEPTH),
}


def method(name: str) -> Method:
    """Look up a method by name.

    Raises:
        WsssError: no such method; the message lists those there are.
    """
    if name not in METHODS:
        raise WsssError(f"unknown method {name!r}; choose from {', '.join(METHODS)}")
    return METHODS[name]


def crop_side(height: int, width: int, base_side: int) -> int:
    """Side of a resized crop: 7/8 of the side of a square as large as the image at scale 1, a multiple of 16."""
    area = height * width * (base_side / max(height, width)) ** 2
    return max(32, 16 * round(0.875 * np.sqrt(area) / 16))


def gather(
    plan: Method,
    model: nn.Module,
    info: ClassifierInfo,
    image: NDArray[np.uint8],
    present: Sequence[int],
    depth: NDArray[np.float32] | None,
    *,
    regions: RegionParameters,
    crops: CropParameters,
    device: torch.device,
) -> Evidence:
    """Run a method's forward passes on one image.

    Args:
        image: `H×W×3 uint8`.
        present: indices 0…C − 1 of the classes that the image-level labels name.
        depth: `H×W float32` inverse depth; only methods that use crops look at it.

    Raises:
        WsssError: the method needs depth and there is none.
    """
    levels = pyramid_maps(model, info, image, present, scales=plan.scales, flip=plan.flip, device=device)
    if not plan.uses_crops:
        return Evidence(levels.maps, levels.megapixels, levels.seconds)
    if depth is None:
        raise WsssError("depth-guided crops need depth: give --depth sensor (if the data has it) or --depth files:DIR")
    start = time.perf_counter()
    height, width = image.shape[:2]
    parts = depth_regions(depth, regions)
    chosen = crop_plan(parts, crops)
    side = crop_side(height, width, info.base_side)
    tensor = to_tensor(image, info.mean, info.std)
    grey = torch.zeros(3)  # the mean colour, after normalisation
    views = []
    for one in chosen:
        hidden = torch.from_numpy(hidden_pixels(parts, one.region, crops))
        views.append(crop(tensor.masked_fill(hidden, 0.0), one.box, side, grey))
    maps, probabilities = class_maps(model, torch.stack(views).to(device), flip=True)
    maps = maps[:, list(present)].cpu()
    pasted = torch.stack([uncrop(map_, one.box, (height, width)) for map_, one in zip(maps, chosen, strict=True)])
    seconds = time.perf_counter() - start
    return Evidence(
        levels=levels.maps,
        megapixels=levels.megapixels + 2 * len(chosen) * side * side / 1e6,
        seconds=levels.seconds + seconds,
        crops=pasted,
        crop_probabilities=probabilities[:, list(present)].cpu(),
        plan=tuple(chosen),
        regions=parts,
    )
