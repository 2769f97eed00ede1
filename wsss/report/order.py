"""Which records a table or chart puts side by side, in which order, and under which title."""

from collections.abc import Sequence

from wsss.methods.names import MethodName
from wsss.records.record import Record
from wsss.records.store import full_name
from wsss.report.style import METHOD_COLOURS

__all__ = ["HEADLINE", "SOURCES", "STAGE_NAMES", "in_order", "of_one_table", "smoke_mark", "table_of", "table_title"]

SOURCES = ("sensor", "meter", "learned")  # true depth first, controls after
HEADLINE = (
    "cam", "zoom", "rgb-region", "crop-only@sensor", "crop-only@meter", "region-only@sensor", "region-only@meter",
    "depth@sensor", "depth@learned", "depth@meter", "full-supervision",
)  # fmt: skip
"""Methods of the table at one glance, of tables by stratum, and of charts with a line or a panel for each method."""
STAGE_NAMES = {"cam": "seeds", "pseudo": "pseudo-labels", "segmentation": "network"}


def in_order(records: Sequence[Record]) -> list[Record]:
    """Records by method: controls, depth, upper bounds; true depth before wrong depth; refined after plain."""

    def position(record: Record) -> tuple[int, str, int, str, str]:
        name = MethodName.of_seeds(record["method"])
        source = name.source or ""
        return _place(list(METHOD_COLOURS), name.base), name.base, _place(SOURCES, source), source, full_name(record)

    return sorted(records, key=position)


def _place(names: Sequence[str], name: str) -> int:
    """Where a name stands in a list; at its end if it is not in it."""
    return names.index(name) if name in names else len(names)


def table_of(record: Record) -> tuple[str, str, str]:
    """Data set, stage and split: the table that a record belongs to."""
    return record["data"], record["stage"], record["split"]


def of_one_table(records: Sequence[Record], content: str) -> list[Record]:
    """The records in order; refuse none, and those that no table may put side by side."""
    keys = {table_of(record) for record in records}
    if len(keys) != 1:
        raise ValueError(
            f"a figure shows the records of one data set, stage and split that have {content}, got {sorted(keys)}"
        )
    return in_order(records)


def table_title(record: Record) -> str:
    """The title of charts of the record's table."""
    return f"{record['data']}, {STAGE_NAMES[record['stage']]}, {record['split']}{smoke_mark(record['profile'])}"


def smoke_mark(profile: str) -> str:
    """What the title of a chart adds for a profile whose numbers are no results."""
    return " – NOT A RESULT (smoke)" if profile == "smoke" else ""
