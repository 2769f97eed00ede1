"""Result records: one JSON file for each data set, stage, split and method, with everything that is ever said of it.

A record holds the figures of several training seeds on the same images. IoU, recall, coverage and intervals are in
percent and rounded to three decimals; what is unknown is null.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from wsss.analysis import (
    FIXED_THRESHOLD,
    THRESHOLDS,
    bootstrap_miou,
    choose_threshold,
    coverage,
    foreground_scores,
    hit_effects,
    iou_per_class,
    mean_iou,
    miou_curve,
    object_miou,
    paired_bootstrap,
    paired_class_bootstrap,
    strata_table,
)
from wsss.analysis.activation import activation_means, rank_correlations
from wsss.analysis.effects import occlusion_column
from wsss.analysis.failures import error_shares
from wsss.analysis.score import Score
from wsss.analysis.strata import MEASURES
from wsss.records.provenance import provenance
from wsss.records.store import (
    check_fresh,
    check_not_smoke,
    find_record,
    load_records,
    record_path,
    select_records,
    write_record,
)

__all__ = [
    "build_record",
    "check_fresh",
    "check_not_smoke",
    "find_record",
    "load_records",
    "record_path",
    "select_records",
    "write_record",
]

_FEASIBILITY = {("nyuv2", "test"): (654, slice(0, 650, 5)), ("voc-animals", "val"): (205, slice(0, 110))}
"""Images of the whole split, and those that a feasibility study had looked at: `[::5][:130]` and `[:110]`."""


def build_record(
    scores: Sequence[Score],
    *,
    data: str,
    split: str,
    profile: str,
    stage: Literal["cam", "pseudo", "segmentation"],
    method: str,
    refinement: str | None,
    backbone: str,
    image_labels: Literal["given", "predicted", "none"],
    seeds: Sequence[int],
    against: Mapping[str, Sequence[Score]],
    config_sha256: str,
    data_sha256: str,
    algorithm_version: int,
    device: str,
    threads: int,
    wall_s: float,
) -> dict[str, Any]:
    """Sum up one method's scores as a record.

    Args:
        scores: one for each of `seeds`, on the same images.
        data, split, profile, stage: what was scored; `data` is the name of a folder of VOC layout for such data.
        method: `cam`, `depth@sensor`, …, with its depth source where it has one; of a network, the method of the labels that it
            was trained on.
        refinement: `crf`, `par`, `par-depth` or None.
        image_labels: where seeds take the classes of an image from; `none` for networks.
        against: other methods' scores with the same seeds on the same images, by name, for paired differences.
        wall_s: seconds of computation behind the record.

    Returns:
        JSON-able; what the keys hold is said by the functions that fill them. `tune_miou` is the mIoU on the tune split
        that chose parameters and threshold (`facts["miou"]`), by which tables find the best control.

    Raises:
        ValueError: no score, not one score for each seed, or scores of different images, classes or objects.
    """
    _require_alike(scores, seeds)
    totals = np.stack([score.confusions.sum(axis=0) for score in scores])
    labels = ("background", *scores[0].classes)
    objects = _mean_objects(scores)
    record = {
        "data": data, "split": split, "profile": profile, "stage": stage, "method": method,
        "depth_source": method.partition("@")[2] or None, "refinement": refinement.lstrip("+") if refinement else None,
        "backbone": backbone, "image_labels": image_labels, "seeds": list(seeds),
        "num_images": len(scores[0].ids), "classes": list(scores[0].classes),
        "miou": _statistics(mean_iou(totals)),
        "interval": list(bootstrap_miou([score.confusions for score in scores])),
        "iou": dict(zip(labels, _column_means(iou_per_class(totals)), strict=True)),
        "coverage": float(np.mean(coverage(totals))),
        "foreground": _means([foreground_scores(total) for total in totals]),
        "boundary": _means([score.facts["boundary"] for score in scores]) if "boundary" in scores[0].facts else None,
        "predicted_labels": _predicted(scores),
        "subset": _rest(scores, data, split),
        "threshold": _threshold(scores),
        "curve": _curve(scores),
        "parameters": None,  # settings and losses follow below, unrounded
        "scales": scores[0].facts.get("scales"), "flip": scores[0].facts.get("flip"),
        "megapixels_per_image": _mean_fact(scores, "megapixels"),
        "seconds_per_image": _mean_fact(scores, "seconds"),
        "tune_miou": _mean_fact(scores, "miou"),
        "tuning_trials": scores[0].facts.get("trials"),
        "mAP": _mean_fact(scores, "mAP"),
        "history": None,
        "object_miou": _object_miou(scores, objects),
        "strata": strata_table(objects),
        "strata_absolute": strata_table(objects, absolute=True),
        "errors": dict(error_shares(totals.sum(axis=0))),
        "correlations": rank_correlations(objects).to_dict(),
        "activation": _activation(objects),
        "hit_effects": hit_effects(objects) if stage == "cam" else None,
        "paired": [_paired(scores, other, key) for key, other in against.items()],
        "provenance": provenance(
            config_sha256=config_sha256, data_sha256=data_sha256, algorithm_version=algorithm_version,
            device=device, threads=threads, wall_s=wall_s,
        ),
    }  # fmt: skip
    exact = {
        "parameters": [score.facts.get("parameters", {}) for score in scores],
        "refinement_parameters": [s.facts["refinement"] for s in scores] if stage == "pseudo" and refinement else None,
        "history": [score.facts["history"] for score in scores] if "history" in scores[0].facts else None,
    }
    plain: dict[str, Any] = {**_plain(record, 3), **_plain(exact, None)}
    return plain


def _require_alike(scores: Sequence[Score], seeds: Sequence[int]) -> None:
    if not scores or len(scores) != len(seeds):
        raise ValueError(f"{len(scores)} scores for {len(seeds)} seeds; a record needs one score for each of its seeds")
    for score in scores[1:]:
        _require_same_images(scores[0], score)


def _require_same_images(one: Score, other: Score) -> None:
    if one.ids != other.ids or one.classes != other.classes:
        raise ValueError("scores can only be joined or compared on the same images and classes")
    if len(one.instances) != len(other.instances):
        raise ValueError(f"scores of the same images list {len(one.instances)} and {len(other.instances)} objects")


def _statistics(values: np.ndarray) -> dict[str, Any]:
    """Mean, sample standard deviation (None for one seed) and the values themselves."""
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": std, "per_seed": values.tolist()}


def _column_means(values: np.ndarray) -> list[float]:
    """Means over seeds `(S, M)` → M values; NaN where no seed has one."""
    known = ~np.isnan(values)
    sums, counts = np.nansum(values, axis=0), known.sum(axis=0)
    means: list[float] = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0).tolist()
    return means


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean over seeds of each figure."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _mean_fact(scores: Sequence[Score], key: str) -> float | None:
    values = [score.facts.get(key) for score in scores]
    return float(np.mean(values)) if None not in values else None  # type: ignore[arg-type]


def _predicted(scores: Sequence[Score]) -> dict[str, Any] | None:
    """mIoU with predicted image labels, where every seed has been scored with them."""
    if not all(len(score.predicted) for score in scores):
        return None
    values = np.array([float(mean_iou(score.predicted.sum(axis=0))) for score in scores])
    return {"miou": float(values.mean()), "per_seed": values.tolist()}


def _rest(scores: Sequence[Score], data: str, split: str) -> dict[str, Any] | None:
    """mIoU on the images that the feasibility study had not seen; None for other data and for parts of a split."""
    total, seen = _FEASIBILITY.get((data, split), (None, slice(0)))
    num_images = len(scores[0].ids)
    if num_images != total:
        return None
    unseen = np.ones(num_images, dtype=bool)
    unseen[seen] = False
    values = [float(mean_iou(score.confusions[unseen].sum(axis=0))) for score in scores]
    return {"rest": {"n": int(unseen.sum()), "miou": float(np.mean(values))}}


def _threshold(scores: Sequence[Score]) -> dict[str, Any] | None:
    """The thresholds chosen on tune, and mIoU at the fixed and at the best one; None for methods without."""
    chosen = [score.facts.get("threshold") for score in scores]
    if None in chosen:
        return None
    chosen_on = scores[0].facts.get("chosen_on", "tune")
    threshold = {"chosen_on": chosen_on, "value": float(np.mean(chosen)), "per_seed": chosen}  # type: ignore[arg-type]
    if "low" in scores[0].facts:  # of pseudo-labels; what lies between is ignored
        threshold |= {name: [score.facts[name] for score in scores] for name in ("low", "high")}
    if not all(len(score.curve) for score in scores):
        return {**threshold, "fixed": None, "oracle": None}
    fixed = int(np.flatnonzero(THRESHOLDS == FIXED_THRESHOLD)[0])
    best = np.array([choose_threshold(score.curve, plateau=0) for score in scores])
    at_fixed = np.mean([miou_curve(score.curve)[fixed] for score in scores])
    return {
        **threshold,
        "fixed": {"value": FIXED_THRESHOLD, "miou": float(at_fixed)},
        "oracle": {
            "value": float(best[:, 0].mean()),
            "per_seed": best[:, 0].tolist(),
            "miou": float(best[:, 1].mean()),
        },
    }


def _curve(scores: Sequence[Score]) -> dict[str, Any] | None:
    """mIoU at every threshold, mean over seeds."""
    if not all(len(score.curve) for score in scores):
        return None
    curves = np.mean([miou_curve(score.curve) for score in scores], axis=0)
    return {"thresholds": THRESHOLDS.tolist(), "miou": curves.tolist()}


def _mean_objects(scores: Sequence[Score]) -> pd.DataFrame:
    """The objects with their figures averaged over seeds; all seeds list the same objects in the same order."""
    frame = scores[0].instances.copy()
    for column in (*MEASURES, "activation"):
        frame[column] = np.mean([score.instances[column].to_numpy(dtype=np.float64) for score in scores], axis=0)
    return frame


def _activation(objects: pd.DataFrame) -> dict[str, Any]:
    """See `activation_means`, and the measure of occlusion that it went by."""
    column = occlusion_column(objects)
    return {**activation_means(objects, column), "occlusion_measure": column}


def _object_miou(scores: Sequence[Score], objects: pd.DataFrame) -> dict[str, Any]:
    """`object_miou` of the objects averaged over seeds, with its interval over images, and of each seed."""
    each = [object_miou(score.instances, resamples=1)[0] for score in scores]
    return {**_with_interval(object_miou(objects), "mean"), "per_seed": each}


def _with_interval(figures: tuple[float, float, float], name: str) -> dict[str, Any]:
    value, low, high = figures
    return {name: value, "ci": [low, high]}


def _paired(scores: Sequence[Score], other: Sequence[Score], name: str) -> dict[str, Any]:
    """Differences from another method: mIoU, and objects by stratum, with the images as pairs."""
    _require_alike(other, range(len(scores)))
    _require_same_images(scores[0], other[0])
    difference, interval = paired_bootstrap([s.confusions for s in scores], [s.confusions for s in other])
    objects, theirs = _mean_objects(scores), _mean_objects(other)
    for column in MEASURES:
        objects[column] = objects[column] - theirs[column].to_numpy(dtype=np.float64)
    return {
        "against": name,
        "difference": difference,
        "ci": list(interval),
        "per_seed": [one.miou - two.miou for one, two in zip(scores, other, strict=True)],
        "classes": _class_differences(scores, other),
        "object_miou": _with_interval(object_miou(objects), "difference"),
        "strata": strata_table(objects, differences=True),
    }


def _class_differences(scores: Sequence[Score], other: Sequence[Score]) -> dict[str, dict[str, Any]]:
    """Paired differences of the IoU of each label, background first, with their intervals."""
    figures = paired_class_bootstrap([s.confusions for s in scores], [s.confusions for s in other])
    labels = ("background", *scores[0].classes)
    rows = zip(*(values.tolist() for values in figures), strict=True)
    return {label: _with_interval(row, "difference") for label, row in zip(labels, rows, strict=True)}


def _plain(content: Any, decimals: int | None) -> Any:
    """`content` for JSON: NumPy scalars as Python's, floats rounded (not if `decimals` is None), NaN as None."""
    if isinstance(content, Mapping):
        return {str(key): _plain(value, decimals) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value, decimals) for value in content]
    if isinstance(content, np.generic):
        content = content.item()
    if not isinstance(content, float):
        return content
    if not math.isfinite(content):
        return None
    return content if decimals is None else round(content, decimals)
