"""What a table or chart compares each method with: plain CAM, and the best control without depth."""

from collections.abc import Mapping, Sequence
from typing import Any

from wsss.records.record import Record
from wsss.records.store import full_name
from wsss.report.order import in_order

__all__ = ["CONTROLS", "WITHOUT_REGIONS", "baseline", "best_control", "one_each", "rivals", "verdict"]

WITHOUT_REGIONS = ("zoom", "grid", "random", "cam-box")
"""Controls of equal cost that crop elsewhere, and average over no regions."""

CONTROLS = (*WITHOUT_REGIONS, "layers", "rgb-region", "rgb-crop", "rgb")
"""Methods of equal cost without depth."""


def verdict(pair: Mapping[str, Any]) -> str:
    """`gain` if all seeds agree and the paired interval lies above 0, `loss` if both lie below, else `no difference`.

    Args:
        pair: an entry of a record's `paired`.
    """
    values = [*pair["ci"], *pair["per_seed"]]
    if any(value is None for value in values):
        return "no difference"
    return "gain" if min(values) > 0 else "loss" if max(values) < 0 else "no difference"


def rivals(records: Sequence[Record]) -> list[str]:
    """Full names of what a table compares each method with, of those that there are.

    Plain CAM; the best control without regions and the best control at all (on the tune split); of labels and networks
    instead of controls the CAM's, refined.

    Args:
        records: of one data set, stage and split.
    """
    refined = [full_name(record) for record in in_order(records) if record["method"] == "cam" and record["refinement"]]
    names = [baseline(records), best_control(records, WITHOUT_REGIONS), best_control(records), *refined]
    return list(dict.fromkeys(name for name in names if name))


def baseline(records: Sequence[Record]) -> str:
    """Full name of the plain CAM among records of a table: unrefined where there is such a one."""
    names = [full_name(record) for record in in_order(records) if record["method"] == "cam"]
    return names[0] if names else "cam"


def best_control(records: Sequence[Record], among: Sequence[str] = CONTROLS) -> str | None:
    """The control without depth that has the highest mIoU on the tune split; None where none was tuned.

    Args:
        records: of one data set, stage and split. Of pseudo-labels the answer is None: one control alone is made into
            labels.
        among: methods to choose from.
    """
    tuned = [r for r in records if r["method"] in among and r["tune_miou"] is not None and r["stage"] != "pseudo"]
    return full_name(max(tuned, key=lambda record: record["tune_miou"] or 0.0)) if tuned else None


def one_each(records: Sequence[Record]) -> list[Record]:
    """Of each method the record whose refinement, or none, is best on the tune split: what charts have room for."""
    best: dict[str, Record] = {}
    for record in in_order(records):
        known = best.setdefault(record["method"], record)
        if (record["tune_miou"] or 0) > (known["tune_miou"] or 0):
            best[record["method"]] = record
    return list(best.values())
