"""What goes with what among objects: rank correlations, and the mean activation by size and by what is seen."""

from typing import Any

import numpy as np
import pandas as pd

from wsss.analysis.bootstrap import bootstrap_ratios, sums_by_group
from wsss.analysis.strata import scene_groups

__all__ = ["activation_means", "binned_means", "rank_correlations"]

_NAMES = {
    "relative_area": "visible area",
    "occlusion_ratio": "hidden share",
    "border_occlusion": "border occlusion",
    "depth_rank": "depth rank",
    "neighbours": "neighbours",
    "recall": "recall",
}


def rank_correlations(objects: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of every two properties of the objects that are known, and of recall, −1 to 1.

    NaN where a property is the same for all objects.
    """
    known = [name for name in _NAMES if objects[name].notna().any()]
    return objects[known].rename(columns=_NAMES).corr(method="spearman")


def binned_means(objects: pd.DataFrame, column: str, value: str, bins: int = 6) -> list[dict[str, Any]]:
    """Mean of `value` in bins of `column`, with 95 % bootstrap intervals over scenes.

    At most `bins` different values are a bin each. Else the bins hold about equally many objects, equal values always
    together (so many objects that are not hidden at all are one bin, and the rest are cut by themselves). Objects
    without either are left out.

    Returns:
        One `{"middle", "mean", "ci", "n"}` per bin, in order; the middle is the median of `column`.
    """
    kept = objects[objects[column].notna() & objects[value].notna()]
    if not len(kept):
        return []
    places = kept[column].to_numpy(np.float64)
    bin_of = _bins(places, bins)
    numbers = np.unique(bin_of)
    members = (bin_of[:, None] == numbers).astype(np.float64)
    groups, count = scene_groups(kept)
    values = members * kept[value].to_numpy(np.float64)[:, None]
    sums, counts = (sums_by_group(groups, each, count) for each in (values, members))
    means, lows, highs = bootstrap_ratios(sums, counts)
    return [
        {"middle": float(np.median(places[inside > 0])), "mean": mean, "ci": [low, high], "n": int(inside.sum())}
        for inside, mean, low, high in zip(members.T, means.tolist(), lows.tolist(), highs.tolist(), strict=True)
    ]


def _bins(values: np.ndarray, count: int) -> np.ndarray:
    """Number of the bin of each value `(N,)`, rising with it."""
    distinct, numbers, sizes = np.unique(values, return_inverse=True, return_counts=True)
    if len(distinct) <= count:
        return numbers
    # Middle of each value's ranks: a value that many share sits in the bin of its middle, and the others keep theirs.
    middles = np.cumsum(sizes) - sizes / 2
    return np.asarray(np.minimum(count - 1, np.floor(count * middles / len(values)).astype(int))[numbers])


def activation_means(objects: pd.DataFrame, occlusion: str | None) -> dict[str, list[dict[str, Any]]]:
    """Mean activation in percent by visible area and, where a measure of `occlusion` is known, by what it leaves."""
    percent = objects.assign(
        area=100 * objects["relative_area"],
        activation=100 * objects["activation"],
        visible=100 * (1 - objects[occlusion]) if occlusion else np.nan,
    )
    return {name: binned_means(percent, name, "activation") for name in ("area", "visible")}
