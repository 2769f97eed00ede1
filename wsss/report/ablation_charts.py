"""Table and chart of an ablation record."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from wsss.data.palette import OKABE_ITO
from wsss.records.record import AblationRecord, Numbers
from wsss.records.store import load_ablation
from wsss.report.drawing import Chart
from wsss.report.style import use_style
from wsss.report.text import MISSING, difference_text, interval_text, number_text

__all__ = ["ablation_charts", "ablation_figure", "ablation_table"]

COLOURS = (OKABE_ITO[5], OKABE_ITO[4])
"""Of the first row of a group, and of the changed ones."""

_TITLES = {"depth": "where depth is from"}  # of groups, where their name is a method's too


def ablation_table(record: AblationRecord) -> pd.DataFrame:
    """One row for each variant: mIoU, interval, difference from the first of its group, cost."""
    rows, seen = [], set()
    for row in record["rows"]:
        first = row["group"] not in seen
        seen.add(row["group"])
        rows.append(
            {
                "group": row["group"],
                "variant": row["variant"],
                "method": row["method"],
                "mIoU": f"{number_text(row['miou'])} {interval_text(row['interval'])}",
                "difference": MISSING if first else difference_text(row["difference"], row["ci"]),
                "MP/image": number_text(row["megapixels_per_image"], 2),
                "trust": number_text(row["trust"], 2),
            }
        )
    return pd.DataFrame(rows).set_index(["group", "variant"])


def ablation_figure(record: AblationRecord) -> Figure:
    """mIoU of every variant with its 95 % interval, a panel for each group; a line marks the unchanged method."""
    groups: dict[str, list[Numbers]] = {}
    for row in record["rows"]:
        groups.setdefault(row["group"], []).append(row)
    with use_style():
        heights = [len(rows) for rows in groups.values()]
        figure = Figure(figsize=(7.0, 0.6 + 0.3 * sum(heights) + 0.25 * len(groups)), layout="tight")
        axes = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for ax, (group, rows) in zip(axes, groups.items(), strict=True):
            values, places = np.array([row["miou"] for row in rows]), np.arange(len(rows))
            ends = np.abs(np.array([row["interval"] for row in rows]).T - values)
            colours = [COLOURS[min(place, 1)] for place in range(len(rows))]
            ax.barh(places, values, color=colours, height=0.7)
            ax.errorbar(values, places, xerr=ends, fmt="none", ecolor="black", elinewidth=1, capsize=2)
            ax.axvline(values[0], color="black", linewidth=0.8, linestyle=":")
            for place, row in zip(places, rows, strict=True):
                text = ax.text(row["interval"][1] + 1, place, f"{row['miou']:.1f}", va="center", fontsize="small")
                text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.5})
            ax.set(yticks=places, yticklabels=[row["variant"] for row in rows], xlim=(0, 100))
            title = f"{_TITLES.get(group, group)} ({rows[0]['method'].partition('@')[0]})"
            ax.set_title(title, loc="left", fontsize="medium")
            ax.grid(visible=False, axis="y")
            ax.invert_yaxis()
        axes[-1].set_xlabel(
            f"mIoU (%) with 95 % interval over scenes; {record['data']}, tune, seed {record['seed']}", loc="right"
        )
    return figure


def ablation_charts(records: Path, figures: Path) -> list[Chart]:
    """The chart of every ablation below the root of the record tree."""
    charts = []
    for path in sorted(records.glob("*/ablation/tune/[!.]*.json")):
        record = load_ablation(path)
        assert record is not None
        source = {"records": f"{record['data']}/ablation/tune", "commit": record["provenance"]["commit"]}
        charts.append(Chart(figures / f"{record['data']}-ablation-{path.stem}", ablation_figure, (record,), source))
    return charts
