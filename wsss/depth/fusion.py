"""Puts the crops' evidence back into the CAM. Everything is in rectified logits and normalised once, at the end.

Two ways lead from evidence to the map, and both leave the CAM alone where they know nothing better. *Crops* are pasted back where
they were cut. *Regions* vote: every pixel of a region gets the region's mean, first of the whole image's maps, then also
of the crops that looked at it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from wsss.cam.cam import normalise_maps
from wsss.depth.crops import Crop
from wsss.depth.regions import Regions

__all__ = ["Evidence", "FusionParameters", "crop_evidence", "crop_means", "fuse", "region_means", "region_votes"]


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
        plan: the N crops, whose regions are those of the first partition.
        partitions: whose regions vote; empty where none do.
        colour: a partition by colour as a second opinion, or None.
        trust: share of the partitions' vote that counts, in [0, 1].
    """

    levels: Tensor
    megapixels: float
    seconds: float
    crops: Tensor | None = None
    crop_probabilities: Tensor | None = None
    plan: tuple[Crop, ...] = ()
    partitions: tuple[Regions, ...] = ()
    colour: Regions | None = None
    trust: float = 1.0

    @property
    def regions(self) -> Regions | None:
        """The partition that the crops belong to; None where no region votes."""
        return self.partitions[0] if self.partitions else None


@dataclass(frozen=True)
class FusionParameters:
    """How evidence becomes a map.

    Attributes:
        level_weights: one weight per scale; empty for all alike.
        crop_weight: weight of the crops' evidence beside the whole image's, ≥ 0.
        gate: exponent of a crop's class probability; 0 lets every crop speak, large values only the sure ones.
        vote: 0 keeps the maps, 1 replaces them by the regions' votes.
        colour: share of the colour regions in the vote.
    """

    level_weights: tuple[float, ...] = ()
    crop_weight: float = 0.0
    gate: float = 1.0
    vote: float = 0.0
    colour: float = 0.0


def crop_evidence(crops: Tensor, probabilities: Tensor, gate: float) -> Tensor:
    """Strongest gated evidence of any crop, `(K,H,W)`: a crop that does not believe in a class says nothing about it."""
    return (crops.relu() * (probabilities**gate)[:, :, None, None]).amax(dim=0)


def region_means(maps: Tensor, labels: Tensor, num_regions: int) -> Tensor:
    """Mean of each of `maps (K,H,W)` over each region of `labels (H,W)` int64 in 0…R: `(K,R+1)`; an empty region gives 0."""
    flat = labels.reshape(-1)
    sums = maps.new_zeros(maps.shape[0], num_regions + 1).index_add_(1, flat, maps.flatten(1))
    return sums / torch.bincount(flat, minlength=num_regions + 1).clamp_min(1)


def crop_means(evidence: Evidence, labels: Tensor) -> dict[int, Tensor]:
    """What the crops say of the region that each looks at: region → `(K,)` rectified mean over the region alone.

    The mean of a map over the region is what global average pooling would be if the region filled the image: a small object's
    logit is no longer thinned out by its surroundings.
    """
    assert evidence.crops is not None
    looks: dict[int, list[Tensor]] = {}
    for maps, crop in zip(evidence.crops, evidence.plan, strict=True):
        if crop.region:
            looks.setdefault(crop.region, []).append(maps[:, labels == crop.region].mean(dim=1))
    return {region: torch.stack(means).mean(dim=0).relu() for region, means in looks.items()}


def region_votes(maps: Tensor, evidence: Evidence, crop_weight: float) -> Tensor:
    """The partitions' vote, their mean, `(K,H,W)`: constant inside each region of a single partition.

    Args:
        maps: `(K,H,W)` rectified maps of the whole image.
        crop_weight: weight of the crops' mean beside the whole image's, in regions that crops have looked at.
    """
    votes = torch.zeros_like(maps)
    for number, regions in enumerate(evidence.partitions):
        labels = _labels(regions)
        means = region_means(maps, labels, len(regions))
        if number == 0 and evidence.crops is not None and crop_weight > 0:
            for region, seen in crop_means(evidence, labels).items():
                means[:, region] = (means[:, region] + crop_weight * seen) / (1 + crop_weight)
        votes += means[:, labels]
    return votes / len(evidence.partitions)


def _labels(regions: Regions) -> Tensor:
    return torch.from_numpy(regions.labels).long()


def fuse(evidence: Evidence, parameters: FusionParameters) -> Tensor:
    """Scores `(K,H,W)` in [0, 1], normalised per class over the image."""
    levels, p = evidence.levels, parameters
    weights = torch.tensor(p.level_weights or (1.0,) * len(levels))
    whole = (levels.relu() * weights[:, None, None, None]).sum(dim=0) / weights.sum()
    maps = whole
    if evidence.crops is not None and evidence.crop_probabilities is not None and p.crop_weight > 0:
        pasted = crop_evidence(evidence.crops, evidence.crop_probabilities, p.gate)
        maps = (whole + p.crop_weight * pasted) / (1 + p.crop_weight)
    if evidence.partitions and p.vote > 0:
        vote = region_votes(whole, evidence, p.crop_weight)
        vote = evidence.trust * vote + (1 - evidence.trust) * maps
        if evidence.colour is not None and p.colour > 0:
            labels = _labels(evidence.colour)
            vote = (1 - p.colour) * vote + p.colour * region_means(whole, labels, len(evidence.colour))[:, labels]
        maps = (1 - p.vote) * maps + p.vote * vote
    return normalise_maps(maps)
