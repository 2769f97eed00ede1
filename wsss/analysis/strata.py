"""The size × occlusion table: how objects are found, small or large, seen whole or partly hidden.

Where the amodal mask is known, occlusion is its hidden share. Where annotators marked objects as occluded, it is their
mark. Elsewhere it is `border_occlusion`. These are three quantities with bins of their own, which never mix. Where none
is known an object counts in the "all" columns only.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pandas as pd

from wsss.analysis.bootstrap import bootstrap_mean_ratio, bootstrap_ratios, sums_by_image
from wsss.analysis.objects import InstanceScore

__all__ = [
    "BORDER_BINS",
    "COCO_BINS",
    "MARK_BINS",
    "MEASURES",
    "OCCLUSION_BINS",
    "SIZE_BINS",
    "binned",
    "object_miou",
    "occlusion_bin",
    "scores_frame",
    "size_bin",
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


def strata_table(
    scores: pd.DataFrame,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    *,
    absolute: bool = False,
    differences: bool = False,
) -> list[dict[str, Any]]:
    """The size × occlusion table of a record, margins ("all") included.

    Args:
        scores: one row per object, as from `scores_frame`.
        absolute: size by COCO's absolute bins, without occlusion, instead of relative size by occlusion.
        differences: the columns of `MEASURES` hold differences of two methods.

    Returns:
        One dictionary per cell: `size`, `occlusion`, `n` (objects), and of each measure its mean over objects, such as
        `recall`, and its bootstrap interval over images, `recall_ci`, in percent; None where n is 0 or it is unknown.
        A bootstrap cannot leave 0 or 100 %: where every object of a cell has it, the other end of the interval is
        Clopper and Pearson's (1934) for the number of images in the cell.
        Occlusion has the bins of whichever kinds occur.
    """
    cells = _cells(scores, absolute)
    column = "coco" if absolute else "size"
    members = np.stack([_in_cell(scores, column, *cell) for cell in cells], axis=1)  # (objects, cells)
    rows: list[dict[str, Any]] = [
        {"size": size, "occlusion": occlusion, "n": int(inside.sum())}
        for (size, occlusion), inside in zip(cells, members.T, strict=True)
    ]
    table = np.full((len(MEASURES), len(cells), 3), np.nan)
    if len(scores):
        images, ids = pd.factorize(scores["image_id"])
        values = scores[list(MEASURES)].to_numpy(dtype=np.float64).T[:, :, None]
        known = members & ~np.isnan(values)  # (measures, objects, cells)
        sums = np.concatenate(
            [sums_by_image(images, each, len(ids)) for each in 100 * np.nan_to_num(values) * known], 1
        )
        counts = np.concatenate([sums_by_image(images, each, len(ids)) for each in known], 1)
        table = np.stack(bootstrap_ratios(sums, counts, resamples, seed, level), axis=-1)
        if not differences:
            _widen(table, (counts > 0).sum(axis=0), level)
        table = table.reshape(len(MEASURES), len(cells), 3)
    for row, figures in zip(rows, table.swapaxes(0, 1), strict=True):
        for measure, values in zip(MEASURES, figures, strict=True):
            row |= _figures(measure, values)
    return rows


def object_miou(
    scores: pd.DataFrame, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """Mean over classes of the mean IoU of their objects, and its bootstrap interval over images, in percent.

    Every object counts alike, whatever its size, and so does every class; background has no objects and does not count.
    That is the aim of the instance-aware mIoU of Mun et al. (Small objects matters in weakly-supervised semantic
    segmentation, WACV 2024). This is *not* their metric: how they share out predicted pixels that belong to no instance
    is theirs, here they go to the nearest object of the class.

    Args:
        scores: as for `strata_table`; all NaN if there is no object.
    """
    if not len(scores):
        return float("nan"), float("nan"), float("nan")
    images, ids = pd.factorize(scores["image_id"])
    members = (scores["class_id"].to_numpy()[:, None] == np.unique(scores["class_id"])).astype(np.float64)
    values = 100 * scores["iou"].to_numpy(dtype=np.float64)[:, None] * members
    sums, counts = (sums_by_image(images, each, len(ids)) for each in (values, members))
    return bootstrap_mean_ratio(sums, counts, resamples, seed, level)


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


def _widen(table: np.ndarray, images: np.ndarray, level: float) -> None:
    """Give rows `(value, low, high)` of `table (M,3)` that are all 0 or 100 % the width that `images (M,)` allow."""
    free = 100 * (1 - ((1 - level) / 2) ** (1 / np.maximum(images, 1)))
    # Sums of floats may miss 0 and 100 by a rounding.
    nothing, everything = table[:, 0] < 1e-9, table[:, 0] > 100 - 1e-9
    table[nothing, 2], table[everything, 1] = free[nothing], 100 - free[everything]


def _figures(measure: str, values: np.ndarray) -> dict[str, Any]:
    """A measure as it stands in a record, of value, low and high `(3,)`."""
    value, low, high = values.tolist()
    known = not np.isnan(value)
    return {measure: value if known else None, f"{measure}_ci": [low, high] if known else None}
