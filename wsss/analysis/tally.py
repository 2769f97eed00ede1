"""Counts up the results of a method on a split: of each image a confusion matrix and its objects are kept."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.analysis.confusion import confusion_matrix, threshold_confusions
from wsss.analysis.instances import Instances
from wsss.analysis.objects import instance_scores
from wsss.analysis.score import Score
from wsss.analysis.strata import scores_frame
from wsss.analysis.thresholds import THRESHOLDS
from wsss.data.base import Dataset, Sample
from wsss.machine.processes import gathered

__all__ = ["Tally"]


class Tally:
    """Counts one method's results on this process's share of a split; several threads may count at a time."""

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
        """Count a label map `H×W` of image `index`; for the other arguments see `instance_scores`."""
        objects = instance_scores(sample, label, instances, maps)
        self._counted[index] = confusion_matrix(sample.truth, label, self._classes), objects

    def add_scored(
        self,
        index: int,
        sample: Sample,
        label: NDArray[np.uint8],
        instances: Instances,
        scores: NDArray[np.float32],
        classes: NDArray[np.int64],
    ) -> None:
        """Count a label map, and the scores `(K,H,W)` of `classes (K,)` that it was made from at every threshold."""
        self.add(index, sample, label, instances, dict(zip(classes.tolist(), scores, strict=True)))
        counts = threshold_confusions(scores, classes, sample.truth, self._classes, THRESHOLDS)
        with self._adding:
            self._curve += counts

    def add_predicted(self, index: int, sample: Sample, label: NDArray[np.uint8]) -> None:
        """Count a label map of image `index` that was made with predicted image labels."""
        self._predicted[index] = confusion_matrix(sample.truth, label, self._classes)

    def merged(self, facts: dict[str, Any]) -> Score:
        """The `Score` of all images that were counted, from the shares of all processes."""
        parts = gathered([(self._counted, self._predicted, self._curve)])
        counted = {index: count for part in parts for index, count in part[0].items()}
        predicted = {index: count for part in parts for index, count in part[1].items()}
        order = sorted(counted)
        confusions = np.stack([counted[index][0] for index in order])
        frame = scores_frame([row for index in order for row in counted[index][1]])
        others = np.stack([predicted[index] for index in order]) if predicted else confusions[:0]
        curve = np.sum([part[2] for part in parts], axis=0)
        ids = tuple(self._data.ids[index] for index in order)
        return Score(self._data.classes, ids, confusions, curve, others, frame, facts)
