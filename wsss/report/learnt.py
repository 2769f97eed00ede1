"""What each chapter found, in three sentences that are made from its numbers.

No verdicts: those are kept for the comparisons that were listed beforehand (`wsss.experiments.plan.CLAIMS`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from wsss.analysis.strata import ALL, SIZE_BINS
from wsss.errors import WsssError
from wsss.records.record import Numbers, Record, SeriesRecord
from wsss.records.store import full_name
from wsss.report.text import difference_text, interval_text, number_text, signed

__all__ = [
    "baseline_sentences",
    "failure_sentences",
    "hidden_text",
    "in_bold",
    "method_sentences",
    "objects_compared",
    "objects_found",
    "quickstart_sentences",
    "series_sentence",
    "short_difference",
    "stage_sentences",
]

ONE_RUN = "One training run: other runs may differ by more than the interval."


def in_bold(sentences: Sequence[str], profile: str, note: str = "") -> str:
    """Sentences as a numbered list in bold, as Markdown.

    Args:
        profile: of the run; that of a smoke run is no result, and the text says so.
        note: what stands below.
    """
    lines = [f"{number}. **{sentence}**" for number, sentence in enumerate(sentences, start=1)]
    smoke = ["NOT A RESULT (smoke profile)\n"] if profile == "smoke" else []
    return "\n".join([*smoke, *lines, *([f"\n{note}"] if note else [])])


def short_difference(record: Record, against: str) -> str:
    """`depth@sensor has 78.8 mIoU, +24.1 points [18.6, 29.9] against rgb-region`."""
    if "not_trained" in record:
        return str(record["not_trained"])
    pair = _pair(record, against)
    points = f"{signed(pair['difference'])} points {interval_text(pair['ci'])}"
    return f"`{full_name(record)}` has {number_text(record['miou']['mean'])} mIoU, {points} against `{against}`"


def _pair(record: Record, against: str) -> Numbers:
    pair = next((pair for pair in record["paired"] if pair["against"] == against), None)
    if pair is None:
        raise WsssError(f"{full_name(record)} has not been compared with {against!r}. Run the stage again.")
    return pair


def _hidden_bins(cells: Mapping[tuple[str, str], Any]) -> list[str]:
    """Bins of occlusion from least to most hidden; none where it is not known."""
    return [name for size, name in cells if size == ALL and name not in (ALL, "unknown")]


def _by_place(strata: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(cell["size"], cell["occlusion"]): cell for cell in strata}


def objects_compared(record: Record, against: str, measures: Sequence[str] = ("iou", "recall")) -> str:
    """What a method adds to another on the most hidden objects: differences in points with their intervals."""
    cells = _by_place(_pair(record, against)["strata"])
    bins = _hidden_bins(cells)
    if not bins:
        return "How much of an object is hidden is not known for this data"
    cell = cells[ALL, bins[-1]]
    parts = [f"{_difference_text(cell, name)} {_name(name)}" for name in measures if cell[name] is not None]
    told = " and ".join(parts) or "nothing that could be compared"
    return f"Hidden objects (occlusion {bins[-1]}): `{full_name(record)}` adds {told} to `{against}`"


def _difference_text(cell: Mapping[str, Any], measure: str) -> str:
    return difference_text(cell[measure], cell[f"{measure}_ci"])


def _name(measure: str) -> str:
    return {"iou": "points of IoU", "recall": "of recall"}.get(measure, f"of {measure}")


def objects_found(record: Record, ends: str, measures: Sequence[str] = ("iou", "recall")) -> str:
    """How well a method finds the objects at both ends of size, or of occlusion: the smallest or most hidden first.

    Args:
        ends: `size` or `occlusion`.
    """
    cells = _by_place(record["strata"])
    bins = list(SIZE_BINS) if ends == "size" else _hidden_bins(cells)
    if not bins:
        return "how much is hidden is not known for this data"
    pair = (bins[0], bins[-1]) if ends == "size" else (bins[-1], bins[0])
    unknown: Mapping[str, Any] = {measure: None for measure in measures}
    found = [cells.get((name, ALL) if ends == "size" else (ALL, name), unknown) for name in pair]
    texts = [" and ".join(_value_text(cell, measure) for cell in found) for measure in measures]
    names = [measure.replace("iou", "IoU") for measure in measures]
    parts = "; ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))
    return f"at {ends} {pair[0]} and {pair[1]}, {parts}"


def _value_text(cell: Mapping[str, Any], measure: str) -> str:
    value = cell[measure]
    return "unknown" if value is None else f"{number_text(value)} % {interval_text(cell[f'{measure}_ci'])}"


def baseline_sentences(record: Record, average_precision: float) -> list[str]:
    """Chapter 01: what against where, the threshold, hidden objects.

    Args:
        record: of `cam`.
        average_precision: of the image labels on the reported split, in percent.
    """
    threshold, miou = record["threshold"] or {}, record["miou"]["mean"]
    best, fixed = threshold["oracle"]["miou"], threshold["fixed"]
    return [
        f"The classifier knows what an image shows with mAP {number_text(average_precision)} %, and its CAM says where "
        f"with {number_text(miou)} mIoU {interval_text(record['interval'])}.",
        f"The threshold {number_text(threshold['value'], 2)} of the tune split is {number_text(max(0.0, best - miou))} "
        f"points below the best one, the fixed {number_text(fixed['value'], 1)} is {number_text(best - fixed['miou'])} "
        "points below it.",
        f"Hidden objects: {objects_found(record, 'occlusion', ('iou',))}.",
    ]


def failure_sentences(record: Record, series: Sequence[SeriesRecord], shares: Mapping[str, float]) -> list[str]:
    """Chapter 02: small objects, hidden objects, and why; where there are no series, which errors there are.

    Args:
        record: of `cam`.
        shares: of `wsss.analysis.failures.error_shares`, in percent.
    """
    missed = {name: value for name, value in shares.items() if name.startswith("missed")}
    most = max(missed, key=missed.__getitem__)
    found, other = (number_text(share) for share in (shares["found"], missed[most]))
    errors = f"{found} % of the object pixels are found; most others are {most} ({other} %)."
    return [
        f"Small objects: {objects_found(record, 'size')}.",
        f"Hidden objects: {objects_found(record, 'occlusion')}.",
        series_sentence(series) if series else errors,
    ]


def series_sentence(series: Sequence[SeriesRecord], method: str = "cam") -> str:
    """How the classifier's answers change from the first to the last step of the series that shrink and cover."""
    texts = []
    for record in series:
        rows = [row for row in record["rows"] if row["method"] == method]
        words = {"shrinking": "As an object shrinks", "covering": "as it is covered"}.get(record["series"])
        if words and rows:
            first, last = rows[0], rows[-1]
            image, crop = (
                f"from {number_text(first[name])} to {number_text(last[name])}"
                for name in ("image_logit", "crop_logit")
            )
            texts.append(f"{words}, the image's logit goes {image} and that of a crop {crop}")
    return f"{'; '.join(texts)}."


