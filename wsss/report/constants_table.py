"""Searches of the settings of regions, crops and passes, and choices that lie at the end of their grid, as tables."""

from collections.abc import Sequence

import pandas as pd

from wsss.pseudo.ends import record_ends
from wsss.records.record import ConstantsRecord, Record
from wsss.records.store import full_name
from wsss.report.order import in_order
from wsss.report.text import MISSING, number_text

__all__ = ["constants_table", "ends_table"]


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


def ends_table(records: Sequence[Record]) -> pd.DataFrame | None:
    """A row for each method that chose the lowest or highest value of a grid with some training seed: beyond it there
    may be a better one. None where no choice lies there.

    Of labels those of the refinement alone: the rest was chosen for the seeds.
    """
    tuned = [record for record in in_order(records) if record["parameters"]]
    seeds = {(one["data"], one["method"]): record_ends(one) for one in tuned if one["stage"] == "cam"}
    rows = {(data, f"`{method}`"): ends for (data, method), ends in seeds.items()}
    for one in tuned:
        if one["stage"] == "pseudo" and one["refinement"]:
            known = seeds.get((one["data"], one["method"]), ())
            rows[one["data"], f"`{full_name(one)}`"] = [end for end in record_ends(one) if end not in known]
    found = {names: "; ".join(ends) for names, ends in sorted(rows.items(), key=lambda row: row[0][0]) if ends}
    if not found:
        return None
    index = pd.MultiIndex.from_tuples(found, names=["data", "method"])
    return pd.DataFrame({"at an end of its grid": list(found.values())}, index=index)
