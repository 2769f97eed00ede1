"""Chart and table of the controlled series."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from wsss.data.palette import OKABE_ITO
from wsss.records.record import Numbers, SeriesRecord
from wsss.records.store import load_series
from wsss.report.drawing import Chart
from wsss.report.order import smoke_mark
from wsss.report.style import SIZE_TICKS, method_colour, use_style
from wsss.report.text import interval_text, number_text

__all__ = ["SERIES_TITLES", "series_changes", "series_charts", "series_figure", "series_table"]

_AXES = {
    "shrinking": ("area", "size of the object (% of the image)", "an object that shrinks"),
    "outshone": (
        "area",
        "size of the object (% of the image)",
        "an object that shrinks beside a large one of its class",
    ),
    "covering": ("occlusion", "hidden share of the object (%)", "an object that is covered"),
}
SERIES_TITLES = {name: title for name, (_, _, title) in _AXES.items()}
"""What each series shows, in words."""

_MARKERS = "osD^v"


def series_table(record: SeriesRecord, method: str = "cam") -> pd.DataFrame:
    """A row for each step of a method: mean size and hidden share, and recall, IoU and hits with 95 % intervals."""
    rows = [
        {
            "area (%)": number_text(row["area"], 2),
            "hidden (%)": number_text(row["occlusion"], 0),
            "pictures": str(row["n"]),
            **{
                f"{_measure_name(name)} (%)": f"{number_text(row[name])} {interval_text(row[f'{name}_ci'])}"
                for name in ("recall", "iou", "hit")
            },
        }
        for row in record["rows"]
        if row["method"] == method
    ]
    return pd.DataFrame(rows).set_index("area (%)")


def series_changes(records: Sequence[SeriesRecord], measures: Sequence[str], method: str = "cam") -> pd.DataFrame:
    """How the measures of a method change along each series: a row each, first → last value and a word.

    A change is said only where the two 95 % intervals do not overlap.
    """
    rows = {}
    for record in records:
        first, last = _ends(record, method)
        places = " → ".join(_place(record, row) for row in (first, last))
        rows[record["series"]] = {"along": places} | {
            _measure_name(name) + ("" if name.endswith("logit") else " (%)"): (
                f"{number_text(first[name])} → {number_text(last[name])}, {_change(first, last, name)}"
            )
            for name in measures
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(f"series, {method}")


def _ends(record: SeriesRecord, method: str) -> tuple[Numbers, Numbers]:
    rows = [row for row in record["rows"] if row["method"] == method]
    return rows[0], rows[-1]


def _change(first: Numbers, last: Numbers, measure: str) -> str:
    (low, high), (last_low, last_high) = first[f"{measure}_ci"], last[f"{measure}_ci"]
    return "falls" if last_high < low else "rises" if last_low > high else "no clear change"


def _place(record: SeriesRecord, row: Numbers) -> str:
    """Where on the series a row stands: the size of the object, or how much of it is hidden."""
    column = _AXES[record["series"]][0]
    what = "of the image" if column == "area" else "hidden"
    return f"{number_text(row[column], 2 if column == 'area' else 0)} % {what}"


def _measure_name(name: str) -> str:
    return "IoU" if name == "iou" else name.replace("_", " ")


def series_figure(record: SeriesRecord) -> Figure:
    """Recall and hit rate of each method along the series, and what the classifier says, with 95 % intervals."""
    column, label, title = _AXES[record["series"]]
    methods = list(dict.fromkeys(row["method"] for row in record["rows"]))
    with use_style():
        figure = Figure(figsize=(9.6, 4.0), layout="constrained")
        recall, hit, logits = figure.subplots(1, 3)
        for number, method in enumerate(methods):
            rows = [row for row in record["rows"] if row["method"] == method]
            style = {"color": method_colour(method), "marker": _MARKERS[number % len(_MARKERS)], "label": method}
            _line(recall, rows, column, "recall", style)
            _line(hit, rows, column, "hit", style)
        # The classifier is the same whatever is made of its maps.
        rows = [row for row in record["rows"] if row["method"] == methods[0]]
        for name, text, colour, marker in (
            ("crop_logit", "logit of a crop around the object", OKABE_ITO[2], "D"),
            ("object_logit", "class map, mean over the object", OKABE_ITO[0], "o"),
            ("image_logit", "logit of the image (mean of the map)", OKABE_ITO[1], "s"),
        ):
            _line(logits, rows, column, name, {"color": colour, "marker": marker, "label": text})
        logits.axhline(0, color="black", linewidth=0.8)
        for ax in (recall, hit):
            ax.set(ylim=(0, 100))
        recall.set(ylabel="recall of the object (%)", title="pixels found")
        hit.set(ylabel="objects with IoU ≥ 0.5 (%)", title="objects found")
        logits.set(ylabel="logit of the object's class", title="what the classifier says")
        for ax in (recall, hit, logits):
            ax.set_xlabel(label)
            _scale(ax, rows, column)
        for ax in (recall, logits):  # below the panels, clear of the lines
            ax.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.2))
        smoke = smoke_mark(record["profile"])
        seeds = f"{len(record['seeds'])} seed" + ("s" if len(record["seeds"]) > 1 else "")
        figure.suptitle(f"{title}, {record['num_images']} pictures, {seeds}{smoke}")
    return figure


def _line(ax: Axes, rows: Sequence[Numbers], column: str, value: str, style: dict[str, Any]) -> None:
    places = [row[column] for row in rows]
    ends = np.array([row[f"{value}_ci"] for row in rows])
    ax.plot(places, [row[value] for row in rows], markersize=5, **style)
    ax.fill_between(places, ends[:, 0], ends[:, 1], color=style["color"], alpha=0.2, linewidth=0)


def _scale(ax: Axes, rows: Sequence[Numbers], column: str) -> None:
    """Size on a logarithmic axis from large to small; the hidden share from nothing upwards."""
    if column == "area":
        ax.set_xscale("log")
        areas = [row["area"] for row in rows]
        ax.xaxis.set_major_locator(FixedLocator([tick for tick in SIZE_TICKS if tick <= max(areas)]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlim(max(areas) * 1.2, min(areas) / 1.2)
    else:
        ax.set_xlim(0, 100)


def series_charts(records: Path, figures: Path) -> list[Chart]:
    """The chart of every series below the root of the record tree."""
    charts = []
    for path in sorted(Path(records).glob("*/series/[!.]*.json")):
        record = load_series(path)
        source = {"records": f"{record['data']}/series", "commit": record["provenance"]["commit"]}
        charts.append(Chart(figures / f"{record['data']}-series-{path.stem}", series_figure, (record,), source))
    return charts
