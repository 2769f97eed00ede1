"""Scores methods on a split, image by image: nothing but counts is kept, so memory does not grow with the data."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm.auto import tqdm

from wsss.analysis.confusion import confusion_matrix, threshold_confusions
from wsss.analysis.instances import instance_scores
from wsss.analysis.score import Score
from wsss.analysis.strata import scores_frame
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold
from wsss.cam.classifier import ClassifierInfo
from wsss.data.base import Dataset, Sample
from wsss.depth.crops import CropParameters
from wsss.depth.fusion import Evidence, FusionParameters, fuse
from wsss.depth.methods import METHODS, gather
from wsss.depth.regions import RegionParameters
from wsss.depth.sources import DepthSource
from wsss.errors import WsssError
from wsss.pseudo.labels import pseudo_label, save_pseudo_label

__all__ = ["Looker", "Tally", "choose_parameters", "same_passes", "score_seeds"]


@dataclass(frozen=True)
class Looker:
    """A classifier with the settings of its crops: what turns an image into evidence.

    Attributes:
        classes: names of the data's classes 1…C, each of which the classifier must know; matched by name.
    """

    model: nn.Module
    info: ClassifierInfo
    classes: tuple[str, ...]
    regions: RegionParameters
    crops: CropParameters
    device: torch.device

    def __post_init__(self) -> None:
        unknown = [name for name in self.classes if name not in self.info.classes]
        if unknown:
            raise WsssError(
                f"the checkpoint does not know class {unknown[0]!r}; it knows {', '.join(self.info.classes)}"
            )

    def look(
        self, name: str, sample: Sample, present: Iterable[int], depth: NDArray[np.float32] | None = None
    ) -> Evidence:
        """Evidence of method `name` for the classes `present`, indices 0…C − 1 into `classes`."""
        outputs = [self.info.classes.index(self.classes[int(index)]) for index in present]
        return gather(
            METHODS[name], self.model, self.info, sample.image, outputs, depth,
            regions=self.regions, crops=self.crops, device=self.device,
        )  # fmt: skip


class Tally:
    """Counts up one method's results on a split."""

    def __init__(self, data: Dataset, thresholds: int) -> None:
        self._data = data
        self._classes = len(data.classes)
        self._curve = np.zeros((thresholds, self._classes + 1, self._classes + 2), np.int64)
        self._confusions: list[NDArray[np.int64]] = []
        self._predicted: list[NDArray[np.int64]] = []
        self._instances: list[Any] = []

    def add(self, sample: Sample, label: NDArray[np.uint8]) -> None:
        """Count a label map `H×W`."""
        self._confusions.append(confusion_matrix(sample.mask, label, self._classes))
        self._instances.extend(instance_scores(sample, label))

    def add_curve(self, sample: Sample, scores: NDArray[np.float32], classes: NDArray[np.int64]) -> None:
        """Count scores `(K,H,W)` of the labels `classes (K,)` at every threshold."""
        self._curve += threshold_confusions(scores, classes, sample.mask, self._classes, THRESHOLDS)

    def add_predicted(self, sample: Sample, label: NDArray[np.uint8]) -> None:
        """Count a label map that was made with predicted image labels."""
        self._predicted.append(confusion_matrix(sample.mask, label, self._classes))

    def score(self, facts: dict[str, Any]) -> Score:
        """The split's `Score`."""
        confusions = np.stack(self._confusions)
        predicted = np.stack(self._predicted) if self._predicted else confusions[:0]
        frame = scores_frame(self._instances)
        return Score(self._data.classes, self._data.ids, confusions, self._curve, predicted, frame, facts)


def same_passes(names: Sequence[str]) -> list[list[str]]:
    """Group methods that share their forward passes, so that each image is looked at once per group."""
    groups: dict[Any, list[str]] = {}
    for name in names:
        plan = METHODS[name]
        groups.setdefault((plan.scales, plan.flip, plan.uses_crops), []).append(name)
    return list(groups.values())


