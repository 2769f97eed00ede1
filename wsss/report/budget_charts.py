"""Chart and table of what more megapixels give."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from wsss.records.experiments import load_budgets
from wsss.records.record import BudgetRecord, Numbers
from wsss.report.drawing import Chart
from wsss.report.order import smoke_mark
from wsss.report.style import method_colour, use_style
from wsss.report.text import MISSING, difference_text, number_text

__all__ = ["budget_charts", "budget_figure", "budget_table"]

_LINES = {
    "passes": ("zoom", "passes over the whole image", "o"),
    "colour": ("rgb-region", "and regions of colour", "s"),
    "depth": ("depth", "passes, crops and regions by depth", "D"),
}
"""Of each line the method whose colour it has, its words and its mark."""


def budget_table(record: BudgetRecord) -> pd.DataFrame:
    """A row for each cost: megapixels, the finest pass in pixels of the image, mIoU, and differences from passes alone
    with their 95 % intervals."""
    rows = {}
    for times, lines in _by_cost(record).items():
        rows[f"{times:g} ×"] = {
            "megapixels": number_text(lines["passes"]["megapixels"], 2),
            "finest pass": "–".join(number_text(one, 1) for one in _span([each["scale"] for each in lines.values()])),
            "mIoU, passes": number_text(lines["passes"]["miou"]),
            "colour − passes": _difference(lines.get("colour")),
            "depth − passes": _difference(lines.get("depth")),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(f"cost, {record['data']}")


def _by_cost(record: BudgetRecord) -> dict[float, dict[str, Numbers]]:
    found: dict[float, dict[str, Numbers]] = {}
    for row in record["rows"]:
        found.setdefault(row["times"], {})[row["line"]] = row
    return found


def _span(values: list[float]) -> list[float]:
    return sorted({round(min(values), 1), round(max(values), 1)})


def _difference(row: Numbers | None) -> str:
    return difference_text(row["difference"], row["ci"]) if row else MISSING


def budget_figure(record: BudgetRecord) -> Figure:
    """mIoU of each line over megapixels per image, with 95 % intervals; the usual cost is marked."""
    with use_style():
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        ax = figure.subplots()
        for line, (method, words, marker) in _LINES.items():
            rows = [row for row in record["rows"] if row["line"] == line]
            places, ends = [row["megapixels"] for row in rows], np.array([row["interval"] for row in rows])
            colour = method_colour(method)
            ax.plot(places, [row["miou"] for row in rows], color=colour, marker=marker, markersize=5, label=words)
            ax.fill_between(places, ends[:, 0], ends[:, 1], color=colour, alpha=0.15, linewidth=0)
        first = [row for row in record["rows"] if row["line"] == "passes"]
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(FixedLocator([row["megapixels"] for row in first]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter("{x:.2f}")
        for row in first:
            if row["times"] == 1:
                ax.axvline(row["megapixels"], color="black", linewidth=0.8, linestyle=":", zorder=0)
        ax.set_xlabel("megapixels per image that the classifier sees; dotted: the usual cost")
        ax.set_ylabel("mIoU on tune (%), with 95 % interval")
        ax.legend(frameon=False, fontsize="small")
        images = f"{record['num_images']} images, seed {record['seed']}"
        ax.set_title(f"{record['data']}: what more pixels buy, {images}{smoke_mark(record['profile'])}")
    return figure


def budget_charts(records: Path, figures: Path) -> list[Chart]:
    """The chart of every such record below the root of the record tree."""
    charts = []
    for record in load_budgets(Path(records)):
        source = {"records": f"{record['data']}/budget/tune", "commit": record["provenance"]["commit"]}
        place = figures / f"{record['data']}-budget-seed-{record['seed']}"
        charts.append(Chart(place, budget_figure, (record,), source))
    return charts
