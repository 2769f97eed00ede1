"""How a semantic prediction did on each object of an image."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from wsss.analysis.instances import Instances, instances_of
from wsss.data.base import IGNORE, Sample

__all__ = ["InstanceScore", "instance_scores"]


@dataclass(frozen=True)
class InstanceScore:
    """One visible object and how a prediction did on it. Shares are in [0, 1]; what is unknown is NaN.

    Attributes:
        image_id: the sample's id.
        class_id: label in 1…C.
        area: visible pixels, > 0.
        relative_area: as a share of the image, in (0, 1].
        occlusion_ratio: hidden share of the amodal mask.
        border_occlusion: share of the border with something nearer beside it.
        recall: share of the visible pixels that were predicted as its class.
        iou: of the object and the predicted pixels of its class that are nearest to it.
        pointing: 1 if the highest score of its class, among the pixels that are nearer to it than to other objects of
            the class, lies on it, else 0; where several pixels share the highest score, the share of them that does.
            The pointing game of Zhang et al. (Top-down neural attention by excitation backprop, IJCV 2018), for each
            object instead of each class and without a margin. NaN without scores.
        activation: mean over its pixels of its class's score, NaN without scores.
        at_border: whether it touches the frame of the image.
        neighbours: number of other objects beside it.
        depth_rank: 1 for the nearest object of the image, 2 for the next, ….
        marked_occluded, marked_truncated: 1 or 0, as an annotator said.
    """

    image_id: str
    class_id: int
    area: int
    relative_area: float
    occlusion_ratio: float
    border_occlusion: float
    recall: float
    iou: float
    pointing: float = float("nan")
    activation: float = float("nan")
    at_border: bool = False
    neighbours: int = 0
    depth_rank: float = float("nan")
    marked_occluded: float = float("nan")
    marked_truncated: float = float("nan")


def instance_scores(
    sample: Sample,
    prediction: np.ndarray,
    instances: Instances | None = None,
    maps: Mapping[int, np.ndarray] | None = None,
) -> list[InstanceScore]:
    """Score a semantic prediction object by object.

    A semantic map does not tell objects of a class apart: each predicted pixel of a class goes to the nearest instance
    of that class. Pixels whose truth is 255, and specks that are no instance, are not scored. Objects without a visible
    pixel are left out.

    Args:
        prediction: `H×W uint8`, 0…C or 255.
        instances: `instances_of(sample)`, to be handed in where several predictions of a sample are scored.
        maps: label in 1…C → `H×W float32`, the scores that the prediction was made from; a class without scores counts
            as all 0. None where there are none, as for networks.

    Raises:
        ValueError: the shape of the prediction or of a map is not the mask's.
    """
    for array in (prediction, *(maps or {}).values()):
        if array.shape != sample.truth.shape:
            raise ValueError(f"sample {sample.id}: the prediction is {array.shape}, the mask {sample.truth.shape}")
    found = instances_of(sample) if instances is None else instances
    count = len(found.classes)
    hit, assigned = np.zeros(count + 1, dtype=np.int64), np.zeros(count + 1, dtype=np.int64)
    pointing, activation = np.full(count + 1, np.nan), np.full(count + 1, np.nan)
    for class_id in np.unique(found.classes[found.area > 0]):
        members, nearest = _territories(found, sample.truth, int(class_id))
        predicted = prediction == class_id
        hit += np.bincount(members[predicted], minlength=count + 1)
        assigned += np.bincount(nearest[predicted], minlength=count + 1)
        if maps is not None:
            scores = maps.get(int(class_id), np.zeros(sample.truth.shape, np.float32))
            for number in np.unique(members[members > 0]):
                inside = members == number
                activation[number] = np.float32(scores[inside].mean(dtype=np.float64))  # as parts of records keep it
                own = np.where(nearest == number, scores, 0)
                # Methods whose regions vote as one have plateaus: a tie counts by its share on the object.
                top = (own == own.max()) & (own > 0)
                pointing[number] = (top & inside).sum() / max(1, top.sum())
    return [
        InstanceScore(
            image_id=sample.id,
            class_id=int(found.classes[index]),
            area=int(found.area[index]),
            relative_area=float(found.relative_area[index]),
            occlusion_ratio=float(found.occlusion[index]),
            border_occlusion=float(found.border_occlusion[index]),
            recall=float(hit[index + 1] / found.area[index]),
            iou=float(hit[index + 1] / (found.area[index] + assigned[index + 1] - hit[index + 1])),
            pointing=float(pointing[index + 1]),
            activation=float(activation[index + 1]),
            at_border=bool(found.at_border[index]),
            neighbours=int(found.neighbours[index]),
            depth_rank=float(found.depth_rank[index]),
            marked_occluded=float(found.marked_occluded[index]),
            marked_truncated=float(found.marked_truncated[index]),
        )
        for index in np.flatnonzero(found.area)
    ]


def _territories(instances: Instances, mask: np.ndarray, class_id: int) -> tuple[np.ndarray, np.ndarray]:
    """The instances of a class, and at every pixel which of them is nearest: `H×W`, 0 none or not scored, both."""
    numbers = np.flatnonzero((instances.area > 0) & (instances.classes == class_id)) + 1
    members = np.where(np.isin(instances.map, numbers), instances.map, 0)
    unscored = (mask == IGNORE) | ((mask == class_id) & (members == 0))
    if len(numbers) == 1:
        nearest = np.full_like(members, numbers[0])
    else:
        indices = distance_transform_edt(members == 0, return_distances=False, return_indices=True)
        nearest = members[tuple(indices)]
    return members, np.where(unscored, 0, nearest)
