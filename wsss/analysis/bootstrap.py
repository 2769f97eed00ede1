"""Percentile bootstrap over scenes (Efron & Tibshirani 1993) of dataset-level figures.

Pixels of an image, objects in it, and images of one scene are not independent; scenes are. A resample draws N of N
scenes with replacement, all images of a scene together, which is the same as giving each scene a multinomial weight: so
all resamples are one matrix product. Where nothing is said of scenes, each image is one of its own.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wsss.analysis.confusion import intersection_and_union, mean_iou
from wsss.errors import WsssError

__all__ = [
    "RESAMPLES",
    "TAILS",
    "bootstrap_miou",
    "bootstrap_ratios",
    "column_intervals",
    "draw_weights",
    "interval_of",
    "known_mean",
    "mean_of_iou",
    "paired_bootstrap",
    "ratio",
    "resampled_iou",
    "resampled_ratios",
    "sums_by_group",
]

RESAMPLES = 20_000
"""Of every interval, unless it is said otherwise."""

TAILS = (1 - 0.95) / 2, (1 + 0.95) / 2
"""The quantiles at which every interval ends."""

CHUNK = 500
"""Resamples per matrix product: bounds the weights in use to 500 × N numbers."""

Confusions = NDArray[np.int64] | Sequence[NDArray[np.int64]]
Floats = NDArray[np.float64]
Scenes = NDArray[np.int64] | None
"""`(N,)` number of the scene of each image; None makes each image one of its own."""


def bootstrap_miou(
    per_image: Confusions, resamples: int = RESAMPLES, seed: int = 0, scenes: Scenes = None
) -> tuple[float, float]:
    """95 % bootstrap interval of the dataset mIoU, in percent.

    Args:
        per_image: `(N, C+1, C+2)` confusions of the images; or `(S, N, C+1, C+2)` of S training seeds on the same
            images, whose mIoU is averaged within each resample.
        resamples: how often as many scenes are drawn as there are.
        seed: of the draws.
        scenes: `(N,)`, which images are of one scene.

    Raises:
        ValueError: the shape is neither of these, or not every image has a scene.
        WsssError: there is no image.
    """
    return interval_of(mean_of_iou(resampled_iou(per_image, resamples, seed, scenes)))


def paired_bootstrap(
    a: Confusions, b: Confusions, resamples: int = RESAMPLES, seed: int = 0, scenes: Scenes = None
) -> tuple[float, tuple[float, float]]:
    """Difference of two methods' dataset mIoU on the same images, a − b in points, and its bootstrap interval.

    Both methods see the same resamples. Arguments as in `bootstrap_miou`; image n must be the same in `a` and `b`, and
    so must training seed s.

    Returns:
        (difference, (low, high)).
    """
    first, second = _paired(a, b)
    difference = np.mean(mean_iou(first.sum(axis=1)) - mean_iou(second.sum(axis=1)))
    drawn = [mean_of_iou(resampled_iou(each, resamples, seed, scenes)) for each in (first, second)]
    return float(difference), interval_of(drawn[0] - drawn[1])


def bootstrap_ratios(
    numerators: Floats, denominators: Floats, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Floats, Floats, Floats]:
    """M ratios at once on the same resamples: `(G, M)` sums per scene → (values, lows, highs), `(M,)` each.

    Resamples in which a ratio has nothing to count are left out of its interval.

    Raises:
        ValueError: the shapes differ.
        WsssError: there is no scene.
    """
    drawn = resampled_ratios(numerators, denominators, resamples, seed)
    return ratio(numerators.sum(axis=0), denominators.sum(axis=0)), *column_intervals(drawn)


def resampled_ratios(
    numerators: Floats, denominators: Floats, resamples: int = RESAMPLES, seed: int = 0
) -> NDArray[np.float64]:
    """M ratios of sums in every resample: `(G, M)` sums per scene → `(resamples, M)`, NaN where there is nothing."""
    if numerators.shape != denominators.shape:
        raise ValueError(f"numerators are {numerators.shape}, denominators {denominators.shape}")
    num_ratios = numerators.shape[1]
    drawn = _drawn_sums(np.concatenate([numerators, denominators], axis=1), resamples, seed)
    return ratio(drawn[:, :num_ratios], drawn[:, num_ratios:])


def resampled_iou(per_image: Confusions, resamples: int = RESAMPLES, seed: int = 0, scenes: Scenes = None) -> Floats:
    """IoU in percent of every label in every resample, `(resamples, S, C+1)`, NaN where there is nothing.

    Arguments and errors as of `bootstrap_miou`.
    """
    confusions = _with_seeds(per_image)
    # Intersection and union are linear in the confusion: 2(C+1) numbers an image say all, instead of (C+1)(C+2).
    sums = np.stack(intersection_and_union(confusions), axis=2)  # (S, N, 2, C+1)
    num_seeds, num_images, _, num_labels = sums.shape
    flat = np.moveaxis(sums, 1, 0).reshape(num_images, num_seeds * 2 * num_labels).astype(np.float64)
    drawn = _drawn_sums(flat if scenes is None else _sums_by_scene(flat, scenes), resamples, seed)
    drawn = drawn.reshape(-1, num_seeds, 2, num_labels)
    return 100 * ratio(drawn[:, :, 0], drawn[:, :, 1])


def mean_of_iou(iou: Floats) -> Floats:
    """mIoU of resamples `(B, S, C+1)`, over the labels that there are, averaged over training seeds: `(B,)`."""
    return np.asarray(known_mean(iou).mean(axis=1))


def sums_by_group(groups: NDArray[np.int64], values: NDArray[np.generic], num_groups: int) -> Floats:
    """Sums `(num_groups, M) float64` of values `(objects, M)` over the objects of each group, given by number."""
    sums = np.zeros((num_groups, values.shape[1]))
    np.add.at(sums, groups, values)
    return sums


def _sums_by_scene(values: Floats, scenes: NDArray[np.int64]) -> Floats:
    if len(scenes) != len(values):
        raise ValueError(f"{len(values)} images, but {len(scenes)} are given a scene")
    _, numbers = np.unique(scenes, return_inverse=True)
    return sums_by_group(numbers, values, int(numbers.max(initial=-1)) + 1)


def _paired(a: Confusions, b: Confusions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Both methods' confusions `(S, N, C+1, C+2)`; a ValueError if they are not of the same images and seeds."""
    first, second = _with_seeds(a), _with_seeds(b)
    if first.shape != second.shape:
        raise ValueError(f"methods are paired image by image, but the confusions are {first.shape} and {second.shape}")
    return first, second


