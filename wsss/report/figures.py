"""Charts that are drawn from records alone, and the command that draws them all anew."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from wsss.data.palette import overlay
from wsss.machine.lazy import lazy
from wsss.records.store import full_name
from wsss.report.drawing import Chart, draw_charts
from wsss.report.effect_charts import effects_figure
from wsss.report.object_charts import activation_figure
from wsss.report.order import HEADLINE, STAGE_NAMES, in_order
from wsss.report.pictures import MethodPanels, image_grid, method_figure, score_map_on_image
from wsss.report.style import method_colour, use_style
from wsss.report.tables import baseline, best_control, one_each

__all__ = [
    "MethodPanels",
    "image_grid",
    "learning_curves",
    "method_figure",
    "miou_bars",
    "overlay",
    "per_class_bars",
    "record_charts",
    "regenerate",
    "score_map_on_image",
    "strata_difference",
    "strata_heatmaps",
    "threshold_curves",
]

sns = lazy("seaborn")
Record = Mapping[str, Any]

PANELS_ACROSS = 3

_MEASURE_TEXTS = {
    "recall": "recall of objects",
    "iou": "IoU of objects",
    "hit": "objects with IoU ≥ 0.5",
    "pointing": "objects that win the pointing game",
}
_THRESHOLD_MARKS = {"o": "chosen on tune", "s": "fixed", "*": "oracle (best on this split)"}


def threshold_curves(records: Sequence[Record]) -> Figure:
    """mIoU against the background threshold; marks at the threshold chosen on tune, the fixed one and the oracle.

    With several seeds the curve is their mean, and so is the place of a mark.

    Args:
        records: of one data set, stage and split; those without a curve are left out.

    Raises:
        ValueError: no record has a curve, or the records belong to different tables.
    """
    shown = _of_one_table([record for record in records if record["curve"]], "a threshold curve")
    with use_style():
        figure, ax = _figure(7.2, 4.2, shown)
        for record in shown:
            thresholds, miou = record["curve"]["thresholds"], np.array(record["curve"]["miou"], dtype=np.float64)
            colour, style = method_colour(full_name(record)), _line_style(record)
            ax.plot(thresholds, miou, color=colour, linestyle=style, label=full_name(record))
            for mark, value in _marked_thresholds(record):
                ax.plot(
                    value, np.interp(value, thresholds, miou), mark, color=colour, markersize=6, markeredgecolor="black"
                )
        ax.set(xlabel="background threshold", ylabel="mIoU (%)", xlim=(0, 1), ylim=(0, None))
        legend = _legend(ax)
        marks = [
            Line2D([], [], color="white", marker=mark, markeredgecolor="black", linestyle="none", label=text)
            for mark, text in _THRESHOLD_MARKS.items()
        ]
        ax.legend(
            handles=marks,
            frameon=False,
            ncols=len(marks),
            fontsize="small",
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
        )
        ax.add_artist(legend)
        legend.set_clip_on(False)  # or the layout would leave no room for it
    return figure


def _marked_thresholds(record: Record) -> list[tuple[str, float]]:
    """Mark and threshold: chosen on tune, fixed, oracle."""
    threshold = record["threshold"]
    values = (threshold["value"], (threshold["fixed"] or {}).get("value"), (threshold["oracle"] or {}).get("value"))
    return [(mark, value) for mark, value in zip(_THRESHOLD_MARKS, values, strict=True) if value is not None]


def miou_bars(records: Sequence[Record]) -> Figure:
    """mIoU of each method: mean over seeds (bar), bootstrap interval over images (line), single seeds (dots)."""
    shown = _of_one_table(records, "mIoU")
    with use_style():
        figure, ax = _figure(6.4, 0.9 + 0.38 * len(shown), shown)
        for place, record in enumerate(shown):
            mean, interval = record["miou"]["mean"], np.array(record["interval"], dtype=np.float64)
            ax.barh(place, mean, color=method_colour(full_name(record)), height=0.7)
            ax.plot(interval, [place, place], color="black", linewidth=1.4)
            seeds = record["miou"]["per_seed"]
            spread = place + 0.22 * np.linspace(-1, 1, len(seeds)) * (len(seeds) > 1)
            ax.plot(seeds, spread, "o", color="white", markeredgecolor="black", markersize=4.5, linestyle="none")
            # The number stands clear of the interval and of the dots.
            right = np.nanmax([mean, interval[1], *seeds])
            ax.annotate(f"{mean:.1f}", (right, place), (7, 0), textcoords="offset points", va="center")
        ax.set(xlabel="mIoU (%): mean, 95 % interval over images, seeds", yticks=range(len(shown)))
        ax.set_yticklabels([full_name(record) for record in shown])
        ax.invert_yaxis()
        ax.margins(x=0.12)
        ax.set_xlim(left=0)
        ax.grid(axis="y", visible=False)
    return figure


def strata_heatmaps(records: Sequence[Record], methods: Sequence[str] | None = None, value: str = "iou") -> Figure:
    """Objects by size and occlusion, a panel for each method: percent, and the number of objects.

    Args:
        records: of one data set, stage and split.
        methods: full names of those to show; None for all.
        value: one of `MEASURES`.
    """
    chosen = [record for record in records if methods is None or full_name(record) in methods]
    shown = _of_one_table(chosen, "size × occlusion strata")
    with use_style():
        across = len({cell["occlusion"] for cell in shown[0]["strata"]})
        columns = min(len(shown), PANELS_ACROSS)
        rows = -(-len(shown) // columns)
        figure = Figure(figsize=(1.2 + 0.85 * across * columns, 0.4 + 2.8 * rows), layout="constrained")
        figure.suptitle(f"{_title(shown[0])}: {_MEASURE_TEXTS[value]} (%)")
        axes = figure.subplots(rows, columns, squeeze=False)
        for ax, record in zip(axes.flat, shown, strict=False):
            _heatmap(ax, record["strata"], value, "{:.0f}", cmap="viridis", vmin=0, vmax=100)
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
        figure = Figure(figsize=(5.2, 3.4), layout="constrained")
        ax = figure.subplots()
        largest = max([abs(cell[value]) for cell in pair["strata"] if cell[value] is not None], default=1.0) or 1.0
        _heatmap(ax, pair["strata"], value, "{:+.1f}", cmap="RdBu", vmin=-largest, vmax=largest, star=True)
        ax.set_title(
            f"{_title(record)}\n{_MEASURE_TEXTS[value]}, {full_name(record)} − {against}\n"
            "(points; * 95 % interval without 0)"
        )
    return figure


def per_class_bars(records: Sequence[Record]) -> Figure:
    """IoU of each class, background first; a group of bars for each class, a bar for each method."""
    shown = _of_one_table(records, "IoU per class")
    labels = list(shown[0]["iou"])
    with use_style():
        figure, ax = _figure(max(6.4, 1.6 + 0.16 * len(labels) * (len(shown) + 1)), 3.8, shown)
        width = 0.84 / len(shown)
        for number, record in enumerate(shown):
            heights = np.array([record["iou"].get(name) for name in labels], dtype=np.float64)
            places = np.arange(len(labels)) + (number - (len(shown) - 1) / 2) * width
            colour, hatch = method_colour(full_name(record)), "////" if record["refinement"] else None
            ax.bar(places, heights, width, color=colour, hatch=hatch, edgecolor="white", lw=0, label=full_name(record))
        ax.set(ylabel="IoU (%)", xticks=range(len(labels)), xlim=(-0.6, len(labels) - 0.4), ylim=(0, 100))
        ax.set_xticklabels([name.replace("_", " ") for name in labels], rotation=40, ha="right", rotation_mode="anchor")
        ax.grid(axis="x", visible=False)
        _legend(ax)
    return figure


def learning_curves(records: Sequence[Record]) -> Figure:
    """Training loss of each network, a line for each seed.

    Args:
        records: whose `history` lists `{"iteration" or "epoch", "loss"}`; those without are left out.
    """
    shown = _of_one_table([record for record in records if record["history"]], "a training history")
    step = "epoch" if "epoch" in shown[0]["history"][0][0] else "iteration"
    with use_style():
        figure, ax = _figure(6.4, 3.8, shown)
        for record in shown:
            for number, history in enumerate(record["history"]):
                steps, losses = [point[step] for point in history], [point["loss"] for point in history]
                label = full_name(record) if number == 0 else None
                colour, style = method_colour(full_name(record)), _line_style(record)
                ax.plot(steps, np.array(losses, dtype=np.float64), color=colour, linestyle=style, label=label)
        ax.set(xlabel=step, ylabel="training loss (one line a seed)", ylim=(0, None))
        _legend(ax)
    return figure


def regenerate(records: Sequence[Record], figures_dir: Path) -> list[Path]:
    """Bring every chart of `records` up to date.

    Returns:
        The files that there are then: `{data}-{stage}-{split}-{chart}.png` and `.svg`.
    """
    return draw_charts(record_charts(records, figures_dir))


def record_charts(records: Sequence[Record], figures_dir: Path) -> list[Chart]:
    """Every chart for which the records have something to show, table by table."""
    charts = []
    ordered = sorted(records, key=_table_key)
    for (data, stage, split), group in groupby(ordered, key=_table_key):
        rows = in_order(list(group))
        commits = sorted({str(row["provenance"]["commit"]) for row in rows})
        source = {"records": f"{data}/{stage}/{split}", "commit": ", ".join(commits)}
        for name, (draw, arguments) in _charts_of_table(rows).items():
            charts.append(Chart(Path(figures_dir) / f"{data}-{stage}-{split}-{name}", draw, arguments, source))
    return charts


def _charts_of_table(rows: Sequence[Record]) -> dict[str, tuple[Callable[..., Figure], tuple[Any, ...]]]:
    """Function and arguments of each chart of a table."""
    main = [row for row in rows if row["method"] in HEADLINE] or list(rows)
    if main[0]["stage"] == "pseudo":  # a dozen rows, in which a method has the same colour whatever its refinement
        main = one_each(main)
    wanted: dict[str, tuple[Callable[[Sequence[Record]], Figure], Sequence[Record]]] = {
        "miou": (miou_bars, rows),
        "classes": (per_class_bars, main),
        "thresholds": (threshold_curves, [row for row in main if row["curve"]]),
        "strata": (strata_heatmaps, main),
        "effects": (effects_figure, [row for row in main if row.get("hit_effects")]),
        "activation": (activation_figure, [row for row in main if (row.get("activation") or {}).get("area")]),
        "losses": (learning_curves, [row for row in rows if row["history"]]),
    }
    others = {name for name in (baseline(rows), best_control(rows)) if name}
    charts: dict[str, tuple[Callable[..., Figure], tuple[Any, ...]]] = {
        name: (draw, (shown,)) for name, (draw, shown) in wanted.items() if shown
    }
    for row in main:
        if row["method"].startswith("depth@"):
            for other in sorted(others & {pair["against"] for pair in row["paired"]}):
                name = f"strata-{full_name(row)}-vs-{other}"
                charts[name.replace("@", "-").replace("+", "-")] = strata_difference, (row, other)
    return charts


def _table_key(record: Record) -> tuple[str, str, str]:
    return record["data"], record["stage"], record["split"]


def _of_one_table(records: Sequence[Record], content: str) -> list[Record]:
    """The records in order; refuse none, and those that no table may put side by side."""
    keys = {_table_key(record) for record in records}
    if len(keys) != 1:
        raise ValueError(
            f"a figure shows the records of one data set, stage and split that have {content}, got {sorted(keys)}"
        )
    return in_order(records)


def _figure(width: float, height: float, records: Sequence[Record]) -> tuple[Figure, Axes]:
    """A figure of `width × height` inches with one axes, titled."""
    figure = Figure(figsize=(width, height), layout="constrained")
    ax = figure.subplots()
    ax.set_title(_title(records[0]), loc="left")
    return figure, ax


def _title(record: Record) -> str:
    smoke = " – NOT A RESULT (smoke)" if record["profile"] == "smoke" else ""
    return f"{record['data']}, {STAGE_NAMES[record['stage']]}, {record['split']}{smoke}"


def _line_style(record: Record) -> str:
    return (
        "--"
        if record["refinement"]
        else {"learned": "-.", "sensor": "-", "meter": "-"}.get(record["depth_source"] or "sensor", ":")
    )


def _legend(ax: Axes) -> Legend:
    return ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _heatmap(
    ax: Axes, strata: Sequence[Mapping[str, Any]], value: str, text: str, star: bool = False, **colours: Any
) -> None:
    """Draw strata as a heat map, sizes down, occlusion across; empty cells stay blank."""
    sizes = list(dict.fromkeys(cell["size"] for cell in strata))
    occlusions = list(dict.fromkeys(cell["occlusion"] for cell in strata))
    values: NDArray[np.float64] = np.full((len(sizes), len(occlusions)), np.nan)
    texts = np.full(values.shape, "", dtype=object)
    for cell in strata:
        place = sizes.index(cell["size"]), occlusions.index(cell["occlusion"])
        if cell["n"] and cell[value] is not None:
            low, high = cell[f"{value}_ci"]
            mark = "*" if star and (low > 0 or high < 0) else ""
            values[place], texts[place] = cell[value], f"{text.format(cell[value])}{mark}\nn={cell['n']}"
    sns.heatmap(values, annot=texts, fmt="", ax=ax, cbar=False, linewidths=1, annot_kws={"size": "small"}, **colours)
    ax.set(xlabel="occlusion", ylabel="size")
    ax.set_xticklabels([name.replace("border ", "") for name in occlusions], rotation=30, ha="right")
    ax.set_yticklabels(sizes, rotation=0)
    if any(name.startswith("border") for name in occlusions):
        ax.set_xlabel("border occlusion")
