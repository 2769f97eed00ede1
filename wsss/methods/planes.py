"""Support planes: floor, walls, table tops, beds.

A plane in space is affine in pixel coordinates once depth is inverse, `1/z = a·u + b·v + c` (divide the plane's
equation by z), and robust normalisation to [0, 1] keeps it affine. So planes are found by RANSAC (Fischler & Bolles
1981) on that model, again and again on what is left, because the dominant plane is often the floor, not the table.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_planes", "plane_residual"]

FloatMap = NDArray[np.float32]


def plane_residual(depth: FloatMap, plane: NDArray[np.float64]) -> FloatMap:
    """`depth − (a·u + b·v + c)`, `H×W`; u and v are column and row scaled to [0, 1]. Positive = nearer than the
    plane."""
    height, width = depth.shape
    u, v = np.arange(width) / max(1, width - 1), np.arange(height) / max(1, height - 1)
    return np.asarray(depth - (plane[0] * u[None, :] + plane[1] * v[:, None] + plane[2]), np.float32)


def _coordinates(depth: FloatMap, where: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    height, width = depth.shape
    rows, columns = np.divmod(where, width)
    design = np.stack([columns / max(1, width - 1), rows / max(1, height - 1), np.ones(len(where))], axis=1)
    return design, depth.ravel()[where].astype(np.float64)


def _ransac(
    design: NDArray[np.float64], target: NDArray[np.float64], tolerance: float, trials: int, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """The plane through three points with most inliers, all trials at once; None when every triple is degenerate."""
    picks = rng.integers(len(target), size=(trials, 3))
    systems = design[picks]
    sound = np.abs(np.linalg.det(systems)) > 1e-4
    if not sound.any():
        return None
    planes = np.linalg.solve(systems[sound], target[picks][sound][..., None])[..., 0]
    # Half the bytes of float64 and no copies: this is where a search spends its time.
    distance = planes.astype(np.float32) @ design.T.astype(np.float32)
    distance -= target.astype(np.float32)
    np.abs(distance, out=distance)
    best: NDArray[np.float64] = planes[np.count_nonzero(distance < tolerance, axis=1).argmax()]
    return best


def find_planes(
    depth: FloatMap,
    *,
    tolerance: float = 0.008,
    min_fraction: float = 0.06,
    max_planes: int = 5,
    trials: int = 200,
    sample: int = 1500,
    seed: int = 0,
) -> list[NDArray[np.bool_]]:
    """Masks `H×W` of the support planes, largest first as found; disjoint.

    Args:
        depth: `H×W float32` inverse depth in [0, 1].
        tolerance: largest distance from a plane, in units of `depth`.
        min_fraction: smallest share of the image that a plane covers. Below it there is no further plane.
        max_planes: how often to search.
        trials: random triples per search.
        sample: pixels that count in a search; the found plane is then fitted to all its pixels.
        seed: of the random triples.

    Returns:
        As many masks as planes were found; none for a map with no plane or whose pixels all lie on a line. Other flat
        maps are one plane.
    """
    rng = np.random.default_rng(seed)
    left = np.ones(depth.shape, bool)
    planes: list[NDArray[np.bool_]] = []
    needed = max(3, min_fraction * depth.size)
    while len(planes) < max_planes and left.sum() >= needed:
        where = np.flatnonzero(left)
        if len(where) > sample:
            where = rng.choice(where, sample, replace=False)
        design, target = _coordinates(depth, where)
        plane = _ransac(design, target, tolerance, trials, rng)
        if plane is None:
            break
        for _ in range(2):  # least squares on the inliers of the last fit
            near = np.abs(design @ plane - target) < tolerance
            if near.sum() < 3:
                break
            plane = np.asarray(np.linalg.lstsq(design[near], target[near], rcond=None)[0], np.float64)
        mask = left & (np.abs(plane_residual(depth, plane)) < tolerance)
        if mask.sum() < needed:
            break
        planes.append(mask)
        left &= ~mask
    return planes
