"""The light in the room of a `Scene`: matt surfaces with a highlight under one main light and a weaker one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.data.rays import Floats, Shot, length
from wsss.data.scenes import Scene
from wsss.data.solids import Mesh
from wsss.data.world import Surface

__all__ = ["lit"]

_SOFT = 0.08  # spread of the directions to a light
_DRAWS = 4096  # of these directions
_FLAT = 12  # triangles of a box, whose faces are flat


def lit(shot: Shot, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The light that comes back along each ray, `(R,3)`, about in [0, 1].

    Returns:
        With it the share of the camera's own light that comes back, `(R,)` in [0, 1].
    """
    sky = np.array(shot.scene.colours["sky"], np.float32)
    light, returned = np.empty((len(shot.owner), 3), np.float32), np.zeros(len(shot.owner), np.float32)
    # Drawn for every ray, whatever it hits, so that nothing in the room changes the chance of the rest.
    lights = [
        _Light(strength, way, way + _blur(rng), rng.integers(_DRAWS, size=len(shot.owner), dtype=np.uint16))
        for strength, way in _lights(shot.scene)
    ]
    surfaces = shot.world.surfaces
    by_owner = np.argsort(shot.owner.astype(np.int16), kind="stable")
    ends = np.bincount(shot.owner + 1, minlength=len(surfaces) + 1).cumsum()
    light[by_owner[: ends[0]]] = sky
    for surface, start, end in zip(surfaces, ends[:-1], ends[1:], strict=True):
        if end > start:
            own = by_owner[start:end]
            light[own], returned[own] = _sent_back(shot, surface, own, lights)
    return light, returned


@dataclass(frozen=True)
class _Light:
    """Strength, direction `(3,)` to the light, directions `(D,3)` around it of which each ray `(R,)` takes one."""

    strength: float
    way: Floats
    ways: Floats
    drawn: NDArray[np.uint16]


def _sent_back(shot: Shot, surface: Surface, own: NDArray[np.intp], lights: list[_Light]) -> tuple[Floats, Floats]:
    """What a surface sends back along the rays `own`: of all light `(N,3)`, of light from the camera `(N,)`."""
    ways = shot.ways.take(own, axis=0)
    points: NDArray[Any] = np.empty_like(ways)
    distance = shot.distance[own]
    normals = _normals(surface.mesh, shot.face[own], shot.u[own], shot.v[own])
    start = np.empty_like(ways)
    for axis in range(3):  # by column: loops over three values are slow
        points[:, axis] = shot.eye[axis] + distance * ways[:, axis]
        start[:, axis] = points[:, axis] + np.float32(1e-4) * normals[:, axis]
    light = np.float32(shot.scene.ambient) * (np.float32(0.75) + np.float32(0.25) * normals[:, 2])
    shine = np.zeros(len(own), np.float32)
    for each in lights:
        slope = np.maximum(normals @ each.way, 0)
        up = np.flatnonzero(slope)
        soft = each.ways.take(each.drawn[own[up]], axis=0)
        free = np.zeros(len(own), np.float32)
        free[up] = shot.glance.rays.run(start.take(up, axis=0), soft, query="OCCLUDED") < 0
        light += np.float32(each.strength) * slope * free
        if surface.gloss:
            half = each.way - ways
            half /= length(half.T)[:, None]
            shine += each.strength * surface.gloss * free * np.maximum(np.einsum("ij,ij->i", normals, half), 0) ** 40
    albedo = surface.colours(points)
    facing = np.maximum(-np.einsum("ij,ij->i", normals, ways), 0)
    red, green, blue = albedo.T
    returned = (red + green + blue) / np.float32(3) * facing
    if surface.gloss:
        returned *= 1 - surface.gloss * facing**40  # a mirror blinds
    for axis in range(3):
        points[:, axis] = albedo[:, axis] * light + shine
    return points, returned


def _normals(mesh: Mesh, faces: NDArray[np.int32], u: Floats, v: Floats) -> Floats:
    """Unit normals at places of faces, between those of their corners."""
    corners = mesh.faces.take(faces, axis=0)
    first = mesh.normals.take(corners[:, 0], axis=0)
    if len(mesh.faces) == _FLAT:
        return first
    second, third = (mesh.normals.take(corners[:, corner], axis=0) for corner in (1, 2))
    for axis in range(3):
        first[:, axis] = (1 - u - v) * first[:, axis] + u * second[:, axis] + v * third[:, axis]
    first /= length(first.T).clip(1e-6)[:, None]
    return first


def _lights(scene: Scene) -> list[tuple[float, Floats]]:
    """Strength and direction `(3,)` of the main light and of the weaker one, a quarter turn aside."""
    x, y, up = scene.light
    ways = ((0.8 - 0.7 * scene.ambient, (x, y, up)), (0.25, (-y, x, 1.6)))
    return [(strength, (np.array(way) / np.linalg.norm(way)).astype(np.float32)) for strength, way in ways]


def _blur(rng: np.random.Generator) -> Floats:
    """How far directions to a light lie from its middle, `(D,3)`: shadows have soft edges."""
    return (_SOFT * rng.normal(size=(_DRAWS, 3))).astype(np.float32)
