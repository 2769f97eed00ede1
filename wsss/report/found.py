"""What was found, for the README: a few sentences and a table at a glance, from records."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from wsss.analysis.strata import ALL
from wsss.methods.names import CONTROLS, WITHOUT_REGIONS, MethodName
from wsss.records.record import Record
from wsss.records.store import FULL_SUPERVISION, full_name, select_records
from wsss.report.comparisons import best_control, marked_miou
from wsss.report.headline import own_depth
from wsss.report.text import MISSING, interval_text, number_text, signed, to_markdown

__all__ = ["found_block", "found_sentences", "found_table"]

METHODS = {"depth": CONTROLS, "crop-only": WITHOUT_REGIONS}
"""What sentences are about, the whole method and its crops alone; and the controls of which the best on the tune split
is compared with."""
GROUPS = {
    ("<1 %", ALL): "below 1 % of the image",
    (ALL, ">40 %"): "more than 40 % hidden",
    (ALL, "border >30 %"): "more than 30 % of the border hidden",
}
"""Cells of the table of size and occlusion that have a sentence, where a data set has them."""
ONE_RUN = "¹"
"""Mark of numbers of one training run."""
OTHER_DEPTH = ("depth@kinect", "depth@learned")
"""Of rendered scenes, whose own depth is exact: as a simulated camera measures it, and as a network predicts it."""
LEGEND = (
    "mIoU of seeds in percent, background included, ± the standard deviation over training runs; brackets: 95 % "
    "intervals over scenes. The best control is the best on the tune split. Crops are first compared with the best of "
    f"{', '.join(f'`{name}`' for name in WITHOUT_REGIONS)}. Seeds are made with image labels and networks are not: do "
    "not rank them against each other."
)


def found_block(records: Sequence[Record]) -> str:
    """Sentences as a list, a table and its legend, as Markdown."""
    sentences = "".join(f"- {sentence}\n" for sentence in found_sentences(records))
    once = f" {ONE_RUN} One training run." if ONE_RUN in sentences else ""
    return f"{sentences}\n{to_markdown(found_table(records))}\n*{LEGEND}{once}*\n"


def found_sentences(records: Sequence[Record]) -> list[str]:
    """A text for each subject: rendered scenes, photographs, small and hidden objects, networks; as Markdown.

    A subject of which there is no comparison is left out. Where an interval holds 0, or training runs disagree, the
    difference is called not certain.
    """
    names = _data_sets(records)
    titled = {
        "Rendered scenes": [_of_seeds(records, name) for name in names if name == "tabletop"],
        "Photographs": [_of_seeds(records, name) for name in names if name != "tabletop"],
        "Small and hidden objects": [_of_objects(records, name) for name in names],
        "Networks": [_of_network(records, name) for name in names],
    }
    return [_titled(title, [part for part in parts if part]) for title, parts in titled.items() if any(parts)]


def _titled(title: str, parts: Sequence[str]) -> str:
    """The text of one data set behind the title, those of several in a list below it."""
    return f"**{title}.** {parts[0]}" if len(parts) == 1 else "\n  - ".join([f"**{title}.**", *parts])


def _data_sets(records: Sequence[Record]) -> list[str]:
    return sorted({record["data"] for record in records}, key=lambda name: (name != "tabletop", name))


def _seeds(records: Sequence[Record], data: str) -> dict[str, Record]:
    """Records of seeds by name, those with the data's own depth without `@`."""
    found = [record for record in records if record["data"] == data and record["stage"] == "cam"]
    own, named = own_depth(found).get(data), {}
    for record in found:
        name = MethodName.of_seeds(record["method"])
        named[name.base if name.source and name.source == own else full_name(record)] = record
    return named


def _pairs(named: Mapping[str, Record]) -> dict[str, Mapping[str, Any]]:
    """For each of `METHODS` that has been compared with its best control, the paired difference."""
    controls = {name: best_control(list(named.values()), among) for name, among in METHODS.items() if name in named}
    return {name: pair for name, other in controls.items() if (pair := _pair(named[name], other))}


def _pair(record: Record, against: str | None) -> Mapping[str, Any] | None:
    return next((pair for pair in record["paired"] if pair["against"] == against), None)


def _compared(pair: Mapping[str, Any], name: str, other: str) -> str:
    """`NAME has 2.7 mIoU more than OTHER [1.2, 4.2]`, or `NAME is not certainly different from OTHER (…)`."""
    (low, high), value, signs = pair["ci"], pair["difference"], {each > 0 for each in pair["per_seed"]}
    if low <= 0 <= high or len(signs) > 1:
        return f"{name} is not certainly different from {other} ({_difference(pair)})"
    word = "more" if value > 0 else "less"
    return f"{name} has {number_text(abs(value))} mIoU {word} than {other} {interval_text(pair['ci'])}{_once(pair)}"


