"""Puts the crops' evidence back into the CAM. Everything is in rectified logits and normalised once, at the end."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wsss.cam.cam import normalise_maps
from wsss.depth.crops import Crop
from wsss.depth.regions import Regions

__all__ = ["Evidence", "FusionParameters", "crop_evidence", "fuse", "region_means", "region_vote"]


@dataclass(frozen=True)
class Evidence:
    """What the classifier says about one image: of the whole at several scales, and of its crops.

    S scales, K present classes, N crops.

    Attributes:
        levels: `(S,K,H,W) float32` rectified class maps of the whole image.
        megapixels: what the backbone has seen, levels and crops together.
        seconds: wall time of it all, region proposal included.
        crops: `(N,K,H,W) float32` rectified class maps of the crops, zero outside their boxes; None without crops.
        crop_probabilities: `(N,K)`, the classifier's probability of each class in each crop.
        plan: the N crops.
        regions: the partition that proposed them.
    """

    levels: Tensor
    megapixels: float
    seconds: float
    crops: Tensor | None = None
    crop_probabilities: Tensor | None = None
    plan: tuple[Crop, ...] = ()
    regions: Regions | None = None


@dataclass(frozen=True)
class FusionParameters:
    """How evidence becomes a map.

    Attributes:
        level_weights: one weight per scale; empty for all alike.
        crop_weight: weight of the crops' evidence beside the whole image's.
        gate: exponent of a crop's class probability; 0 lets every crop vote, large values only the sure ones.
        vote: 0 keeps the fused maps, 1 replaces them inside regions by the regions' votes.
    """

    level_weights: tuple[float, ...] = ()
    crop_weight: float = 1.0
    gate: float = 1.0
    vote: float = 0.0


def crop_evidence(crops: Tensor, probabilities: Tensor, gate: float) -> Tensor:
    """Strongest gated evidence of any crop, `(K,H,W)`: a crop that does not believe in a class says nothing about it."""
    return (crops * (probabilities**gate)[:, :, None, None]).amax(dim=0)


def region_means(maps: Tensor, labels: Tensor, num_regions: int) -> Tensor:
    """Mean of each of `maps (K,H,W)` over each region of `labels (H,W)` int64 in 0…R: `(K,R+1)`; an empty region gives 0."""
    flat = labels.reshape(-1)
    sums = maps.new_zeros(maps.shape[0], num_regions + 1).index_add_(1, flat, maps.flatten(1))
    return sums / torch.bincount(flat, minlength=num_regions + 1).clamp_min(1)


def region_vote(maps: Tensor, evidence: Evidence, gate: float) -> Tensor:
    """Each region votes as one: `(K,H,W)`, constant inside regions that a crop has looked at.

    A region's vote for a class is the mean of `maps` over it (crop and global CAM must agree there) times the class
    probability of the crops that look at it, to the power `gate`. Elsewhere the maps stand as they are.
    """
    assert evidence.regions is not None and evidence.crop_probabilities is not None
    labels = torch.from_numpy(evidence.regions.labels).long()
    count = len(evidence.regions)
    looks = torch.tensor([crop.region for crop in evidence.plan])
    seen = torch.bincount(looks, minlength=count + 1).float()
    belief = torch.zeros(count + 1, maps.shape[0]).index_add_(0, looks, evidence.crop_probabilities)
    belief = belief / seen.clamp_min(1)[:, None]
    votes = region_means(maps, labels, count) * (belief**gate).T
    known = seen > 0
    known[0] = False  # label 0 is "no region": the CAM stands
    return torch.where(known[labels], votes[:, labels], maps)


def fuse(evidence: Evidence, parameters: FusionParameters) -> Tensor:
    """Scores `(K,H,W)` in [0, 1], normalised per class over the image."""
    levels = evidence.levels
    weights = torch.tensor(parameters.level_weights or (1.0,) * len(levels))
    maps = (levels * weights[:, None, None, None]).sum(dim=0) / weights.sum()
    if evidence.crops is not None and evidence.crop_probabilities is not None:
        maps = maps + parameters.crop_weight * crop_evidence(evidence.crops, evidence.crop_probabilities, parameters.gate)
        if parameters.vote > 0:
            vote = region_vote(maps, evidence, parameters.gate)
            maps = (1 - parameters.vote) * maps + parameters.vote * vote
    return normalise_maps(maps)
