"""What was found, for the README: a few sentences and tables at a glance, from records."""

from collections.abc import Mapping, Sequence
from typing import Any

from wsss.records.record import ClaimsRecord, Record
from wsss.records.store import full_name
from wsss.report.comparisons import best_control
from wsss.report.found_pairs import (
    ONE_RUN,
    Pair,
    data_sets,
    find_pair,
    networks_of,
    object_cells,
    once,
    seed_pairs,
    seeds_of,
)
from wsss.report.found_tables import table_blocks
from wsss.report.text import difference_text, number_text

__all__ = ["found_block", "found_sentences"]

OTHER_DEPTH = ("depth@kinect", "depth@learned")
"""Of rendered scenes, whose own depth is exact: as a simulated camera measures it, and as a network predicts it."""


def found_block(records: Sequence[Record], claims: ClaimsRecord | None = None) -> str:
    """Sentences as a list, and tables with their legends, as Markdown; `claims` as of `found_sentences`."""
    sentences = "".join(f"- {sentence}\n" for sentence in found_sentences(records, claims))
    tables = table_blocks(records)
    mark = f" {ONE_RUN} One training run." if ONE_RUN in sentences + tables else ""
    return f"{sentences}\n{tables}\n*Brackets: 95 % intervals over scenes, not over training runs.{mark}*\n"


def found_sentences(records: Sequence[Record], claims: ClaimsRecord | None = None) -> list[str]:
    """A text for each subject: rendered scenes, photographs, small and hidden objects, networks; as Markdown.

    A subject of which there is no comparison is left out. Where an interval holds 0, or training runs disagree, the
    difference is called not certain.

    Args:
        claims: verdicts of comparisons that were listed beforehand, which go before their intervals; None where there
            are none.
    """
    names, verdicts = data_sets(records), _verdicts(claims)
    titled = {
        "Rendered scenes": [_of_seeds(records, name, verdicts) for name in names if name == "tabletop"],
        "Photographs": [_of_seeds(records, name, verdicts) for name in names if name != "tabletop"],
        "Small and hidden objects": [_of_objects(records)],
        "Networks": [_of_networks(records, verdicts)],
    }
    return [_titled(title, [part for part in parts if part]) for title, parts in titled.items() if any(parts)]


def _titled(title: str, parts: Sequence[str]) -> str:
    """The text of one data set behind the title, those of several in a list below it."""
    return f"**{title}.** {parts[0]}" if len(parts) == 1 else "\n  - ".join([f"**{title}.**", *parts])


Verdicts = Mapping[tuple[str, str, str], str]
"""Of data, method and the one that it is compared with, the verdict of their mIoU."""


def _verdicts(claims: ClaimsRecord | None) -> Verdicts:
    rows = [row for row in (claims["rows"] if claims else ()) if (row["measure"], row["kind"]) == ("mIoU", "gain")]
    return {(row["data"], row["method"], row["against"]): row["verdict"] for row in rows}


def _compared(pair: Pair, name: str, other: str, verdict: str | None) -> str:
    """`NAME is ahead of OTHER (+2.7 [1.2, 4.2])`, behind it, or not certainly different from it."""
    where = "ahead of" if pair["difference"] > 0 else "behind"
    if _doubtful(pair, verdict):
        where = "not certainly different from" if _doubtful(pair) else f"not shown to be {where}"
    return f"{name} is {where} {other} ({_difference(pair)})"


def _doubtful(pair: Pair, verdict: str | None = None) -> bool:
    """Whether the verdict says so; without one, whether the interval holds 0, or training runs disagree."""
    if verdict is not None:
        return verdict not in ("gain", "loss")
    low, high = pair["ci"]
    return low <= 0 <= high or len({each > 0 for each in pair["per_seed"]}) > 1


def _of_seeds(records: Sequence[Record], data: str, verdicts: Verdicts) -> str:
    """The pairs of a data set, regions and crops also against the best of all controls; and what other depth gives."""
    named = seeds_of(records, data)
    pairs = seed_pairs(named)
    if not pairs:
        return ""

    def told_of(name: str, pair: Pair) -> str:
        verdict = verdicts.get((data, full_name(named[name]), pair["against"]))
        return _compared(pair, f"`{name}`", f"`{pair['against']}`", verdict)

    best = best_control(list(named.values()))
    more = {name: find_pair(named[name], best) for name in ("region-only", "crop-only") if name in named}
    told = [told_of("depth", pairs["depth"])] if "depth" in pairs else []
    if regions := more.get("region-only"):
        told.append(f"`region-only` {_difference(regions)}")
    if "crop-only" in pairs:
        told.append(told_of("crop-only", pairs["crop-only"]))
        if (crops := more.get("crop-only")) and best != pairs["crop-only"]["against"]:
            told[-1] += f", and {_difference(crops)} against `{best}`"
    measured = OTHER_DEPTH if data == "tabletop" else ()
    other = {name: pair for name in measured if name in named and (pair := find_pair(named[name], best))}
    others = "; ".join(f"`{name}` {_difference(pair)}" for name, pair in other.items())
    return f"On `{data}`, {'; '.join(told)}." + (f" With other depth, against `{best}`: {others}." if others else "")


def _difference(pair: Mapping[str, Any]) -> str:
    """`−1.5 [−4.6, 1.7]`."""
    return difference_text(pair["difference"], pair["ci"]) + once(pair)


def _of_objects(records: Sequence[Record]) -> str:
    """Of small and of hidden objects, where the whole method has certainly more or less IoU and recall."""
    told: dict[str, list[str]] = {}
    for data in data_sets(records):
        for name, group, cell, pair in object_cells(records, data):
            if name == "depth":
                told.setdefault(group.kind, []).append(f"{_gain(cell)} on `{data}`{once(pair)}")
    parts = [f"{kind}: {', '.join(each)}." for kind, each in told.items()]
    return " ".join(["`depth` against the best control.", *parts]) if parts else ""


def _gain(cell: Mapping[str, Any]) -> str:
    """`more IoU and less recall`."""
    words = {"IoU": _sign(cell["iou_ci"]), "recall": _sign(cell["recall_ci"])}
    if len(set(words.values())) == 1 and (word := words["IoU"]):
        return f"{word} IoU and recall"
    return " and ".join(f"{word} {measure}" for measure, word in words.items() if word) or "no certain difference"


def _sign(interval: Sequence[float] | None) -> str:
    """`more` or `less` where an interval does not hold 0."""
    low, high = interval or (0, 0)
    return "more" if low > 0 else "less" if high < 0 else ""


def _of_networks(records: Sequence[Record], verdicts: Verdicts) -> str:
    """What depth's labels teach networks beyond those of the control, or of the CAM where there is none."""
    told = []
    for data in data_sets(records):
        networks = networks_of(records, data)
        other = networks.control or networks.cam
        pair = find_pair(networks.depth, full_name(other)) if networks.depth and other else None
        if networks.depth and other and pair:
            verdict = verdicts.get((data, full_name(networks.depth), full_name(other)))
            told.append(f"{_amount(pair, verdict)} on `{data}`{once(pair)}")
    return f"Trained on labels of `depth`, not on the control's, they have {', '.join(told)}." if told else ""


def _amount(pair: Pair, verdict: str | None) -> str:
    """`2.7 mIoU more`."""
    if _doubtful(pair, verdict):
        return "no certain difference"
    return f"{number_text(abs(pair['difference']))} mIoU {'more' if pair['difference'] > 0 else 'less'}"