def _of_seeds(records: Sequence[Record], data: str) -> str:
    """The pairs of a data set, crops also against the best of all controls; and what other depth gives."""
    named = _seeds(records, data)
    pairs = _pairs(named)
    if not pairs:
        return ""
    told = "; ".join(_compared(pair, f"`{name}`", f"`{pair['against']}`") for name, pair in pairs.items())
    best = best_control(list(named.values()))
    crops = _pair(named["crop-only"], best) if "crop-only" in pairs else None
    if crops and best != pairs["crop-only"]["against"]:
        told += f", and {_difference(crops)} against `{best}`"
    measured = OTHER_DEPTH if data == "tabletop" else ()
    other = {name: pair for name in measured if name in named and (pair := _pair(named[name], best))}
    more = "; ".join(f"`{name}` {_difference(pair)}" for name, pair in other.items())
    return f"On `{data}` {told}." + (f" With other depth, against `{best}`: {more}." if more else "")


def _difference(pair: Mapping[str, Any]) -> str:
    """`−1.5 [−4.6, 1.7]`."""
    return f"{signed(pair['difference'])} {interval_text(pair['ci'])}{_once(pair)}"


def _once(pair: Mapping[str, Any]) -> str:
    return ONE_RUN if len(pair["per_seed"]) == 1 else ""


def _of_objects(records: Sequence[Record], data: str) -> str:
    """Differences in IoU and recall of small and of hidden objects; of photographs those of the whole method alone."""
    pairs = {
        name: pair for name, pair in _pairs(_seeds(records, data)).items() if data == "tabletop" or name == "depth"
    }
    cells = {name: {(one["size"], one["occlusion"]): one for one in pair["strata"]} for name, pair in pairs.items()}
    known = {key: words for key, words in GROUPS.items() if all(key in own and own[key]["n"] for own in cells.values())}
    if not cells or not known:
        return ""
    each = [
        f"{words}: "
        + "; ".join(f"`{name}` {_of_cell(own[key])} against `{pairs[name]['against']}`" for name, own in cells.items())
        for key, words in known.items()
    ]
    return " ".join(f"{one}." for one in (f"On `{data}` {each[0]}", *(one[0].upper() + one[1:] for one in each[1:])))


def _of_cell(cell: Mapping[str, Any]) -> str:
    """`+53.1 [50.2, 55.8] IoU and +7.0 [4.4, 9.6] recall`."""
    return " and ".join(
        f"{signed(cell[measure])} {interval_text(cell[f'{measure}_ci'])} {measure.replace('iou', 'IoU')}"
        for measure in ("iou", "recall")
    )


def _of_network(records: Sequence[Record], data: str) -> str:
    """What depth's labels teach a network, against those of the control; on `tabletop` also against those of the CAM.

    Refined labels take the place of others.
    """
    found = [record for record in records if record["data"] == data and record["stage"] == "segmentation"]
    bases = {full_name(record): MethodName.of_seeds(record["method"]).base for record in found}
    depth = next((record for record in found if bases[full_name(record)] == "depth"), None)
    others = [record for record in found if bases[full_name(record)] in (*CONTROLS, "cam")]
    others = [record for record in others if record["refinement"]] or others
    others.sort(key=lambda record: bases[full_name(record)] == "cam")
    others = others if data == "tabletop" else others[:1]
    pairs = {_labels(other): pair for other in others if depth and (pair := _pair(depth, full_name(other)))}
    if not depth or not pairs:
        return ""
    first, *more = (
        _compared(pair, "it" if number else f"a network on {_labels(depth)}", f"one on {labels}")
        for number, (labels, pair) in enumerate(pairs.items())
    )
    bound = next((record for record in found if record["method"] == FULL_SUPERVISION), None)
    own = f"Its mIoU is {number_text(depth['miou']['mean'])}{_bound_text(bound)}."
    return " ".join([f"On `{data}` {first}.", *(f"{one[0].upper()}{one[1:]}." for one in more), own])


def _labels(record: Record) -> str:
    """`` `cam+crf` labels``."""
    name = MethodName.of_seeds(record["method"])
    return f"`{replace(name, source=None, refinement=record['refinement'])}` labels"


def _bound_text(bound: Record | None) -> str:
    """`, on true masks 68.1`."""
    once = ONE_RUN if bound and len(bound["seeds"]) == 1 else ""
    return f", on true masks {number_text(bound['miou']['mean'])}{once}" if bound else ""


def found_table(records: Sequence[Record]) -> pd.DataFrame:
    """mIoU of the seeds: a row for each data set, and no more than six columns.

    Raises:
        WsssError: there is no record of seeds.
    """
    rows = {}
    for data in _data_sets(select_records(records, stage="cam")):
        named = _seeds(records, data)
        found = list(named.values())
        control = best_control(found)
        best = f"{marked_miou(named[control], found)} (`{control}`)" if control else MISSING
        columns = {name: _cell(named.get(name), found) for name in ("crop-only", "region-only", "depth")}
        rows[data] = {"cam": _cell(named.get("cam"), found), "best control": best, **columns}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("data")


def _cell(record: Record | None, others: Sequence[Record]) -> str:
    return marked_miou(record, others) if record else MISSING
