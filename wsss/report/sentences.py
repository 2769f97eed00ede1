"""What the notebooks say of records, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from wsss.analysis.strata import SIZE_BINS
from wsss.errors import WsssError
from wsss.records.record import Numbers, Record
from wsss.records.store import full_name
from wsss.report.text import signed

__all__ = [
    "band_sentence",
    "class_sentence",
    "difference_sentence",
    "rule_text",
    "strata_sentence",
    "strata_sentences",
]


def difference_sentence(record: Record, against: str) -> str:
    """A paired difference in words: points of mIoU, interval, and how many seeds it is a mean over.

    No verdict: verdicts are kept for the comparisons that were listed beforehand (`wsss.experiments.plan.CLAIMS`).

    Args:
        record: whose `paired` has an entry for `against`, or what stands in for one of a network that is not trained.

    Raises:
        WsssError: the record has not been compared with `against`.
    """
    if "not_trained" in record:
        return f"{record['not_trained']}."
    pair = _pair(record, against)
    seeds, scenes = len(record["seeds"]), record.get("num_scenes", record["num_images"])
    over = f"{record['num_images']} images" if scenes == record["num_images"] else f"{scenes} scenes"
    caution = "one seed only: it may not hold for others" if seeds == 1 else f"{seeds} seeds"
    return (
        f"{full_name(record)} {record['miou']['mean']:.1f} mIoU, {signed(pair['difference'])} points against {against} "
        f"(95 % interval over {over} {_range(pair['ci'])}; {caution})."
    )


def _pair(record: Record, against: str) -> Numbers:
    pair = next((pair for pair in record["paired"] if pair["against"] == against), None)
    if pair is None:
        raise WsssError(
            f"the record of {full_name(record)} has not been compared with {against!r}. Run the stage again."
        )
    return pair


def _range(interval: Sequence[float | None]) -> str:
    return " to ".join("unknown" if end is None else signed(end) for end in interval)


def class_sentence(record: Record, other: Record) -> str:
    """In how many classes a method is ahead of another, and by how much in the two classes at the ends."""
    pairs = [(record["iou"][name], other["iou"][name], name) for name in record["classes"]]
    gains = sorted((own - theirs, name) for own, theirs, name in pairs if own is not None and theirs is not None)
    if not gains:
        return "No class has an IoU in both records."
    (low, worst), (high, best) = gains[0], gains[-1]
    ahead = sum(gain > 0 for gain, _ in gains)
    return (
        f"{full_name(record)} is ahead of {full_name(other)} in {ahead} of {len(gains)} classes; "
        f"from {signed(low)} ({worst}) to {signed(high)} ({best}) points of IoU."
    )


def strata_sentences(record: Record, against: str, value: str = "iou") -> str:
    """What a method adds to another on small and large, on hidden and unhidden objects, in points.

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
    return "unknown" if number is None else signed(number)


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
    shares = f"of which {inside:.1f} % would have been right, against {outside:.1f} % elsewhere"
    return f"{ignored:.1f} % ignored, {shares}: {word}."


def rule_text(rule: str, difference: float) -> str:
    """What the image that `pick_by_rule` chose is, with its difference in points: the worst is behind only below 0.

    Args:
        rule: `best`, `median` or `worst`.
    """
    names = {
        "best": "furthest ahead" if difference > 0 else "least behind",
        "median": "median",
        "worst": "furthest behind" if difference < 0 else "least ahead",
    }
    return f"{names[rule]}\n{signed(difference)} points"