def _with_seeds(per_image: Confusions) -> NDArray[np.int64]:
    """Confusions as `(S, N, C+1, C+2)`, S = 1 if there was no dimension for training seeds."""
    confusions = np.asarray(per_image)
    if confusions.ndim not in (3, 4):
        raise ValueError(f"confusions are {confusions.shape}, not (N, C+1, C+2) or (S, N, C+1, C+2)")
    return confusions if confusions.ndim == 4 else confusions[None]


@lru_cache(maxsize=4)
def draw_weights(num_scenes: int, resamples: int, seed: int) -> tuple[NDArray[np.uint16], ...]:
    """Chunks `(≤ CHUNK, G) uint16` of how often each resample drew each scene; the same for the same arguments.

    Kept from call to call, since drawing takes longer than using them: do not write into them.

    Raises:
        WsssError: there is no scene.
    """
    if num_scenes == 0:
        raise WsssError("there is no image to draw from: a bootstrap interval needs at least one scored image")
    generator = np.random.default_rng(seed)
    even = np.full(num_scenes, 1 / num_scenes)
    sizes = [min(CHUNK, resamples - start) for start in range(0, resamples, CHUNK)]
    chunks = tuple(generator.multinomial(num_scenes, even, size=size).astype(np.uint16) for size in sizes)
    for chunk in chunks:
        chunk.flags.writeable = False
    return chunks


def _drawn_sums(sums: Floats, resamples: int, seed: int) -> Floats:
    """Sums over each resample `(resamples, M)` of sums per scene `(G, M)`."""
    return np.concatenate([chunk.astype(np.float64) @ sums for chunk in draw_weights(len(sums), resamples, seed)])


def known_mean(values: Floats) -> Floats:
    """Means over the last axis of what is not NaN."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))


def ratio(part: NDArray[np.generic], whole: NDArray[np.generic]) -> Floats:
    """`part / whole`, NaN where the whole is 0."""
    out = np.full(np.shape(whole), np.nan)
    return np.asarray(np.divide(part, whole, out=out, where=np.asarray(whole) > 0))


def column_intervals(values: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """95 % percentile intervals (lows, highs) of each column, NaN left out; NaN for a column that has nothing else."""
    columns = np.ascontiguousarray(values.T)
    found = np.full((2, len(columns)), np.nan)
    whole = ~np.isnan(columns).any(axis=1)
    found[:, whole] = np.quantile(columns[whole], TAILS, axis=1)
    for column in np.flatnonzero(~whole):
        found[:, column] = interval_of(columns[column])
    return found[0], found[1]


def interval_of(values: NDArray[np.floating]) -> tuple[float, float]:
    """95 % percentile interval of the values that are not NaN; (NaN, NaN) if there is none."""
    finite = values[~np.isnan(values)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, TAILS)
    return float(low), float(high)
