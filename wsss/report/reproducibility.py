"""Tables of REPRODUCIBILITY.md: how each confirmatory comparison is made anew, and what computing the records took."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from wsss.errors import WsssError
from wsss.methods.names import CONTROLS
from wsss.records.claims import Claim
from wsss.records.record import ClaimsRecord, Numbers, Record, Stage
from wsss.records.store import STAGES, select_records
from wsss.report.order import STAGE_NAMES
from wsss.report.text import MISSING, interval_text, number_text, signed, to_markdown

__all__ = ["claim_list_block", "claim_list_table", "compute_block", "compute_table"]

HOUR = 3600.0
RESULTS = "docs/results.md"
NAMED = ("tabletop", "nyuv2")
"""Data sets whose parts have their name; a folder in VOC layout has one of its own, and its parts are called `voc`."""


def claim_list_table(listed: Sequence[Claim], claims: ClaimsRecord | None, records: Sequence[Record]) -> pd.DataFrame:
    """A row for each comparison that was listed: what is claimed, what came of it, and how it is made anew.

    Args:
        listed: the whole family, in its order.
        claims: what came of those that could be compared; None where there are none yet.
        records: from whose parts the time is taken.
    """
    found = {_key(row, row["claimed"]): row for row in (claims["rows"] if claims else ())}
    rows = [_row(one, found.get(_key(vars(one), one.method)), records) for one in listed]
    return pd.DataFrame(rows, index=pd.Index(range(1, len(rows) + 1), name="no."))


def _key(facts: Mapping[str, Any], method: str) -> tuple[Any, ...]:
    return facts["data"], facts["stage"], method, facts["measure"], facts["kind"]


def _row(claim: Claim, row: Numbers | None, records: Sequence[Record]) -> dict[str, str]:
    each = [value for value in row["per_seed"] if value is not None] if row else []
    return {
        "data": claim.data,
        "claim": _claimed(claim),
        "of": claim.measure,
        "what came of it": _outcome(row),
        "table": _table(claim),
        "command": _command(claim),
        "time": _time_text(claim, records),
        "same processor": "0",
        "another processor": number_text(max(each) - min(each)) if len(each) > 1 else MISSING,
    }


def _claimed(claim: Claim) -> str:
    """What is compared with what, and which difference is aimed at or not to be undercut."""
    others = "best control" if claim.against == CONTROLS else f"best of {', '.join(claim.against)}"
    if claim.kind == "share":
        return f"{STAGE_NAMES[claim.stage]}: {claim.method} has ≥ {claim.bound:g} % of {', '.join(claim.against)}"
    than = f" > {number_text(claim.bound, 0)}" if claim.kind == "no loss" else f" > 0, aim {signed(claim.aim)}"
    return f"{STAGE_NAMES[claim.stage]}: {claim.method} − {others}{than}"


def _outcome(row: Numbers | None) -> str:
    if row is None:
        return "not compared yet"
    text = number_text if row["kind"] == "share" else signed
    return f"{text(row['difference'])} {interval_text(row['ci'])}: {row['verdict']}"


def _table(claim: Claim) -> str:
    """Link to the part of the results page that has the two methods."""
    if claim.stage == "segmentation":
        return f"[networks]({RESULTS}#segmentation-networks)"
    if claim.data == "tabletop":
        return f"[rendered scenes]({RESULTS}#rendered-scenes-seeds-on-the-test-split-of-tabletop)"
    return f"[photographs]({RESULTS}#photographs-nyuv2-with-kinect-depth-voc-animals-with-rough-predicted-depth)"


def _command(claim: Claim) -> str:
    data = claim.data if claim.data in NAMED else "voc"
    more = f" doubled-{data}" if claim.kind == "share" else ""
    return f"`wsss results {data}{more}`"


def _time_text(claim: Claim, records: Sequence[Record]) -> str:
    """Hours of a processor that the stages of a comparison took, all training seeds together."""
    stages = STAGES if claim.stage == "segmentation" else (claim.stage,)
    made = [list(_parts(records, claim.data, stage)) for stage in stages]
    if not all(made):
        return MISSING
    hours = sum(part["cpu_s"] for parts in made for part in parts) / HOUR
    return f"{number_text(hours)} h ({len(made[0])} run{'s' if len(made[0]) > 1 else ''})"


def _parts(records: Sequence[Record], data: str, stage: Stage) -> Iterator[dict[str, Any]]:
    """What the records of a stage say of the parts that they were merged from: of each training seed once."""
    seen: set[int] = set()
    for record in records:
        if (record["data"], record["stage"]) == (data, stage):
            for part in record["provenance"].get("parts", ()):
                if part["seed"] not in seen:
                    seen.add(part["seed"])
                    yield part


def claim_list_block(listed: Sequence[Claim], claims: ClaimsRecord | None, records: Sequence[Record]) -> str:
    """The table with what its columns mean, as Markdown.

    Raises:
        WsssError: no comparison is listed.
    """
    if not listed:
        raise WsssError("no comparison is listed: give those of `wsss.experiments.plan.CLAIMS`.")
    compared = len(claims["rows"]) if claims else 0
    note = (
        f"*{compared} of {len(listed)} comparisons are computed. Differences are in points, with their 95 % intervals. "
        "Time: of one core, over the training runs that are there; – where no record keeps it. Same processor: "
        "the largest difference that is allowed, in points. Another processor: how far apart the training runs are, "
        "which is what another training may differ by; – where it is not computed yet.*\n"
    )
    return f"{to_markdown(claim_list_table(listed, claims, records))}\n{note}"


def compute_table(records: Sequence[Record]) -> pd.DataFrame:
    """A row for each data set and stage: what was computed, in which time, and with what.

    Hours and machines are those that the parts of the records keep, over all training seeds.
    """
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for data in sorted({record["data"] for record in records}, key=lambda name: (name != "tabletop", name)):
        for stage in STAGES:
            own = [record for record in records if (record["data"], record["stage"]) == (data, stage)]
            if own:
                rows[data, STAGE_NAMES[stage]] = _computed(own, list(_parts(own, data, stage)))
    index = pd.MultiIndex.from_tuples(rows, names=["data", "stage"])
    return pd.DataFrame(list(rows.values()), index=index)


def _computed(records: Sequence[Record], parts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    seeds = sorted({seed for record in records for seed in record["seeds"]})
    images = sorted({record["num_images"] for record in records})

    def hours(key: str) -> str:
        known = [part[key] for part in parts if part.get(key) is not None]
        return number_text(sum(known) / HOUR) if known else MISSING

    def named(key: str, longest: int | None = None) -> str:
        return ", ".join(dict.fromkeys(str(part[key])[:longest] for part in parts if part.get(key))) or MISSING

    return {
        "methods": str(len(records)),
        "training seeds": ", ".join(map(str, seeds)),
        "images": ", ".join(f"{count:,}" for count in images),
        "time, h": hours("wall_s"),
        "processor time, h": hours("cpu_s"),
        "threads": named("threads"),
        "device": named("device"),
        "processor": named("processor"),
        "commit": named("commit", 7),
    }


def compute_block(records: Sequence[Record]) -> str:
    """The table, and what all of it took, as Markdown.

    Raises:
        WsssError: there is no record.
    """
    select_records(records)
    keys = dict.fromkeys((record["data"], record["stage"]) for record in records)
    parts = [part for key in keys for part in _parts(records, *key)]
    hours = {key: sum(part.get(key) or 0 for part in parts) / HOUR for key in ("wall_s", "cpu_s")}
    if parts:
        total = (
            f"*{len(parts)} stages of one training seed each, {number_text(hours['wall_s'])} hours of time and "
            f"{number_text(hours['cpu_s'])} hours of processors' work. A stage holds what it had to make: the first of "
            "a seed the training of the classifier, too.*\n"
        )
    else:
        total = (
            "*No record here says how long it took: they are of an earlier version of the code, which kept the time of "
            "the last run alone, with most of it from the cache.*\n"
        )
    return f"{to_markdown(compute_table(records))}\n{total}"
