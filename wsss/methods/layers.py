"""The control of many layers: class maps spread by what the network's earlier layers find alike.

Earlier layers see finer than the last one, and know no classes. Cells whose features are alike share their scores: each
takes the mean of all cells, weighted by the cosine of their features to a power. That is the pixel correlation of SEAM
(Wang et al., CVPR 2020) with no weights of its own to learn, on the features of several layers, as Region-CAM (Cai and
Abhayaratne, arXiv 2510.25134) propagates semantic information stage by stage.
"""

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from wsss.cam.classifier import ClassifierInfo
from wsss.cam.maps import LevelMaps, pyramid_maps, resize_maps, step_of
from wsss.cam.stages import stage_maps
from wsss.data.transforms import scaled_size

__all__ = ["SPREADS", "features_of", "layered_maps", "spread_once"]

SEEN = 2.0
"""Scale of the pass whose features are taken."""

STRIDE = 8
"""Pixels of that pass per cell of the maps that are spread."""

SPREADS: tuple[tuple[tuple[int, int], int, int], ...] = (((2, 8), 12, 1), ((2, 8), 12, 2), ((4, 16), 4, 1))
"""Smallest and largest stride of the layers, power of their cosine, and how often scores are spread, one after the
other: each gives a map. The first and the second see borders, the third what belongs to one thing."""


class _Look(Protocol):
    """What of `wsss.methods.evidence.Look` is needed."""

    model: nn.Module
    info: ClassifierInfo
    image: NDArray[np.uint8]
    present: Sequence[int]
    device: torch.device

    def levels(self, scales: tuple[float, ...], flip: bool) -> LevelMaps: ...


def layered_maps(look: _Look, scales: tuple[float, ...]) -> LevelMaps:
    """The mean of the class maps at `scales`, as it is and spread by each of `SPREADS`: `(1 + 3,K,H,W)`, rectified.

    Args:
        scales: of the passes; `SEEN` is one of them, or the last takes its part.
    """
    scale = SEEN if SEEN in scales else scales[-1]
    rest = [look.levels((each,), False) for each in scales if each != scale]
    with stage_maps(look.model) as stages:
        seen = pyramid_maps(
            look.model, look.info, look.image, look.present, scales=(scale,), flip=False, device=look.device
        )
    start = time.perf_counter()
    size = look.image.shape[0], look.image.shape[1]
    pixels = scaled_size(*size, look.info.base_side, scale, step_of(look.model))
    mean = torch.cat([*(each.maps for each in rest), seen.maps]).relu().mean(dim=0)
    maps = [mean, *(_spread(mean, [one for _, one in stages], pixels, *each) for each in SPREADS)]
    seconds = sum(each.seconds for each in (*rest, seen)) + time.perf_counter() - start
    return LevelMaps(torch.stack(maps), sum(each.megapixels for each in (*rest, seen)), seconds)


def _spread(
    maps: Tensor, stages: Sequence[Tensor], pixels: tuple[int, int], strides: tuple[int, int], power: int, times: int
) -> Tensor:
    """`maps (K,H,W)` after they were spread on cells of `STRIDE` pixels; as they are where no layer has such a stride.

    Args:
        stages: feature maps `(1,C,h,w)` of a pass of so many `pixels` (height, width).
        strides: smallest and largest, of the layers that count.
    """
    cells = max(1, pixels[0] // STRIDE), max(1, pixels[1] // STRIDE)
    own = [one for one in stages if strides[0] <= max(pixels) / max(one.shape[2:]) <= strides[1]]
    if not own or not len(maps):
        return maps
    features, spread = features_of(own, cells), F.adaptive_avg_pool2d(maps[None], cells)[0].flatten(1)
    for _ in range(times):
        spread = spread_once(spread, features, power)
    return resize_maps(spread.view(len(maps), *cells), (maps.shape[1], maps.shape[2]))


def features_of(stages: Sequence[Tensor], cells: tuple[int, int]) -> Tensor:
    """Features `(D,N)` of the N cells, each of length 1, in which every stage counts alike.

    Args:
        stages: maps `(1,C,h,w)`. Each channel is brought to mean 0 and standard deviation 1 over the image, so that
            what is the same everywhere says nothing.
    """
    found = []
    for one in stages:
        finer = one.shape[2] * one.shape[3] > cells[0] * cells[1]
        resized = F.adaptive_avg_pool2d(one, cells) if finer else F.interpolate(one, size=cells, mode="bilinear")
        flat = resized[0].flatten(1)
        flat = flat - flat.mean(dim=1, keepdim=True)
        flat = flat / flat.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-6)
        found.append(F.normalize(flat, dim=0))
    joined: Tensor = torch.cat(found) / len(found) ** 0.5
    return joined


def spread_once(scores: Tensor, features: Tensor, power: int) -> Tensor:
    """Scores `(K,N)` as the mean over all cells, weighted by the rectified cosine of their `features (D,N)` to a power.

    A cell that is like none, itself included, as where there are no features, keeps its scores.
    """
    alike: Tensor = (features.T @ features).clamp_min_(0).pow_(power)
    total = alike.sum(dim=1)
    return torch.where(total > 0, scores @ alike / total.clamp_min(1e-12), scores)
