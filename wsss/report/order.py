"""In which order tables and charts name methods and stages."""

from collections.abc import Mapping, Sequence
from typing import Any

from wsss.records.store import full_name
from wsss.report.style import METHOD_COLOURS

__all__ = ["HEADLINE", "SOURCES", "STAGE_NAMES", "in_order"]

Record = Mapping[str, Any]

SOURCES = ("sensor", "meter", "learned")  # true depth first, controls after
HEADLINE = (
    "cam", "zoom", "rgb-region", "crop-only@sensor", "crop-only@meter", "region-only@sensor", "region-only@meter",
    "depth@sensor", "depth@learned", "depth@meter", "full-supervision",
)  # fmt: skip
"""Methods of the table at one glance, of the tables by stratum, and of charts with a line or a panel for each method."""
STAGE_NAMES = {"cam": "seeds", "pseudo": "pseudo-labels", "segmentation": "network"}


def in_order(records: Sequence[Record]) -> list[Record]:
    """Records by method: controls, depth, upper bounds; true depth before wrong depth; refined after plain."""

    def position(record: Record) -> tuple[int, str, int, str, str]:
        method, _, source = record["method"].partition("@")
        methods = list(METHOD_COLOURS)
        place = methods.index(method) if method in methods else len(methods)
        return place, method, SOURCES.index(source) if source in SOURCES else len(SOURCES), source, full_name(record)

    return sorted(records, key=position)
