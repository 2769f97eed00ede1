"""Crops: square boxes around regions, other layers left out, and the way back into the image.

Boxes are `(top, left, bottom, right)`, half open. A box may reach over the image's edge; what lies outside is filled
with the mean colour on the way out and dropped on the way back, so that the aspect ratio is never changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, find_objects
from torch import Tensor

from wsss.analysis.instances import instances_of
from wsss.cam.maps import resize_maps
from wsss.data.base import Sample
from wsss.data.transforms import resize_image
from wsss.methods.parameters import CropParameters
from wsss.methods.regions import Regions

__all__ = [
    "Box",
    "Crop",
    "crop",
    "crop_plan",
    "hidden_pixels",
    "inside_regions",
    "layered_crop",
    "region_boxes",
    "square_box",
    "true_boxes",
    "uncrop",
    "without_hidden",
]

Box = tuple[int, int, int, int]

BLUR = 31  # pixels, odd: wide enough that nothing of a thing can be recognised


@dataclass(frozen=True)
class Crop:
    """A box, and the region (1…R) that it looks at; 0 for a box that belongs to none, such as the whole image."""

    box: Box
    region: int


def square_box(tight: Box, context: float, min_side: int) -> Box:
    """The square around the centre of `tight` with `context` times its longer side added on each side, ≥ `min_side`."""
    top, left, bottom, right = tight
    side = max(min_side, round(max(bottom - top, right - left) * (1 + 2 * context)))
    first_row, first_column = (top + bottom - side) // 2, (left + right - side) // 2
    return first_row, first_column, first_row + side, first_column + side


def region_boxes(regions: Regions) -> list[Crop]:
    """The tight box of every region, things first, then planes, each by area."""
    slices = enumerate(find_objects(regions.labels), start=1)
    return [Crop((s[0].start, s[1].start, s[0].stop, s[1].stop), number) for number, s in slices if s]


def crop_plan(
    tight: Sequence[Crop], size: tuple[int, int], parameters: CropParameters, context: float | None = None
) -> list[Crop]:
    """Exactly `parameters.count` square crops around tight boxes, in order, then again with twice the context, and so
    on.

    The context ends at twice the box's longer side, and where the crop is as large as the image's longer side.

    Args:
        tight: boxes with the region that each belongs to (0 for none); without any there are views of the whole image.
        size: `(H, W)` of the image.
        context: margin in place of `parameters.context`.
    """
    first = parameters.context if context is None else context
    height, width = size
    targets = [(one.region, one.box) for one in tight] or [(0, (0, 0, height, width))]
    plan = []
    for turn in range(parameters.count):
        region, box = targets[turn % len(targets)]
        margin = min(first * 2 ** (turn // len(targets)), 2.0)
        side = max(box[2] - box[0], box[3] - box[1])
        margin = min(margin, max(0.0, (max(height, width) / side - 1) / 2))
        plan.append(Crop(square_box(box, margin, parameters.min_side), region))
    return plan


def hidden_pixels(regions: Regions, region: int, parameters: CropParameters) -> NDArray[np.bool_]:
    """Which pixels `H×W` a crop of `region` must not see."""
    if parameters.exclude == "box" or region == 0:
        return np.zeros(regions.labels.shape, bool)
    if parameters.exclude == "fill":
        own = regions.labels == region
        return ~np.asarray(binary_dilation(own, iterations=parameters.keep)) if parameters.keep else ~own
    left_out = np.append(False, ~regions.is_plane)
    if parameters.exclude == "nearer" and regions.nearness is not None:
        left_out[1:] &= regions.nearness > regions.nearness[region - 1]
    left_out[region] = False
    return np.asarray(left_out[regions.labels])


def without_hidden(image: Tensor, hidden: Tensor, parameters: CropParameters) -> Tensor:
    """`image (C,H,W)` with its `hidden (H,W)` pixels painted with the mean colour, 0 after normalisation, or
    blurred."""
    if parameters.exclude != "blur":
        return image * ~hidden  # `masked_fill` takes three times as long
    blurred = F.avg_pool2d(image[None], BLUR, stride=1, padding=BLUR // 2, count_include_pad=False)[0]
    return torch.where(hidden, blurred, image)


def layered_crop(image: Tensor, one: Crop, side: int, regions: Regions, parameters: CropParameters) -> Tensor:
    """The crop `(C,side,side)` of a normalised `image (C,H,W)`, without what it must not see of other `regions`.

    Outside the image is the mean colour. Only that part of the image is worked on which the crop shows.
    """
    reach = {"fill": parameters.keep, "blur": BLUR // 2}.get(parameters.exclude, 0)  # of what decides about a pixel
    top, left, bottom, right = one.box
    rows, columns = slice(max(0, top - reach), bottom + reach), slice(max(0, left - reach), right + reach)
    seen = replace(regions, labels=regions.labels[rows, columns])
    hidden = torch.from_numpy(hidden_pixels(seen, one.region, parameters))
    view = without_hidden(image[:, rows, columns], hidden, parameters)
    box = top - rows.start, left - columns.start, bottom - rows.start, right - columns.start
    return crop(view, box, side, image.new_zeros(len(image)))


def crop(image: Tensor, box: Box, side: int, fill: Tensor) -> Tensor:
    """Cut `box` out of `image (C,H,W)` and resize it to `(C,side,side)`, bilinearly; outside is `fill (C,)`."""
    top, left, bottom, right = box
    inside = image[:, max(0, top) : bottom, max(0, left) : right]
    canvas = fill[:, None, None].expand(-1, bottom - top, right - left).clone()
    row, column = max(0, -top), max(0, -left)
    canvas[:, row : row + inside.shape[1], column : column + inside.shape[2]] = inside
    return resize_image(canvas[None], (side, side))[0]


def uncrop(maps: Sequence[Tensor], boxes: Sequence[Box], size: tuple[int, int]) -> Tensor:
    """Inverse of `crop` for N crops: put maps `(K,h,w)` back to where their boxes were in an image of `size (H,W)`.

    Returns:
        `(N,K,H,W)`, zero outside of each box.
    """
    height, width = size
    out = maps[0].new_zeros(len(maps), maps[0].shape[0], height, width)
    for canvas, one, (top, left, bottom, right) in zip(out, maps, boxes, strict=True):
        whole = resize_maps(one, (bottom - top, right - left))
        rows, columns = slice(max(0, top), min(height, bottom)), slice(max(0, left), min(width, right))
        inside = whole[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        canvas[:, rows, columns] = inside
    return out


def inside_regions(pasted: Tensor, plan: Sequence[Crop], regions: Regions, widened: int, trust: float = 1.0) -> Tensor:
    """Maps `(N,K,H,W)` of N crops without what lies outside of the thing that each looks at; those of planes stay.

    Args:
        plan: the crops, of `regions`.
        widened: pixels by which a region is widened: cells of the class maps are larger than its border is sharp.
        trust: in [0, 1], the share of what lies outside that is taken away.
    """
    kept = pasted.clone()
    for maps, one in zip(kept, plan, strict=True):
        if one.region and not regions.is_plane[one.region - 1]:
            own = regions.labels == one.region
            own = binary_dilation(own, iterations=widened) if widened else own
            maps *= torch.from_numpy(np.where(own, np.float32(1), np.float32(1 - trust)))
    return kept


def true_boxes(sample: Sample) -> list[Box]:
    """The tight boxes of the sample's visible objects, largest first."""
    objects = instances_of(sample)
    found = find_objects(objects.map, max_label=len(objects.area))
    order = np.argsort(-objects.area, kind="stable")
    slices = [found[number] for number in order if found[number]]
    return [(s[0].start, s[1].start, s[0].stop, s[1].stop) for s in slices]
