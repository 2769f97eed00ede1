"""Who says where to look: regions of depth, and the controls that use no depth.

A proposal is a list of tight boxes, which `crop_plan` turns into a fixed number of square crops, and the partitions
whose regions are averaged over. Every control goes through the same crops, averages and fusion as depth does.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wsss.errors import WsssError, first_line
from wsss.methods.colour import cielab, colour_regions, sharing
from wsss.methods.crops import Box, Crop, region_boxes
from wsss.methods.parameters import ColourParameters, RegionParameters
from wsss.methods.quantisation import evened
from wsss.methods.regions import Regions, aligned_depths, depth_partitions, depth_regions
from wsss.methods.registry import PROPOSALS
from wsss.methods.trust import border_alignment, trust_in

__all__ = ["Proposal", "by_boxes", "by_cam", "by_colour", "by_depth", "by_grid", "by_own", "by_random"]

MIN_CAM_BOX = 50  # pixels: the smallest box of the method's first public code
CAM_BOX_MARGIN = 0.5
RANDOM_SIDES = (0.25, 0.75)  # of the shorter side of the image


@dataclass(frozen=True, eq=False)
class Proposal:
    """Where to look, and what is averaged over.

    Attributes:
        tight: boxes to look at, in order of importance.
        partitions: partitions of the image into regions, the one that the boxes belong to first; may be empty.
        joint: a partition by colour and depth together that is averaged over beside them; None without.
        trust: share of the partitions' averages that counts, in [0, 1]; the CAM takes the rest. How much depth
            counts in `joint`, too.
        margin: context of the boxes as a share of their longer side; None takes the crops' own.
        layered: whether crops leave out the other regions of the first partition (`CropParameters.exclude`).
    """

    tight: tuple[Crop, ...]
    partitions: tuple[Regions, ...] = ()
    joint: Regions | None = None
    trust: float = 1.0
    margin: float | None = None
    layered: bool = False


def by_depth(
    image: NDArray[np.uint8],
    depth: NDArray[np.float32],
    parameters: RegionParameters,
    ranks: NDArray[np.float32],
    lab: NDArray[np.float32] | None = None,
    colour: ColourParameters | None = None,
) -> Proposal:
    """Regions of depth, aligned with the image, and trusted as far as the borders of unaligned depth lie on image
    edges.

    Beside them a second opinion: regions of colour and, as far as it is trusted, of depth.

    Args:
        ranks: `edge_ranks` of the image: the caller's, since they are the same for every depth.
        lab: `cielab` of the image, from a caller that has it.
        colour: of the second opinion, whose regions are those of `rgb-region` where depth is not trusted.
    """
    depth = evened(depth, parameters.even)
    aligned = aligned_depths(depth, image, parameters.guides)
    partitions = depth_partitions(aligned, parameters)
    raw = partitions[parameters.guides.index(0)] if 0 in parameters.guides else depth_regions(depth, parameters)
    trust = trust_in(border_alignment(ranks, raw.labels), *parameters.trust)
    widest = aligned[max(parameters.guides)]
    lab = cielab(image) if lab is None else lab
    joint = colour_regions(image, widest, trust, lab, colour)
    second = sharing(joint, image, depth, trust, lab, parameters.barrier)
    return Proposal(tuple(region_boxes(partitions[0])), tuple(partitions), second, trust, layered=True)


def by_colour(regions: Regions, image: NDArray[np.uint8], lab: NDArray[np.float32] | None = None) -> Proposal:
    """The controls `rgb-region` and `rgb-crop`: regions of colour instead of depth. Their borders are image edges, so
    they are trusted."""
    return Proposal(tuple(region_boxes(regions)), (sharing(regions, image, lab=lab),), layered=True)


def by_boxes(boxes: Sequence[Box]) -> Proposal:
    """Boxes that were given, such as those of the true instances in `oracle-box`."""
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


def by_own(name: str, image: NDArray[np.uint8], depth: NDArray[np.float32] | None) -> Proposal:
    """What a user's own proposal says, see `register_proposal`.

    Masks are regions, largest first; where they overlap the smaller one is above. What none covers is the last region.

    Raises:
        WsssError: the function fails, or gives something else than it says; the message names it.
    """
    own, size = PROPOSALS[name], (image.shape[0], image.shape[1])
    try:
        found = np.asarray(own.propose(image, depth if own.uses_depth else None))
    except Exception as error:  # of somebody else's function
        raise WsssError(
            f"proposal {name} fails on an image of {size[1]}×{size[0]} pixels: {first_line(error)}"
        ) from error
    if own.gives == "boxes":
        return by_boxes([_whole_box(name, box, size) for box in _array(name, found, (4,), np.integer)])
    regions = _stacked(_array(name, found, size, np.bool_))
    return Proposal(tuple(region_boxes(regions)), (sharing(regions, image),))


def _array(name: str, found: NDArray[Any], shape: tuple[int, ...], kind: type[Any]) -> NDArray[Any]:
    """What a proposal gives, `(N, *shape)`; nothing at all will do for none."""
    if not found.size:
        return np.zeros((0, *shape), bool)
    if found.shape[1:] != shape or not np.issubdtype(found.dtype, kind):
        boxes = "boxes (N, 4) of integers"
        expected = boxes if len(shape) == 1 else f"masks (N, {shape[0]}, {shape[1]}) of bool"
        raise WsssError(f"proposal {name} must give {expected}, and gives {found.dtype} {found.shape}")
    return found


def _whole_box(name: str, box: NDArray[Any], size: tuple[int, int]) -> Box:
    top, left, bottom, right = (int(edge) for edge in box)
    if not (0 <= top < bottom <= size[0] and 0 <= left < right <= size[1]):
        raise WsssError(
            f"proposal {name} gives the box {(top, left, bottom, right)}, which is no (top, left, bottom, right) "
            f"inside an image of {size} (H, W)"
        )
    return top, left, bottom, right


def _stacked(masks: NDArray[np.bool_]) -> Regions:
    """A partition of the image from masks `(N,H,W)`, the larger below the smaller; what shows of none is left out."""
    below = np.zeros(masks.shape[1:], np.int32)
    for number in np.argsort(-masks.sum(axis=(1, 2)), kind="stable"):
        below[masks[number]] = number + 1
    order = [
        number
        for number in np.argsort(-np.bincount(below.ravel()), kind="stable")
        if number and (below == number).any()
    ]
    if (below == 0).any():
        order.append(0)
    table = np.zeros(len(masks) + 1, np.int32)
    table[order] = np.arange(1, len(order) + 1)
    return Regions(table[below], np.array([number == 0 for number in order]))
