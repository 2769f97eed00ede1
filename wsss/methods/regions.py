"""From depth to regions: what stands apart from the planes and from its neighbours at a depth jump.

Planes are regions like the others, since a bed or a table top *is* a plane; whether one is an object is decided later
by its mean score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, label
from skimage.filters import threshold_multiotsu

from wsss.methods.guide import guided_filter
from wsss.methods.parameters import RegionParameters
from wsss.methods.planes import find_planes

__all__ = ["Regions", "aligned_depths", "continuous_parts", "depth_levels", "depth_partitions", "depth_regions"]

FloatMap = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Regions:
    """A partition of the image.

    Attributes:
        labels: `H×W int32`, r the r-th region, things first, then planes, each by area; all 0 where nothing is large
            enough.
        is_plane: `(R,) bool`, whether region r (index r − 1) is a part of a support plane.
        nearness: `(R,) float32`, mean inverse depth of region r; None for regions that were not cut from depth.
        step: `(R,R)`, a step of the walk by which regions share their scores (see `wsss.methods.diffusion`); None where
            they do not.
    """

    labels: NDArray[np.int32]
    is_plane: NDArray[np.bool_]
    nearness: NDArray[np.float32] | None = None
    step: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.is_plane)


def continuous_parts(depth: FloatMap, group: NDArray[np.integer], jump: float | FloatMap) -> NDArray[np.int32]:
    """Label pixels `H×W` so that two share a label if a path joins them inside one `group` without a step of `jump` or
    more.

    Steps are between 4-neighbours. Labels start at 0.

    Args:
        jump: one for all, or `H×W`; between two pixels the larger one of theirs counts.
    """
    height, width = depth.shape
    # On a grid twice as fine a pixel and its joints to neighbours are cells: labelling it takes a quarter of the time
    # of a graph.
    grid = np.zeros((2 * height - 1, 2 * width - 1), bool)
    grid[::2, ::2] = True
    jumps = np.broadcast_to(np.float32(jump), depth.shape)
    for ahead, behind, between in (
        (np.s_[1:, :], np.s_[:-1, :], np.s_[1::2, ::2]),
        (np.s_[:, 1:], np.s_[:, :-1], np.s_[::2, 1::2]),
    ):
        step, least = np.abs(depth[ahead] - depth[behind]), np.maximum(jumps[ahead], jumps[behind])
        grid[between] = (step < least) & (group[ahead] == group[behind])
    return np.asarray(label(grid)[0][::2, ::2] - 1, np.int32)


def depth_levels(values: FloatMap, most: int = 5, explained: float = 0.95) -> NDArray[np.intp]:
    """Sort depth values `(N,)` into levels 0…L − 1 by multi-Otsu thresholds (Liao et al., JISE 2001).

    L is the smallest count whose levels explain the share `explained` of the variance, and at most `most`.
    """
    levels = np.zeros(values.shape, np.intp)
    total = values.var()
    for count in range(2, most + 1):
        within = sum(values[levels == level].var() * np.mean(levels == level) for level in np.unique(levels))
        if within <= (1 - explained) * total:
            break
        try:
            levels = np.digitize(values, threshold_multiotsu(values, count, nbins=64))
        except ValueError:  # fewer different values than levels
            break
    return levels


def depth_regions(depth: FloatMap, parameters: RegionParameters | None = None, seed: int = 0) -> Regions:
    """Partition an image by its inverse depth into things and plane parts.

    Args:
        depth: `H×W float32` in [0, 1], larger = nearer. A flat map gives one region, a plane unless all its
            pixels lie on a line; where everything is too small to be a region there is none.
    """
    parameters = parameters or RegionParameters()
    if parameters.smooth:
        depth = gaussian_filter(depth, parameters.smooth)
    planes = find_planes(depth, tolerance=parameters.plane_tolerance, max_planes=parameters.planes, seed=seed)
    group = np.zeros(depth.shape, np.int32)
    for number, mask in enumerate(planes, start=1):
        group[mask] = number
    far, rest = parameters.far, group == 0
    jump: float | FloatMap = parameters.jump * (far + (1 - far) * depth)
    if parameters.layering == "levels" and rest.any():
        group[rest] = -depth_levels(depth[rest])
        jump = np.inf
    parts = continuous_parts(depth, group, jump)
    areas = np.bincount(parts.ravel())
    plane_of_part = np.zeros(len(areas), bool)
    plane_of_part[parts.ravel()] = group.ravel() > 0
    kept = np.flatnonzero(areas >= max(1, parameters.min_area * depth.size))
    order = np.lexsort((-areas[kept], plane_of_part[kept]))[: parameters.max_regions]
    kept = kept[order]
    renumber = np.zeros(len(areas), np.int32)
    renumber[kept] = np.arange(1, len(kept) + 1)
    nearness = np.bincount(parts.ravel(), weights=depth.ravel()) / np.maximum(areas, 1)
    return Regions(_filled(renumber[parts]), plane_of_part[kept], nearness[kept].astype(np.float32))


def aligned_depths(depth: FloatMap, image: NDArray[np.uint8], guides: Sequence[int]) -> dict[int, FloatMap]:
    """Depth aligned with the image by a guided filter of each radius; radius 0 gives it as it is.

    Args:
        depth: `H×W float32` in [0, 1].
        image: `H×W×3 uint8`.
    """
    return {radius: guided_filter(depth, image, radius) for radius in guides}


def depth_partitions(aligned: Mapping[int, FloatMap], parameters: RegionParameters) -> list[Regions]:
    """One partition for each of `parameters.guides`, of the depth that `aligned_depths` gives for it."""
    # The guided filter smooths where the image is smooth, so nothing else is needed to.
    unsmoothed = replace(parameters, smooth=0.0)
    return [depth_regions(aligned[radius], unsmoothed if radius else parameters) for radius in parameters.guides]


def _filled(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give every pixel without a region the label of the nearest region; nothing is changed where there is none at
    all."""
    if not labels.any() or labels.all():
        return labels
    rows, columns = distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    return np.asarray(labels[rows, columns], np.int32)