def _evidence(
    looker: Looker,
    names: Sequence[str],
    data: Dataset,
    depth: DepthSource | None,
    extra: Any,
    progress: bool,
    text: str,
) -> Iterator[tuple[Sample, Evidence, NDArray[np.int64]]]:
    """Samples with the evidence that all of `names` share, for the given classes and those that `extra` adds."""
    for index in tqdm(range(len(data)), desc=text, unit="image", leave=False, disable=not progress):
        sample = data[index]
        wanted = sample.labels | extra[index] if extra is not None else sample.labels
        present = np.flatnonzero(wanted)
        yield sample, looker.look(names[0], sample, present, depth(index) if depth else None), present


def choose_parameters(
    looker: Looker, names: Sequence[str], data: Dataset, depth: DepthSource | None, *, progress: bool = True
) -> dict[str, dict[str, Any]]:
    """Fusion parameters and threshold of methods that share their passes, by mIoU over the whole grid of trials.

    Args:
        data: the tune split.

    Returns:
        Per method `{"parameters", "threshold", "miou", "trials"}`.
    """
    shape = (len(THRESHOLDS), len(data.classes) + 1, len(data.classes) + 2)
    totals = {name: np.zeros((len(METHODS[name].trials), *shape), np.int64) for name in names}
    for sample, evidence, present in _evidence(looker, names, data, depth, None, progress, f"tune {', '.join(names)}"):
        for name in names:
            for trial, parameters in enumerate(METHODS[name].trials):
                scores = fuse(evidence, parameters).numpy()
                totals[name][trial] += threshold_confusions(
                    scores, present + 1, sample.mask, len(data.classes), THRESHOLDS
                )
    return {name: _best(METHODS[name].trials, totals[name]) for name in names}


def _best(trials: Sequence[FusionParameters], totals: NDArray[np.int64]) -> dict[str, Any]:
    """The trial with the highest mIoU at its best threshold; the first one at ties."""
    results = [choose_threshold(total, THRESHOLDS) for total in totals]
    best = int(np.argmax([miou for _, miou in results]))
    threshold, miou = results[best]
    return {"parameters": asdict(trials[best]), "threshold": threshold, "miou": miou, "trials": len(trials)}


def score_seeds(
    looker: Looker,
    choices: Mapping[str, Mapping[str, Any]],
    data: Dataset,
    depth: DepthSource | None,
    *,
    band: float = 0.0,
    folders: Mapping[str, Path] | None = None,
    predicted: NDArray[np.bool_] | None = None,
    progress: bool = True,
) -> dict[str, Score]:
    """Score methods that share their passes, with the parameters that were chosen for them.

    Args:
        choices: per method, from `choose_parameters`.
        band: scores this close to the threshold become 255.
        folders: where to write each method's label maps as `ID.png`; None writes none.
        predicted: `(N,C) bool` image labels from the classifier; None scores with given labels only.
    """
    names = list(choices)
    tallies = {name: Tally(data, len(THRESHOLDS)) for name in names}
    costs: list[tuple[float, float]] = []
    passes = _evidence(looker, names, data, depth, predicted, progress, f"{', '.join(names)} on {data.split}")
    for index, (sample, evidence, present) in enumerate(passes):
        given = sample.labels[present]
        for name in names:
            start = time.perf_counter()
            scores = fuse(evidence, FusionParameters(**choices[name]["parameters"])).numpy()
            threshold = choices[name]["threshold"]
            label = pseudo_label(scores[given], present[given] + 1, threshold, band)
            costs.append((evidence.megapixels, evidence.seconds + time.perf_counter() - start))
            tallies[name].add(sample, label)
            tallies[name].add_curve(sample, scores[given], present[given] + 1)
            if predicted is not None:
                own = predicted[index][present]
                tallies[name].add_predicted(sample, pseudo_label(scores[own], present[own] + 1, threshold, band))
            if folders is not None:
                save_pseudo_label(folders[name] / f"{sample.id}.png", label)
    megapixels, seconds = np.mean(costs, axis=0).tolist()
    cost = {"megapixels": megapixels, "seconds": seconds}
    return {
        name: tallies[name].score(
            {
                **choices[name],
                **cost,
                "scales": list(METHODS[name].scales),
                "flip": METHODS[name].flip or METHODS[name].uses_crops,
            }
        )
        for name in names
    }
