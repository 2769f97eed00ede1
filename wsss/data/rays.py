"""What the camera of a `Scene` sees: rays into the room, cast by Embree.

Embree (Wald et al., ACM TOG 2014) is called through `embreex`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.data.scenes import Scene
from wsss.data.solids import Mesh
from wsss.data.world import TABLE_HEIGHT, World
from wsss.machine.lazy import needed

__all__ = ["FACTOR", "Floats", "Glance", "Shot", "glance", "length", "right_of", "shoot"]

FACTOR = 2
"""Rays along each side of a pixel."""

_FAR = 12.0  # metres, beyond the room: of rays that hit nothing
_BEFORE = 0.05  # metres before the camera: what has a corner nearer may be anywhere in the picture
_MARGIN = 1e-3  # metres that a ray is cast beside a thing, so that rounding leaves none out

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Glance:
    """What the rays of a picture hit that may hit a labelled thing; R = (2 side)² rays, row by row.

    Attributes:
        eye, ways: `(3,)` and `(R,3)`, the camera and the directions.
        ahead: `(3,)` direction of the optical axis.
        rays: all surfaces, to cast further rays at.
        cast: `(R,)` which rays are cast yet.
        hits: of these, in order: `geomID`, `primID`, `u`, `v` and `tfar`, as Embree calls them.
    """

    scene: Scene
    world: World
    side: int
    eye: Floats
    ways: Floats
    ahead: Floats
    rays: Any
    cast: NDArray[np.bool_]
    hits: dict[str, NDArray[Any]]

    @cached_property
    def seen(self) -> NDArray[np.intp]:
        """Rays that hit each thing, by its number; of those without a label not all are counted."""
        owner = self.hits["geomID"]
        return np.bincount(owner[owner >= 0], minlength=len(self.world.surfaces))

    def instances(self) -> list[int]:
        """Numbers of the labelled things that are seen, in order."""
        return [number for number, thing in enumerate(self.world.things) if thing.class_id and self.seen[number]]

    def areas(self) -> Floats:
        """Of each of these, the share of the picture."""
        return np.asarray(self.seen[np.array(self.instances(), int)] / len(self.ways), np.float32)

    @cached_property
    def occlusion(self) -> Floats:
        """Of each of these, 1 − visible/amodal rays; amodal are those that it would catch were it alone."""
        return np.array([1 - min(1.0, self.seen[n] / max(1, self._amodal(n))) for n in self.instances()], np.float32)

    def _amodal(self, number: int) -> int:
        """Rays that a thing would catch were it alone in the room, in frame."""
        mesh, count = self.world.things[number].mesh, self.side * FACTOR
        near = np.zeros((count, count), bool)
        near[_window(mesh, self.eye, self.ways, self.ahead, count)] = True
        near = near.ravel()[self.cast]
        owner, distance = self.hits["geomID"][near], self.hits["tfar"][near]
        other = np.flatnonzero((owner >= 0) & (owner != number))  # one that hits nothing does not hit the thing either
        ways = self.ways[self.cast][near].take(other, axis=0)
        hidden = _may_meet(mesh, self.eye, ways, distance[other])
        own = int((owner == number).sum())
        if not hidden.any():
            return own
        found = _scene([mesh]).run(np.broadcast_to(self.eye, (int(hidden.sum()), 3)), ways[hidden], query="OCCLUDED")
        return own + int((found >= 0).sum())

    def shot(self) -> "Shot":
        """Cast the rest of the rays."""
        rest = np.flatnonzero(~self.cast)
        more = _hits(self.rays, self.eye, self.ways.take(rest, axis=0))
        hits = {name: np.empty(len(self.ways), found.dtype) for name, found in self.hits.items()}
        for name, whole in hits.items():
            whole[self.cast], whole[rest] = self.hits[name], more[name]
        distance = np.minimum(hits["tfar"], np.float32(_FAR))
        return Shot(self, hits["geomID"], hits["primID"], hits["u"], hits["v"], distance)


@dataclass(frozen=True)
class Shot:
    """What all the rays of a picture hit.

    Attributes:
        owner: `(R,)` number of the surface, −1 for none.
        face: `(R,)` triangle of its mesh.
        u, v: `(R,)` where on it: shares of its second and third corner.
        distance: `(R,)` along the ray, in metres; 12 where it hits nothing.
    """

    glance: Glance
    owner: NDArray[np.int32]
    face: NDArray[np.int32]
    u: Floats
    v: Floats
    distance: Floats

    @property
    def scene(self) -> Scene:
        return self.glance.scene

    @property
    def world(self) -> World:
        return self.glance.world

    @property
    def eye(self) -> Floats:
        return self.glance.eye

    @property
    def ways(self) -> Floats:
        return self.glance.ways

    @property
    def ahead(self) -> Floats:
        return self.glance.ahead


def shoot(world: World, scene: Scene, side: int) -> Shot:
    """Cast the rays of a picture; nothing is coloured yet."""
    return glance(world, scene, side).shot()


def glance(world: World, scene: Scene, side: int) -> Glance:
    """Cast those rays of a picture that may hit a labelled thing, so that a scene can be refused cheaply."""
    count = side * FACTOR
    eye, ways, ahead = _camera(scene, count)
    cast = np.zeros((count, count), bool)
    for thing in world.things:
        if thing.class_id:
            before = (thing.mesh.vertices - eye) @ ahead > _BEFORE
            cast[_window(thing.mesh, eye, ways, ahead, count) if before.all() else ...] = True
    rays, flat = _scene([each.mesh for each in world.surfaces]), cast.ravel()
    hits = _hits(rays, eye, ways.take(np.flatnonzero(flat), axis=0))
    return Glance(scene, world, side, eye, ways, ahead, rays, flat, hits)


def _hits(rays: Any, eye: Floats, ways: Floats) -> dict[str, NDArray[Any]]:
    found = rays.run(np.broadcast_to(eye, ways.shape), ways, query="INTERSECT", output=True)
    return {name: found[name] for name in ("geomID", "primID", "u", "v", "tfar")}


def _scene(meshes: list[Mesh]) -> Any:
    needed("embreex", "rendering", ", or point --root at an already rendered tabletop folder")
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    made = EmbreeScene(robust=True)
    for mesh in meshes:
        TriangleMesh(made, mesh.vertices, mesh.faces)
    return made


def _camera(scene: Scene, count: int) -> tuple[Floats, Floats, Floats]:
    """The eye `(3,)`, unit directions `(count², 3)` through the middles of the picture's cells, the optical axis."""
    level, height = scene.distance * np.cos(scene.elevation), TABLE_HEIGHT + 0.05
    target = np.array([*scene.target, height])
    up = scene.distance * np.sin(scene.elevation)
    eye = target + np.array([np.cos(scene.azimuth) * level, np.sin(scene.azimuth) * level, up])
    ahead = (target - eye) / np.linalg.norm(target - eye)
    right = right_of(ahead)
    down = np.cross(ahead, right)
    reach = np.tan(np.radians(scene.field_of_view) / 2) * ((np.arange(count) + 0.5) * 2 / count - 1)
    along = ahead[:, None] + reach * right[:, None]
    ways = along[:, None, :] + (reach * down[:, None])[:, :, None]  # `(3, count, count)`
    unit = np.empty((count, count, 3), np.float32)
    np.divide(ways, length(ways), out=np.moveaxis(unit, -1, 0), dtype=np.float64, casting="same_kind")
    return eye.astype(np.float32), unit.reshape(-1, 3), ahead.astype(np.float32)


