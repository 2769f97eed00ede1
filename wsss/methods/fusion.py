"""Puts the crops' evidence back into the CAM. Everything is in rectified logits and normalised once, at the end.

Three ways lead from evidence to the map. *Crops* are pasted back where they were cut. *Regions* of depth average, as
far as depth is trusted: every pixel of a region gets the region's mean, first of the whole image's maps, then also of
the crops of it. *Joint regions*, of colour and depth, average beside them, and share their means with neighbours.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from scipy.ndimage import find_objects
from torch import Tensor

from wsss.cam.maps import normalise_maps
from wsss.errors import WsssError
from wsss.methods.crops import Crop
from wsss.methods.diffusion import diffusion
from wsss.methods.parameters import FusionParameters
from wsss.methods.regions import Regions

__all__ = ["Evidence", "crop_evidence", "crop_means", "fuse", "region_averages", "region_means", "shared"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the classifier says about one image: of the whole at several scales, and of its crops.

    S scales, K present classes, N crops.

    Attributes:
        levels: `(S,K,H,W) float32` class maps of the whole image, in logits, not rectified.
        megapixels: what the classifier's backbone has seen, levels and crops together.
        seconds: wall time of it all, region proposal included; predicting the depth is not in it.
        crops: `(N,K,H,W) float32` class maps of the crops, likewise, zero outside their boxes; None without crops.
        crop_probabilities: `(N,K)`, the classifier's probability of each class in each crop as a whole.
        plan: the N crops, whose regions are those of the first partition.
        partitions: whose regions are averaged over; empty where none are.
        joint: a partition by colour and depth together, or None.
        trust: share of the partitions' averages that counts, in [0, 1].
    """

    levels: Tensor
    megapixels: float
    seconds: float
    crops: Tensor | None = None
    crop_probabilities: Tensor | None = None
    plan: tuple[Crop, ...] = ()
    partitions: tuple[Regions, ...] = ()
    joint: Regions | None = None
    trust: float = 1.0

    parts: dict[object, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What `fuse` has computed already: the trials on the tune split share most of it."""

    @property
    def regions(self) -> Regions | None:
        """The partition that the crops belong to; None where nothing is averaged over regions."""
        return self.partitions[0] if self.partitions else None

    def once(self, key: object, compute: Callable[[], Tensor]) -> Tensor:
        """What `compute` returns, computed at the first call with this key."""
        if key not in self.parts:
            self.parts[key] = compute()
        return self.parts[key]


def crop_evidence(crops: Tensor, probabilities: Tensor, gate: float) -> Tensor:
    """Strongest gated evidence of any crop, `(K,H,W)`: a crop that does not believe in a class says nothing about
    it."""
    return crops.relu().mul_((probabilities**gate)[:, :, None, None]).amax(dim=0)


def region_means(maps: Tensor, labels: Tensor, num_regions: int) -> Tensor:
    """Mean of each of `maps (K,H,W)` over each region of `labels (H,W)` int64 in 0…R: `(K,R+1)`; an empty region gives
    0."""
    flat = labels.reshape(-1)
    sums = maps.new_zeros(maps.shape[0], num_regions + 1).index_add_(1, flat, maps.flatten(1))
    return sums / torch.bincount(flat, minlength=num_regions + 1).clamp_min(1)


def crop_means(evidence: Evidence, labels: Tensor) -> dict[int, Tensor]:
    """What the crops say of the region that each looks at: region → `(K,)` rectified mean over the region alone.

    The mean of a map over the region is what global average pooling would be if the region filled the image: a small
    object's logit is no longer thinned out by its surroundings.
    """
    assert evidence.crops is not None
    looks: dict[int, list[Tensor]] = {}
    windows = dict(enumerate(find_objects(labels.numpy()), start=1))  # pixels elsewhere need not be asked
    for maps, crop in zip(evidence.crops, evidence.plan, strict=True):
        if window := windows.get(crop.region):
            own = labels[window] == crop.region
            looks.setdefault(crop.region, []).append(maps[:, *window][:, own].mean(dim=1))
    return {region: torch.stack(means).mean(dim=0).relu() for region, means in looks.items()}


def shared(means: Tensor, regions: Regions, reach: float) -> Tensor:
    """Votes `(K,R+1)` after the regions have shared them with their neighbours; as they are where regions do not
    share."""
    if regions.step is None or not reach:
        return means
    shares = torch.from_numpy(diffusion(regions.step, reach)).to(means.dtype)
    return torch.cat([means[:, :1], means[:, 1:] @ shares.T], dim=1)


def region_averages(maps: Tensor, evidence: Evidence, crop_weight: float, reach: float = 0.0) -> Tensor:
    """Region averages, the mean over the partitions, `(K,H,W)`: constant inside each region of a single partition.

    Args:
        maps: `(K,H,W)` rectified maps of the whole image.
        crop_weight: weight of the crops' mean beside the whole image's, in regions that crops have looked at.
        reach: see `FusionParameters`.
    """
    averages = torch.zeros_like(maps)
    for number, regions in enumerate(evidence.partitions):
        labels = _labels(regions)
        means = region_means(maps, labels, len(regions))
        if number == 0 and evidence.crops is not None and crop_weight > 0:
            for region, seen in crop_means(evidence, labels).items():
                means[:, region] = (means[:, region] + crop_weight * seen) / (1 + crop_weight)
        averages += _on_pixels(shared(means, regions, reach), labels)
    return averages / len(evidence.partitions)


def _labels(regions: Regions) -> Tensor:
    return torch.from_numpy(regions.labels).long()


def _on_pixels(means: Tensor, labels: Tensor) -> Tensor:
    """Means `(K,R+1)` of regions as maps `(K,H,W)`: `means[:, labels]` in a third of its time."""
    return means.index_select(1, labels.flatten()).view(len(means), *labels.shape)


def _weighted(levels: Tensor, level_weights: tuple[float, ...]) -> Tensor:
    """Weighted mean `(K,H,W)` of rectified levels `(S,K,H,W)`."""
    weights = torch.tensor(level_weights or (1.0,) * len(levels))
    if len(weights) != len(levels):
        raise WsssError(f"fusion: {len(weights)} level_weights for {len(levels)} scales; they must be as many")
    return levels.relu().mul_(weights[:, None, None, None]).sum(dim=0) / weights.sum()


def _colour_vote(maps: Tensor, regions: Regions, reach: float) -> Tensor:
    labels = _labels(regions)
    return _on_pixels(shared(region_means(maps, labels, len(regions)), regions, reach), labels)


def fuse(evidence: Evidence, parameters: FusionParameters) -> Tensor:
    """Scores `(K,H,W)` in [0, 1], normalised per class over the image."""
    p, e = parameters, evidence
    level_weights = tuple(p.level_weights)  # JSON makes lists of tuples
    whole = e.once(level_weights, lambda: _weighted(e.levels, level_weights))
    maps = whole
    if e.crops is not None and e.crop_probabilities is not None and p.crop_weight > 0:
        crops, probabilities = e.crops, e.crop_probabilities
        pasted = e.once(("crops", p.gate), lambda: crop_evidence(crops, probabilities, p.gate))
        maps = (whole + p.crop_weight * pasted) / (1 + p.crop_weight)
    if e.partitions and p.vote > 0:
        reach = p.reach if any(regions.step is not None for regions in e.partitions) else 0.0
        key = ("vote", level_weights, p.crop_weight, reach)
        vote = e.once(key, lambda: region_averages(whole, e, p.crop_weight, reach))
        vote = e.trust * vote + (1 - e.trust) * maps
        if e.joint is not None and p.colour > 0:
            regions = e.joint
            of_colour = e.once(("colour", level_weights, p.reach), lambda: _colour_vote(whole, regions, p.reach))
            vote = (1 - p.colour) * vote + p.colour * of_colour
        maps = (1 - p.vote) * maps + p.vote * vote
    return normalise_maps(maps)
