"""Solid things from a few rounded pieces, as signed distances, and their triangle meshes.

A thing is a union of coloured pieces, some of it carved away, some of it painted over. Distances are those of Quilez
(https://iquilezles.org/articles/distfunctions) in the thing's own units: z is up, x ahead.

    >>> ball = Solid((Piece(ellipsoid((0, 0, 0.5), (0.5, 0.5, 0.5)), MAIN),))
    >>> ball.distance(np.array([[0.0, 0.0, 1.5]])).round(3)
    array([0.5])
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.measure import marching_cubes

__all__ = [
    "MAIN",
    "SECOND",
    "Mesh",
    "Piece",
    "Solid",
    "box",
    "capsule",
    "cylinder",
    "ellipsoid",
    "half_space",
    "torus",
]

Points = NDArray[np.float64]
Distances = NDArray[np.float64]
Shape = Callable[[Points], Distances]
"""Points `(N,3)` → signed distances `(N,)`, negative inside. Farther away they are at least of the right order."""

Colour = tuple[float, float, float]
Vector = Sequence[float]

MAIN: Colour = (-1.0, 0.0, 0.0)
SECOND: Colour = (-2.0, 0.0, 0.0)
"""In place of a colour: the first or the second that a thing is given when it is put into a scene."""


@dataclass(frozen=True)
class Piece:
    """A shape and its colour in [0, 1], or `MAIN` or `SECOND`."""

    shape: Shape
    colour: Colour


@dataclass(frozen=True)
class Mesh:
    """Triangles of a thing: vertices `(V,3)` and their outward unit normals, faces `(F,3) int32`."""

    vertices: NDArray[np.float32]
    normals: NDArray[np.float32]
    faces: NDArray[np.int32]


@dataclass(frozen=True)
class Solid:
    """A thing.

    Attributes:
        pieces: their union is the thing; each part of the surface has the colour of the nearest.
        carved: shapes that are taken away from it.
        paint: pieces that colour what of the surface lies in them, the last one on top; they add nothing.
        blend: over what distance pieces flow into one another; 0 keeps their edges.
    """

    pieces: tuple[Piece, ...]
    carved: tuple[Shape, ...] = ()
    paint: tuple[Piece, ...] = ()
    blend: float = 0.0

    def distance(self, points: Points) -> Distances:
        """Signed distances `(N,)` of points `(N,3)`."""
        found = self.pieces[0].shape(points)
        for piece in self.pieces[1:]:
            found = _union(found, piece.shape(points), self.blend)
        for shape in self.carved:
            found = np.maximum(found, -shape(points))
        return found

    def colours(self, points: Points, main: Colour, second: Colour) -> NDArray[np.float32]:
        """Colours `(N,3) float32` in [0, 1] at points `(N,3)` of the surface."""
        known = {MAIN: main, SECOND: second}
        palette = np.array([known.get(each.colour, each.colour) for each in (*self.pieces, *self.paint)], np.float32)
        nearest = np.full(len(points), np.inf)
        chosen = np.zeros(len(points), np.int64)
        for number, piece in enumerate(self.pieces):
            found = piece.shape(points)
            chosen[found < nearest] = number
            nearest = np.minimum(nearest, found)
        for number, piece in enumerate(self.paint, len(self.pieces)):
            chosen[piece.shape(points) < 0] = number
        return palette[chosen]

    def mesh(self, cells: int = 44) -> Mesh:
        """Its surface by marching cubes, in the thing's own units.

        Args:
            cells: along the longest side; finer details are lost.
        """
        low, high = self._bounds()
        step = float((high - low).max()) / cells
        axes = [np.arange(a - 2 * step, b + 3 * step, step) for a, b in zip(low, high, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        values = self.distance(grid.reshape(-1, 3)).reshape(grid.shape[:3])
        vertices, faces, _, _ = marching_cubes(values, 0.0, spacing=(step,) * 3)
        vertices = vertices + [axis[0] for axis in axes]
        return Mesh(
            vertices.astype(np.float32), self._normals(vertices, step / 2), np.ascontiguousarray(faces, np.int32)
        )

    def _normals(self, points: Points, step: float) -> NDArray[np.float32]:
        """Outward unit normals: the gradient of the distance, by central differences."""
        ways = np.eye(3) * step
        gradient = np.stack([self.distance(points + way) - self.distance(points - way) for way in ways], axis=1)
        return np.asarray(gradient / np.maximum(_length(gradient), 1e-9)[:, None], np.float32)

    def _bounds(self) -> tuple[Points, Points]:
        """Corners `(3,)` of a box around the thing: from a coarse grid over [−1.5, 1.5]³."""
        axis = np.linspace(-1.5, 1.5, 33)
        grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
        near = grid[self.distance(grid) < 1.8 * (axis[1] - axis[0])]
        return near.min(axis=0), near.max(axis=0)


def _length(vectors: Points) -> Distances:
    """Lengths `(N,)` of vectors `(N,3)`; much faster than `numpy.linalg.norm` along so short an axis."""
    x, y, z = vectors.T
    found: Distances = np.sqrt(x * x + y * y + z * z)
    return found


def _union(first: Distances, second: Distances, blend: float) -> Distances:
    """The smaller of two distances; with `blend`, a smooth minimum (a cubic between the two)."""
    if blend <= 0:
        return np.minimum(first, second)
    share = np.maximum(blend - np.abs(first - second), 0) / blend
    smooth: Distances = np.minimum(first, second) - share**3 * blend / 6
    return smooth


def ellipsoid(centre: Vector, radii: Vector) -> Shape:
    """An ellipsoid with its axes along x, y, z; exact for a sphere."""
    at, size = np.asarray(centre, float), np.asarray(radii, float)

    def distance(points: Points) -> Distances:
        scaled = (points - at) / size
        length, slope = _length(scaled), _length(scaled / size)
        outside: Distances = length * (length - 1) / np.maximum(slope, 1e-9)
        return np.where(length > 1e-6, outside, -size.min())

    return distance


def capsule(start: Vector, end: Vector, radius: float, end_radius: float | None = None) -> Shape:
    """A rod with round ends; its radius may change towards the end."""
    a, way = np.asarray(start, float), np.asarray(end, float) - np.asarray(start, float)
    growth = (radius if end_radius is None else end_radius) - radius

    def distance(points: Points) -> Distances:
        along = np.clip((points - a) @ way / (way @ way), 0, 1)
        found: Distances = _length(points - a - along[:, None] * way) - radius - growth * along
        return found

    return distance


def box(centre: Vector, half: Vector, rounding: float = 0.02) -> Shape:
    """A box of half sides `half`, its edges rounded."""
    at, inner = np.asarray(centre, float), np.asarray(half, float) - rounding

    def distance(points: Points) -> Distances:
        beyond = np.abs(points - at) - inner
        outside: Distances = _length(np.maximum(beyond, 0))
        return np.asarray(outside + np.minimum(beyond.max(axis=1), 0) - rounding)

    return distance


def cylinder(
    centre: Vector, radius: float, half: float, axis: int = 2, rounding: float = 0.02, top: float | None = None
) -> Shape:
    """A cylinder along an axis, its edges rounded; with another radius at its far end `top` it is a cone, cut off."""
    at, others = np.asarray(centre, float), [i for i in range(3) if i != axis]
    slope = 0.0 if top is None else (top - radius) / (2 * half)
    squeeze = 1 / np.hypot(1, slope)

    def distance(points: Points) -> Distances:
        offset = points - at
        along = offset[:, axis]
        own = radius + slope * (np.clip(along, -half, half) + half)
        across = (np.sqrt(sum(offset[:, other] ** 2 for other in others)) - own + rounding) * squeeze
        beyond = np.abs(along) - half + rounding
        outside: Distances = np.hypot(np.maximum(across, 0), np.maximum(beyond, 0))
        return np.asarray(outside + np.minimum(np.maximum(across, beyond), 0) - rounding)

    return distance


def torus(centre: Vector, radius: float, tube: float, axis: int = 2) -> Shape:
    """A ring around an axis."""
    at, others = np.asarray(centre, float), [i for i in range(3) if i != axis]

    def distance(points: Points) -> Distances:
        offset = points - at
        ring = np.sqrt(sum(offset[:, other] ** 2 for other in others)) - radius
        found: Distances = np.hypot(ring, offset[:, axis]) - tube
        return found

    return distance


def half_space(below: float) -> Shape:
    """Everything below a height."""
    return lambda points: points[:, 2] - below
