"""Who says where to look: depth layers, and the controls that look at no depth.

A proposal is a list of tight boxes, which `crop_plan` turns into a fixed number of square crops, and the partitions
whose regions vote. Every control goes through the same crops, votes and fusion as depth does.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wsss.methods.colour import cielab, colour_regions, sharing
from wsss.methods.crops import Box, Crop, region_boxes
from wsss.methods.parameters import RegionParameters
from wsss.methods.regions import Regions, aligned_depths, depth_partitions, depth_regions
from wsss.methods.trust import border_alignment, trust_in

__all__ = ["Proposal", "by_boxes", "by_cam", "by_colour", "by_depth", "by_grid", "by_random"]

MIN_CAM_BOX = 50  # pixels: the smallest box of the method's first public code
CAM_BOX_MARGIN = 0.5
RANDOM_SIDES = (0.25, 0.75)  # of the shorter side of the image


@dataclass(frozen=True)
class Proposal:
    """Where to look, and what votes.

    Attributes:
        tight: boxes to look at, in order of importance.
        partitions: partitions of the image whose regions vote, the one that the boxes belong to first; may be empty.
        joint: a partition by colour and depth together that votes beside them, as a second opinion; None without.
        trust: share of the partitions' vote that counts, in [0, 1]; the CAM takes the rest. How much depth counts in
            `joint`, too.
        margin: context of the boxes as a share of their longer side; None takes the crops' own.
    """

    tight: tuple[Crop, ...]
    partitions: tuple[Regions, ...] = ()
    joint: Regions | None = None
    trust: float = 1.0
    margin: float | None = None


def by_depth(
    image: NDArray[np.uint8],
    depth: NDArray[np.float32],
    parameters: RegionParameters,
    ranks: NDArray[np.float32],
    lab: NDArray[np.float32] | None = None,
) -> Proposal:
    """Regions of depth, aligned with the image, and trusted as far as the borders of unaligned depth lie on image
    edges.

    Beside them a second opinion: regions of colour and, as far as it is trusted, of depth.

    Args:
        ranks: `edge_ranks` of the image: the caller's, since they are the same for every depth.
        lab: `cielab` of the image, from a caller that has it.
    """
    aligned = aligned_depths(depth, image, parameters.guides)
    partitions = depth_partitions(aligned, parameters)
    raw = partitions[parameters.guides.index(0)] if 0 in parameters.guides else depth_regions(depth, parameters)
    trust = trust_in(border_alignment(ranks, raw.labels), *parameters.trust)
    widest = aligned[max(parameters.guides)]
    lab = cielab(image) if lab is None else lab
    second = sharing(colour_regions(image, widest, trust, lab), image, widest, trust, lab)
    return Proposal(tuple(region_boxes(partitions[0])), tuple(partitions), second, trust)


def by_colour(regions: Regions, image: NDArray[np.uint8], lab: NDArray[np.float32] | None = None) -> Proposal:
    """The control `rgb-region`: regions of colour instead of depth. Their borders are image edges, so they are
    trusted."""
    return Proposal(tuple(region_boxes(regions)), (sharing(regions, image, lab=lab),))


def by_boxes(boxes: Sequence[Box]) -> Proposal:
    """Boxes that were given, such as those of the true instances: the upper bound `oracle-box`."""
    return Proposal(tuple(Crop(box, 0) for box in boxes))


def by_grid(size: tuple[int, int], count: int) -> Proposal:
    """The control `grid`: the image in rows and columns, as many cells as fit into `count`, then the whole image."""
    rows = max(1, int(np.sqrt(count)))
    columns = max(1, count // rows)
    (height, width), boxes = size, []
    for row in range(rows):
        for column in range(columns):
            top, left = height * row // rows, width * column // columns
            bottom, right = height * (row + 1) // rows, width * (column + 1) // columns
            boxes.append(Crop((top, left, max(bottom, top + 1), max(right, left + 1)), 0))
    whole = [Crop((0, 0, height, width), 0)] * (count - len(boxes))
    return Proposal((*boxes, *whole), margin=0.1)  # a little overlap, so that no object is cut by all cells


def by_random(image: NDArray[np.uint8], count: int) -> Proposal:
    """The control `random`: squares of random place and size; the same image always gets the same."""
    generator = np.random.default_rng(zlib.crc32(image.tobytes()))
    height, width = image.shape[:2]
    low, high = (max(1.0, share * min(height, width)) for share in RANDOM_SIDES)
    boxes = []
    for side in np.exp(generator.uniform(np.log(low), np.log(high), count)).round().astype(int).tolist():
        top, left = (int(generator.integers(max(1, length - side + 1))) for length in (height, width))
        boxes.append(Crop((top, left, min(height, top + side), min(width, left + side)), 0))
    return Proposal(tuple(boxes), margin=0.0)


def by_cam(maps: Tensor) -> Proposal:
    """The control `cam-box`: around each present class, the pixels whose CAM is above the middle of its range.

    What the method's first public code did, with its margin and smallest box. Its upscaling by mean depth has no
    counterpart where every crop is resized to the same side.

    Args:
        maps: `(K,H,W)` rectified class maps of the whole image.
    """
    boxes = []
    for one in maps.numpy():
        if one.max() <= one.min():
            continue
        rows, columns = np.nonzero(one > (one.max() + one.min()) / 2)
        top, bottom = _widened(int(rows.min()), int(rows.max()) + 1, one.shape[0])
        left, right = _widened(int(columns.min()), int(columns.max()) + 1, one.shape[1])
        boxes.append(Crop((top, left, bottom, right), 0))
    return Proposal(tuple(boxes), margin=CAM_BOX_MARGIN)


def _widened(start: int, end: int, length: int) -> tuple[int, int]:
    """An interval made at least `MIN_CAM_BOX` long around its middle, and moved where it would leave `[0, length)`."""
    side = min(length, max(end - start, MIN_CAM_BOX))
    first = min(max(0, start - (side - (end - start)) // 2), length - side)
    return first, first + side
