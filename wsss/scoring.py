"""Scores methods on a split, image by image: nothing but counts is kept, so memory does not grow with the data."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from torch import nn

from wsss.analysis.confusion import confusion_matrix, threshold_confusions
from wsss.analysis.instances import Instances, instances_of
from wsss.analysis.objects import instance_scores
from wsss.analysis.score import Score
from wsss.analysis.strata import scores_frame
from wsss.analysis.thresholds import THRESHOLDS, choose_threshold
from wsss.cam.classifier import ClassifierInfo
from wsss.data.base import Dataset, Sample
from wsss.depth.crops import Box, CropParameters
from wsss.depth.fusion import Evidence, FusionParameters, fuse
from wsss.depth.methods import Look, gather, method, split_method
from wsss.depth.regions import RegionParameters
from wsss.depth.sources import DepthSource
from wsss.errors import WsssError
from wsss.memory import require_memory
from wsss.parallel import each_image, images_at_once
from wsss.processes import gathered, share
from wsss.pseudo.labels import pseudo_label

__all__ = [
    "Cost",
    "Depths",
    "Looker",
    "Tally",
    "choose_parameters",
    "looks_facts",
    "score_seeds",
    "true_boxes",
]

Depths = Mapping[str | None, DepthSource]
"""The depth source of each `@source` that the methods in question name; the run's own under None."""

Cost = tuple[float, float, float]
"""Megapixels, seconds and trust of a method's evidence of one image."""


@dataclass(frozen=True)
class Looker:
    """A classifier with the settings of its crops: what turns an image into evidence.

    Attributes:
        classes: names of the data's classes 1…C, each of which the classifier must know; matched by name.
        at_once: images that will be worked on side by side, as far as is known when this is made.
    """

    model: nn.Module
    info: ClassifierInfo
    classes: tuple[str, ...]
    regions: RegionParameters
    crops: CropParameters
    device: torch.device
    at_once: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "at_once", images_at_once(self.device))
        unknown = [name for name in self.classes if name not in self.info.classes]
        if unknown:
            raise WsssError(
                f"the checkpoint does not know class {unknown[0]!r}; it knows {', '.join(self.info.classes)}"
            )

    def at(self, sample: Sample, present: Iterable[int]) -> Look:
        """A look at one image for the classes `present`, indices 0…C − 1 into `classes`."""
        outputs = [self.info.classes.index(self.classes[int(index)]) for index in present]
        height, width = sample.mask.shape
        maps = len(self.crops.scales) + self.crops.count
        require_memory(sample.id, (height, width), len(outputs), maps, self.at_once)
        return Look(self.model, self.info, sample.image, outputs, self.device)

    def evidence(self, name: str, look: Look, sample: Sample, depths: Depths, index: int) -> Evidence:
        """Evidence of method `name` on image `index`, which is `sample`; `look` has been made `at` it."""
        plan, source = method(name), split_method(name)[1]
        key = plan.passes, source
        if key not in look.gathered:
            look.gathered[key] = gather(
                plan, look, regions=self.regions, crops=self.crops,
                depth=depths[source](index) if plan.uses_depth and source in depths else None,
                boxes=true_boxes(sample) if plan.proposal == "oracle" else (),
            )  # fmt: skip
        return look.gathered[key]


def true_boxes(sample: Sample) -> list[Box]:
    """The tight boxes of the sample's visible objects, largest first."""
    objects = instances_of(sample)
    found = find_objects(objects.map, max_label=len(objects.area))
    order = np.argsort(-objects.area, kind="stable")
    slices = [found[number] for number in order if found[number]]
    return [(s[0].start, s[1].start, s[0].stop, s[1].stop) for s in slices]


