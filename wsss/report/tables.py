"""Tables of records, as data frames of text ready to be shown."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from wsss.analysis.strata import ALL
from wsss.errors import WsssError
from wsss.records.record import Record
from wsss.records.store import FULL_SUPERVISION, full_name, select_records
from wsss.report.comparisons import best_control, marked_miou, miou_of_common_seeds, rivals
from wsss.report.headline import own_depth
from wsss.report.order import in_order
from wsss.report.text import MISSING, difference_text, interval_text, number_text

__all__ = [
    "label_quality_table",
    "object_differences",
    "per_class_table",
    "stage_table",
    "strata_grid",
]


def stage_table(records: Sequence[Record], data: str, stage: str, split: str) -> pd.DataFrame:
    """The main table of a stage: one row a method, compared with plain CAM where the record has that pair.

    Columns: mIoU in percent (mean ± standard deviation over seeds; where methods have different seeds, also the mean
    over those that all have), bootstrap interval over scenes, mIoU at the fixed and at the oracle threshold, paired
    difference from each of `rivals` with its interval, share of full supervision, `object_miou` with its interval,
    coverage in percent, cost, how much views enlarge the photograph's own pixels, number of tuning trials (times that
    of the settings of regions and passes that were tried), training seeds, and the fusion parameters that were chosen
    on the tune split, of each seed where they differ. Columns that say nothing are left out.

    Raises:
        WsssError: there is no such record.
    """
    rows = in_order(select_records(records, data=data, stage=stage, split=split))
    against = rivals(rows)
    cells = [_main_row(record, rows, against) for record in rows]
    frame = pd.DataFrame(cells, index=[full_name(record) for record in rows])
    told = [name for name in frame if name.startswith("Δ") or (frame[name] != MISSING).any()]
    return frame[told].rename_axis("method")


def _main_row(record: Record, rows: Sequence[Record], against: Sequence[str]) -> dict[str, str]:
    threshold = record["threshold"] or {}
    pairs = {pair["against"]: pair for pair in record["paired"]}
    return {
        "mIoU": marked_miou(record, rows),
        **miou_of_common_seeds(record, rows),
        "95 %": interval_text(record["interval"]),
        "threshold (tune)": number_text(threshold.get("value"), 2),
        "fixed": number_text((threshold.get("fixed") or {}).get("miou")),
        "oracle threshold": number_text((threshold.get("oracle") or {}).get("miou")),
        **{f"Δ {name}": _difference(pairs.get(name)) for name in against},
        "of full supervision": _share_text(pairs.get(FULL_SUPERVISION, {}).get("share")),
        "object mIoU": _object_text(record["object_miou"]),
        "coverage": number_text(record["coverage"]),
        "MP/image": number_text(record["megapixels_per_image"], 2),
        "s/image": number_text(record["seconds_per_image"], 2),
        "native pixels": _magnification_text(record.get("magnification")),
        "trials": _trials_text(record),
        "training seeds": str(len(record["seeds"])),
        "chosen on tune": " / ".join(dict.fromkeys(map(_chosen_text, record["parameters"]))) or MISSING,
    }


def _difference(pair: Mapping[str, Any] | None) -> str:
    """A paired difference with its interval."""
    if pair is None:
        return MISSING
    return difference_text(pair["difference"], pair["ci"])


def _share_text(share: Mapping[str, Any] | None) -> str:
    return f"{number_text(share['value'])} % {interval_text(share['ci'])}" if share else MISSING


def _trials_text(record: Record) -> str:
    """`26`, or `26 × 30`: trials of fusion parameters, for each of so many settings of regions and passes."""
    text, tried = number_text(record["tuning_trials"], 0), record.get("constants_tried")
    return f"{text} × {tried}" if tried else text


def _magnification_text(facts: Mapping[str, Any] | None) -> str:
    """`× 0.5, 1; crops 0.9, 12 % interpolated`: how much passes and crops enlarge the photograph's own pixels."""
    if not facts:
        return MISSING
    text = f"× {', '.join(f'{value:.2g}' for value in facts['passes'])}"
    if max(facts["passes"]) > 1:
        text += " (above 1 interpolated)"
    crops = facts["crops"]
    return f"{text}; crops {crops['median']:.2g}, {crops['interpolated']:.0f} % interpolated" if crops else text


def _chosen_text(parameters: Mapping[str, Any]) -> str:
    """The parts of a method with the weights chosen: `crops 1, regions 0.75, joint regions 0.5, sharing 0.9`."""
    weights = parameters.get("level_weights")
    parts = [f"scales {' : '.join(f'{weight:g}' for weight in weights)}"] if weights else []
    silent = () if parameters.get("crop_weight") else ("gate",)  # it weighs crops alone
    names = {"crop_weight": "crops", "gate": "gate", "vote": "regions", "colour": "joint regions", "reach": "sharing"}
    parts += [f"{name} {parameters[key]:g}" for key, name in names.items() if parameters.get(key) and key not in silent]
    return ", ".join(parts) or MISSING


def _object_text(figures: Mapping[str, Any]) -> str:
    return f"{number_text(figures['mean'])} {interval_text(figures['ci'])}"


