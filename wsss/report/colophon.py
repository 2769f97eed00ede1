"""The end of a notebook: this run beside the committed numbers, and where they come from."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from wsss.errors import WsssError
from wsss.records.record import Record
from wsss.records.store import STAGES, full_name
from wsss.report.order import STAGE_NAMES, in_order
from wsss.report.text import MISSING, signed

__all__ = ["agreement_sentence", "beside_committed", "colophon"]

COLUMNS = (
    "this run",
    "committed, same seed",
    "difference",
    "committed mean",
    "committed seeds",
    "same settings and data",
)


def beside_committed(records: Sequence[Record], committed: Sequence[Record]) -> pd.DataFrame:
    """mIoU in percent of every method of this run, and of the committed record of the same name.

    The difference is that from the committed value of this run's seed; a dash where the record does not have it.
    Settings and data are the same if the hashes of configuration and data are.

    Raises:
        WsssError: there is no record of this run.
    """
    if not records:
        raise WsssError("there is no record to compare. Run the stages first: `wsss run`.")
    theirs = {_key(record): record for record in committed}
    ordered = sorted(in_order(records), key=lambda record: STAGES.index(record["stage"]))
    names = [(f"{STAGE_NAMES[record['stage']]} ({record['split']})", full_name(record)) for record in ordered]
    cells = [_comparison(record, theirs.get(_key(record))) for record in ordered]
    return pd.DataFrame(
        cells, index=pd.MultiIndex.from_tuples(names, names=["mIoU of", "method"]), columns=list(COLUMNS)
    )


def _comparison(record: Record, committed: Record | None) -> dict[str, str]:
    own = f"{record['miou']['mean']:.1f}"
    if committed is None:
        return dict.fromkeys(COLUMNS, MISSING) | {"this run": own}
    value = _of_same_seed(record, committed)
    spread = "" if committed["miou"]["std"] is None else f" ± {committed['miou']['std']:.1f}"
    same = all(record["provenance"][key] == committed["provenance"][key] for key in ("config_sha256", "data_sha256"))
    values = (
        own,
        MISSING if value is None else f"{value:.1f}",
        MISSING if value is None else signed(record["miou"]["mean"] - value),
        f"{committed['miou']['mean']:.1f}{spread}",
        ", ".join(str(seed) for seed in committed["seeds"]),
        "yes" if same else "no",
    )
    return dict(zip(COLUMNS, values, strict=True))


def agreement_sentence(records: Sequence[Record], committed: Sequence[Record], points: float = 0.5) -> str:
    """How many methods of this run are within so many points of the committed value for their seed."""
    theirs = {_key(record): record for record in committed}
    pairs = [(record["miou"]["mean"], _of_same_seed(record, theirs.get(_key(record)))) for record in records]
    gaps = [abs(own - value) for own, value in pairs if value is not None]
    if not gaps:
        return "There is no committed value for this data and seed."
    near = sum(gap <= points for gap in gaps)
    return (
        f"{near} of {len(gaps)} methods are within {points:g} points of the committed value for this seed; "
        f"the largest difference is {max(gaps):.1f}."
    ) + _why(next((record, theirs[_key(record)]) for record in records if _key(record) in theirs))


_LISTS = "methods", "pseudo_methods", "label_methods"  # what else was compared does not change a number


def _why(pair: tuple[Record, Record]) -> str:
    """In what this run's settings and algorithms differ from those of the committed record; nothing where in none."""
    own, committed = (one["provenance"] for one in pair)
    here, there = (
        _flat({k: v for k, v in one.get("settings", {}).items() if k not in _LISTS}) for one in (own, committed)
    )
    found = [f"{key} ({here.get(key)}, committed {there.get(key)})" for key in here if here[key] != there.get(key)]
    if own["algorithm_version"] != committed["algorithm_version"]:
        found.append(f"algorithm version ({own['algorithm_version']}, committed {committed['algorithm_version']})")
    return f" What differs: {', '.join(found)}." if found else ""


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Nested settings by dotted names, as text: lists and tuples alike."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{key}.")
        else:
            flat[above + key] = "/".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return flat


def _key(record: Record) -> tuple[str, ...]:
    return record["data"], record["stage"], record["split"], full_name(record)


def _of_same_seed(record: Record, committed: Record | None) -> float | None:
    """The committed mIoU of the one seed that the record has; None where there is no such value."""
    if committed is None or len(record["seeds"]) != 1 or record["seeds"][0] not in committed["seeds"]:
        return None
    value: float = committed["miou"]["per_seed"][committed["seeds"].index(record["seeds"][0])]
    return value


def colophon(records: Sequence[Record]) -> pd.DataFrame:
    """Where the numbers come from: a column for each stage, with what all of its records share.

    `made or loaded in` is the time of this run; a stage that is in the cache is only loaded.
    """
    stages = sorted({record["stage"] for record in records}, key=STAGES.index)
    columns = {stage: [record for record in records if record["stage"] == stage] for stage in stages}
    return pd.DataFrame({f"{stage} ({rows[0]['split']})": _sources(rows) for stage, rows in columns.items()})


def _sources(rows: Sequence[Record]) -> dict[str, str]:
    made = [row["provenance"] for row in rows]
    versions = {f"{name} version": made[0]["versions"][name] or MISSING for name in made[0]["versions"]}
    return {
        "records": str(len(rows)),
        "images": _shared(row["num_images"] for row in rows),
        "seeds": _shared(", ".join(map(str, row["seeds"])) for row in rows),
        "commit": _shared(_commit(one) for one in made),
        "settings": _shared(one["config_sha256"][:12] for one in made),
        "data": _shared(one["data_sha256"][:12] for one in made),
        "algorithm version": _shared(one["algorithm_version"] for one in made),
        "device, threads": _shared(f"{one['device']}, {one['threads']}" for one in made),
        "made or loaded in": f"{max(one['wall_s'] for one in made):.1f} s",
        "at (UTC)": max(one["utc"] for one in made),
        **versions,
    }


def _shared(values: Iterable[Any]) -> str:
    """The distinct values, in order of appearance."""
    return "; ".join(dict.fromkeys(str(value) for value in values))


def _commit(made: Mapping[str, Any]) -> str:
    if made["commit"] is None:
        return "unknown"
    return f"{made['commit'][:12]}{' with uncommitted changes' if made['dirty'] else ''}"
