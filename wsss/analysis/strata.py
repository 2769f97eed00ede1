"""The size × occlusion table: how objects are found, small or large, seen whole or partly hidden.

Where the amodal mask is known, occlusion is its hidden share. Where annotators marked objects as occluded, it is their
mark. Elsewhere it is `border_occlusion`. These are three quantities with bins of their own, which never mix. Where none
is known an object counts in the "all" columns only.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from wsss.analysis.bootstrap import (
    RESAMPLES,
    TAILS,
    column_intervals,
    interval_of,
    known_mean,
    ratio,
    resampled_ratios,
    sums_by_group,
)
from wsss.analysis.objects import InstanceScore

__all__ = [
    "ALL",
    "BORDER_BINS",
    "COCO_BINS",
    "MARK_BINS",
    "MEASURES",
    "OCCLUSION_BINS",
    "SIZE_BINS",
    "ClassMeans",
    "Strata",
    "binned",
    "object_means",
    "object_miou",
    "occlusion_bin",
    "scene_groups",
    "scores_frame",
    "size_bin",
    "strata_of",
    "strata_rows",
    "strata_table",
]

MEASURES = ("recall", "iou", "hit", "pointing")
"""What a cell says of its objects, each a mean in percent: recall, IoU, the share with an IoU of at least `HIT_IOU`,
and the share that wins the pointing game (see `InstanceScore`)."""

HIT_IOU = 0.5

SIZE_BINS = ("<1 %", "1–5 %", ">5 %")
"""Of relative area; exactly 1 % and exactly 5 % are in the middle bin."""

OCCLUSION_BINS = ("0–10 %", "10–40 %", ">40 %")
"""Of the amodal occlusion ratio; exactly 10 % is in the first bin, exactly 40 % in the middle one."""

BORDER_BINS = ("border 0–10 %", "border 10–30 %", "border >30 %")
"""Of border occlusion; exactly 10 % is in the first bin, exactly 30 % in the middle one."""

MARK_BINS = ("not marked occluded", "marked occluded")
"""Of the annotators' mark."""

COCO_BINS = ("<32² px", "32²–96² px", ">96² px")
"""Of visible pixels, as COCO has it; exactly 32² and exactly 96² are in the middle bin."""

ALL = "all"


def size_bin(relative_area: np.ndarray) -> np.ndarray:
    """Size bins `(N,) str` of relative areas `(N,)` in (0, 1]."""
    areas = np.asarray(relative_area, dtype=np.float64)
    index = (areas >= 0.01).astype(int) + (areas > 0.05)
    return np.asarray(np.asarray(SIZE_BINS, dtype=object)[index])


def coco_bin(area: np.ndarray) -> np.ndarray:
    """COCO's size bins `(N,) str` of visible areas `(N,)` in pixels."""
    areas = np.asarray(area)
    return np.asarray(np.asarray(COCO_BINS, dtype=object)[(areas >= 32**2).astype(int) + (areas > 96**2)])


