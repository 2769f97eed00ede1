"""The method's first public code, as a row of the tables: github.com/kowoonho/voc_cam, commit 54be80e.

Around each class's CAM (`find_conf_cam`, `find_crop_box` of its `utility/util.py`) one box is cropped and resized by a
factor that falls with the mean of its depth (`depth_scaling`); of the crop's maps that of the class alone is taken,
divided by its maximum, and fused with the CAM by the pixelwise maximum (`depth_crop_work` of `module/make_cam.py`). So
depth says how much a crop is enlarged, and the CAM where it is. The code's own logs have 63.3 mIoU with crops of
the CAM and 63.4 with depth, on the train split of VOC 2012 at one threshold.

Two things differ, so that it costs what the other methods do: crops are seen once, not at four scales with flip, and
what they leave of the budget is spent on one more pass over the whole image.
"""

import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from wsss.cam.classifier import ClassifierInfo
from wsss.cam.maps import LevelMaps, normalise_maps, present_maps, resize_maps
from wsss.data.transforms import resize_image, to_tensor
from wsss.machine.runtime import to_device
from wsss.methods.crops import Box

__all__ = ["BUDGET", "cam_boxes", "depth_factor", "fused_by_maximum", "last_scale", "view_sizes"]

BUDGET = 15.0
"""Passes at scale 1 that cost as much as all: four scales up to 2, with flip."""

LEAST_PASS = 0.5
"""Scale of the last pass, at least."""

LOWEST = 0.1  # of a normalised CAM: what lies below counts as nothing
MARGIN, LEAST_MARGIN = 0.5, 50  # share of the box's side, and pixels
CELL = 16  # pixels


def cam_boxes(cam: NDArray[np.float32]) -> list[tuple[Box, NDArray[np.bool_]] | None]:
    """The box around each class's CAM, with margin, and the pixels that it is around; None where the CAM is empty.

    Args:
        cam: `(K,H,W)`, each map divided by its maximum.
    """
    found: list[tuple[Box, NDArray[np.bool_]] | None] = []
    for one in cam:
        seen = one[one >= LOWEST]
        if not seen.size:
            found.append(None)
            continue
        inside = one >= seen.min() + (seen.max() - seen.min()) / 2
        rows, columns = np.nonzero(inside)
        top, bottom = _widened(rows.min(), rows.max(), one.shape[0])
        left, right = _widened(columns.min(), columns.max(), one.shape[1])
        found.append(((top, left, bottom, right), inside))
    return found


def _widened(first: Any, last: Any, length: int) -> tuple[int, int]:
    margin = max(int((last - first) * MARGIN), LEAST_MARGIN)
    return max(0, int(first) - margin), min(length, int(last) + margin)


def depth_factor(depth: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """By how much a crop is enlarged: 2 for what is far, 0.8 for what is near.

    Args:
        depth: `H×W` inverse depth in [0, 1]; it is brought to 8 bits, as in the code.
        inside: `H×W`, whose mean depth counts; at least one pixel.
    """
    eight_bits = (255 * depth).astype(np.uint8)
    return float(2 - 0.2 * (eight_bits[inside].mean() // 40))


def view_sizes(
    boxes: Sequence[Box], factors: Sequence[float], size: tuple[int, int], base_side: int, spent: float
) -> list[tuple[int, int]]:
    """Heights and widths of the resized crops in pixels, multiples of 16.

    Where they would leave less than a small pass of the budget, all are made smaller by one factor.

    Args:
        size: `(H, W)` of the image, whose longer side is `base_side` at scale 1.
        spent: what of `BUDGET` the passes before have taken.
    """
    scale = base_side / max(size)
    areas = [f**2 * (b[2] - b[0]) * (b[3] - b[1]) / (size[0] * size[1]) for f, b in zip(factors, boxes, strict=True)]
    left = max(0.0, BUDGET - spent - LEAST_PASS**2)
    shrink = min(1.0, math.sqrt(left / max(sum(areas), 1e-9)))

    def side(pixels: int, factor: float) -> int:
        return max(2 * CELL, CELL * round(pixels * scale * factor * shrink / CELL))

    return [(side(b[2] - b[0], f), side(b[3] - b[1], f)) for f, b in zip(factors, boxes, strict=True)]


def last_scale(pixels: float, size: tuple[int, int], base_side: int) -> float:
    """Scale of the pass that costs what is left of the budget.

    Args:
        pixels: that all other passes have seen.
    """
    return math.sqrt(max(LEAST_PASS**2, BUDGET - pixels / _area(size, base_side)))


def _area(size: tuple[int, int], base_side: int) -> float:
    """Pixels of an image `(H, W)` at scale 1."""
    return size[0] * size[1] * (base_side / max(size)) ** 2


class _Look(Protocol):
    """What of `wsss.methods.evidence.Look` is needed."""

    model: nn.Module
    info: ClassifierInfo
    image: NDArray[np.uint8]
    present: Sequence[int]
    device: torch.device

    def levels(self, scales: tuple[float, ...], flip: bool) -> LevelMaps: ...


def fused_by_maximum(look: _Look, first: LevelMaps, depth: NDArray[np.float32]) -> LevelMaps:
    """The fused CAM as the one level `(1,K,H,W)`, in [0, 1].

    Args:
        first: of passes over the whole image, whose CAM the boxes are around.
        depth: `H×W` inverse depth in [0, 1].
    """
    start = time.perf_counter()
    model, info, size = look.model, look.info, (look.image.shape[0], look.image.shape[1])
    tensor = to_device(to_tensor(look.image, info.mean, info.std)[None], look.device)
    found = cam_boxes(normalise_maps(first.maps.relu().sum(dim=0)).numpy())
    crops = [(number, *one) for number, one in enumerate(found) if one is not None]
    boxes, factors = [box for _, box, _ in crops], [depth_factor(depth, inside) for _, _, inside in crops]
    pixels, pasted = 1e6 * first.megapixels, torch.zeros(len(found), *size)
    views = view_sizes(boxes, factors, size, info.base_side, pixels / _area(size, info.base_side))
    for (number, box, _), view in zip(crops, views, strict=True):
        top, left, bottom, right = box
        seen = resize_image(tensor[:, :, top:bottom, left:right], view)
        maps = present_maps(model, info, seen, [look.present[number]], flip=False)[0][0].relu().cpu()
        pasted[number, top:bottom, left:right] = normalise_maps(resize_maps(maps, (bottom - top, right - left)))[0]
        pixels += view[0] * view[1]
    seconds = time.perf_counter() - start
    last = look.levels((last_scale(pixels, size, info.base_side),), False)
    cam = normalise_maps(torch.cat([first.maps, last.maps]).relu().sum(dim=0))
    megapixels = pixels / 1e6 + last.megapixels
    return LevelMaps(torch.maximum(cam, pasted)[None], megapixels, first.seconds + last.seconds + seconds)
