"""Percentile bootstrap over images (Efron & Tibshirani 1993) of dataset-level figures.

Pixels of an image, and instances in it, are not independent; images are. A resample draws N of N images with
replacement, which is the same as giving each image a multinomial weight: so all resamples are one matrix product.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from wsss.analysis.confusion import intersection_and_union, iou_per_class, mean_iou
from wsss.errors import WsssError

__all__ = [
    "bootstrap_mean_ratio",
    "bootstrap_miou",
    "bootstrap_ratios",
    "image_weights",
    "paired_bootstrap",
    "paired_class_bootstrap",
    "sums_by_image",
]

CHUNK = 250
"""Resamples per matrix product: bounds the weights to 250 × N numbers."""


def bootstrap_miou(
    per_image: np.ndarray | Sequence[np.ndarray], resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Bootstrap interval of the dataset mIoU, in percent.

    Args:
        per_image: `(N, C+1, C+2)` confusions of the images; or `(S, N, C+1, C+2)` of S training seeds on the same
            images, whose mIoU is averaged within each resample.
        resamples: how often N images are drawn.
        seed: of the draws.
        level: of the interval, in (0, 1).

    Raises:
        ValueError: the shape is neither of these.
        WsssError: there is no image.
    """
    return _interval(_resampled_miou(_with_seeds(per_image), resamples, seed), level)


def paired_bootstrap(
    a: np.ndarray | Sequence[np.ndarray],
    b: np.ndarray | Sequence[np.ndarray],
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, tuple[float, float]]:
    """Difference of two methods' dataset mIoU on the same images, a − b in points, and its bootstrap interval.

    Both methods see the same resamples. Arguments as in `bootstrap_miou`; image n must be the same in `a` and `b`, and
    so must training seed s.

    Returns:
        (difference, (low, high)).
    """
    first, second = _paired(a, b)
    difference = np.mean(mean_iou(first.sum(axis=1)) - mean_iou(second.sum(axis=1)))
    resampled = _resampled_miou(first, resamples, seed) - _resampled_miou(second, resamples, seed)
    return float(difference), _interval(resampled, level)


