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
from wsss.data.world import TABLE_HEIGHT, Surface, World
from wsss.errors import WsssError

__all__ = ["FACTOR", "Floats", "Shot", "right_of", "shoot"]

FACTOR = 2
"""Rays along each side of a pixel."""

_FAR = 12.0  # metres, beyond the room: of rays that hit nothing

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Shot:
    """What the rays of a picture hit; R = (2 side)² rays, row by row.

    Attributes:
        owner: `(R,)` number of the surface, −1 for none.
        face, corner: `(R,)` triangle of its mesh, `(R,3)` where on it, in shares of its corners.
        distance: `(R,)` along the ray, in metres; 12 where it hits nothing.
        eye, ways: `(3,)` and `(R,3)`, the camera and the directions.
        ahead: `(3,)` direction of the optical axis.
        amodal: rays that each thing would catch were it alone, by its number.
        rays: all surfaces, to cast further rays at.
    """

    scene: Scene
    world: World
    side: int
    owner: NDArray[np.int32]
    face: NDArray[np.int32]
    corner: Floats
    distance: Floats
    eye: Floats
    ways: Floats
    ahead: Floats
    amodal: dict[int, int]
    rays: Any

    @cached_property
    def seen(self) -> NDArray[np.intp]:
        """Rays that hit each surface, by its number."""
        return np.bincount(self.owner[self.owner >= 0], minlength=len(self.world.surfaces))

    def instances(self) -> list[int]:
        """Numbers of the labelled things that are seen, in order."""
        return [number for number, thing in enumerate(self.world.things) if thing.class_id and self.seen[number]]

    def areas(self) -> Floats:
        """Of each of these, the share of the picture."""
        return np.asarray(self.seen[np.array(self.instances(), int)] / self.owner.size, np.float32)

    def occlusion(self) -> Floats:
        """Of each of these, 1 − visible/amodal rays."""
        return np.array([1 - min(1.0, self.seen[n] / max(1, self.amodal[n])) for n in self.instances()], np.float32)


def shoot(world: World, scene: Scene, side: int) -> Shot:
    """Cast the rays of a picture; nothing is coloured yet, so that a scene can be refused cheaply."""
    eye, ways, ahead = _camera(scene, side * FACTOR)
    rays = _scene([each.mesh for each in world.surfaces])
    hit = rays.run(np.broadcast_to(eye, ways.shape).copy(), ways, query="INTERSECT", output=True)
    amodal = {
        number: _alone(thing, eye, ways, ahead, side * FACTOR)
        for number, thing in enumerate(world.things)
        if thing.class_id
    }
    corner = np.stack([1 - hit["u"] - hit["v"], hit["u"], hit["v"]], axis=1)
    distance = np.minimum(hit["tfar"], np.float32(_FAR))
    return Shot(scene, world, side, hit["geomID"], hit["primID"], corner, distance, eye, ways, ahead, amodal, rays)


def _scene(meshes: list[Mesh]) -> Any:
    try:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene
    except ImportError as error:
        raise WsssError(
            "rendering needs embreex (`pip install embreex`); or point --root at an already rendered tabletop folder."
        ) from error
    made = EmbreeScene(robust=True)
    for mesh in meshes:
        TriangleMesh(made, mesh.vertices[mesh.faces])
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
    ways = ahead + reach[None, :, None] * right + reach[:, None, None] * down
    ways = ways.reshape(-1, 3) / np.linalg.norm(ways, axis=-1).reshape(-1, 1)
    return eye.astype(np.float32), ways.astype(np.float32), ahead.astype(np.float32)


def right_of(ahead: NDArray[np.floating]) -> NDArray[np.float64]:
    """The unit vector `(3,)` to the right of a direction, level."""
    right = np.cross(ahead, [0, 0, 1.0])
    return np.asarray(right / np.linalg.norm(right), np.float64)


def _alone(thing: Surface, eye: Floats, ways: Floats, ahead: Floats, count: int) -> int:
    """Rays that a thing would catch were it alone in the room, in frame: those near it are cast."""
    offset = thing.mesh.vertices - eye
    depth = np.maximum(offset @ ahead, 1e-3)
    corner = ways.reshape(count, count, 3)
    axes = [corner[0, -1] / (corner[0, -1] @ ahead) - corner[0, 0] / (corner[0, 0] @ ahead)]
    axes.append(corner[-1, 0] / (corner[-1, 0] @ ahead) - corner[0, 0] / (corner[0, 0] @ ahead))
    place = offset / depth[:, None] - corner[0, 0] / (corner[0, 0] @ ahead)
    column, row = ((place @ axis) / (axis @ axis) * (count - 1) for axis in axes)
    part = tuple(
        slice(max(0, int(np.floor(each.min())) - 1), max(0, min(count, int(np.ceil(each.max())) + 2)))
        for each in (row, column)
    )
    near = np.ascontiguousarray(corner[part].reshape(-1, 3))
    if not len(near):
        return 0
    found = _scene([thing.mesh]).run(np.broadcast_to(eye, near.shape).copy(), near, query="OCCLUDED")
    return int((found >= 0).sum())
