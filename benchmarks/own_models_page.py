"""The table of own models for `docs/performance.md`, and the picture of the comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.measure import CHECKOUT
from benchmarks.own_models_tools import MODELS, TOOLS, given, motorcycle, photo, square
from benchmarks.record import write_between
from wsss.methods.depth_cam import DepthCAM
from wsss.report.pictures import score_map_on_image
from wsss.report.style import save_figure, use_style

__all__ = ["MARK", "PAGE", "SHOWN", "comparison", "finding", "own_models_table", "publish"]

Rows = Sequence[Mapping[str, Any]]

PAGE, MARK = CHECKOUT / "docs" / "own-model.md", "bench own-models"
ALIKE = 1e-3
"""Largest difference of maps in [0, 1] that are the same but for rounding."""

SHOWN = "timm tf_efficientnet_lite0"
"""The model whose maps are shown: the one whose weights are installed."""

NAMES = {"wsss": "DepthCAM", "torch-cam": "torch-cam", "grad-cam": "grad-cam"}
MARKS = {"wsss": ("o", "#D55E00", -0.17), "torch-cam": ("s", "#0072B2", 0.17), "grad-cam": ("^", "#4D4D4D", 0.0)}
"""Of each tool: its mark, its colour, and how far from the line of the model it is drawn."""
TEXT = 11  # points, of a figure 6 inches wide


def own_models_table(rows: Rows) -> str:
    """Four tables in Markdown, a row for each model: time, lines and differences, memory, DepthCAM on the whole image."""
    named = [NAMES[tool] for tool in TOOLS]
    times = _head("ms for a plain map", "bare pass", *named, "DepthCAM / bare pass")
    lines = _head("lines of code", *named, *(f"difference to {name}" for name in named[1:]))
    memory = _head("MB", "maps", "bare passes", *named)
    whole = _head(
        "whole photograph",
        "ms, to wrap the model",
        "ms, four scales, mirrored",
        "/ bare passes",
        "ms, with depth",
        "/ bare passes",
    )
    for row in rows:
        one, two = row["seconds"]["1"], row["seconds"]["2"]
        each = (f"{_ms(one[name])} ({_ms(two[name])})" for name in ("bare", *TOOLS))
        times.append(_line(row["model"], *each, f"{row['of_bare']['1']['wsss']:.2f}"))
        apart = (f"{row['apart'][tool]:.0e}" for tool in TOOLS[1:])
        lines.append(_line(row["model"], *(row["lines"][tool] for tool in TOOLS), *apart))
        memory.append(_line(row["model"], row["maps"], *(row["memory_mb"][name] for name in ("bare", *TOOLS))))
        ways = [(_ms(row["whole"][way]), f"{row['of_passes'][way]:.2f}") for way in ("scales", "depth")]
        whole.append(_line(row["model"], _ms(row["setup"]["wsss"]), *ways[0], *ways[1]))
    return "\n".join([*times, "", *lines, "", *memory, "", *whole])


def _head(*names: str) -> list[str]:
    return [_line(*names), _line(":--", *("--:" for _ in names[1:]))]


def _line(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _ms(seconds: float) -> str:
    """Milliseconds, three digits of them at most before the point."""
    value = 1000 * seconds
    return f"{value:.0f}" if value >= 99.5 else f"{value:.3g}"


def comparison(rows: Rows) -> Figure:
    """Maps of the motorcycle by three tools and by DepthCAM with depth; below, what a map costs with each model."""
    from benchmarks.own_models import plain_maps

    model = MODELS[SHOWN]
    own = given(model)
    maps = plain_maps(own, model)
    _, disparity = motorcycle()
    guided = DepthCAM(own.model)(photo(), [own.names["output"]], depth=square(disparity), kind="inverse")
    shown = {
        "grad-cam": maps["grad-cam"],
        "torch-cam": maps["torch-cam"],
        "DepthCAM": maps["wsss"],
        "DepthCAM, depth": guided.scores[0],
    }
    with use_style():
        figure = Figure(figsize=(6, 6.2), layout="constrained")
        halves: Any = figure.subfigures(2, 1, height_ratios=(2.0, 4.2))
        above, below = halves
        for ax, (title, one) in zip(above.subplots(1, len(shown)), shown.items(), strict=True):
            score_map_on_image(ax, photo(), one)
            ax.set_title(title, fontsize=TEXT if len(title) < 12 else TEXT - 1)
        _costs(below.subplots(), rows)
    return figure


def _costs(ax: Axes, rows: Rows) -> None:
    """Time of a plain map as a multiple of a bare pass: a line for each model, a mark for each tool."""
    places = np.arange(len(rows))
    for tool, (mark, colour, shift) in MARKS.items():
        values = [row["of_bare"]["1"][tool] for row in rows]
        ax.plot(values, places + shift, mark, color=colour, label=NAMES[tool], markersize=7)
    ax.axvline(1, color="black", linewidth=1)
    ax.set_yticks(places, [_short_name(row) for row in rows], fontsize=TEXT)
    ax.set_xlim(left=0.8)
    ax.tick_params(axis="x", labelsize=TEXT)
    ax.invert_yaxis()
    ax.set_xlabel("time of a map, in bare forward passes", fontsize=TEXT)
    ax.grid(axis="y", visible=False)
    ax.figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=TEXT, handletextpad=0.2)


def _short_name(row: Mapping[str, Any]) -> str:
    library, name = row["model"].split()
    short = name.removeprefix("tf_").split("_patch")[0]
    return f"{short} (HF)" if library == "transformers" else short


def finding(rows: Rows) -> str:
    """What the comparison found, for the page on one's own model: a row for each tool, and how far their maps differ."""
    lines = _head(f"{len(rows)} models, one thread", "time of a plain map / a bare pass", "lines to write")
    for tool in TOOLS:
        costs, written = ([row[key] for row in rows] for key in ("of_bare", "lines"))
        times = [each["1"][tool] for each in costs]
        few, many = min(each[tool] for each in written), max(each[tool] for each in written)
        time = f"{np.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"
        lines.append(_line(NAMES[tool], time, few if few == many else f"{few} to {many}"))
    far = [(row["model"], tool, row["apart"][tool]) for row in rows for tool in TOOLS[1:] if row["apart"][tool] > ALIKE]
    near = max(row["apart"][tool] for row in rows for tool in TOOLS[1:] if row["apart"][tool] <= ALIKE)
    but = "".join(f", but for {NAMES[tool]} with {model} ({apart:.2f})" for model, tool, apart in far)
    lines += [
        "",
        f"Times are medians, with the least and the most. The maps of the three differ by at most {near:.0e} of their "
        f"range{but}: [tables and picture](performance.md#ones-own-model-beside-two-packages).",
    ]
    return "\n".join(lines)


def publish(part: Mapping[str, Any]) -> None:
    """Write what was found into the page on one's own model, and the picture, with where it comes from."""
    write_between(PAGE, MARK, finding(part["rows"]))
    source = {
        "record": "benchmarks/record.json, own-models",
        "commit": part["commit"],
        "photograph": "Scharstein et al., GCPR 2014",
    }
    save_figure(comparison(part["rows"]), CHECKOUT / "figures" / "own-models", source)
