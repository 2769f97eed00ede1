"""Puts the crops' evidence back into the CAM. Everything is in rectified logits and normalised once, at the end."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wsss.cam.cam import normalise_maps
from wsss.depth.crops import Crop
from wsss.depth.regions import Regions

__all__ = ["Evidence", "FusionParameters", "crop_evidence", "fuse", "region_beliefs", "region_means", "region_vote"]


@dataclass(frozen=True)
class Evidence:
    """What the classifier says about one image: of the whole at several scales, and of its crops.

    S scales, K present classes, N crops.

    Attributes:
        levels: `(S,K,H,W) float32` class maps of the whole image, in logits, not rectified.
        megapixels: what the backbone has seen, levels and crops together.
        seconds: wall time of it all, region proposal included.
        crops: `(N,K,H,W) float32` class maps of the crops, likewise, zero outside their boxes; None without crops.
        crop_probabilities: `(N,K)`, the classifier's probability of each class in each crop as a whole.
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
        gate: exponent of class probabilities; 0 lets every crop speak, large values only the sure ones.
        vote: 0 keeps the fused maps, 1 replaces them inside regions by the regions' votes.
    """

    level_weights: tuple[float, ...] = ()
    crop_weight: float = 1.0
    gate: float = 1.0
    vote: float = 0.0


def crop_evidence(crops: Tensor, probabilities: Tensor, gate: float) -> Tensor:
    """Strongest gated evidence of any crop, `(K,H,W)`: a crop that does not believe in a class says nothing about it."""
    return (crops.relu() * (probabilities**gate)[:, :, None, None]).amax(dim=0)


def region_means(maps: Tensor, labels: Tensor, num_regions: int) -> Tensor:
    """Mean of each of `maps (K,H,W)` over each region of `labels (H,W)` int64 in 0…R: `(K,R+1)`; an empty region gives 0."""
    flat = labels.reshape(-1)
    sums = maps.new_zeros(maps.shape[0], num_regions + 1).index_add_(1, flat, maps.flatten(1))
    return sums / torch.bincount(flat, minlength=num_regions + 1).clamp_min(1)


def region_beliefs(evidence: Evidence) -> Tensor:
    """Probability `(K,R+1)` of each class in each region: logits pooled over the region alone, then squashed.

    They come from the crops that look at the region (mean over them) or, where no crop does, from the whole image's maps.
    """
    assert evidence.regions is not None
    assert evidence.crops is not None
    labels, count = _labels(evidence.regions), len(evidence.regions)
    beliefs = region_means(evidence.levels.mean(dim=0), labels, count).sigmoid()
    looks: dict[int, list[Tensor]] = {}
    for maps, crop in zip(evidence.crops, evidence.plan, strict=True):
        own = labels == crop.region
        looks.setdefault(crop.region, []).append(maps[:, own].mean(dim=1).sigmoid())
    for region, probabilities in looks.items():
        beliefs[:, region] = torch.stack(probabilities).mean(dim=0)
    return beliefs


def region_vote(maps: Tensor, evidence: Evidence, gate: float) -> Tensor:
    """Each region votes as one: `(K,H,W)`, constant inside regions.

    A region's vote for a class is the mean of `maps` over it (where crop and global CAM must agree) times the probability of
    the class in the region, to the power `gate`.
    """
    assert evidence.regions is not None
    labels = _labels(evidence.regions)
    votes = region_means(maps, labels, len(evidence.regions)) * region_beliefs(evidence) ** gate
    return votes[:, labels]


def _labels(regions: Regions) -> Tensor:
    return torch.from_numpy(regions.labels).long()


def fuse(evidence: Evidence, parameters: FusionParameters) -> Tensor:
    """Scores `(K,H,W)` in [0, 1], normalised per class over the image."""
    levels = evidence.levels
    weights = torch.tensor(parameters.level_weights or (1.0,) * len(levels))
    maps = (levels.relu() * weights[:, None, None, None]).sum(dim=0) / weights.sum()
    if evidence.crops is not None and evidence.crop_probabilities is not None:
        maps = maps + parameters.crop_weight * crop_evidence(
            evidence.crops, evidence.crop_probabilities, parameters.gate
        )
        if parameters.vote > 0:
            vote = region_vote(maps, evidence, parameters.gate)
            maps = (1 - parameters.vote) * maps + parameters.vote * vote
    return normalise_maps(maps)
