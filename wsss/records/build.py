"""Result records: one JSON file for each data set, stage, split and method, with everything that is ever said of it.

A record holds the numbers of several training seeds on the same images. IoU, recall, coverage and intervals are in
percent and rounded to three decimals; what is unknown is null.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np

from wsss.analysis import coverage, foreground_scores, hit_effects, iou_per_class, mean_iou
from wsss.analysis.activation import rank_correlations
from wsss.analysis.bootstrap import interval_of
from wsss.analysis.failures import error_shares
from wsss.analysis.score import Score
from wsss.analysis.strata import strata_rows
from wsss.methods.names import MethodName
from wsss.records.paired import paired_differences, require_alike
from wsss.records.provenance import provenance
from wsss.records.record import Record, Stage
from wsss.records.resampled import Resampled
from wsss.records.summaries import (
    activation_summary,
    column_means,
    mean_fact,
    means,
    miou_by_threshold,
    object_summary,
    predicted_miou,
    statistics,
    thresholds,
    unseen_miou,
)

__all__ = ["Origin", "Subject", "build_record"]


_EXACT = ("parameters", "refinement_parameters", "history")
"""Settings and losses, which are not rounded."""


@dataclass(frozen=True)
class Subject:
    """What a record is about.

    Attributes:
        data, split, profile, stage: what was scored; `data` is the name of a folder of VOC layout for such data.
        method: `cam`, `depth@sensor`, …, with its depth source where it has one; of a network, the method of the labels
            that it was trained on.
        refinement: `crf`, `par`, `par-depth` or None.
        backbone: of the classifier.
        image_labels: where seeds take the classes of an image from; `none` for networks.
        seeds: of training, one for each score.
    """

    data: str
    split: str
    profile: str
    stage: Stage
    method: str
    refinement: str | None
    backbone: str
    image_labels: Literal["given", "predicted", "none"]
    seeds: Sequence[int]


@dataclass(frozen=True)
class Origin:
    """What a record was made from and with.

    Attributes:
        config_sha256, data_sha256: hashes of settings and data.
        algorithms: versions of the stage and of those before it, by stage.
        device, threads: what computed it.
        wall_s: seconds of computation behind it.
    """

    config_sha256: str
    data_sha256: str
    algorithms: Mapping[str, int]
    device: str
    threads: int
    wall_s: float


def build_record(own: Resampled, subject: Subject, origin: Origin, against: Mapping[str, Resampled]) -> Record:
    """Sum up one method's scores as a record.

    Args:
        own: its scores, one for each of the subject's seeds, on the same images.
        against: other methods' scores with the same seeds on the same images, by name, for paired differences.

    Returns:
        JSON-able; what the keys hold is said by `Record` and by the functions that fill them.

    Raises:
        ValueError: no score, not one score for each seed, or scores of different images, classes or objects.
    """
    scores = own.scores
    require_alike(scores, subject.seeds)
    record = {
        **_described(subject),
        **_whole_images(own, subject),
        **_choices(scores),
        **_objects(own, subject.stage),
        "paired": [paired_differences(own, other, key) for key, other in against.items()],
        "provenance": provenance(**asdict(origin), algorithm_version=origin.algorithms[subject.stage]),
        "refinement_parameters": _refinements(scores, subject),
    }
    return cast(Record, {key: _plain(value, None if key in _EXACT else 3) for key, value in record.items()})


def _described(subject: Subject) -> dict[str, Any]:
    """The subject's fields, and what its method says of depth."""
    return {
        "data": subject.data,
        "split": subject.split,
        "profile": subject.profile,
        "stage": subject.stage,
        "method": subject.method,
        "depth_source": MethodName.of_seeds(subject.method).source,
        "refinement": subject.refinement.lstrip("+") if subject.refinement else None,
        "backbone": subject.backbone,
        "image_labels": subject.image_labels,
        "seeds": list(subject.seeds),
    }


def _whole_images(own: Resampled, subject: Subject) -> dict[str, Any]:
    """What all pixels of the images say: mIoU, IoU of each class, borders, thresholds."""
    scores, first = own.scores, own.scores[0]
    totals = np.stack([score.confusions.sum(axis=0) for score in scores])
    labels = ("background", *first.classes)
    return {
        "num_images": len(first.ids),
        "num_scenes": own.num_scenes,
        "classes": list(first.classes),
        "miou": statistics(mean_iou(totals)),
        "interval": list(interval_of(own.miou)),
        "iou": dict(zip(labels, column_means(iou_per_class(totals)), strict=True)),
        "coverage": float(np.mean(coverage(totals))),
        "foreground": means([foreground_scores(total) for total in totals]),
        "boundary": means([score.facts["boundary"] for score in scores]) if "boundary" in first.facts else None,
        "predicted_labels": predicted_miou(scores),
        "subset": unseen_miou(scores, subject.data, subject.split),
        "threshold": thresholds(scores),
        "curve": miou_by_threshold(scores),
    }


def _choices(scores: Sequence[Score]) -> dict[str, Any]:
    """What was chosen on which grounds, what it costs for an image, and how the training went."""
    facts = scores[0].facts
    return {
        "parameters": [score.facts.get("parameters", {}) for score in scores],
        "scales": facts.get("scales"),
        "flip": facts.get("flip"),
        "magnification": facts.get("magnification"),
        "megapixels_per_image": mean_fact(scores, "megapixels"),
        "seconds_per_image": mean_fact(scores, "seconds"),
        "tune_miou": mean_fact(scores, "miou"),
        "tune_per_seed": [score.facts.get("miou") for score in scores],
        "tuning_trials": facts.get("trials"),
        "constants_tried": facts.get("constants_tried"),
        "mAP": mean_fact(scores, "mAP"),
        "mAP_per_seed": [score.facts.get("mAP") for score in scores],
        "history": [score.facts["history"] for score in scores] if "history" in facts else None,
    }


def _refinements(scores: Sequence[Score], subject: Subject) -> list[Any] | None:
    """The parameters of the refinement for each seed; None where nothing was refined here."""
    refined = subject.stage == "pseudo" and subject.refinement
    return [score.facts["refinement"] for score in scores] if refined else None


def _objects(own: Resampled, stage: Stage) -> dict[str, Any]:
    """What is found of objects, by size and occlusion, and what the errors are."""
    objects = own.objects
    return {
        "object_miou": object_summary(own),
        "strata": strata_rows(own.strata),
        "strata_absolute": strata_rows(own.strata_absolute),
        "errors": dict(error_shares(np.sum([score.confusions.sum(axis=0) for score in own.scores], axis=0))),
        "correlations": rank_correlations(objects).to_dict(),
        "activation": activation_summary(objects),
        "hit_effects": hit_effects(objects) if stage == "cam" else None,
    }


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
