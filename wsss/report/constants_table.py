"""Searches of the settings of regions, crops and passes, as a table."""

from collections.abc import Sequence

import pandas as pd

from wsss.records.record import ConstantsRecord
from wsss.report.text import MISSING, number_text

__all__ = ["constants_table"]


def constants_table(records: Sequence[ConstantsRecord]) -> pd.DataFrame:
    """A row for each search: settings that were tried, mIoU on tune of those that were chosen, and which of these lie
    at an end of what was tried."""
    rows = {
        (record["data"], f"`{record['method']}`"): {
            "settings tried": str(len(record["tried"])),
            "mIoU on tune": number_text(record["miou"]),
            "chosen at an end": ", ".join(f"`{each.split()[0].partition('.')[2]}`" for each in record["at_end"])
            or MISSING,
        }
        for record in records
    }
    index = pd.MultiIndex.from_tuples(rows, names=["data", "method"])
    return pd.DataFrame(list(rows.values()), index=index)
