"""Training-free pixel-adaptive refinement: scores spread to neighbours of like colour, and not across depth jumps.

The kernel of PAMR (Araslanov and Roth, *Single-Stage Semantic Segmentation from Image Labels*, CVPR 2020) with the
dilations and the position term of PAR (Ru et al., *Learning Affinity from Attention*, CVPR 2022). New here: the term of
depth, and the pixel itself among its neighbours, so that one which resembles none of them keeps its score.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["adaptive_kernel", "colour_differences", "depth_differences", "spread"]

DILATIONS = (1, 2, 4, 8, 12, 24)
"""Distances in pixels at which each pixel looks in eight directions."""

_DIRECTIONS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
OFFSETS = ((0, 0), *((d * y, d * x) for d in DILATIONS for y, x in _DIRECTIONS))
"""The 49 neighbours `(down, right)` of a pixel, itself first."""

_POSITION_WEIGHT = 0.01
_EPSILON = 1e-4


def adaptive_kernel(differences: Tensor, colour: float, jumps: Tensor | None = None, jump: float = 1.0) -> Tensor:
    """How much each pixel takes from each of its 49 neighbours: `(N,49,H,W) float32`, summing to 1 over the neighbours.

    A neighbour's weight falls with the square of its difference in colour, and of its difference in depth. Beyond the
    border the outermost pixel is repeated.

    Args:
        differences: `(N,49,H,W)`, from `colour_differences`.
        colour: bandwidth in local standard deviations, > 0.
        jumps: `(N,49,H,W)`, from `depth_differences`; None leaves depth out, and flat depth changes nothing.
        jump: bandwidth of depth, in its unit, > 0.

    Raises:
        ValueError: a bandwidth is not positive, or sizes differ.
    """
    if not (colour > 0 and jump > 0):
        raise ValueError(f"bandwidths must be positive, got colour {colour} and jump {jump}")
    if jumps is not None and jumps.shape != differences.shape:
        raise ValueError(f"depth is {tuple(jumps.shape[2:])}, but the image {tuple(differences.shape[2:])}")
    distance = torch.tensor(
        [y * y + x * x for y, x in OFFSETS], dtype=differences.dtype, device=differences.device
    ).sqrt()
    near = -(distance / distance.std() / colour).square()[None, :, None, None]
    like = differences / -(colour**2)
    if jumps is not None:
        across = jumps / -(jump**2)
        like, near = like.add_(across), near + across
    kernel = like.softmax(dim=1).mul_(1 - _POSITION_WEIGHT)
    return kernel.add_(near.softmax(dim=1), alpha=_POSITION_WEIGHT)


def colour_differences(image: Tensor) -> Tensor:
    """Squared difference in colour to each neighbour `(N,49,H,W)`, in local variances, mean over the channels.

    Args:
        image: `(N,3,H,W) float`, any range.
    """
    total, squares = torch.zeros_like(image), torch.zeros_like(image)
    for beside in _neighbours(image):  # of differences: numbers stay small, and so does their rounding
        apart = beside - image
        total += apart
        squares.addcmul_(apart, apart)
    count = len(OFFSETS)
    variance = ((squares - total.square() / count) / (count - 1)).clamp_min_(0)
    weight = (variance.sqrt() + _EPSILON).square_().reciprocal_() / image.shape[1]
    found = image.new_empty(image.shape[0], count, *image.shape[2:])
    for number, beside in enumerate(_neighbours(image)):
        torch.sum((beside - image).square_().mul_(weight), dim=1, out=found[:, number])
    return found


def depth_differences(depth: Tensor) -> Tensor:
    """Squared difference in depth to each neighbour, `(N,49,H,W)`.

    Args:
        depth: `(N,1,H,W) float` inverse depth in [0, 1]; NaN counts as 0.
    """
    depth = depth.nan_to_num()
    return torch.cat([(beside - depth).square_() for beside in _neighbours(depth)], dim=1)


def _neighbours(maps: Tensor) -> Iterator[Tensor]:
    """`maps (N,C,H,W)` as each of `OFFSETS` sees it from every pixel."""
    height, width = maps.shape[-2:]
    reach = max(DILATIONS)
    padded = F.pad(maps, (reach,) * 4, mode="replicate")
    for y, x in OFFSETS:
        yield padded[..., reach + y : reach + y + height, reach + x : reach + x + width]


def spread(scores: Tensor, kernel: Tensor, iterations: int) -> Tensor:
    """Replace each score by the kernel's mean of its neighbours', again and again.

    Scores stay within their range, and a constant map stays as it is: a background threshold means the same before and
    after.

    Args:
        scores: `(N,K,H,W) float32`; K may be 0.
        kernel: from `adaptive_kernel`.
        iterations: how often, ≥ 0.
    """
    for _ in range(iterations if scores.shape[1] else 0):
        mixed = torch.zeros_like(scores)
        for neighbour, weight in zip(_neighbours(scores), kernel.unbind(1), strict=True):
            mixed.addcmul_(neighbour, weight[:, None])
        scores = mixed
    return scores
