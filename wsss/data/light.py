"""The light in the room of a `Scene`: matt surfaces with a highlight under one main light and a weaker one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsss.data.rays import Floats, Shot
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
    light = np.broadcast_to(np.array(shot.scene.colours["sky"], np.float32), (len(shot.owner), 3)).copy()
    returned = np.zeros(len(shot.owner), np.float32)
    # Drawn for every ray, whatever it hits, so that nothing in the room changes the chance of the rest.
    lights = [
        _Light(*each, _blur(rng), rng.integers(_DRAWS, size=len(shot.owner), dtype=np.uint16))
        for each in _lights(shot.scene)
    ]
    for number, surface in enumerate(shot.world.surfaces):
        own = np.flatnonzero(shot.owner == number)
        if len(own):
            light[own], returned[own] = _sent_back(shot, surface, own, lights)
    return light, returned


@dataclass(frozen=True)
class _Light:
    """Strength, direction `(3,)` to the light, offsets `(D,3)` of which each ray `(R,)` takes one."""

    strength: float
    way: Floats
    offsets: Floats
    drawn: NDArray[np.uint16]


def _sent_back(shot: Shot, surface: Surface, own: NDArray[np.intp], lights: list[_Light]) -> tuple[Floats, Floats]:
    """What a surface sends back along the rays `own`: of all light `(N,3)`, of light from the camera `(N,)`."""
    ways = shot.ways[own]
    points = shot.eye + shot.distance[own, None] * ways
    normals = _normals(surface.mesh, shot.face[own], shot.corner[own])
    start = points + np.float32(1e-4) * normals
    light = np.float32(shot.scene.ambient) * (np.float32(0.75) + np.float32(0.25) * normals[:, 2])
    shine = np.zeros(len(own), np.float32)
    for each in lights:
        slope = np.maximum(normals @ each.way, 0)
        soft = each.way + each.offsets[each.drawn[own]]
        free = np.zeros(len(own), np.float32)
        up = np.flatnonzero(slope)
        free[up] = shot.rays.run(start[up], soft[up], query="OCCLUDED") < 0
        light += np.float32(each.strength) * slope * free
        if surface.gloss:
            half = each.way - ways
            half /= np.linalg.norm(half, axis=1, keepdims=True)
            shine += each.strength * surface.gloss * free * np.maximum(np.einsum("ij,ij->i", normals, half), 0) ** 40
    albedo = surface.colours(points)
    facing = np.maximum(-np.einsum("ij,ij->i", normals, ways), 0)
    returned = albedo.mean(axis=1) * facing * (1 - surface.gloss * facing**40)  # a mirror blinds
    return albedo * light[:, None] + shine[:, None], returned


def _normals(mesh: Mesh, faces: NDArray[np.int32], corner: Floats) -> Floats:
    """Unit normals at places of faces, between those of their corners."""
    if len(mesh.faces) == _FLAT:
        return np.asarray(mesh.normals[mesh.faces[faces, 0]])
    normals: Floats = np.einsum("ijk,ij->ik", mesh.normals[mesh.faces[faces]], corner)
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-6))


def _lights(scene: Scene) -> list[tuple[float, Floats]]:
    """Strength and direction `(3,)` of the main light and of the weaker one, a quarter turn aside."""
    x, y, up = scene.light
    ways = ((0.8 - 0.7 * scene.ambient, (x, y, up)), (0.25, (-y, x, 1.6)))
    return [(strength, (np.array(way) / np.linalg.norm(way)).astype(np.float32)) for strength, way in ways]


def _blur(rng: np.random.Generator) -> Floats:
    """How far directions to a light lie from its middle, `(D,3)`: shadows have soft edges."""
    return (_SOFT * rng.normal(size=(_DRAWS, 3))).astype(np.float32)
