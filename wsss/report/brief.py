"""Tables of notebooks: six columns at most, the first one included. `wsss.report.tables` has everything else."""

from collections.abc import Sequence

import pandas as pd

from wsss.analysis.strata import ALL
from wsss.methods.names import MethodName
from wsss.records.record import ClaimsRecord, Record
from wsss.records.store import FULL_SUPERVISION, full_name
from wsss.report.claims_table import claims_table
from wsss.report.comparisons import best_control, one_each, rivals
from wsss.report.headline import own_depth
from wsss.report.order import in_order
from wsss.report.tables import label_quality_table, stage_table
from wsss.report.text import MISSING, interval_text, number_text

__all__ = ["claims_of", "few", "label_table", "method_table", "object_measures", "object_table", "told_apart"]

WIDEST = 6


def few(records: Sequence[Record]) -> list[Record]:
    """The methods that charts and tables tell apart, four at most.

    Of seeds plain CAM, the best control, crops alone and the whole method, with the depth that comes with the data; of
    labels and networks the CAM's and depth's in their best refinement, and full supervision.

    Args:
        records: of one data set, stage and split.
    """
    ordered = in_order(records)
    source = own_depth(ordered).get(ordered[0]["data"]) if ordered else None
    wanted = [FULL_SUPERVISION]
    bases = ("cam", "crop-only", "depth")
    chosen = ordered if ordered and ordered[0]["stage"] == "cam" else one_each(ordered)
    wanted += [best_control(ordered) or ""]
    return [
        record
        for record in chosen
        if full_name(record) in wanted
        or ((name := MethodName.of_seeds(record["method"])).base in bases and name.source in (None, source))
    ] or ordered[:4]


def told_apart(records: Sequence[Record]) -> list[str]:
    """Full names of `few`."""
    return [full_name(record) for record in few(records)]


def method_table(records: Sequence[Record]) -> pd.DataFrame:
    """A row for each method: mIoU, interval, difference from the best control, object mIoU, what was chosen on tune; of
    networks the share of full supervision in place of the last.

    Args:
        records: of one data set, stage and split.
    """
    first = records[0]
    table = stage_table(records, first["data"], first["stage"], first["split"])
    control = best_control(records) or rivals(records)[-1]
    wanted = ("mIoU", "95 %", f"Δ {control}", "of full supervision", "object mIoU", "chosen on tune")
    table = table[[name for name in wanted if name in table][: WIDEST - 1]]
    if "chosen on tune" in table:  # of the first run where they differ: a cell must not be cut
        table = table.assign(
            **{"chosen on tune": table["chosen on tune"].str.replace(r" / .*", " (first run)", regex=True)}
        )
    return table


def object_table(records: Sequence[Record], measure: str = "iou") -> pd.DataFrame:
    """Objects by size and by occlusion: their number, and a measure of each method of `few`, in percent with its
    interval.

    Args:
        records: of one data set, stage and split.
        measure: from `wsss.analysis.strata.MEASURES`.
    """
    columns: dict[str, dict[str, str]] = {}
    for record in few(records):
        for cell in record["strata"]:
            if ALL not in (cell["size"], cell["occlusion"]):
                continue  # the inside of the table
            row = _row_of(cell["size"], cell["occlusion"])
            columns.setdefault("n", {})[row] = str(cell["n"])
            known = cell[measure] is not None
            text = f"{number_text(cell[measure])} {interval_text(cell[f'{measure}_ci'])}" if known else MISSING
            columns.setdefault(full_name(record), {})[row] = text
    name = measure.replace("iou", "IoU")
    return pd.DataFrame(columns).fillna(MISSING).rename_axis(f"{name} (%) of objects")


def object_measures(record: Record, measures: Sequence[str] = ("recall", "iou", "hit")) -> pd.DataFrame:
    """Several measures of one method in one table, see `object_table`."""
    tables = {name.replace("iou", "IoU"): object_table([record], name) for name in measures}
    columns = {f"{name} (%)": table[full_name(record)] for name, table in tables.items()}
    return pd.DataFrame({"n": next(iter(tables.values()))["n"], **columns}).rename_axis(f"objects, {full_name(record)}")


def _row_of(size: str, occlusion: str) -> str:
    if size != ALL:
        return f"size {size}"
    return "all" if occlusion == ALL else occlusion if "occl" in occlusion else f"occlusion {occlusion}"


def label_table(records: Sequence[Record]) -> pd.DataFrame:
    """Pseudo-labels: mIoU, foreground, borders, and the share of pixels that is ignored."""
    return label_quality_table(records)[["mIoU", "precision", "recall", "border F", "ignored"]]


def claims_of(record: ClaimsRecord | None, data: str) -> pd.DataFrame | None:
    """The comparisons of a data set that were listed beforehand, with their verdicts; None where there is none.

    Args:
        record: of all data sets, or None.
    """
    rows = [row for row in record["rows"] if row["data"] == data] if record else []
    if record is None or not rows:
        return None
    table = claims_table({**record, "rows": rows}).reset_index("data", drop=True)
    return table[["of", "difference, 95 %", "aim", "p (Holm)", "verdict"]]
