"""What notebooks show of a frame of objects (`wsss.analysis.strata.scores_frame`): activation, and what goes with what."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from wsss.analysis.bootstrap import bootstrap_ratios
from wsss.report.panels import SIZE_TICKS
from wsss.report.style import OKABE_ITO, use_style

__all__ = ["activation_figure", "binned_means", "rank_correlations"]

_NAMES = {
    "relative_area": "visible area",
    "occlusion_ratio": "hidden share",
    "border_occlusion": "border occlusion",
    "depth_rank": "depth rank",
    "neighbours": "neighbours",
    "recall": "recall",
}


def rank_correlations(objects: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of every two properties of the objects that are known, and of recall, −1 to 1."""
    known = [name for name in _NAMES if objects[name].notna().any()]
    return objects[known].rename(columns=_NAMES).corr(method="spearman")


def binned_means(objects: pd.DataFrame, column: str, value: str, bins: int = 6, resamples: int = 1000) -> pd.DataFrame:
    """Mean of `value` in bins of equally many objects by `column`, with 95 % bootstrap intervals over images.

    Equal values of `column` are never parted, so there may be fewer bins. Objects without either are left out.

    Returns:
        One row per bin: `middle` (median of `column`), `mean`, `low`, `high`, `n`.
    """
    kept = objects[objects[column].notna() & objects[value].notna()]
    if not len(kept):
        return pd.DataFrame(columns=["middle", "mean", "low", "high", "n"])
    bin_of = pd.qcut(kept[column], min(bins, len(kept)), labels=False, duplicates="drop")
    bin_of = bin_of.fillna(0).to_numpy(int)  # a single value is no interval
    numbers = np.unique(bin_of)
    members = (bin_of[:, None] == numbers).astype(np.float64)
    images, ids = pd.factorize(kept["image_id"])
    sums, counts = np.zeros((2, len(ids), len(numbers)))
    np.add.at(sums, images, members * kept[value].to_numpy(np.float64)[:, None])
    np.add.at(counts, images, members)
    means, lows, highs = bootstrap_ratios(sums, counts, resamples)
    middles = [float(np.median(kept[column].to_numpy(np.float64)[bin_of == number])) for number in numbers]
    return pd.DataFrame(
        {"middle": middles, "mean": means, "low": lows, "high": highs, "n": members.sum(axis=0).astype(int)}
    )


def activation_figure(objects: pd.DataFrame, column: str | None, meaning: str = "") -> Figure:
    """Mean score of an object's class over the object: against its area, and against what is seen of it where that is known.

    Args:
        column: of the occlusion measure, None if there is none.
        meaning: of that measure, for the axis.
    """
    shown = objects.assign(area_percent=100 * objects["relative_area"], activation_percent=100 * objects["activation"])
    with use_style():
        figure = Figure(figsize=(9.0 if column else 4.8, 3.4), layout="constrained")
        axes = figure.subplots(1, 2 if column else 1, squeeze=False, sharey=True)[0]
        _binned(axes[0], shown, "area_percent")
        axes[0].set(
            xscale="log", xlabel="visible area (% of the image)", ylabel="mean score over the object (%)", ylim=(0, 100)
        )
        low, high = shown["area_percent"].min(), shown["area_percent"].max()
        axes[0].xaxis.set_major_locator(FixedLocator([tick for tick in SIZE_TICKS if low <= tick <= high]))
        axes[0].xaxis.set_minor_locator(NullLocator())
        axes[0].xaxis.set_major_formatter("{x:g}")
        if column:
            shown["visible_percent"] = 100 * (1 - shown[column])
            _binned(axes[1], shown, "visible_percent")
            axes[1].set_xlabel(f"100 % − occlusion ({meaning})", fontsize="small")
    return figure


def _binned(ax: Axes, objects: pd.DataFrame, column: str) -> None:
    """Objects as dots, and their binned means with intervals."""
    ax.plot(objects[column], objects["activation_percent"], "o", color="#BFBFBF", markersize=3, linestyle="none")
    means = binned_means(objects, column, "activation_percent")
    ends = np.abs(means[["low", "high"]].to_numpy(float).T - means["mean"].to_numpy(float))
    ax.errorbar(means["middle"], means["mean"], yerr=ends, fmt="o-", color=OKABE_ITO[0], capsize=3, markersize=5)
