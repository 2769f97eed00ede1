"""The room of a `Scene` as triangles: floor, wall, table, and the things on it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from wsss.data.scenes import Placement, Scene
from wsss.data.solids import Mesh
from wsss.data.things import thing_mesh, thing_solid

__all__ = ["TABLE_HEIGHT", "Surface", "World", "build_world", "free_spot"]

TABLE_HEIGHT = 0.7  # metres
_WALL = 2.6  # metres from the middle of the table

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Surface:
    """A body in the room.

    Attributes:
        mesh: in the room's coordinates, metres.
        colours: points `(N,3)` of the surface → colours `(N,3)` in [0, 1].
        gloss: strength of the highlight in [0, 1].
        class_id: 1…C of a labelled thing; 0 for others and for the room.
    """

    mesh: Mesh
    colours: Callable[[Points], NDArray[np.float32]]
    gloss: float = 0.0
    class_id: int = 0

    @property
    def bounds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lowest and highest corner, each `(3,)`."""
        return self.mesh.vertices.min(axis=0), self.mesh.vertices.max(axis=0)


@dataclass(frozen=True)
class World:
    """All surfaces of a scene; the things that found a place come first, in the order of the scene's placements."""

    things: tuple[Surface, ...]
    room: tuple[Surface, ...]

    @property
    def surfaces(self) -> tuple[Surface, ...]:
        return self.things + self.room


def build_world(scene: Scene, rng: np.random.Generator) -> World:
    """Build a scene; `rng` supplies the surface patterns."""
    patterns = {name: _pattern(kind, rng) for name, kind in scene.textures.items()}

    def slab(name: str, centre: Points, half: tuple[float, float, float], turn: float = 0.0) -> Surface:
        grey, colour = patterns.get(name, _plain), np.array(scene.colours[name], np.float32)
        mesh = _turned(_slab(half), 1.0, turn, centre)

        def colours(points: Points) -> NDArray[np.float32]:
            cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
            across, ahead, up = (points[:, axis] - np.float32(centre[axis]) for axis in range(3))
            x, y = cos * across + sin * ahead, cos * ahead - sin * across
            upright = half[0] < 0.1
            level = grey(y if upright else x, up if upright else y)
            found = np.empty(points.shape, np.float32)
            for channel in range(3):
                found[:, channel] = level * colour[channel]
            return found

        return Surface(mesh, colours)

    width, length = scene.table
    away = -np.array([np.cos(scene.azimuth), np.sin(scene.azimuth)])  # from the camera over the table
    things = _place_all(scene, away)
    room = [
        slab("table", np.array([0, 0, TABLE_HEIGHT - 0.02]), (width, length, 0.02)),
        *(
            slab(
                "table",
                np.array([x * (width - 0.05), y * (length - 0.05), TABLE_HEIGHT / 2 - 0.02]),
                (0.03, 0.03, 0.33),
            )
            for x in (-1, 1)
            for y in (-1, 1)
        ),
        slab("floor", np.array([0, 0, -0.01]), (4, 4, 0.01)),
        slab("wall", np.array([*(away * _WALL), 1.5]), (0.02, 5, 1.5), scene.azimuth),
    ]
    if scene.board is not None:
        room.append(slab("board", *_board(scene, things[0], scene.board)))
    return World(tuple(things), tuple(room))


def _turned(mesh: Mesh, scale: float, yaw: float, shift: Points) -> Mesh:
    cos, sin = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    vertices, normals = mesh.vertices @ turn.T * scale + shift, mesh.normals @ turn.T
    return Mesh(vertices.astype(np.float32), normals.astype(np.float32), mesh.faces)


@cache
def _cube() -> Mesh:
    """A cube of half side 1 around the origin, each side with corners of its own, so that edges stay sharp."""
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    corners: list[list[float]] = []
    normals: list[list[float]] = []
    faces: list[tuple[int, ...]] = []
    for axis in range(3):
        for side in (-1.0, 1.0):
            faces += [(len(corners) + a, len(corners) + b, len(corners) + c) for a, b, c in ((0, 1, 2), (0, 2, 3))]
            corners += np.insert(square, axis, side, axis=1).tolist()
            normals += [np.insert(np.zeros(2), axis, side).tolist()] * 4
    return Mesh(np.array(corners, np.float32), np.array(normals, np.float32), np.array(faces, np.int32))


def _slab(half: tuple[float, float, float]) -> Mesh:
    """A box around the origin."""
    cube = _cube()
    return Mesh((cube.vertices * np.array(half)).astype(np.float32), cube.normals, cube.faces)