def method_sentences(crops: Record, whole: Record, without_regions: str, control: str) -> list[str]:
    """Chapter 03: crops alone, crops and regions, hidden objects.

    Args:
        crops, whole: of `crop-only` and `depth`.
        without_regions: full name of the best control without regions.
        control: full name of the best control.
    """
    return [
        f"Crops alone: {short_difference(crops, without_regions)}.",
        f"Crops and regions: {short_difference(whole, control)}.",
        f"{objects_compared(crops, without_regions)}; {hidden_text(whole, control)}.",
    ]


def hidden_text(record: Record, against: str) -> str:
    """What a method adds to another on the most hidden objects: the end of a sentence that began with those."""
    cells = _by_place(_pair(record, against)["strata"])
    bins = _hidden_bins(cells)
    cell = cells[ALL, bins[-1]] if bins else {"iou": None}
    points = "what is not known" if cell["iou"] is None else f"{_difference_text(cell, 'iou')} points of IoU"
    return f"`{full_name(record)}` adds {points} to `{against}`"


def stage_sentences(record: Record, against: str, second: str) -> list[str]:
    """Chapters 04 to 06: a difference, something else, hidden objects.

    Args:
        second: the sentence in the middle.
    """
    hidden = "" if "not_trained" in record else objects_compared(record, against)
    return [f"{short_difference(record, against)}.", second, f"{hidden}."]


def quickstart_sentences(scored: pd.DataFrame) -> list[str]:
    """Chapter 00: what each method does on one photograph, the threshold, and what one photograph cannot say.

    Args:
        scored: of `wsss.methods.quickstart.against_outline`, a row for each method.
    """
    share, best = scored["IoU (%)"], scored["IoU there (%)"]
    others = ", ".join(f"`{name}` {number_text(float(value))} %" for name, value in share.items())
    lost = ", ".join(f"{number_text(float(best[name] - share[name]))} of `{name}`" for name in share.index)
    return [
        f"IoU with the outline, at thresholds that were chosen on other photographs: {others}.",
        f"Not knowing this photograph's best threshold costs points of IoU: {lost}.",
        "About hidden objects this photograph says nothing: chapters 02 to 06 measure them.",
    ]
