"""Charts of the methods of a stage, drawn from records: mIoU, classes, background thresholds, training losses."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from wsss.records.record import Record
from wsss.records.store import full_name
from wsss.report.order import of_one_table, table_title
from wsss.report.style import method_colour, use_style

__all__ = ["learning_curves", "miou_bars", "per_class_bars", "threshold_curves"]

_THRESHOLD_MARKS = {"o": "chosen on tune", "s": "fixed", "*": "oracle (best on this split)"}
_MARKERS = "osD^v<>P"


def threshold_curves(records: Sequence[Record]) -> Figure:
    """mIoU against the background threshold; marks at the threshold chosen on tune, the fixed one and the oracle.

    With several seeds the curve is their mean, and so is the place of a mark.

    Args:
        records: of one data set, stage and split; those without a curve are left out.

    Raises:
        ValueError: no record has a curve, or the records belong to different tables.
    """
    shown = of_one_table([record for record in records if record["curve"]], "a threshold curve")
    with use_style():
        figure, ax = _figure(7.2, 4.2, shown)
        for record in shown:
            curve = record["curve"] or {}
            thresholds, miou = curve["thresholds"], np.array(curve["miou"], dtype=np.float64)
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
    threshold = record["threshold"] or {}
    values = (threshold["value"], (threshold["fixed"] or {}).get("value"), (threshold["oracle"] or {}).get("value"))
    return [(mark, value) for mark, value in zip(_THRESHOLD_MARKS, values, strict=True) if value is not None]


def miou_bars(records: Sequence[Record]) -> Figure:
    """mIoU of each method: mean over training runs (bar), bootstrap interval over scenes (line), single runs (dots).

    Hatched are methods of which there are fewer runs than of others.
    """
    shown = of_one_table(records, "mIoU")
    most = max(len(record["seeds"]) for record in shown)
    with use_style():
        figure, ax = _figure(7.2, 1.2 + 0.34 * len(shown), shown)
        for place, record in enumerate(shown):
            mean, interval = record["miou"]["mean"], np.array(record["interval"], dtype=np.float64)
            hatch = "////" if len(record["seeds"]) < most else None
            colour = method_colour(full_name(record))
            ax.barh(place, mean, color=colour, height=0.7, hatch=hatch, edgecolor="white", linewidth=0)
            ax.plot(interval, [place, place], color="black", linewidth=1.4)
            seeds = record["miou"]["per_seed"]
            spread = place + 0.22 * np.linspace(-1, 1, len(seeds)) * (len(seeds) > 1)
            ax.plot(seeds, spread, "o", color="white", markeredgecolor="black", markersize=4.5, linestyle="none")
            # The number stands clear of the interval and of the dots.
            right = np.nanmax([mean, interval[1], *seeds])
            ax.annotate(f"{mean:.1f}", (right, place), (7, 0), textcoords="offset points", va="center")
        ax.set(xlabel="mIoU (%)", yticks=range(len(shown)))
        ax.set_yticklabels([full_name(record) for record in shown])
        ax.invert_yaxis()
        ax.margins(x=0.12)
        ax.set_xlim(left=0)
        ax.grid(axis="y", visible=False)
        _legend_of_bars(figure, most, any(len(record["seeds"]) < most for record in shown))
    return figure


def _legend_of_bars(figure: Figure, most: int, fewer: bool) -> None:
    """What bar, line, dots and hatches are."""
    runs = f"mean of {most} training runs" if most > 1 else "one training run"
    handles: list[Line2D | Patch] = [
        Patch(facecolor="#7F7F7F", label=runs),
        *([Patch(facecolor="#7F7F7F", edgecolor="white", hatch="////", label="fewer runs")] if fewer else []),
        Line2D([], [], color="black", label="95 % interval over scenes"),
        Line2D([], [], color="white", marker="o", markeredgecolor="black", linestyle="none", label="a run"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize="small")


def per_class_bars(records: Sequence[Record]) -> Figure:
    """IoU of each class, background first: a line for each class, a mark for each method."""
    shown = of_one_table(records, "IoU per class")
    labels = list(shown[0]["iou"])
    with use_style():
        figure, ax = _figure(7.2, 1.2 + 0.26 * len(labels), shown)
        places = np.arange(len(labels))
        for number, record in enumerate(shown):
            values = np.array([record["iou"].get(name) for name in labels], dtype=np.float64)
            marker = _MARKERS[number % len(_MARKERS)]
            colour, name = method_colour(full_name(record)), full_name(record)
            ax.plot(values, places, marker, color=colour, markeredgecolor="black", markersize=7, label=name)
        ax.set(xlabel="IoU (%)", yticks=places, xlim=(0, 100), ylim=(-0.6, len(labels) - 0.4))
        ax.set_yticklabels([name.replace("_", " ") for name in labels])
        ax.invert_yaxis()
        figure.legend(
            *ax.get_legend_handles_labels(), loc="outside lower center", ncols=min(4, len(shown)), frameon=False
        )
    return figure


def learning_curves(records: Sequence[Record]) -> Figure:
    """Training loss of each network, a line for each seed.

    Args:
        records: whose `history` lists `{"iteration" or "epoch", "loss"}`; those without are left out.
    """
    shown = of_one_table([record for record in records if record["history"]], "a training history")
    histories = [record["history"] or [] for record in shown]
    step = "epoch" if "epoch" in histories[0][0][0] else "iteration"
    with use_style():
        figure, ax = _figure(6.4, 3.8, shown)
        for record, of_seeds in zip(shown, histories, strict=True):
            for number, history in enumerate(of_seeds):
                steps, losses = [point[step] for point in history], [point["loss"] for point in history]
                label = full_name(record) if number == 0 else None
                colour, style = method_colour(full_name(record)), _line_style(record)
                ax.plot(steps, np.array(losses, dtype=np.float64), color=colour, linestyle=style, label=label)
        ax.set(xlabel=step, ylabel="training loss (one line a seed)", ylim=(0, None))
        _legend(ax)
    return figure


def _figure(width: float, height: float, records: Sequence[Record]) -> tuple[Figure, Axes]:
    """A figure of `width × height` inches with one axes, titled."""
    figure = Figure(figsize=(width, height), layout="constrained")
    ax = figure.subplots()
    ax.set_title(table_title(records[0]), loc="left")
    return figure, ax


def _line_style(record: Record) -> str:
    return (
        "--"
        if record["refinement"]
        else {"learned": "-.", "sensor": "-", "meter": "-"}.get(record["depth_source"] or "sensor", ":")
    )


def _legend(ax: Axes) -> Legend:
    return ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
