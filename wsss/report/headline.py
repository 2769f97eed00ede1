"""The results at one glance: few columns, one row for each data set and stage."""

from collections.abc import Mapping, Sequence
from statistics import stdev
from typing import Any

import pandas as pd

from wsss.methods.names import MethodName
from wsss.records.record import Record
from wsss.records.store import STAGES, select_records
from wsss.report.comparisons import marked_miou
from wsss.report.order import HEADLINE, SOURCES, STAGE_NAMES, in_order, table_of
from wsss.report.text import MISSING, mean_std, number_text

__all__ = ["headline_table", "own_depth"]


def own_depth(records: Sequence[Record]) -> dict[str, str]:
    """For each data set with records of `depth`, the source that comes with it: the sensor's where there is one."""
    found: dict[str, set[str]] = {}
    for record in records:
        name = MethodName.of_seeds(record["method"])
        if name.base == "depth" and name.source in SOURCES:
            found.setdefault(record["data"], set()).add(name.source)
    return {data: min(sources, key=SOURCES.index) for data, sources in found.items()}


def headline_table(records: Sequence[Record]) -> pd.DataFrame:
    """mIoU of every data set, stage and split (rows) by method (columns).

    Seeds with predicted image labels, images that no choice had looked at before, and refined labels have rows of their
    own; networks on refined labels share one, and their table names the refinement of each. Where the depth that comes
    with the data has another name on each data set, it stands in one column: `depth` without `@`.
    """
    if not records:
        select_records(records, stage="any")
    own, chosen = own_depth(records), [record for record in in_order(records) if record["method"] in HEADLINE]
    merged = len(set(own.values())) > 1
    columns = list(dict.fromkeys(_column(record, own, merged) for record in chosen or in_order(records)))
    table: dict[tuple[str, str], dict[str, str]] = {}
    for record in sorted(in_order(records), key=_place):
        for row, text in _cells(record, [other for other in chosen or records if table_of(other) == table_of(record)]):
            table.setdefault((record["data"], row), {})[_column(record, own, merged)] = text
    frame = pd.DataFrame.from_dict(table, orient="index")[columns].fillna(MISSING)
    frame.index = pd.MultiIndex.from_tuples(table, names=["data", "mIoU of"])
    return frame


def _column(record: Record, own: Mapping[str, str], merged: bool) -> str:
    name = MethodName.of_seeds(record["method"])
    return name.base if merged and name.source and name.source == own.get(record["data"]) else record["method"]


def _place(record: Record) -> tuple[Any, ...]:
    """Order of the rows: `tabletop` first; seeds, pseudo-labels, networks; unrefined first."""
    stage = STAGES.index(record["stage"])
    refinement = record["refinement"] or ""
    if record["stage"] == "segmentation":
        refinement = "refined" if refinement else ""
    return record["data"] != "tabletop", record["data"], stage, record["split"], refinement


def _cells(record: Record, others: Sequence[Record]) -> list[tuple[str, str]]:
    """Rows that a record has a number for, and the numbers; `others` are of the same data set, stage and split."""
    name, split = STAGE_NAMES[record["stage"]], record["split"]
    if record["refinement"]:
        name += ", refined labels" if record["stage"] == "segmentation" else f" +{record['refinement']}"
    cells = [(f"{name} ({split})", marked_miou(record, others))]
    if record["predicted_labels"]:
        cells.append((f"{name}, predicted labels ({split})", _predicted_text(record["predicted_labels"])))
    if record["subset"]:
        rest = record["subset"]["rest"]
        cells.append((f"{name} ({split}, {rest['n']} not in early tries)", number_text(rest["miou"])))
    return cells


def _predicted_text(predicted: Mapping[str, Any]) -> str:
    """Mean, and ± the standard deviation over seeds where the record has them one by one."""
    values = predicted.get("per_seed") or []
    return mean_std({"mean": predicted["miou"], "std": stdev(values) if len(values) > 1 else None})
