"""Chart of activation against size and occlusion, drawn from a record."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from wsss.records.record import Numbers, Record
from wsss.records.store import full_name
from wsss.report.order import in_order, smoke_mark
from wsss.report.style import SIZE_TICKS, method_colour, use_style

__all__ = ["activation_figure"]

_MARKERS = "osD^v<>P"
_VISIBLE = {
    "occlusion_ratio": "visible share of the object (%)",
    "marked_occluded": "not marked as occluded (0 or 100 %)",
    "border_occlusion": "100 % − border occlusion",
}


def activation_figure(records: Sequence[Record]) -> Figure:
    """Mean score of an object's class over its pixels, against its area and, where known, against what is seen of it.

    Args:
        records: of one data set, stage and split; those without activation are left out.

    Raises:
        ValueError: no record has it.
    """
    shown = [record for record in in_order(records) if record["activation"] and record["activation"]["area"]]
    if not shown:
        raise ValueError("no record has the activation of objects")
    measure = shown[0]["activation"]["occlusion_measure"]
    with use_style():
        figure = Figure(figsize=(9.6 if measure else 5.6, 3.6), layout="constrained")
        axes = figure.subplots(1, 2 if measure else 1, squeeze=False, sharey=True)[0]
        for number, record in enumerate(shown):
            style = {"color": method_colour(full_name(record)), "marker": _MARKERS[number % len(_MARKERS)]}
            for ax, name in zip(axes, ("area", "visible"), strict=False):
                _means(ax, record["activation"][name], full_name(record), style)
        axes[0].set(xscale="log", xlabel="visible area (% of the image)", ylabel="mean score over the object (%)")
        middles = [row["middle"] for record in shown for row in record["activation"]["area"]]
        axes[0].xaxis.set_major_locator(FixedLocator([t for t in SIZE_TICKS if min(middles) <= t <= max(middles)]))
        axes[0].xaxis.set_minor_locator(NullLocator())
        axes[0].xaxis.set_major_formatter("{x:g}")
        if measure:
            least = min(row["middle"] for record in shown for row in record["activation"]["visible"])
            axes[1].set(xlabel=_VISIBLE[measure], xlim=(least - 8, 103))
        axes[0].set_ylim(0, 100)
        axes[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        smoke = smoke_mark(shown[0]["profile"])
        figure.suptitle(f"{shown[0]['data']}, {shown[0]['split']}: activation of objects{smoke}", fontsize="medium")
    return figure


def _means(ax: Axes, rows: Sequence[Numbers], label: str, style: dict[str, Any]) -> None:
    means, ends = [row["mean"] for row in rows], np.array([row["ci"] for row in rows])
    middles, ends = [row["middle"] for row in rows], np.abs(ends.T - np.array(means))
    ax.errorbar(middles, means, yerr=ends, capsize=2, markersize=5, linewidth=1.3, label=label, **style)
