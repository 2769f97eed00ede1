"""The table of the confirmatory comparisons: the only one with verdicts."""

import pandas as pd

from wsss.errors import WsssError
from wsss.records.record import ClaimsRecord, Numbers
from wsss.report.order import STAGE_NAMES
from wsss.report.text import MISSING, interval_text, number_text, signed, to_markdown

__all__ = ["claims_block", "claims_table"]


def claims_table(record: ClaimsRecord) -> pd.DataFrame:
    """A row for each comparison: the aim, the difference with its interval, each training run, p values, verdict."""
    rows = [_row(row) for row in record["rows"]]
    return pd.DataFrame(rows).set_index(["data", "comparison"])


def _row(row: Numbers) -> dict[str, str]:
    share = row["kind"] == "share"
    of = f"{row['method']}, share of {row['against']}" if share else f"{row['method']} − {row['against']}"
    interval = f"{(number_text if share else signed)(row['difference'])} {interval_text(row['ci'])}"
    aimed = number_text(row["aim"], 0, "" if share else "+")
    return {
        "data": row["data"],
        "comparison": f"{STAGE_NAMES[row['stage']]}: {of}",
        "of": row["measure"],
        "aim": f"≥ {number_text(row['bound'], 0)} (lower bound)" if row["kind"] == "no loss" else aimed,
        "difference, 95 %": interval + (" %" if share else ""),
        "each training run": ", ".join((number_text if share else signed)(value) for value in row["per_seed"]),
        "scenes": str(row["num_scenes"]),
        "p": _p_text(row["p"]),
        "p (Holm)": _p_text(row["p_holm"]),
        "verdict": row["verdict"],
    }


def _p_text(p: float | None) -> str:
    return MISSING if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def claims_block(record: ClaimsRecord | None) -> str:
    """The table with what its words mean, as Markdown.

    Raises:
        WsssError: there is no such record.
    """
    if record is None or not record["rows"]:
        raise WsssError("there is no record of the confirmatory comparisons. Make it with `wsss results`.")
    made, listed = len(record["rows"]), record["size"]
    missing = "Comparisons that are not there yet count as p = 1: until all are there, a verdict may change. "
    note = (
        f"*{'All' if made == listed else f'{made} of'} {listed} comparisons that were listed beforehand. Differences "
        "are means over the training runs, in points. Intervals and two-sided p values are of a paired bootstrap over "
        f"scenes ({record['resamples']:,} resamples); p (Holm) is corrected for the whole list. The other method is "
        f"the one that is best on the tune split. A gain or a loss has p (Holm) ≤ {record['alpha']:g} and the same "
        f"sign in every training run. {missing if made < listed else ''}No loss, and a share that has reached its "
        f"aim, lie above the bound with p (Holm) ≤ {record['alpha']:g}; the network on true masks must have "
        "converged, too.*\n"
    )
    return f"{to_markdown(claims_table(record))}\n{note}"