def _thing(placement: Placement, spot: Points) -> Surface:
    """A thing upright on the table, in the middle over `spot`."""
    mesh, solid = thing_mesh(placement.thing.name, placement.form), thing_solid(placement.thing.name, placement.form)
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    scale = placement.side / float((high - low).max())
    turned = _turned(mesh, scale, placement.yaw, np.zeros(3))
    at_origin = (turned.vertices.min(axis=0) + turned.vertices.max(axis=0)) / 2
    shift = np.array([spot[0] - at_origin[0], spot[1] - at_origin[1], TABLE_HEIGHT - low[2] * scale])
    cos, sin = np.cos(placement.yaw), np.sin(placement.yaw)
    back = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) / scale

    def colours(points: Points) -> NDArray[np.float32]:
        return solid.colours((points - shift) @ back.T, placement.colour, placement.second)

    mesh = Mesh((turned.vertices + shift).astype(np.float32), turned.normals, turned.faces)
    return Surface(mesh, colours, placement.gloss, placement.class_id)


def _radius(surface: Surface) -> float:
    """Radius in metres of the circle that a thing takes on the table: corners of things may touch."""
    low, high = surface.bounds
    return float(np.linalg.norm((high - low)[:2])) / 2 * 0.8


def _place_all(scene: Scene, away: Points) -> list[Surface]:
    """The things that find a place."""
    placed: dict[int, Surface] = {}
    taken: list[tuple[float, Points]] = []
    for number, placement in enumerate(scene.placements):
        radius = _radius(_thing(placement, np.zeros(2)))
        wanted = np.array(placement.position)
        if placement.behind in placed:
            front, at = taken[[*placed].index(placement.behind)]
            sideways = np.array([-away[1], away[0]]) * placement.position[0] / 0.3 * front * 0.6
            wanted = at + away * (front + radius) * 1.01 + sideways
        spot = free_spot(wanted, radius, taken, scene.table)
        if spot is not None:
            placed[number] = _thing(placement, spot)
            taken.append((radius, spot))
    return [*placed.values()]


def free_spot(
    wanted: Points, radius: float, taken: list[tuple[float, Points]], table: tuple[float, float]
) -> Points | None:
    """The free place nearest to `wanted` on a spiral around it, or None: things do not run into one another."""
    for step in range(60):
        angle, reach = 2.4 * step, 0.012 * step
        spot = wanted + reach * np.array([np.cos(angle), np.sin(angle)])
        on_table = abs(spot[0]) < table[0] - 0.4 * radius and abs(spot[1]) < table[1] - 0.4 * radius
        if on_table and all(np.linalg.norm(spot - at) > radius + other for other, at in taken):
            return spot
    return None


def _board(scene: Scene, thing: Surface, aside: float) -> tuple[Points, tuple[float, float, float], float]:
    """Centre, half sides and turn of an upright board that faces the camera in front of a thing at the origin: wider
    than it and, as the camera sees it, higher."""
    towards = np.array([np.cos(scene.azimuth), np.sin(scene.azimuth)])
    low, high = thing.bounds
    radius = float(np.linalg.norm((high - low)[:2])) / 2
    ahead = radius + 0.03
    height = 1.15 * float(high[2] - low[2]) + ahead * float(np.tan(scene.elevation))
    spot = towards * ahead + np.array([-towards[1], towards[0]]) * aside * radius
    return np.array([*spot, TABLE_HEIGHT + height / 2]), (0.005, 1.3 * radius, height / 2), scene.azimuth


# ---- patterns: coordinates on a surface in metres → grey levels ---------------------------------------------------

Pattern = Callable[[Points, Points], Points]


def _plain(x: Points, _: Points) -> Points:
    return np.ones_like(x)


def _pattern(kind: int, rng: np.random.Generator) -> Pattern:
    """A surface pattern: 0 plain, 1 like wood, 2 tiles, 3 speckle."""
    turn, size, dark, waves = (float(rng.uniform(*span)) for span in ((0, np.pi), (0.1, 0.3), (0.6, 0.9), (20, 60)))
    coarse = rng.uniform(0.7, 1.0, (64, 64)).astype(np.float32)

    cos, sin = float(np.cos(turn)), float(np.sin(turn))

    def wood(x: Points, y: Points) -> Points:
        along, across = cos * x + sin * y, cos * y - sin * x
        ring = np.sin(waves * (across + 0.03 * np.sin(7 * along) + 0.01 * np.sin(31 * along + 3 * across)))
        plank = np.where(np.floor(across / (size / 2)) % 2 > 0, np.float32(1), np.float32(0.94))
        found: Points = (0.87 + 0.1 * ring + 0.03 * np.sin(9 * waves * across)) * plank
        return found

    def tiles(x: Points, y: Points) -> Points:
        odd = (np.floor(x / size) + np.floor(y / size)) % 2 > 0
        joint = np.minimum(x / size % 1, y / size % 1) < 0.02
        return np.where(joint, np.float32(0.45), np.where(odd, np.float32(1), np.float32(dark)))

    def speckle(x: Points, y: Points) -> Points:
        row, column = (np.floor(each * 80).astype(int) % 64 for each in (x, y))
        return np.asarray(coarse[row, column])

    return (_plain, wood, tiles, speckle)[kind]
