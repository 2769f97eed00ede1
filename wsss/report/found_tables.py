"""The README's tables of what was found: seeds, small and hidden objects, networks; six columns at most."""

from collections.abc import Sequence

import pandas as pd

from wsss.methods.names import WITHOUT_REGIONS
from wsss.records.record import Record
from wsss.records.store import full_name, select_records
from wsss.report.comparisons import best_control, marked_miou
from wsss.report.found_pairs import Pair, data_sets, find_pair, networks_of, object_cells, once, seeds_of
from wsss.report.text import MISSING, difference_text, to_markdown

__all__ = ["found_table", "network_table", "object_table", "table_blocks"]

_CLOSER = ", ".join(f"`{name}`" for name in WITHOUT_REGIONS)
_FOLDED = "Small and hidden objects, and networks, in numbers"
_SEEDS = "mIoU of seeds in percent, background included, ± the standard deviation over training runs."
_OBJECTS = f"Differences in points: `depth` less the best control, `crop-only` less the best of {_CLOSER}."
_NETWORKS = (
    "mIoU of networks by their labels, refined as is best on the tune split. Seeds use image labels and networks do "
    "not: do not rank them against each other."
)


def table_blocks(records: Sequence[Record]) -> str:
    """The tables that there are records for, each with its legend, as Markdown; those behind seeds are folded."""
    seeds = _block(_SEEDS, found_table(records))
    others = [_block(_OBJECTS, object_table(records)), _block(_NETWORKS, network_table(records))]
    folded = "\n".join(block for block in others if block)
    more = f"<details><summary>{_FOLDED}</summary>\n\n{folded}\n</details>\n" if folded else ""
    return "\n".join(block for block in (seeds, more) if block)


def _block(legend: str, table: pd.DataFrame) -> str:
    return f"{to_markdown(table)}\n*{legend}*\n" if len(table) else ""


def found_table(records: Sequence[Record]) -> pd.DataFrame:
    """mIoU of the seeds: a row for each data set.

    Raises:
        WsssError: there is no record of seeds.
    """
    rows = {}
    for data in data_sets(select_records(records, stage="cam")):
        named = seeds_of(records, data)
        found = list(named.values())
        control = best_control(found)
        best = f"{marked_miou(named[control], found)} (`{control}`)" if control else MISSING
        columns = {name: _cell(named.get(name), found) for name in ("crop-only", "region-only", "depth")}
        rows[data] = {"cam": _cell(named.get("cam"), found), "best control": best, **columns}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("data")


def object_table(records: Sequence[Record]) -> pd.DataFrame:
    """What depth and its crops do for small and for hidden objects: differences in IoU and recall."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for data in data_sets(records):
        for name, group, cell, pair in object_cells(records, data):
            row = rows.setdefault((data, group.words), {})
            for measure in ("iou", "recall"):
                row[f"`{name}` {measure.replace('iou', 'IoU')}"] = _change(cell[measure], cell[f"{measure}_ci"], pair)
    frame = pd.DataFrame.from_dict(rows, orient="index").fillna(MISSING)
    if rows:
        frame.index = pd.MultiIndex.from_tuples(rows, names=["data", "objects"])
    return frame


def network_table(records: Sequence[Record]) -> pd.DataFrame:
    """mIoU of networks by their labels, and what depth's labels give beyond those of the control."""
    rows = {}
    for data in data_sets(records):
        networks = networks_of(records, data)
        found = [record for record in networks if record]
        if not found:
            continue
        names = ("`cam` labels", "control's labels", "`depth` labels", "true masks")
        order = (networks.cam, networks.control, networks.depth, networks.truth)
        cells = {name: _cell(record, found) for name, record in zip(names, order, strict=True)}
        pair = find_pair(networks.depth, full_name(networks.control)) if networks.depth and networks.control else None
        rows[data] = cells | {"depth − control": _change(pair["difference"], pair["ci"], pair) if pair else MISSING}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("data")


def _change(value: float, interval: Sequence[float] | None, pair: Pair) -> str:
    return difference_text(value, interval) + once(pair)


def _cell(record: Record | None, others: Sequence[Record]) -> str:
    return marked_miou(record, others) if record else MISSING
