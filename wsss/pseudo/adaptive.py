"""Training-free pixel-adaptive refinement: scores spread to neighbours of like colour, and not across depth jumps.

The kernel of PAMR (Araslanov and Roth, *Single-Stage Semantic Segmentation from Image Labels*, CVPR 2020) with the dilations and
the position term of PAR (Ru et al., *Learning Affinity from Attention*, CVPR 2022). New here: the term of depth, and the pixel
itself among its neighbours, so that one which resembles none of them keeps its score.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["adaptive_kernel", "spread"]

DILATIONS = (1, 2, 4, 8, 12, 24)
"""Distances in pixels at which each pixel looks in eight directions."""

_DIRECTIONS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
OFFSETS = ((0, 0), *((d * y, d * x) for d in DILATIONS for y, x in _DIRECTIONS))
"""The 49 neighbours `(down, right)` of a pixel, itself first."""

_POSITION_WEIGHT = 0.01
_EPSILON = 1e-4


def adaptive_kernel(image: Tensor, colour: float, depth: Tensor | None = None, jump: float = 1.0) -> Tensor:
    """How much each pixel takes from each of its 49 neighbours: `(N,49,H,W) float32`, summing to 1 over the neighbours.

    A neighbour's weight falls with the square of its difference in colour, measured in the local standard deviation, and of its
    difference in depth, measured in `jump`. Beyond the border the outermost pixel is repeated.

    Args:
        image: `(N,3,H,W) float`, any range.
        colour: bandwidth in local standard deviations, > 0.
        depth: `(N,1,H,W) float` inverse depth in [0, 1]; NaN counts as 0. None leaves depth out, and so does a flat one.
        jump: bandwidth of depth, in its unit, > 0.

    Raises:
        ValueError: a bandwidth is not positive, or sizes differ.
    """
    if not (colour > 0 and jump > 0):
        raise ValueError(f"bandwidths must be positive, got colour {colour} and jump {jump}")
    if depth is not None and depth.shape[-2:] != image.shape[-2:]:
        raise ValueError(f"depth is {tuple(depth.shape[-2:])}, but the image {tuple(image.shape[-2:])}")
    like = -(_difference(image) / colour).square_()
    distance = torch.tensor([y * y + x * x for y, x in OFFSETS], dtype=like.dtype, device=image.device).sqrt()
    near = -(distance / distance.std() / colour).square()[None, :, None, None]
    if depth is not None:
        depth = depth.nan_to_num()
        apart = torch.stack([beside - depth for beside in _neighbours(depth)], dim=1)[:, :, 0]
        across = -(apart / jump).square_()
        like, near = like + across, near + across
    return like.softmax(dim=1) * (1 - _POSITION_WEIGHT) + near.softmax(dim=1) * _POSITION_WEIGHT


def _difference(image: Tensor) -> Tensor:
    """Root mean square over channels `(N,49,H,W)` of the difference to each neighbour in local standard deviations."""
    around = torch.stack(list(_neighbours(image)), dim=1)
    deviation = around.std(dim=1, keepdim=True) + _EPSILON
    return ((around - image[:, None]) / deviation).square_().mean(dim=2).sqrt_()


def _neighbours(maps: Tensor) -> Iterator[Tensor]:
    """`maps (N,C,H,W)` as each of `OFFSETS` sees it from every pixel."""
    height, width = maps.shape[-2:]
    reach = max(DILATIONS)
    padded = F.pad(maps, (reach,) * 4, mode="replicate")
    for y, x in OFFSETS:
        yield padded[..., reach + y : reach + y + height, reach + x : reach + x + width]


def spread(scores: Tensor, kernel: Tensor, iterations: int) -> Tensor:
    """Replace each score by the kernel's mean of its neighbours', again and again.

    Scores stay within their range, and a constant map stays as it is: a background threshold means the same before and after.

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
