"""What the notebooks say of records: differences in words, this run beside the committed numbers, the colophon."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from wsss.analysis.strata import SIZE_BINS
from wsss.errors import WsssError
from wsss.records.store import STAGES, full_name
from wsss.report.order import STAGE_NAMES, in_order
from wsss.report.tables import verdict

__all__ = [
    "agreement_sentence",
    "band_sentence",
    "beside_committed",
    "class_sentence",
    "colophon",
    "difference_sentence",
    "rule_text",
    "strata_sentence",
    "strata_sentences",
]

Record = Mapping[str, Any]

MISSING = "–"
COLUMNS = (
    "this run",
    "committed, same seed",
    "difference",
    "committed mean",
    "committed seeds",
    "same settings and data",
)


def difference_sentence(record: Record, against: str) -> str:
    """A paired difference in words: points of mIoU, interval, and the protocol's verdict.

    Args:
        record: whose `paired` has an entry for `against`, or what stands in for one of a network that is not trained.

    Raises:
        WsssError: the record has not been compared with `against`.
    """
    if "not_trained" in record:
        return f"{record['not_trained']}."
    pair = _pair(record, against)
    seeds = len(record["seeds"])
    caution = "one seed only: it may not hold for others" if seeds == 1 else f"{seeds} seeds"
    return (
        f"{full_name(record)} {record['miou']['mean']:.1f} mIoU, {_signed(pair['difference'])} points against {against} "
        f"(95 % interval over {record['num_images']} images {_range(pair['ci'])}): {verdict(pair)} ({caution})."
    )


def _pair(record: Record, against: str) -> Mapping[str, Any]:
    pair: Mapping[str, Any] | None = next((pair for pair in record["paired"] if pair["against"] == against), None)
    if pair is None:
        raise WsssError(
            f"the record of {full_name(record)} has not been compared with {against!r}. Run the stage again."
        )
    return pair


def _range(interval: Sequence[float | None]) -> str:
    return " to ".join("unknown" if end is None else _signed(end) for end in interval)


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def class_sentence(record: Record, other: Record) -> str:
    """In how many classes a method is ahead of another, and by how much in the two classes at the ends."""
    both = [name for name in record["classes"] if None not in (record["iou"][name], other["iou"][name])]
    gains = sorted((record["iou"][name] - other["iou"][name], name) for name in both)
    if not gains:
        return "No class has an IoU in both records."
    (low, worst), (high, best) = gains[0], gains[-1]
    ahead = sum(gain > 0 for gain, _ in gains)
    return (
        f"{full_name(record)} is ahead of {full_name(other)} in {ahead} of {len(gains)} classes; "
        f"from {_signed(low)} ({worst}) to {_signed(high)} ({best}) points of IoU."
    )


def beside_committed(records: Sequence[Record], committed: Sequence[Record]) -> pd.DataFrame:
    """mIoU of every method of this run in percent, and of the committed record of the same data, stage, split and method.

    The difference is that from the committed value of this run's seed; a dash where the record does not have it. Settings and
    data are the same if the hashes of configuration and data are.

    Raises:
        WsssError: there is no record of this run.
    """
    if not records:
        raise WsssError("there is no record to compare. Run the stages first: `python -m wsss run`.")
    theirs = {_key(record): record for record in committed}
    ordered = sorted(in_order(records), key=lambda record: STAGES.index(record["stage"]))
    names = [(f"{STAGE_NAMES[record['stage']]} ({record['split']})", full_name(record)) for record in ordered]
    cells = [_comparison(record, theirs.get(_key(record))) for record in ordered]
    return pd.DataFrame(
        cells, index=pd.MultiIndex.from_tuples(names, names=["mIoU of", "method"]), columns=list(COLUMNS)
    )


def _key(record: Record) -> tuple[str, ...]:
    return record["data"], record["stage"], record["split"], full_name(record)


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
        MISSING if value is None else _signed(record["miou"]["mean"] - value),
        f"{committed['miou']['mean']:.1f}{spread}",
        ", ".join(str(seed) for seed in committed["seeds"]),
        "yes" if same else "no",
    )
    return dict(zip(COLUMNS, values, strict=True))


def _of_same_seed(record: Record, committed: Record | None) -> float | None:
    """The committed mIoU of the one seed that the record has; None where there is no such value."""
    if committed is None or len(record["seeds"]) != 1 or record["seeds"][0] not in committed["seeds"]:
        return None
    value: float = committed["miou"]["per_seed"][committed["seeds"].index(record["seeds"][0])]
    return value


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
    )


def strata_sentences(record: Record, against: str, value: str = "iou") -> str:
    """What a method gains over another on small and large, on hidden and unhidden objects, in points.

    Args:
        record: whose `paired` has an entry for `against`.
        value: one of `wsss.analysis.strata.MEASURES`.

    Raises:
        WsssError: the record has not been compared with `against`.
    """
    cells = {(cell["size"], cell["occlusion"]): cell for cell in _pair(record, against)["strata"]}
    known = list(dict.fromkeys(occlusion for _, occlusion in cells if occlusion not in ("all", "unknown")))
    sizes = [f"{_gain(cells, (SIZE_BINS[end], 'all'), value)} on objects {SIZE_BINS[end]}" for end in (0, -1)]
    hidden = (
        [f"{_gain(cells, ('all', known[end]), value)} at occlusion {known[end]}" for end in (-1, 0)] if known else []
    )
    parts = "; ".join(" and ".join(part) for part in (sizes, hidden) if part)
    return f"points of {'IoU' if value == 'iou' else value} over {against}: {parts}."


def _gain(cells: Mapping[tuple[str, str], Mapping[str, Any]], key: tuple[str, str], value: str) -> str:
    number = cells[key][value] if key in cells else None
    return "unknown" if number is None else _signed(number)


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


def _shared(values: Any) -> str:
    """The distinct values, in order of appearance."""
    return "; ".join(dict.fromkeys(str(value) for value in values))


def _commit(made: Mapping[str, Any]) -> str:
    if made["commit"] is None:
        return "unknown"
    return f"{made['commit'][:12]}{' with uncommitted changes' if made['dirty'] else ''}"


def strata_sentence(
    strata: Sequence[Mapping[str, Any]], one: tuple[str, str], other: tuple[str, str], value: str = "recall"
) -> str:
    """Compare two cells of the size × occlusion table in words; they differ if their 95 % intervals do not overlap.

    Args:
        strata: cells as from `wsss.analysis.strata.strata_table`.
        one, other: (size, occlusion) of the cells, "all" for a margin.
        value: one of `wsss.analysis.strata.MEASURES`.
    """
    cells = {(cell["size"], cell["occlusion"]): cell for cell in strata}
    first, second = cells[one], cells[other]
    name = "IoU" if value == "iou" else value
    if first[value] is None or second[value] is None:
        return f"{name} of {_cell_name(one)} against {_cell_name(other)}: one of them has nothing to compare."
    texts = []
    for key, cell in ((one, first), (other, second)):
        low, high = cell[f"{value}_ci"]
        texts.append(f"{cell[value]:.1f} % [{low:.1f}, {high:.1f}] for {_cell_name(key)} (n={cell['n']})")
    (low, high), (lower, upper) = first[f"{value}_ci"], second[f"{value}_ci"]
    word = "lower" if high < lower else "higher" if low > upper else "no clear difference, the intervals overlap"
    return f"{name} is {texts[0]} and {texts[1]}: {word}."


def _cell_name(cell: tuple[str, str]) -> str:
    size, occlusion = cell
    parts = [*([f"size {size}"] if size != "all" else []), *([f"occlusion {occlusion}"] if occlusion != "all" else [])]
    return ", ".join(parts) or "all objects"


def band_sentence(effect: Mapping[str, float]) -> str:
    """What `band_effect` found, in words."""
    ignored, inside, outside = 100 - effect["coverage"], effect["right in the band"], effect["right where labelled"]
    if not ignored:
        return f"nothing is ignored; {outside:.1f} % of the labels are right."
    word = "doubtful pixels were left out" if inside < outside else "what was left out is no worse than what was kept"
    return f"{ignored:.1f} % ignored, of which {inside:.1f} % would have been right, against {outside:.1f} % elsewhere: {word}."


def rule_text(rule: str, difference: float) -> str:
    """What the image that `pick_by_rule` chose is, with its difference in points: the worst is a loss only below 0.

    Args:
        rule: `best`, `median` or `worst`.
    """
    names = {
        "best": "largest gain" if difference > 0 else "least loss",
        "median": "median",
        "worst": "largest loss" if difference < 0 else "least gain",
    }
    return f"{names[rule]}\n{difference:+.1f} points".replace("-", "−")