class Tally:
    """Counts up one method's results on a split, this process's share of its images; several threads may count at a time."""

    def __init__(self, data: Dataset, thresholds: int) -> None:
        self._data = data
        self._classes = len(data.classes)
        self._curve = np.zeros((thresholds, self._classes + 1, self._classes + 2), np.int64)
        self._adding = Lock()
        self._counted: dict[int, tuple[NDArray[np.int64], list[Any]]] = {}
        self._predicted: dict[int, NDArray[np.int64]] = {}

    def add(
        self,
        index: int,
        sample: Sample,
        label: NDArray[np.uint8],
        instances: Instances | None = None,
        maps: Mapping[int, NDArray[np.float32]] | None = None,
    ) -> None:
        """Count a label map `H×W` of image `index`; see `instance_scores` for its objects and the scores it was made from."""
        objects = instance_scores(sample, label, instances, maps)
        self._counted[index] = confusion_matrix(sample.mask, label, self._classes), objects

    def add_curve(self, sample: Sample, scores: NDArray[np.float32], classes: NDArray[np.int64]) -> None:
        """Count scores `(K,H,W)` of the labels `classes (K,)` at every threshold."""
        counts = threshold_confusions(scores, classes, sample.mask, self._classes, THRESHOLDS)
        with self._adding:
            self._curve += counts

    def add_predicted(self, index: int, sample: Sample, label: NDArray[np.uint8]) -> None:
        """Count a label map of image `index` that was made with predicted image labels."""
        self._predicted[index] = confusion_matrix(sample.mask, label, self._classes)

    def merged(self, facts: dict[str, Any]) -> Score:
        """The split's `Score`, from the shares of all processes."""
        parts = gathered([(self._counted, self._predicted, self._curve)])
        counted = {index: count for part in parts for index, count in part[0].items()}
        predicted = {index: count for part in parts for index, count in part[1].items()}
        order = sorted(counted)
        confusions = np.stack([counted[index][0] for index in order])
        frame = scores_frame([row for index in order for row in counted[index][1]])
        others = np.stack([predicted[index] for index in order]) if predicted else confusions[:0]
        curve = np.sum([part[2] for part in parts], axis=0)
        return Score(self._data.classes, self._data.ids, confusions, curve, others, frame, facts)


