"""The objects of an image: how large each is, how much of it is hidden, and what is around it."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median
from skimage.measure import label

from wsss.data.base import IGNORE, Sample

__all__ = ["Instances", "border_occlusion", "depth_ranks", "instances_of", "neighbour_counts"]

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
        marked_occluded, marked_truncated: `(N,) float64`, 1 where an annotator marked the object so, 0 where not; NaN
            where nobody was asked.
        at_border: `(N,) bool`, whether it touches the frame of the image, which may cut it off.
        neighbours: `(N,) int64`, see `neighbour_counts`.
        depth_rank: `(N,) float64`, see `depth_ranks`; NaN where the sample has no depth.
    """

    map: np.ndarray
    classes: np.ndarray
    area: np.ndarray
    relative_area: np.ndarray
    occlusion: np.ndarray
    border_occlusion: np.ndarray
    marked_occluded: np.ndarray
    marked_truncated: np.ndarray
    at_border: np.ndarray
    neighbours: np.ndarray
    depth_rank: np.ndarray


def instances_of(sample: Sample) -> Instances:
    """The sample's objects: its instance masks where given, else the mask's connected components.

    Components are 8-connected, of one class, and at least `MIN_COMPONENT` pixels large. They join objects of a class
    that touch and split objects that something crosses: an approximation where instances are unknown.
    """
    if sample.instances is not None and sample.instance_classes is not None:
        instance_map = np.where(sample.truth == IGNORE, 0, sample.instances).astype(np.int32)
        classes = sample.instance_classes.astype(np.int64)
    else:
        instance_map, classes = _components(sample.truth)
    count = len(classes)
    area = np.bincount(instance_map.ravel(), minlength=count + 1)[1:]
    frame = np.concatenate([instance_map[[0, -1]].ravel(), instance_map[:, [0, -1]].ravel()])
    depth = sample.depth
    return Instances(
        instance_map,
        classes,
        area,
        area / instance_map.size,
        occlusion=_known(sample.occlusion, count),
        border_occlusion=_known(None if depth is None else border_occlusion(instance_map, depth, count), count),
        marked_occluded=_known(sample.marked_occluded, count),
        marked_truncated=_known(sample.marked_truncated, count),
        at_border=np.isin(np.arange(1, count + 1), frame),
        neighbours=neighbour_counts(instance_map, count),
        depth_rank=_known(None if depth is None else depth_ranks(instance_map, depth, count), count),
    )


def _known(values: np.ndarray | None, count: int) -> np.ndarray:
    """`values` as `(count,) float64`; NaN where there are none."""
    return np.full(count, np.nan) if values is None else values.astype(np.float64)


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
    return np.asarray(np.divide(nearer, border, out=np.full(count + 1, np.nan), where=border > 0)[1:])


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


def neighbour_counts(instances: np.ndarray, count: int) -> np.ndarray:
    """How many other instances come within `BORDER_REACH` pixels of each, along rows or columns: `(count,) int64`."""
    touching = np.zeros((count + 1, count + 1), dtype=bool)
    for step in range(1, BORDER_REACH + 1):
        for near, far in ((instances[:-step], instances[step:]), (instances[:, :-step], instances[:, step:])):
            touching[near.ravel(), far.ravel()] = True
    touching |= touching.T
    np.fill_diagonal(touching, False)
    return np.asarray(touching[1:, 1:].sum(axis=1))


def depth_ranks(instances: np.ndarray, depth: np.ndarray, count: int) -> np.ndarray:
    """Place of each instance in the order by median depth, from the nearest, 1, to the farthest; ties share one.

    Args:
        instances: `H×W` integers, 0 none, k the k-th instance.
        depth: `H×W float32` inverse depth, larger = nearer; NaN is left out.

    Returns:
        `(count,) float64`, NaN for an instance without a pixel of known depth.
    """
    known = np.where(np.isnan(depth), 0, instances)
    numbers = np.arange(1, count + 1)
    present = np.isin(numbers, known)
    middle = np.full(count, np.nan)
    middle[present] = median(depth, known, numbers[present])
    return np.where(present, 1 + (middle[None] > middle[:, None]).sum(axis=1), np.nan)
