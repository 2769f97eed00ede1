"""What the notebooks say of records, in words."""

from collections.abc import Mapping

from wsss.records.record import Record
from wsss.records.store import full_name
from wsss.report.text import signed

__all__ = [
    "band_sentence",
    "class_sentence",
    "rule_text",
]


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
