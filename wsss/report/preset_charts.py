"""Tables, chart and sentence of the records that say what presets are worth."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from wsss.methods.names import MethodName
from wsss.records.record import PresetRecord
from wsss.records.store import load_preset_records
from wsss.report.drawing import Chart
from wsss.report.style import method_colour, use_style
from wsss.report.text import MISSING, difference_text, number_text, to_markdown

__all__ = [
    "PRESET_TABLES",
    "criteria_table",
    "few_masks_table",
    "loss_table",
    "preset_charts",
    "preset_figure",
    "preset_sentence",
]

Row = Mapping[str, Any]


def loss_table(record: PresetRecord) -> pd.DataFrame:
    """One row for each method: mIoU tuned and by the preset, and the loss with its interval."""
    rows = {
        row["method"]: {
            f"tuned, {record['tune_images']} masks": number_text(row["tuned"]["miou"]),
            "by preset": number_text(row["preset"]["miou"]),
            "lost": difference_text(row["lost"]["mean"], row["lost"]["ci"]),
        }
        for row in record["rows"]
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def few_masks_table(record: PresetRecord) -> pd.DataFrame:
    """One row for each method: mIoU of what few masks choose, a column for each number of them."""
    rows = {row["method"]: {f"{each['masks']} masks": _drawn(each) for each in row["few"]} for row in record["rows"]}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def criteria_table(record: PresetRecord) -> pd.DataFrame:
    """One column for each method: mIoU of the thresholds that the preset and criteria without masks take."""
    names = dict.fromkeys(name for row in record["rows"] for name in row["criteria"])
    columns = {}
    for row in record["rows"]:
        taken = {name: row["criteria"].get(name) for name in names}
        columns[row["method"]] = {
            "preset": _at(row["preset"]["miou"], [row["threshold"]]),
            **{name: _at(one["miou"], one["thresholds"]) if one else MISSING for name, one in taken.items()},
            "best threshold": number_text(row["best_threshold"]),
        }
    return pd.DataFrame(columns).rename_axis("criterion")


def _drawn(each: Row) -> str:
    return f"{number_text(each['miou'])}: {number_text(each['low'])} to {number_text(each['high'])}"


def _at(miou: float, thresholds: Sequence[float]) -> str:
    return f"{number_text(miou)} ({', '.join(f'{threshold:.2f}' for threshold in thresholds)})"


def preset_sentence(records: Sequence[PresetRecord]) -> str:
    """What depth is worth beside colour where a preset of other data chooses for both."""
    parts = []
    for record in records:
        rows = {MethodName.parse(row["method"]).base: row for row in record["rows"]}
        depth, colour = rows["depth"], rows["rgb-region"]
        scores = [number_text(row["preset"]["miou"]) for row in (depth, colour)]
        difference = difference_text(depth["from_colour"]["mean"], depth["from_colour"]["ci"])
        names = f"on `{record['data']}` {depth['method']} has {scores[0]} and {colour['method']} {scores[1]}"
        parts.append(f"{names} ({difference})")
    return f"By a preset of other data {'; '.join(parts)}."


def preset_figure(records: Sequence[PresetRecord]) -> Figure:
    """mIoU of what a few masks choose, a panel for each data set; dotted lines are the preset's."""
    with use_style():
        figure = Figure(figsize=(4.2 * len(records), 3.6), layout="constrained")
        panels = figure.subplots(1, len(records), squeeze=False)[0]
        for ax, record in zip(panels, records, strict=True):
            for row in record["rows"]:
                colour = method_colour(row["method"])
                masks = [each["masks"] for each in row["few"]]
                low, middle, high = (np.array([each[key] for each in row["few"]]) for key in ("low", "miou", "high"))
                ax.plot(masks, middle, color=colour, marker="o", label=MethodName.parse(row["method"]).base)
                if MethodName.parse(row["method"]).base in ("rgb-region", "depth"):
                    ax.fill_between(masks, low, high, color=colour, alpha=0.15, linewidth=0)
                ax.axhline(row["preset"]["miou"], color=colour, linestyle=":", linewidth=1.2)
            ax.set_xscale("log")
            ticks = [each["masks"] for each in record["rows"][0]["few"]]
            ax.xaxis.set_major_locator(FixedLocator(ticks))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.set_xticklabels(map(str, ticks))
            ax.set(xlabel="masks that choose", ylabel="mIoU (%)", title=f"{record['data']}, {record['split']}")
        panels[-1].legend(title="dotted: by preset", loc="lower right", fontsize="small")
    return figure


def preset_charts(records: Path, figures: Path) -> list[Chart]:
    """The chart of the records below the root of the record tree that say what presets are worth."""
    found = [record for record in load_preset_records(records) if all(row["few"] for row in record["rows"])]
    if not found:
        return []
    commits = ", ".join(sorted({str(record["provenance"]["commit"]) for record in found}))
    source = {"records": ", ".join(f"{record['data']}/presets/{record['split']}" for record in found)}
    return [Chart(figures / "presets-few-masks", preset_figure, (found,), {**source, "commit": commits})]


def _title(record: PresetRecord) -> str:
    seeds = ", ".join(map(str, record["seeds"]))
    used = record["left_out"].get("images", {}).get("report")
    images = f"{used[0]} of {used[1]} images, evenly spaced" if used else f"{record['num_images']} images"
    return (
        f"**{record['data']}**, {record['split']} split, {images}, training seed {seeds}; preset `{record['preset']}`, "
        f"chosen on {', '.join(f'`{name}`' for name in record['made_from'])}\n\n"
    )


def _losses(records: Sequence[PresetRecord]) -> str:
    blocks = [
        "\n".join([f"{_title(record)}{to_markdown(loss_table(record))}", to_markdown(few_masks_table(record))])
        for record in records
    ]
    note = (
        "*mIoU in percent of CAMs with given image labels, background included. Lost: tuned minus preset, with a 95 % "
        f"interval over scenes. Of few masks: the mean of {records[0]['draws']} draws from the tune split, and the "
        "range of nine in ten of them; parameters and threshold are chosen on these masks alone.*\n"
    )
    return "\n".join([*blocks, note])


def _criteria(records: Sequence[PresetRecord]) -> str:
    return "\n".join(f"{_title(record)}{to_markdown(criteria_table(record))}" for record in records)


PRESET_TABLES: dict[str, Callable[[Sequence[PresetRecord]], str]] = {
    "preset-losses": _losses,
    "preset-criteria": _criteria,
    "preset-sentence": lambda records: f"{preset_sentence(records)}\n",
}
"""Tables of these records alone."""