def label_quality_table(records: Sequence[Record]) -> pd.DataFrame:
    """Pseudo-labels before and after refinement: mIoU, foreground, borders, what is ignored, and what was chosen.

    Args:
        records: of the stage `pseudo` of one data set and split.
    """
    rows = in_order(records)
    cells = [_quality_row(record, rows) for record in rows]
    return pd.DataFrame(cells, index=[full_name(record) for record in rows]).rename_axis("labels")


def _quality_row(record: Record, rows: Sequence[Record]) -> dict[str, str]:
    threshold, foreground, boundary = record["threshold"] or {}, record["foreground"], record["boundary"] or {}
    return {
        "mIoU": marked_miou(record, rows),
        **miou_of_common_seeds(record, rows),
        "mIoU on tune": number_text(record["tune_miou"]),
        "precision": number_text(foreground["precision"]),
        "recall": number_text(foreground["recall"]),
        "border precision": number_text(boundary.get("precision")),
        "border recall": number_text(boundary.get("recall")),
        "border F": number_text(boundary.get("f")),
        "ignored": number_text(100 - record["coverage"]),
        "thresholds": f"{_mean_text(threshold.get('low'))}, {_mean_text(threshold.get('high'))}",
        "s/image": number_text(record["seconds_per_image"], 2),
        "training seeds": str(len(record["seeds"])),
    }


def _mean_text(values: Sequence[float] | None) -> str:
    return number_text(sum(values) / len(values) if values else None, 2)


def per_class_table(records: Sequence[Record], data: str, stage: str, split: str) -> pd.DataFrame:
    """IoU in percent: one row a class (background first, mean last), one column a method."""
    found = in_order(select_records(records, data=data, stage=stage, split=split))
    columns = {full_name(record): {**record["iou"], "mean": record["miou"]["mean"]} for record in found}
    return pd.DataFrame(columns).map(lambda value: number_text(None if pd.isna(value) else value)).rename_axis("class")


def object_differences(records: Sequence[Record]) -> pd.DataFrame:
    """What depth does for objects by size and by occlusion: IoU and recall of `crop-only` and `depth`, minus those of
    the best control.

    In points, with 95 % intervals.

    Args:
        records: of seeds; each data set with a control and one of these methods, with the depth that comes with it, has
            a row for each bin of size and of occlusion. Data sets in which neither has been compared are left out.
    """
    found = [record for record in records if record["stage"] == "cam"]
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for data in sorted({record["data"] for record in found}, key=lambda name: (name != "tabletop", name)):
        own = [record for record in found if record["data"] == data]
        control, source = best_control(own), own_depth(own).get(data)
        for base in ("crop-only", "depth"):
            pairs = [pair for r in own if full_name(r) == f"{base}@{source}" for pair in r["paired"]]
            for cell in next((pair["strata"] for pair in pairs if pair["against"] == control), ()):
                if (cell["size"] == ALL) == (cell["occlusion"] == ALL):  # the inside of the table, and all objects
                    continue
                name = f"size {cell['size']}" if cell["occlusion"] == ALL else f"occlusion {cell['occlusion']}"
                row = rows.setdefault((f"{data}, against {control}", name), {"n": str(cell["n"])})
                for measure in ("iou", "recall"):
                    text = difference_text(cell[measure], cell[f"{measure}_ci"])
                    row[f"{base} {measure.replace('iou', 'IoU')}"] = text
    frame = pd.DataFrame.from_dict(rows, orient="index").fillna(MISSING)
    if rows:
        frame.index = pd.MultiIndex.from_tuples(rows, names=["data", "objects"])
    return frame


def strata_grid(
    records: Sequence[Record],
    data: str,
    stage: str,
    split: str,
    methods: Sequence[str] | None = None,
    measures: Sequence[str] = ("iou", "recall"),
    absolute: bool = False,
) -> pd.DataFrame:
    """Objects by size and occlusion: n, and of each method the measures in percent with their 95 % intervals.

    Args:
        methods: full names; None for all that there are.
        measures: from `wsss.analysis.strata.MEASURES`.
        absolute: by COCO's absolute sizes alone.

    Raises:
        WsssError: there is no such record.
    """
    found = in_order(select_records(records, data=data, stage=stage, split=split))
    found = [record for record in found if methods is None or full_name(record) in methods]
    if not found:
        raise WsssError(f"there is no record of {', '.join(methods or ())} on {data}, {stage}, {split}. Run it first.")
    columns: dict[str, dict[tuple[str, str], str]] = {"n": {}}
    for record in found:
        for cell in record["strata_absolute" if absolute else "strata"]:
            key = (cell["size"], cell["occlusion"])
            columns["n"][key] = str(cell["n"])
            for name in measures:
                known = cell[name] is not None
                text = f"{number_text(cell[name])} {interval_text(cell[f'{name}_ci'])}" if known else MISSING
                columns.setdefault(f"{full_name(record)} {name.replace('iou', 'IoU')}", {})[key] = text
    return pd.DataFrame(columns).rename_axis(["size", "occlusion"])