def choose_parameters(
    looker: Looker,
    names: Sequence[str],
    data: Dataset,
    depths: Depths,
    *,
    given: Mapping[str, tuple[FusionParameters, float]] | None = None,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """Fusion parameters and threshold of each method, by mIoU over the whole grid of its trials.

    Args:
        data: the tune split.
        depths: see `Depths`.
        given: methods that have no choice: their parameters and threshold are only scored.

    Returns:
        Per method "parameters", "threshold", "miou" and "trials", for those without a choice also "chosen_on", which is "file".
    """
    fixed = {name: pair for name, pair in (given or {}).items() if name in names}
    trials = {name: (fixed[name][0],) if name in fixed else method(name).trials for name in names}
    thresholds = {name: np.array([fixed[name][1]]) if name in fixed else THRESHOLDS for name in names}
    shape = (len(data.classes) + 1, len(data.classes) + 2)
    totals = {name: np.zeros((len(trials[name]), len(thresholds[name]), *shape), np.int64) for name in names}

    def counts_of(index: int) -> dict[str, NDArray[np.int64]]:
        sample = data[index]
        present = np.flatnonzero(sample.labels)
        look, counts = looker.at(sample, present), {}
        for name in names:
            evidence = looker.evidence(name, look, sample, depths, index)
            fused = (fuse(evidence, parameters).numpy() for parameters in trials[name])
            rest = present + 1, sample.mask, len(data.classes), thresholds[name]
            counts[name] = np.stack([threshold_confusions(scores, *rest) for scores in fused])
        return counts

    text = f"tune {', '.join(names)}"
    for counts in each_image(counts_of, share(len(data)), text, device=looker.device, progress=progress):
        for name in names:
            totals[name] += counts[name]
    parts = gathered([totals])
    chosen = {
        name: _best(trials[name], np.sum([part[name] for part in parts], axis=0), thresholds[name]) for name in names
    }
    return {name: {**best, "chosen_on": "file"} if name in fixed else best for name, best in chosen.items()}


def _best(
    trials: Sequence[FusionParameters], totals: NDArray[np.int64], thresholds: NDArray[np.float64]
) -> dict[str, Any]:
    """The trial with the highest mIoU at its chosen threshold; the first one at ties."""
    results = [choose_threshold(total, thresholds) for total in totals]
    best = int(np.argmax([miou for _, miou in results]))
    threshold, miou = results[best]
    return {"parameters": asdict(trials[best]), "threshold": threshold, "miou": miou, "trials": len(trials)}


def score_seeds(
    looker: Looker,
    choices: Mapping[str, Mapping[str, Any]],
    data: Dataset,
    depths: Depths,
    *,
    predicted: NDArray[np.bool_] | None = None,
    progress: bool = True,
) -> dict[str, Score]:
    """Score methods with the parameters that were chosen for them; passes that they share are made once per image.

    Args:
        choices: per method, from `choose_parameters`.
        depths: see `Depths`.
        predicted: `(N,C) bool` image labels from the classifier; None scores with given labels only.

    Raises:
        WsssError: no pixel of the split shows a class, so that a score would be that of background alone.
    """
    tallies = {name: Tally(data, len(THRESHOLDS)) for name in choices}

    def costs_of(index: int) -> dict[str, Cost]:
        sample, costs = data[index], {}
        present = np.flatnonzero(sample.labels if predicted is None else sample.labels | predicted[index])
        given = sample.labels[present]
        look, instances = looker.at(sample, present), instances_of(sample)
        for name, choice in choices.items():
            apart = method(name).proposal == "cam"  # whose boxes hang on the classes that are looked for
            named = present[given]
            evidence = looker.evidence(name, looker.at(sample, named) if apart else look, sample, depths, index)
            start = time.perf_counter()
            scores = fuse(evidence, FusionParameters(**choice["parameters"])).numpy()
            of_named = scores if apart else scores[given]
            label = pseudo_label(of_named, named + 1, choice["threshold"])
            seconds = evidence.seconds + time.perf_counter() - start
            costs[name] = evidence.megapixels, seconds, evidence.trust
            tallies[name].add(index, sample, label, instances, dict(zip((named + 1).tolist(), of_named, strict=True)))
            tallies[name].add_curve(sample, of_named, named + 1)
            if predicted is not None:
                own = predicted[index][present]
                if apart:
                    evidence = looker.evidence(name, looker.at(sample, present[own]), sample, depths, index)
                    scores = fuse(evidence, FusionParameters(**choice["parameters"])).numpy()
                label = pseudo_label(scores if apart else scores[own], present[own] + 1, choice["threshold"])
                tallies[name].add_predicted(index, sample, label)
        return costs

    text = f"{', '.join(choices)} on {data.split}"
    costs = list(each_image(costs_of, share(len(data)), text, device=looker.device, progress=progress))
    scores = {
        name: tallies[name].merged(looks_facts(name, choices[name], [each[name] for each in costs], looker))
        for name in choices
    }
    for score in scores.values():
        pixels = score.confusions.sum(axis=(0, 2))  # of background and each class
        if pixels[0] and not pixels[1:].any():
            raise WsssError(
                f"no pixel of {data.name}, {data.split} shows {' or '.join(data.classes)}, so a score would be that of background "
                "alone. Give images that show them, or other --classes."
            )
    return scores


def looks_facts(name: str, choice: Mapping[str, Any], costs: Sequence[Cost], looker: Looker) -> dict[str, Any]:
    """What a record says of a method's passes and their cost, means over the images of all processes.

    Args:
        costs: of each image of this process.
    """
    plan = method(name)
    megapixels, seconds, trust = np.mean(gathered(costs), axis=0).tolist()
    return {
        **choice,
        "megapixels": megapixels,
        "seconds": seconds,
        "scales": list(looker.crops.scales if plan.crops else plan.scales),
        "flip": plan.flip and not plan.crops,
        "crops": looker.crops.count if plan.crops else 0,
        "trust": trust if plan.uses_depth else None,
    }
