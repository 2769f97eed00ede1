"""Objects one by one: how large and how occluded each is, and how much of it a semantic prediction found."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt
from skimage.measure import label

from wsss.data.base import IGNORE, Sample

__all__ = ["InstanceScore", "Instances", "border_occlusion", "instance_scores", "instances_of"]

MIN_COMPONENT = 16
"""Pixels below which a connected component of a mask is a labelling speck, not an object."""

DEPTH_JUMP = 0.02
"""Step of inverse depth (range [0, 1]) across a border that counts as one thing in front of another."""

BORDER_REACH = 3
"""Pixels from a border at which depth is read: real depth edges are soft and lie a little beside the mask's."""


@dataclass(frozen=True)
class Instances:
    """The objects of one image, as parallel arrays; instance k is at index k − 1.

    Attributes:
        map: `H×W int32`, 0 none, k the k-th instance; 0 too where the truth is 255.
        classes: `(N,) int64` labels in 1…C.
        area: `(N,) int64` visible pixels; 0 for an object that nothing is seen of.
        relative_area: `(N,) float64` area as a share of the image, in [0, 1].
        occlusion: `(N,) float64` in [0, 1], the hidden share of the amodal mask; NaN where unknown.
        border_occlusion: `(N,) float64` in [0, 1], see `border_occlusion`; NaN where the sample has no depth.
    """

    map: np.ndarray
    classes: np.ndarray
    area: np.ndarray
    relative_area: np.ndarray
    occlusion: np.ndarray
    border_occlusion: np.ndarray


@dataclass(frozen=True)
class InstanceScore:
    """How a prediction did on one visible object.

    Attributes:
        image_id: the sample's id.
        class_id: label in 1…C.
        area: visible pixels, > 0.
        relative_area: as a share of the image, in (0, 1].
        occlusion_ratio: hidden share of the amodal mask in [0, 1], NaN where unknown.
        border_occlusion: share of the border with something nearer beside it, NaN without depth.
        recall: share of the visible pixels that were predicted as its class, in [0, 1].
        iou: of the object and the predicted pixels of its class that are nearest to it, in [0, 1].
    """

    image_id: str
    class_id: int
    area: int
    relative_area: float
    occlusion_ratio: float
    border_occlusion: float
    recall: float
    iou: float


def instances_of(sample: Sample) -> Instances:
    """The sample's objects: its instance masks where given, else the mask's connected components.

    Components are 8-connected, of one class, and at least `MIN_COMPONENT` pixels large. They join objects of a class
    that touch and split objects that something crosses: an approximation where instances are unknown.
    """
    if sample.instances is not None and sample.instance_classes is not None:
        instance_map = np.where(sample.mask == IGNORE, 0, sample.instances).astype(np.int32)
        classes = sample.instance_classes.astype(np.int64)
    else:
        instance_map, classes = _components(sample.mask)
    count = len(classes)
    area = np.bincount(instance_map.ravel(), minlength=count + 1)[1:]
    unknown = np.full(count, np.nan)
    occlusion = unknown if sample.occlusion is None else sample.occlusion.astype(np.float64)
    border = unknown if sample.depth is None else border_occlusion(instance_map, sample.depth, count)
    return Instances(instance_map, classes, area, area / instance_map.size, occlusion, border)