def length(vectors: NDArray[Any]) -> NDArray[Any]:
    """Lengths of vectors, whose coordinates are along the first axis."""
    x, y, z = vectors
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def right_of(ahead: NDArray[np.floating]) -> NDArray[np.float64]:
    """The unit vector `(3,)` to the right of a direction, level."""
    right = np.cross(ahead, [0, 0, 1.0])
    return np.asarray(right / np.linalg.norm(right), np.float64)


def _window(mesh: Mesh, eye: Floats, ways: Floats, ahead: Floats, count: int) -> tuple[slice, slice]:
    """Rows and columns of the rays that may hit a thing, when all of it is before the camera."""
    offset = mesh.vertices - eye
    depth = np.maximum(offset @ ahead, 1e-3)
    corner = ways.reshape(count, count, 3)
    axes = [corner[0, -1] / (corner[0, -1] @ ahead) - corner[0, 0] / (corner[0, 0] @ ahead)]
    axes.append(corner[-1, 0] / (corner[-1, 0] @ ahead) - corner[0, 0] / (corner[0, 0] @ ahead))
    place = offset / depth[:, None] - corner[0, 0] / (corner[0, 0] @ ahead)
    column, row = ((place @ axis) / (axis @ axis) * (count - 1) for axis in axes)
    first, second = (
        slice(max(0, int(np.floor(each.min())) - 1), max(0, min(count, int(np.ceil(each.max())) + 2)))
        for each in (row, column)
    )
    return first, second


def _may_meet(mesh: Mesh, eye: Floats, ways: Floats, distance: Floats) -> NDArray[np.bool_]:
    """Which rays `(N,3)` come through the box around a thing, not only nearer than `distance` `(N,)`."""
    low, high = mesh.vertices.min(axis=0) - eye - _MARGIN, mesh.vertices.max(axis=0) - eye + _MARGIN
    enter, leave = np.zeros(len(ways), np.float32), np.full(len(ways), np.inf, np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis in range(3):
            first, second = low[axis] / ways[:, axis], high[axis] / ways[:, axis]
            enter, leave = np.maximum(enter, np.minimum(first, second)), np.minimum(leave, np.maximum(first, second))
    return np.asarray(~((leave < enter) | (leave < distance - np.float32(_MARGIN))))
