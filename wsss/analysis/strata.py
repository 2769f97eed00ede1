"""The size × occlusion table: recall and IoU of objects, small or large, seen whole or partly hidden.

Where the amodal mask is known, occlusion is its hidden share. Elsewhere it is `border_occlusion`, which is another
quantity and therefore has bins of its own, whose names begin with "border". Where neither is known an object counts in
the "all" columns only.
"""

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pandas as pd

from wsss.analysis.bootstrap import bootstrap_ratios
from wsss.analysis.instances import InstanceScore

__all__ = [
    "BORDER_BINS",
    "OCCLUSION_BINS",
    "SIZE_BINS",
    "occlusion_bin",
    "scores_frame",
    "size_bin",
    "strata_table",
]

SIZE_BINS = ("<1 %", "1–5 %", ">5 %")
"""Of relative area; exactly 1 % and exactly 5 % are in the middle bin."""

OCCLUSION_BINS = ("0–10 %", "10–40 %", ">40 %")
"""Of the amodal occlusion ratio; exactly 10 % is in the first bin, exactly 40 % in the middle one."""

BORDER_BINS = ("border 0–10 %", "border 10–30 %", "border >30 %")
"""Of border occlusion; exactly 10 % is in the first bin, exactly 30 % in the middle one."""

ALL = "all"


def size_bin(relative_area: np.ndarray) -> np.ndarray:
    """Size bins `(N,) str` of relative areas `(N,)` in (0, 1]."""
    areas = np.asarray(relative_area, dtype=np.float64)
    index = (areas >= 0.01).astype(int) + (areas > 0.05)
    return np.asarray(SIZE_BINS, dtype=object)[index]


def occlusion_bin(occlusion_ratio: np.ndarray, border_occlusion: np.ndarray) -> np.ndarray:
    """Occlusion bins `(N,)`: by amodal ratio where it is not NaN, else by border occlusion, else None."""
    bins = np.full(len(occlusion_ratio), None, dtype=object)
    for values, edges, names in (
        (border_occlusion, (0.1, 0.3), BORDER_BINS),
        (occlusion_ratio, (0.1, 0.4), OCCLUSION_BINS),
    ):
        # Ratios are stored as float32, whose 0.1 is a little more than 0.1: rounded, it is the edge that is meant.
        rounded = np.round(np.asarray(values, dtype=np.float64), 6)
        known = ~np.isnan(rounded)
        bins[known] = np.asarray(names, dtype=object)[np.searchsorted(edges, rounded[known], side="left")]
    return bins


def scores_frame(scores: Sequence[InstanceScore]) -> pd.DataFrame:
    """One row per object: the fields of `InstanceScore`, and its bins as columns `size` and `occlusion`."""
    frame = pd.DataFrame([asdict(score) for score in scores], columns=[field.name for field in fields(InstanceScore)])
    frame["size"] = size_bin(frame["relative_area"].to_numpy(dtype=np.float64))
    border = frame["border_occlusion"].to_numpy(dtype=np.float64)
    frame["occlusion"] = occlusion_bin(frame["occlusion_ratio"].to_numpy(dtype=np.float64), border)
    return frame


def strata_table(
    scores: pd.DataFrame, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> list[dict[str, Any]]:
    """The size × occlusion table of a record, margins ("all") included.

    Args:
        scores: one row per object with `image_id`, `size`, `occlusion` (bin names; None counts in "all" only), `recall`
            and `iou` in [0, 1], as from `scores_frame`.

    Returns:
        One dictionary per cell: `size`, `occlusion`, `n` (objects), `recall`, `recall_ci`, `iou`, `iou_ci`. Means over
        objects and their bootstrap intervals over images, in percent; None where n is 0. Occlusion has the bins of
        whichever measure occurs.
    """
    occurring = set(scores["occlusion"].dropna())
    names = [name for bins in (OCCLUSION_BINS, BORDER_BINS) if occurring & set(bins) for name in bins]
    cells = [(size, occlusion) for size in (*SIZE_BINS, ALL) for occlusion in (*names, ALL)]
    members = np.stack([_in_cell(scores, *cell) for cell in cells], axis=1)  # (objects, cells)
    if not len(scores):
        return [_row(cell, 0, np.full((2, 3), np.nan)) for cell in cells]

    images, ids = pd.factorize(scores["image_id"])
    counts = _sum_by_image(images, members, len(ids))
    statistics = []
    for column in ("recall", "iou"):
        values = scores[column].to_numpy(dtype=np.float64)[:, None]
        sums = _sum_by_image(images, 100 * values * members, len(ids))
        statistics.append(np.stack(bootstrap_ratios(sums, counts, resamples, seed, level), axis=-1))
    table = np.stack(statistics, axis=1)  # (cells, recall or iou, value low high)
    return [_row(cell, int(members[:, index].sum()), table[index]) for index, cell in enumerate(cells)]


def _in_cell(scores: pd.DataFrame, size: str, occlusion: str) -> np.ndarray:
    """Which objects `(N,) bool` are in a cell of the table."""
    inside = np.ones(len(scores), dtype=bool)
    for column, name in (("size", size), ("occlusion", occlusion)):
        if name != ALL:
            inside &= (scores[column] == name).to_numpy(dtype=bool, na_value=False)
    return inside


def _sum_by_image(images: np.ndarray, values: np.ndarray, num_images: int) -> np.ndarray:
    """Sums `(num_images, M) float64` of `(objects, M)` values over the objects of each image."""
    sums = np.zeros((num_images, values.shape[1]))
    np.add.at(sums, images, values)
    return sums


def _row(cell: tuple[str, str], n: int, statistics: np.ndarray) -> dict[str, Any]:
    """A cell as it stands in a record; `statistics` is `(2, 3)`: value, low, high of recall and of IoU."""
    row: dict[str, Any] = {"size": cell[0], "occlusion": cell[1], "n": n}
    for name, (value, low, high) in zip(("recall", "iou"), statistics.tolist(), strict=True):
        row[name] = value if n else None
        row[f"{name}_ci"] = [low, high] if n else None
    return row