def paired_class_bootstrap(
    a: np.ndarray | Sequence[np.ndarray],
    b: np.ndarray | Sequence[np.ndarray],
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Differences of two methods' IoU for each label, a − b in points averaged over training seeds, and intervals.

    Arguments as in `paired_bootstrap`, whose mIoU is the mean of these IoUs.

    Returns:
        (differences, lows, highs), `(C+1,)` each; NaN for a label that is in no image, neither true nor predicted.
    """
    first, second = _paired(a, b)
    differences = 100 * (_resampled_iou(first, resamples, seed) - _resampled_iou(second, resamples, seed)).mean(axis=1)
    value = (iou_per_class(first.sum(axis=1)) - iou_per_class(second.sum(axis=1))).mean(axis=0)
    return value, *_column_intervals(differences, level)


def bootstrap_ratios(
    numerators: np.ndarray, denominators: np.ndarray, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """M ratios at once on the same resamples: `(N, M)` sums per image → (values, lows, highs), `(M,)` each.

    Resamples in which a ratio has nothing to count are left out of its interval.

    Raises:
        ValueError: the shapes differ.
        WsssError: there is no image.
    """
    values, ratios = _ratios(numerators, denominators, resamples, seed)
    return values, *_column_intervals(ratios, level)


def bootstrap_mean_ratio(
    numerators: np.ndarray, denominators: np.ndarray, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """The mean of M ratios, such as one for each class, and its bootstrap interval: `(N, M)` sums per image.

    Ratios that have nothing to count are left out of the mean, in each resample anew.

    Returns:
        (value, low, high). Raises what `bootstrap_ratios` does.
    """
    values, ratios = _ratios(numerators, denominators, resamples, seed)
    means = _ratio(np.nansum(ratios, axis=1), np.sum(~np.isnan(ratios), axis=1))
    value = _ratio(np.nansum(values), np.sum(~np.isnan(values)))
    return float(value), *_interval(means, level)


def _ratios(
    numerators: np.ndarray, denominators: np.ndarray, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The ratios of the sums over all images `(M,)`, and over each resample `(resamples, M)`."""
    if numerators.shape != denominators.shape:
        raise ValueError(f"numerators are {numerators.shape}, denominators {denominators.shape}")
    num_images, num_ratios = numerators.shape
    sums = np.concatenate([numerators, denominators], axis=1)
    resampled = np.concatenate([weights @ sums for weights in image_weights(num_images, resamples, seed)])
    values = _ratio(numerators.sum(axis=0), denominators.sum(axis=0))
    return values, _ratio(resampled[:, :num_ratios], resampled[:, num_ratios:])


def sums_by_image(images: np.ndarray, values: np.ndarray, num_images: int) -> np.ndarray:
    """Sums `(num_images, M) float64` of values `(objects, M)` over the objects of each image, given by number."""
    sums = np.zeros((num_images, values.shape[1]))
    np.add.at(sums, images, values)
    return sums


def _paired(
    a: np.ndarray | Sequence[np.ndarray], b: np.ndarray | Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Both methods' confusions `(S, N, C+1, C+2)`; a ValueError if they are not of the same images and seeds."""
    first, second = _with_seeds(a), _with_seeds(b)
    if first.shape != second.shape:
        raise ValueError(f"methods are paired image by image, but the confusions are {first.shape} and {second.shape}")
    return first, second


def _with_seeds(per_image: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """Confusions as `(S, N, C+1, C+2)`, S = 1 if there was no dimension for training seeds."""
    confusions = np.asarray(per_image)
    if confusions.ndim not in (3, 4):
        raise ValueError(f"confusions are {confusions.shape}, not (N, C+1, C+2) or (S, N, C+1, C+2)")
    return confusions if confusions.ndim == 4 else confusions[None]


@lru_cache(maxsize=4)
def image_weights(num_images: int, resamples: int, seed: int) -> tuple[np.ndarray, ...]:
    """Chunks `(≤ CHUNK, N) float64` of how often each resample drew each image; the same for the same arguments.

    Kept from call to call, since drawing takes longer than using them: do not write into them.

    Raises:
        WsssError: there is no image.
    """
    if num_images == 0:
        raise WsssError("there is no image to draw from: a bootstrap interval needs at least one scored image")
    generator = np.random.default_rng(seed)
    even = np.full(num_images, 1 / num_images)
    sizes = [min(CHUNK, resamples - start) for start in range(0, resamples, CHUNK)]
    chunks = tuple(generator.multinomial(num_images, even, size=size).astype(np.float64) for size in sizes)
    for chunk in chunks:
        chunk.flags.writeable = False
    return chunks


def _resampled_iou(confusions: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """IoU of every label in every resample: `(S, N, C+1, C+2)` → `(resamples, S, C+1)`, NaN where there is nothing."""
    # Intersection and union are linear in the confusion: 2(C+1) numbers an image say all, instead of (C+1)(C+2).
    sums = np.stack(intersection_and_union(confusions), axis=2)  # (S, N, 2, C+1)
    num_seeds, num_images, _, num_labels = sums.shape
    flat = np.moveaxis(sums, 1, 0).reshape(num_images, num_seeds * 2 * num_labels).astype(np.float64)
    drawn = np.concatenate([weights @ flat for weights in image_weights(num_images, resamples, seed)])
    drawn = drawn.reshape(-1, num_seeds, 2, num_labels)
    return _ratio(drawn[:, :, 0], drawn[:, :, 1])


def _resampled_miou(confusions: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """mIoU in percent of every resample, averaged over training seeds: `(S, N, C+1, C+2)` → `(resamples,)`."""
    iou = _resampled_iou(confusions, resamples, seed)
    return np.asarray(100 * _ratio(np.nansum(iou, axis=2), np.sum(~np.isnan(iou), axis=2)).mean(axis=1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part / whole`, NaN where the whole is 0."""
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def _tails(level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval lies between 0 and 1, not {level}")
    return (1 - level) / 2, (1 + level) / 2


def _column_intervals(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals (lows, highs) of each column, NaN left out; NaN for a column that has nothing else."""
    # A neutral column in the place of an empty one spares nanquantile's warning.
    empty = np.all(np.isnan(values), axis=0)
    lows, highs = np.nanquantile(np.where(empty, 0, values), _tails(level), axis=0)
    return np.where(empty, np.nan, lows), np.where(empty, np.nan, highs)


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Percentile interval of the values that are not NaN; (NaN, NaN) if there is none."""
    finite = values[~np.isnan(values)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, _tails(level))
    return float(low), float(high)
