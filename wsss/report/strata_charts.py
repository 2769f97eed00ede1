"""Charts of objects by size and occlusion, drawn from records."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from wsss.machine.lazy import lazy
from wsss.records.record import Record
from wsss.records.store import full_name
from wsss.report.order import of_one_table, table_title
from wsss.report.style import use_style
from wsss.report.text import number_text, signed

__all__ = ["strata_difference", "strata_heatmaps"]

sns = lazy("seaborn")

PANELS_ACROSS = 2

_MEASURE_TEXTS = {
    "recall": "recall of objects",
    "iou": "IoU of objects",
    "hit": "objects with IoU ≥ 0.5",
    "pointing": "objects that win the pointing game",
}


def strata_heatmaps(records: Sequence[Record], methods: Sequence[str] | None = None, value: str = "iou") -> Figure:
    """Objects by size and occlusion, a panel for each method: percent, and the number of objects.

    Args:
        records: of one data set, stage and split.
        methods: full names of those to show; None for all.
        value: one of `MEASURES`.
    """
    chosen = [record for record in records if methods is None or full_name(record) in methods]
    shown = of_one_table(chosen, "size × occlusion strata")
    with use_style():
        across = len({cell["occlusion"] for cell in shown[0]["strata"]})
        columns = min(len(shown), PANELS_ACROSS)
        rows = -(-len(shown) // columns)
        figure = Figure(figsize=(1.2 + 0.95 * across * columns, 0.4 + 2.9 * rows), layout="constrained")
        figure.suptitle(f"{table_title(shown[0])}: {_MEASURE_TEXTS[value]} (%)")
        axes = figure.subplots(rows, columns, squeeze=False)
        for ax, record in zip(axes.flat, shown, strict=False):
            _heatmap(ax, record["strata"], value, cmap="viridis", vmin=0, vmax=100)
            ax.set_title(full_name(record))
        for ax in axes[:, 1:].flat:  # the sizes are named beside the first panel of a row only
            ax.set(ylabel="", yticklabels=[])
        for ax in axes.flat[len(shown) :]:
            ax.remove()
    return figure


def strata_difference(record: Record, against: str, value: str = "iou") -> Figure:
    """Where a method differs from another: paired difference by size and occlusion, in points.

    Args:
        record: whose `paired` has an entry for `against`.
        value: one of `MEASURES`. A star marks cells whose 95 % interval does not contain 0.

    Raises:
        ValueError: the record has not been compared with `against`.
    """
    pair = next((pair for pair in record["paired"] if pair["against"] == against), None)
    if pair is None:
        raise ValueError(f"the record of {full_name(record)} has not been compared with {against!r}")
    with use_style():
        figure = Figure(figsize=(6.0, 3.9), layout="constrained")
        ax = figure.subplots()
        largest = max([abs(cell[value]) for cell in pair["strata"] if cell[value] is not None], default=1.0) or 1.0
        _heatmap(ax, pair["strata"], value, difference=True, cmap="RdBu", vmin=-largest, vmax=largest)
        ax.set_title(
            f"{table_title(record)}\n{_MEASURE_TEXTS[value]}, {full_name(record)} − {against}\n"
            "(points; * 95 % interval without 0)"
        )
    return figure


def _heatmap(
    ax: Axes, strata: Sequence[Mapping[str, Any]], value: str, difference: bool = False, **colours: Any
) -> None:
    """Draw strata as a heat map, sizes down, occlusion across; empty cells stay blank.

    Args:
        difference: whether values have a sign, and a star where their interval does not contain 0.
    """
    written = signed if difference else partial(number_text, decimals=0)
    sizes = list(dict.fromkeys(cell["size"] for cell in strata))
    occlusions = list(dict.fromkeys(cell["occlusion"] for cell in strata))
    values: NDArray[np.float64] = np.full((len(sizes), len(occlusions)), np.nan)
    texts = np.full(values.shape, "", dtype=object)
    for cell in strata:
        place = sizes.index(cell["size"]), occlusions.index(cell["occlusion"])
        if cell["n"] and cell[value] is not None:
            low, high = cell[f"{value}_ci"]
            mark = "*" if difference and (low > 0 or high < 0) else ""
            values[place], texts[place] = cell[value], f"{written(cell[value])}{mark}\nn={cell['n']}"
    sns.heatmap(values, annot=texts, fmt="", ax=ax, cbar=False, linewidths=1, annot_kws={"size": "medium"}, **colours)
    ax.set(xlabel="occlusion", ylabel="size")
    ax.set_xticklabels([name.replace("border ", "") for name in occlusions], rotation=30, ha="right")
    ax.set_yticklabels(sizes, rotation=0)
    if any(name.startswith("border") for name in occlusions):
        ax.set_xlabel("border occlusion")
