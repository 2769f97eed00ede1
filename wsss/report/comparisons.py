"""What a table or chart compares each method with: plain CAM, and the best control without depth.

Means are compared over the same training seeds only. Where records have different ones, it is over those that all have.
"""

from collections.abc import Sequence

import numpy as np

from wsss.methods.names import CONTROLS, WITHOUT_REGIONS, MethodName
from wsss.records.record import Record
from wsss.records.store import full_name
from wsss.report.order import in_order
from wsss.report.text import mean_std, number_text

__all__ = ["baseline", "best_control", "common_seeds", "marked_miou", "miou_of_common_seeds", "one_each", "rivals"]


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
    tuned = [r for r in records if MethodName.of_seeds(r["method"]).base in among and r["stage"] != "pseudo"]
    best = _best_on_tune([record for record in tuned if record["tune_miou"] is not None])
    return full_name(best) if best else None


def one_each(records: Sequence[Record]) -> list[Record]:
    """Of each method the record whose refinement, or none, is best on the tune split: what charts have room for."""
    of_method: dict[str, list[Record]] = {}
    for record in in_order(records):
        of_method.setdefault(record["method"], []).append(record)
    return [_best_on_tune(each) or each[0] for each in of_method.values()]


def common_seeds(records: Sequence[Record]) -> list[int]:
    """The training seeds that all records have."""
    return sorted(set.intersection(*(set(record["seeds"]) for record in records))) if records else []


def _best_on_tune(records: Sequence[Record]) -> Record | None:
    """The record with the highest mIoU on the tune split, over the seeds that all have; the first one at ties.

    Older records have a mean over seeds alone: then only those with the most seeds are compared.
    """
    if not records:
        return None
    values = [_tune_over(record, common_seeds(records)) for record in records]
    if any(value is None for value in values):
        most = max(records, key=lambda record: len(record["seeds"]))["seeds"]
        values = [record["tune_miou"] if record["seeds"] == most else None for record in records]
    known = [(value, -place) for place, value in enumerate(values) if value is not None]
    return records[-max(known)[1]] if known else None


def _tune_over(record: Record, seeds: Sequence[int]) -> float | None:
    """Mean of the mIoU on the tune split over some of a record's seeds; None where it is not known, or of none."""
    if record["seeds"] == list(seeds):
        return record["tune_miou"]
    each = dict(zip(record["seeds"], record.get("tune_per_seed") or (), strict=False))
    values = [value for seed in seeds if (value := each.get(seed)) is not None]
    return float(np.mean(values)) if seeds and len(values) == len(seeds) else None


def marked_miou(record: Record, records: Sequence[Record]) -> str:
    """mIoU, mean ± standard deviation, with a mark where others of the table have more training seeds."""
    seeds = len({seed for other in records for seed in other["seeds"]})
    mark = "" if len(record["seeds"]) == seeds else f" ({len(record['seeds'])} of {seeds} runs)"
    return f"{mean_std(record['miou'])}{mark}"


def miou_of_common_seeds(record: Record, records: Sequence[Record]) -> dict[str, str]:
    """Where records of a table have different training seeds, a column with the mean over those that all have."""
    seeds = common_seeds(records)
    if not seeds or all(other["seeds"] == seeds for other in records):
        return {}
    each = dict(zip(record["seeds"], record["miou"]["per_seed"], strict=True))
    name = f"mIoU, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    return {name: number_text(float(np.mean([each[seed] for seed in seeds])))}
