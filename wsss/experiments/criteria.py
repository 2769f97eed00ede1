"""Thresholds that are chosen without masks: what the scores, the photograph and the classifier themselves say.

Each criterion looks at a few photographs with their tags, and takes one threshold for all of them. Whether one of them
is better than the threshold of a preset is measured in `wsss.experiments.preset_loss`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from skimage.filters import threshold_otsu, threshold_yen

from wsss.analysis.thresholds import THRESHOLDS, pseudo_label
from wsss.data.transforms import resize_image, scaled_size, to_tensor
from wsss.methods.evidence import Look
from wsss.methods.trust import border_alignment

__all__ = [
    "CRITERIA",
    "STATISTICS",
    "STATISTICS_VERSION",
    "TRIED",
    "image_statistics",
    "mean_statistics",
    "thresholds_without_masks",
]

STATISTICS = ("area", "edges", "agreement", "kept", "removed")
"""Rows of `image_statistics`."""

STATISTICS_VERSION = 1
"""Raised whenever the statistics of an image change: part of cache keys."""

CRITERIA: Mapping[str, str] = {
    "area": "as much of the photographs is labelled as the masks of other data say",
    "otsu": "between-class variance of the scores (Otsu 1979)",
    "yen": "entropic correlation of the scores (Yen et al. 1995)",
    "edges": "borders of the labels lie on edges of the photograph",
    "agreement": "agreement, beyond chance, with the labels of equal area from other scales",
    "deletion": "the classifier sees the class in what is labelled and not in the rest, less the labelled area",
}
"""What is largest, or as near as it can be, at the threshold that a criterion takes."""

TRIED = tuple(range(1, len(THRESHOLDS), 3))
"""Places in `THRESHOLDS` of those at which label maps are looked at: 0.04, 0.1, 0.16 … 0.94."""


def image_statistics(
    look: Look, scores: NDArray[np.float32], other: NDArray[np.float32], ranks: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What criteria look at of one image, `(5,47)`: a row for each of `STATISTICS`, NaN at thresholds that are not
    tried, and where the image shows no class.

    Args:
        scores: `(K,H,W)` in [0, 1] of the classes that the image shows.
        other: the same by another method.
        ranks: `H×W`, from `edge_ranks`.
    """
    found, tried = np.full((len(STATISTICS), len(THRESHOLDS)), np.nan), list(TRIED)
    if not len(scores):
        found[0] = 0.0
        return found
    best = scores.max(axis=0)
    found[0] = [(best > threshold).mean() for threshold in THRESHOLDS.astype(np.float32)]
    classes = np.arange(1, len(scores) + 1)
    labels = [pseudo_label(scores, classes, float(THRESHOLDS[place])) for place in TRIED]
    found[1, tried] = [border_alignment(ranks, label) for label in labels]
    found[2, tried] = [kappa(label, of_area(other, int((label > 0).sum()))) for label in labels]
    found[3:, tried] = probabilities_within(look, labels)
    return found


def of_area(scores: NDArray[np.float32], pixels: int) -> NDArray[np.uint8]:
    """Label map of the `pixels` pixels with the highest scores `(K,H,W)`; classes are 1…K."""
    best = scores.max(axis=0).ravel()
    label = np.zeros(best.size, np.uint8)
    chosen = np.argsort(-best, kind="stable")[:pixels]
    label[chosen] = scores.argmax(axis=0).ravel()[chosen] + 1
    return label.reshape(scores.shape[1:])


def kappa(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Cohen's kappa of two label maps, 1 where they agree and 0 by chance; 0 where both are of one label throughout."""
    shares = [np.bincount(each.ravel(), minlength=256) / each.size for each in (first, second)]
    by_chance = float(shares[0] @ shares[1])
    agreed = float((first == second).mean())
    return (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0


def probabilities_within(look: Look, labels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Probability of a class where its label alone is left of the image, and where it is taken out, `(2,N)`.

    Means over the classes that the image shows; what is not seen has the mean colour of the classifier's images.

    Args:
        labels: N label maps `H×W` of classes 1…K.
    """
    info, (height, width) = look.info, look.image.shape[:2]
    size = scaled_size(height, width, info.base_side, 1.0)
    image = resize_image(to_tensor(look.image, info.mean, info.std)[None], size)[0]
    found = []
    for number in range(len(look.present)):
        masks = torch.from_numpy(np.stack([label == number + 1 for label in labels])).float()[:, None]
        masks = F.interpolate(masks, size, mode="area")
        seen = [look.see(list(image * part))[1][:, number].numpy() for part in (masks, 1 - masks)]
        found.append(np.stack(seen))
    return np.asarray(np.mean(found, axis=0, dtype=np.float64))


def mean_statistics(statistics: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means `(5,47)` over images `(N,5,47)`; one that shows no class says the same, 0, of every threshold."""
    mean, tried = statistics.mean(axis=0), list(TRIED)
    mean[1:, tried] = np.nan_to_num(statistics[:, 1:, tried]).mean(axis=0)
    return np.asarray(mean)


def thresholds_without_masks(statistics: NDArray[np.float64], prior: float | None) -> dict[str, float]:
    """The threshold that each criterion takes; scores that are all alike are parted nowhere, and leave out two.

    Args:
        statistics: `(5,47)`, from `mean_statistics`.
        prior: share of the pixels that other data's masks give a class; None leaves out `area`.
    """
    area, edges, agreement, kept, removed = statistics
    share = -np.diff(np.concatenate([[1.0], area, [0.0]]))  # of pixels below each threshold, and above the last
    edge = np.concatenate([[0.0], THRESHOLDS, [1.0]])
    histogram = share, (edge[:-1] + edge[1:]) / 2
    chosen = {
        "edges": int(np.nanargmax(edges)),
        "agreement": int(np.nanargmax(agreement)),
        "deletion": int(np.nanargmax(kept - removed - area)),
    }
    if np.count_nonzero(share) > 1:
        chosen |= {"otsu": _above(threshold_otsu(hist=histogram)), "yen": _above(threshold_yen(hist=histogram))}
    if prior is not None:
        chosen["area"] = int(np.argmin(np.abs(area - prior)))
    return {name: float(THRESHOLDS[chosen[name]]) for name in CRITERIA if name in chosen}


def _above(threshold: float) -> int:
    """The place of the first threshold that leaves the bin of this middle below it."""
    return min(int(np.searchsorted(THRESHOLDS, threshold)), len(THRESHOLDS) - 1)