def _components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Connected components of the classes of a label map: instance map `H×W int32` and classes `(N,) int64`."""
    objects = np.where(mask == IGNORE, 0, mask)
    components = label(objects, connectivity=2)  # neighbours of different labels are never joined
    ids, first, sizes = np.unique(components, return_index=True, return_counts=True)
    kept = (ids > 0) & (sizes >= MIN_COMPONENT)
    numbers = np.zeros(len(ids), dtype=np.int32)
    numbers[kept] = np.arange(1, kept.sum() + 1)
    positions = np.searchsorted(ids, components)
    return numbers[positions], objects.ravel()[first[kept]].astype(np.int64)


def border_occlusion(
    instances: np.ndarray, depth: np.ndarray, count: int | None = None, jump: float = DEPTH_JUMP
) -> np.ndarray:
    """The share of each instance's border beyond which something nearer is seen.

    The border is made of the pairs of 4-neighbours of which one pixel is in the instance and one is not; the frame of
    the image is no border. Depth is compared `BORDER_REACH` pixels to either side of it, along the line of the pair. A
    pair counts as occluding where the outer inverse depth is larger by more than `jump`. This is a stand-in for the
    amodal occlusion ratio, on another scale; never mix the two.

    Args:
        instances: `H×W` integers, 0 none, k the k-th instance.
        depth: `H×W float32` inverse depth in [0, 1], larger = nearer. Pairs with NaN are left out.
        count: N, where the last instances may have no pixel; by default the largest number in the map.

    Returns:
        `(N,) float64` in [0, 1], NaN for an instance without border.

    Raises:
        ValueError: the shapes differ.
    """
    if instances.shape != depth.shape:
        raise ValueError(f"instances are {instances.shape}, but depth is {depth.shape}")
    count = int(instances.max(initial=0)) if count is None else count
    border, nearer = np.zeros(count + 1), np.zeros(count + 1)
    for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        owners, rises = _border_steps(instances, depth, step)
        border += np.bincount(owners[~np.isnan(rises)], minlength=count + 1)
        nearer += np.bincount(owners[rises > jump], minlength=count + 1)
    return np.divide(nearer, border, out=np.full(count + 1, np.nan), where=border > 0)[1:]


def _border_steps(instances: np.ndarray, depth: np.ndarray, towards: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Border pairs in one direction: the instance of each and how much nearer it is outside, `(B,)` each."""
    height, width = instances.shape
    top, left = 1 + towards[0], 1 + towards[1]
    # Padded by itself, the frame has no neighbour that differs.
    neighbours = np.pad(instances, 1, mode="edge")[top : top + height, left : left + width]
    inside = np.stack(np.nonzero((instances > 0) & (instances != neighbours)))
    step, last = np.array(towards)[:, None], np.array([[height - 1], [width - 1]])
    outside, owners = inside + step, instances[tuple(inside)]
    # Farther from the border where the same side goes on that far, else at the border itself.
    inner = np.clip(inside - (BORDER_REACH - 1) * step, 0, last)
    inner = np.where(instances[tuple(inner)] == owners, inner, inside)
    outer = np.clip(outside + (BORDER_REACH - 1) * step, 0, last)
    outer = np.where(instances[tuple(outer)] != owners, outer, outside)
    return owners, depth[tuple(outer)] - depth[tuple(inner)]


def instance_scores(sample: Sample, prediction: np.ndarray, instances: Instances | None = None) -> list[InstanceScore]:
    """Score a semantic prediction object by object.

    A semantic map does not tell objects of a class apart: each predicted pixel of a class goes to the nearest instance
    of that class. Pixels whose truth is 255, and specks that are no instance, are not scored. Objects without a visible
    pixel are left out.

    Args:
        prediction: `H×W uint8`, 0…C or 255.
        instances: `instances_of(sample)`, to be handed in where several predictions of a sample are scored.

    Raises:
        ValueError: the prediction's shape is not the mask's.
    """
    if prediction.shape != sample.mask.shape:
        raise ValueError(f"sample {sample.id}: the prediction is {prediction.shape}, the mask {sample.mask.shape}")
    found = instances_of(sample) if instances is None else instances
    hit, assigned = _overlaps(found, sample.mask, prediction)
    return [
        InstanceScore(
            image_id=sample.id,
            class_id=int(found.classes[index]),
            area=int(found.area[index]),
            relative_area=float(found.relative_area[index]),
            occlusion_ratio=float(found.occlusion[index]),
            border_occlusion=float(found.border_occlusion[index]),
            recall=float(hit[index] / found.area[index]),
            iou=float(hit[index] / (found.area[index] + assigned[index] - hit[index])),
        )
        for index in np.flatnonzero(found.area)
    ]


def _overlaps(instances: Instances, mask: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each instance `(N,)`: its pixels predicted as its class, and all predicted pixels that are assigned to it."""
    count = len(instances.classes)
    hit, assigned = np.zeros(count + 1, dtype=np.int64), np.zeros(count + 1, dtype=np.int64)
    visible = instances.area > 0
    for class_id in np.unique(instances.classes[visible]):
        numbers = np.flatnonzero(visible & (instances.classes == class_id)) + 1
        members = np.where(np.isin(instances.map, numbers), instances.map, 0)
        speck = (mask == class_id) & (members == 0)
        predicted = (prediction == class_id) & (mask != IGNORE) & ~speck
        hit += np.bincount(members[predicted], minlength=count + 1)
        assigned += np.bincount(_nearest(members, numbers)[predicted], minlength=count + 1)
    return hit[1:], assigned[1:]


def _nearest(members: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """`H×W`, at every pixel the number of the nearest instance; `members` is 0 outside of all of them."""
    if len(numbers) == 1:
        return np.full_like(members, numbers[0])
    nearest = distance_transform_edt(members == 0, return_distances=False, return_indices=True)
    return np.asarray(members[tuple(nearest)])
