"""The list of all charts of a record tree: for each table those that its records have something to show in."""

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from wsss.methods.names import MethodName
from wsss.records.record import Record
from wsss.records.store import full_name
from wsss.report.ablation_charts import ablation_charts
from wsss.report.brief import few
from wsss.report.budget_charts import budget_charts
from wsss.report.comparisons import baseline, best_control, one_each
from wsss.report.drawing import Chart, draw_charts
from wsss.report.effect_charts import effects_figure
from wsss.report.object_charts import activation_figure
from wsss.report.order import HEADLINE, in_order, table_of
from wsss.report.preset_charts import preset_charts
from wsss.report.series_charts import series_charts
from wsss.report.stage_charts import learning_curves, miou_bars, per_class_bars, threshold_curves
from wsss.report.strata_charts import strata_difference, strata_heatmaps

__all__ = ["all_charts", "record_charts", "regenerate"]


def regenerate(records: Sequence[Record], figures_dir: Path) -> list[Path]:
    """Bring every chart of `records` up to date.

    Returns:
        The files that there are then: `{data}-{stage}-{split}-{chart}.png` and `.svg`.
    """
    return draw_charts(record_charts(records, figures_dir))


def all_charts(records: Sequence[Record], root: Path, figures_dir: Path) -> list[Chart]:
    """Every chart of a record tree: of its `records`, and of the experiments below its `root`."""
    charts = record_charts(records, figures_dir)
    for more in (ablation_charts, budget_charts, series_charts, preset_charts):
        charts += more(root, figures_dir)
    return charts


def record_charts(records: Sequence[Record], figures_dir: Path) -> list[Chart]:
    """Every chart for which the records have something to show, table by table."""
    charts = []
    ordered = sorted(records, key=table_of)
    for (data, stage, split), group in groupby(ordered, key=table_of):
        rows = in_order(list(group))
        commits = sorted({str(row["provenance"]["commit"]) for row in rows})
        source = {"records": f"{data}/{stage}/{split}", "commit": ", ".join(commits)}
        for name, (draw, arguments) in _charts_of_table(rows).items():
            charts.append(Chart(Path(figures_dir) / f"{data}-{stage}-{split}-{name}", draw, arguments, source))
    return charts


def _charts_of_table(rows: Sequence[Record]) -> dict[str, tuple[Callable[..., Figure], tuple[Any, ...]]]:
    """Function and arguments of each chart of a table."""
    main = few(rows)
    controls = [row for row in rows if row["method"] in HEADLINE] or list(rows)
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
    for row in one_each(controls):
        if MethodName.of_seeds(row["method"]).base in ("depth", "crop-only"):
            for other in sorted(others & {pair["against"] for pair in row["paired"]}):
                name = f"strata-{full_name(row)}-vs-{other}"
                charts[name.replace("@", "-").replace("+", "-")] = strata_difference, (row, other)
    return charts