def occlusion_bin(occlusion_ratio: np.ndarray, border_occlusion: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """Occlusion bins `(N,)`: by amodal ratio where it is not NaN, else by mark, else by border occlusion, else None."""
    bins = np.full(len(occlusion_ratio), None, dtype=object)
    kinds: tuple[tuple[np.ndarray, tuple[float, ...], tuple[str, ...]], ...] = (
        (border_occlusion, (0.1, 0.3), BORDER_BINS),
        (marked, (0.5,), MARK_BINS),
        (occlusion_ratio, (0.1, 0.4), OCCLUSION_BINS),
    )
    for values, edges, names in kinds:
        # Ratios are stored as float32, whose 0.1 is a little more than 0.1: rounded, it is the edge that is meant.
        rounded = np.round(np.asarray(values, dtype=np.float64), 6)
        known = ~np.isnan(rounded)
        bins[known] = np.asarray(names, dtype=object)[np.searchsorted(edges, rounded[known], side="left")]
    return bins


def scores_frame(scores: Sequence[InstanceScore]) -> pd.DataFrame:
    """One row per object: the fields of `InstanceScore`, `hit`, and its bins in `size`, `coco` and `occlusion`."""
    names = [field.name for field in fields(InstanceScore)]
    return binned(pd.DataFrame([asdict(score) for score in scores], columns=names))


def binned(objects: pd.DataFrame) -> pd.DataFrame:
    """A row per object with the fields of `InstanceScore`, and what follows from them: `hit`, and the bins `size`,
    `coco` and `occlusion`."""
    frame = objects.copy()
    frame["hit"] = (frame["iou"].to_numpy(dtype=np.float64) >= HIT_IOU).astype(np.float64)
    frame["size"] = size_bin(frame["relative_area"].to_numpy(dtype=np.float64))
    frame["coco"] = coco_bin(frame["area"].to_numpy(dtype=np.float64))
    kinds = (frame[name].to_numpy(np.float64) for name in ("occlusion_ratio", "border_occlusion", "marked_occluded"))
    frame["occlusion"] = occlusion_bin(*kinds)
    return frame


@dataclass(frozen=True)
class Strata:
    """The size × occlusion table of some objects, with all resamples of its numbers.

    Attributes:
        cells: (size, occlusion) of the K cells, margins ("all") included.
        objects: `(K,)` objects in each.
        values: `(M, K)` of the `MEASURES`, in percent; NaN where nothing is known.
        drawn: `(resamples, M, K) float32`, the same of each resample of the scenes.
        scenes: `(M, K)` scenes with an object of which the measure is known.
    """

    cells: tuple[tuple[str, str], ...]
    objects: NDArray[np.int64]
    values: NDArray[np.float64]
    drawn: NDArray[np.float32]
    scenes: NDArray[np.int64]


def strata_of(scores: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0, *, absolute: bool = False) -> Strata:
    """Resample objects by scene, cell by cell.

    Args:
        scores: one row per object, as from `scores_frame`; `scene` says which images are of one scene, and without that
            column each image is one of its own.
        absolute: size by COCO's absolute bins, without occlusion, instead of relative size by occlusion.
    """
    cells = _cells(scores, absolute)
    column = "coco" if absolute else "size"
    members = np.stack([_in_cell(scores, column, *cell) for cell in cells], axis=1)  # (objects, cells)
    shape = len(MEASURES), len(cells)
    found = members.sum(axis=0)
    if not len(scores):
        drawn = np.full((1, *shape), np.nan, np.float32)
        return Strata(tuple(cells), found, np.full(shape, np.nan), drawn, np.zeros(shape, np.int64))
    groups, count = scene_groups(scores)
    values = scores[list(MEASURES)].to_numpy(dtype=np.float64).T[:, :, None]
    known = members & ~np.isnan(values)  # (measures, objects, cells)
    sums = np.concatenate([sums_by_group(groups, each, count) for each in 100 * np.nan_to_num(values) * known], 1)
    counts = np.concatenate([sums_by_group(groups, each, count) for each in known], 1)
    drawn = resampled_ratios(sums, counts, resamples, seed).astype(np.float32).reshape(-1, *shape)
    value = ratio(sums.sum(axis=0), counts.sum(axis=0)).reshape(shape)
    return Strata(tuple(cells), found, value, drawn, (counts > 0).sum(axis=0).reshape(shape))


def strata_rows(strata: Strata, minus: Strata | None = None) -> list[dict[str, Any]]:
    """The size × occlusion table of a record.

    Args:
        minus: of another method on the same objects, for the differences from it.

    Returns:
        One dictionary per cell: `size`, `occlusion`, `n` (objects), and of each measure its mean over objects, such as
        `recall`, and its bootstrap interval over scenes, `recall_ci`, in percent; None where n is 0 or it is unknown.
        A bootstrap cannot leave 0 or 100 %: where every object of a cell has it, the other end of the interval is
        Clopper and Pearson's (1934) for the number of scenes in the cell.
        Occlusion has the bins of whichever kinds occur.
    """
    value, drawn = strata.values, strata.drawn
    if minus is not None:
        value, drawn = value - minus.values, drawn - minus.drawn
    ends = np.stack(column_intervals(drawn.reshape(len(drawn), value.size)), axis=-1).reshape(*value.shape, 2)
    if minus is None:
        _widen(value, ends, strata.scenes)
    rows: list[dict[str, Any]] = []
    for place, ((size, occlusion), n) in enumerate(zip(strata.cells, strata.objects.tolist(), strict=True)):
        row: dict[str, Any] = {"size": size, "occlusion": occlusion, "n": n}
        for measure, one, interval in zip(MEASURES, value[:, place].tolist(), ends[:, place].tolist(), strict=True):
            known = not np.isnan(one)
            row |= {measure: one if known else None, f"{measure}_ci": interval if known else None}
        rows.append(row)
    return rows


def strata_table(
    scores: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0, *, absolute: bool = False
) -> list[dict[str, Any]]:
    """`strata_rows` of the objects. Arguments as of `strata_of`."""
    return strata_rows(strata_of(scores, resamples, seed, absolute=absolute))


@dataclass(frozen=True)
class ClassMeans:
    """The mean over classes of a mean over their objects, in percent: its value, and that of each resample
    `(resamples,)`."""

    value: float
    drawn: NDArray[np.float64]


def object_means(scores: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> ClassMeans:
    """Mean over classes of the mean IoU of their objects, resampled by scene.

    Every object counts alike, whatever its size, and so does every class; background has no objects and does not count.
    That is the aim of the instance-aware mIoU of Mun et al. (Small objects matters in weakly-supervised semantic
    segmentation, WACV 2024). This is *not* their metric: how they share out predicted pixels that belong to no instance
    is theirs, here they go to the nearest object of the class.

    Args:
        scores: as for `strata_of`; all NaN if there is no object.
    """
    if not len(scores):
        return ClassMeans(float("nan"), np.full(1, np.nan))
    groups, count = scene_groups(scores)
    members = (scores["class_id"].to_numpy()[:, None] == np.unique(scores["class_id"])).astype(np.float64)
    values = 100 * scores["iou"].to_numpy(dtype=np.float64)[:, None] * members
    sums, counts = (sums_by_group(groups, each, count) for each in (values, members))
    value = known_mean(ratio(sums.sum(axis=0), counts.sum(axis=0)))
    return ClassMeans(float(value), known_mean(resampled_ratios(sums, counts, resamples, seed)))


def object_miou(scores: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float, float]:
    """`object_means` of the objects with its interval: (value, low, high) in percent."""
    found = object_means(scores, resamples, seed)
    return found.value, *interval_of(found.drawn)


def scene_groups(objects: pd.DataFrame) -> tuple[NDArray[np.int64], int]:
    """Number of the scene of each object `(N,)`, without gaps, and how many there are: by the column `scene`, else by
    image."""
    numbers, names = pd.factorize(objects["scene" if "scene" in objects else "image_id"])
    return np.asarray(numbers, np.int64), len(names)


def _cells(scores: pd.DataFrame, absolute: bool) -> list[tuple[str, str]]:
    if absolute:
        return [(size, ALL) for size in (*COCO_BINS, ALL)]
    occurring = set(scores["occlusion"].dropna())
    names = [name for bins in (OCCLUSION_BINS, MARK_BINS, BORDER_BINS) if occurring & set(bins) for name in bins]
    return [(size, occlusion) for size in (*SIZE_BINS, ALL) for occlusion in (*names, ALL)]


def _in_cell(scores: pd.DataFrame, column: str, size: str, occlusion: str) -> np.ndarray:
    """Which objects `(N,) bool` are in a cell of the table."""
    inside = np.ones(len(scores), dtype=bool)
    for name, value in ((column, size), ("occlusion", occlusion)):
        if value != ALL:
            inside &= (scores[name] == value).to_numpy(dtype=bool, na_value=False)
    return inside


def _widen(value: np.ndarray, ends: np.ndarray, scenes: np.ndarray) -> None:
    """Give intervals `ends (M,K,2)` of values that are all 0 or 100 % the width that the number of scenes allows."""
    free = 100 * (1 - TAILS[0] ** (1 / np.maximum(scenes, 1)))
    # Sums of floats may miss 0 and 100 by a rounding.
    nothing, everything = value < 1e-9, value > 100 - 1e-9
    ends[nothing, 1], ends[everything, 0] = free[nothing], 100 - free[everything]
