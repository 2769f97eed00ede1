"""Table and chart of what size and occlusion each do to the chance that an object is found."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from wsss.analysis.effects import EFFECTS
from wsss.records.record import Numbers, Record
from wsss.records.store import full_name
from wsss.report.order import in_order, smoke_mark
from wsss.report.style import method_colour, use_style
from wsss.report.text import MISSING

__all__ = ["effects_figure", "effects_table"]

_TICKS = (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20)
_FINE_TICKS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 1.75, 2, 2.5)


def effects_table(records: Sequence[Record]) -> pd.DataFrame:
    """Odds ratios of a hit (IoU ≥ 0.5), one row a method: each effect with the other and the class held fixed.

    Above 1 the effect helps, below 1 it harms, and an interval with 1 in it says neither. Methods with too few hits or
    misses have dashes (see `wsss.analysis.effects.hit_effects`).
    """
    found = {full_name(record): record["hit_effects"] or {} for record in in_order(records)}
    labels = {name: effects[name]["label"] for effects in found.values() for name in EFFECTS if name in effects}
    rows = {}
    for method, effects in found.items():
        texts = {labels[name]: _odds_text(effects.get(name)) for name in EFFECTS if name in labels}
        hits = f"{effects['hits']:.0f}" if effects else MISSING
        rows[method] = {"objects": str(effects.get("n", MISSING)), "hits": hits, **texts}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def _odds_text(effect: Numbers | None) -> str:
    if effect is None:
        return MISSING
    low, high = effect["ci"]
    return f"× {effect['odds_ratio']:.2f} [{low:.2f}, {high:.2f}]"


def effects_figure(records: Sequence[Record]) -> Figure:
    """The odds ratios of `effects_table` with their 95 % intervals, a panel an effect.

    Args:
        records: of one data set, stage and split, with `hit_effects`.

    Raises:
        ValueError: no record has effects.
    """
    shown = [(record, effects) for record in in_order(records) if (effects := record.get("hit_effects"))]
    if not shown:
        raise ValueError("no record has the effects of size and occlusion")
    methods, found, first = [full_name(record) for record, _ in shown], [effects for _, effects in shown], shown[0][0]
    names = [name for name in EFFECTS if name in found[0]]
    with use_style():
        figure = Figure(figsize=(2.2 + 3.3 * len(names), 1.3 + 0.32 * len(shown)), layout="constrained")
        axes = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
        for ax, name in zip(axes, names, strict=True):
            _odds_panel(ax, methods, [effects.get(name) for effects in found])
            ax.set(xlabel="odds ratio of a hit", title=found[0][name]["label"])
        axes[0].set(yticks=range(len(methods)))
        axes[0].set_yticklabels(methods)
        axes[0].invert_yaxis()
        smoke = smoke_mark(first["profile"])
        title = f"{first['data']}, {first['split']}: what an IoU ≥ 0.5 hangs on{smoke}"
        figure.suptitle(title, fontsize="medium")
    return figure


def _odds_panel(ax: Axes, methods: Sequence[str], effects: Sequence[Numbers | None]) -> None:
    """One effect, a line for each method; None where it is not known."""
    known = [
        (place, method, effect) for place, (method, effect) in enumerate(zip(methods, effects, strict=True)) if effect
    ]
    for place, method, effect in known:
        ax.plot(effect["ci"], [place, place], color="black", linewidth=1.2)
        colour = method_colour(method)
        ax.plot(effect["odds_ratio"], place, "o", color=colour, markeredgecolor="black", markersize=6)
    ax.axvline(1, color="black", linewidth=0.8, linestyle=":")
    ends = np.array([effect["ci"] for _, _, effect in known]).ravel()
    ax.set_xscale("log")
    low, high = min(1, ends.min()), max(1, ends.max())
    ticks = _FINE_TICKS if high / low < 3 else _TICKS
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low / 1.05 <= tick <= high * 1.05]))
    ax.set_xlim(low / 1.08, high * 1.08)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter("{x:g}")
    ax.grid(axis="y", visible=False)
