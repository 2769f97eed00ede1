"""The room of a `Scene` in PyBullet: floor, wall, table, and the things on it.

PyBullet keeps one global world per client, so a `World` belongs to one process.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wsss.data.scenes import Placement, Scene
from wsss.errors import WsssError

__all__ = ["SHAPELESS", "TABLE_HEIGHT", "Body", "World", "free_spot", "silenced"]

TABLE_HEIGHT = 0.7  # metres

SHAPELESS, _MARGIN = "random_urdfs/168/168.urdf", 0.003
"""A model of `pybullet_data` whose vertices are all NaN: it is not seen, and its bounds are what happens to be in
memory, mostly nothing but Bullet's margin around a point, in metres. It takes the place of that on the table."""


@dataclass
class Body:
    """A thing on the table: its bounds `low` and `high` are `(3,)` in metres, its `radius` is that of `free_spot`."""

    uid: int
    placement: Placement
    radius: float
    low: np.ndarray
    high: np.ndarray


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Bullet's C code prints warnings about its own meshes to both output streams; nobody can act on them."""
    saved = os.dup(1), os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for handle in (*saved, null):
            os.close(handle)


def _connected() -> Any:
    """A client of PyBullet of its own, with the models that come with it.

    Raises:
        WsssError: PyBullet is missing.
    """
    try:
        with silenced():
            import pybullet
            import pybullet_data
            from pybullet_utils.bullet_client import BulletClient
    except ImportError as error:
        raise WsssError(
            "rendering needs PyBullet, whose newest wheel is for Python 3.11. Use Python 3.11 (`make env`), "
            "or point --root at an already rendered tabletop folder."
        ) from error
    with silenced():
        client = BulletClient(pybullet.DIRECT)
        client.setAdditionalSearchPath(pybullet_data.getDataPath())
    return client


class World:
    """One scene at a time; close it at the end."""

    def __init__(self) -> None:
        self.client = _connected()
        self._folder = tempfile.TemporaryDirectory(prefix="wsss-textures-")

    def close(self) -> None:
        """End the client; the world is of no use afterwards."""
        self.client.disconnect()
        self._folder.cleanup()

    def build(self, scene: Scene, rng: np.random.Generator) -> list[Body]:
        """Clear the world and build a scene; `rng` supplies the surface patterns.

        Returns:
            The things that found a place, in the order of the scene's placements.
        """
        self.client.resetSimulation()
        self._build_room(scene, rng)
        bodies = self._place_all(scene)
        if scene.board is not None:
            self._put_board(scene, bodies[0], scene.board, rng)
        return bodies

    def hide_all(self) -> None:
        """Leave every body out of the picture. Its colours are gone afterwards."""
        for number in range(self.client.getNumBodies()):
            self.show(self.client.getBodyUniqueId(number), 0)

    def show(self, uid: int, alpha: float) -> None:
        """Show a body (1) or leave it out (0): the renderer skips what is wholly transparent."""
        for link in range(-1, self.client.getNumJoints(uid)):
            self.client.changeVisualShape(uid, link, rgbaColor=[1, 1, 1, alpha])

    def bounds(self, uid: int) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest corner of a body's collision shapes, each `(3,)` in metres."""
        links = range(-1, self.client.getNumJoints(uid))
        boxes = np.array([self.client.getAABB(uid, link) for link in links])
        return boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)

    def load(self, placement: Placement) -> Body:
        """The model of a placement, at the origin: turned and coloured, its longest side of the wanted length."""
        client, model = self.client, placement.model
        yaw, euler = (client.getQuaternionFromEuler(angles) for angles in ([0, 0, placement.yaw], model.euler))
        turn = client.multiplyTransforms([0, 0, 0], yaw, [0, 0, 0], euler)[1]
        if model.path == SHAPELESS:
            return self._nothing(placement, turn)
        fixed = {"baseOrientation": turn, "useFixedBase": True}
        # Bounds are those of the collision shapes.
        first = client.loadURDF(model.path, **fixed, flags=client.URDF_IGNORE_VISUAL_SHAPES)
        low, high = self.bounds(first)
        client.removeBody(first)
        uid = client.loadURDF(model.path, **fixed, globalScaling=placement.side / float((high - low).max()))
        if model.tint:
            client.changeVisualShape(uid, -1, rgbaColor=[*placement.colour, 1])
        low, high = self.bounds(uid)
        return Body(uid, placement, _radius(low, high), low, high)

    def _nothing(self, placement: Placement, turn: Any) -> Body:
        uid = self.client.createMultiBody(0)
        rotation = np.array(self.client.getMatrixFromQuaternion(turn)).reshape(3, 3)
        half = _MARGIN * np.abs(rotation).sum(axis=1)
        return Body(uid, placement, _radius(-half, half), -half, half)

    def _build_room(self, scene: Scene, rng: np.random.Generator) -> None:
        width, length = scene.table
        direction = np.array([np.cos(scene.azimuth), np.sin(scene.azimuth)])
        wall = (-direction * 2.6).tolist()
        turn = self.client.getQuaternionFromEuler([0, 0, scene.azimuth])
        self._box("floor", [4, 4, 0.01], [0, 0, -0.01], None, scene, rng)
        self._box("table", [width, length, 0.02], [0, 0, TABLE_HEIGHT - 0.02], None, scene, rng)
        self._box("wall", [0.02, 5, 3], [*wall, 3], turn, scene, rng)

    def _box(self, surface: str, half: list[float], centre: list[float], turn: Any, scene: Scene, rng: Any) -> None:
        # A mesh, not a box primitive: only meshes carry texture coordinates in this renderer.
        client, size = self.client, [2 * side for side in half]
        shape = client.createVisualShape(client.GEOM_MESH, fileName="cube.obj", meshScale=size)
        uid = client.createMultiBody(
            0, baseVisualShapeIndex=shape, basePosition=centre, baseOrientation=turn or [0, 0, 0, 1]
        )
        path = Path(self._folder.name) / f"{surface}-{rng.integers(1 << 40)}.png"
        tinted = _texture(scene.textures[surface], rng) * np.array(scene.colours[surface])
        Image.fromarray(tinted.astype(np.uint8)).save(path, compress_level=0)
        client.changeVisualShape(uid, -1, textureUniqueId=client.loadTexture(str(path)), rgbaColor=[1, 1, 1, 1])
        path.unlink()

    def _place_all(self, scene: Scene) -> list[Body]:
        away = -np.array([np.cos(scene.azimuth), np.sin(scene.azimuth)])  # from the camera over the table
        placed: list[tuple[Body, np.ndarray]] = []
        for placement in scene.placements:
            body = self.load(placement)
            wanted = np.array(placement.position)
            # Where a thing before found no place, this is not the thing that was meant. Frozen, as the pictures are.
            if placement.behind is not None and placement.behind < len(placed):
                front, at = placed[placement.behind]
                sideways = np.array([-away[1], away[0]]) * placement.position[0] / 0.35 * front.radius * 0.6
                wanted = at + away * (front.radius + body.radius) * 1.01 + sideways
            spot = free_spot(wanted, body.radius, [(other.radius, at) for other, at in placed], scene.table)
            if spot is None:
                self.client.removeBody(body.uid)
                continue
            self._move(body, spot)
            placed.append((body, spot))
        return [body for body, _ in placed]

    def _move(self, body: Body, spot: np.ndarray) -> None:
        """Stand a body on the table at `spot`."""
        # The base frame's position is that of its inertia, hence the round trip through the current pose.
        position, turn = self.client.getBasePositionAndOrientation(body.uid)
        centre = (body.low + body.high) / 2
        shift = np.array([*(spot - centre[:2]), TABLE_HEIGHT - body.low[2]])
        self.client.resetBasePositionAndOrientation(body.uid, (np.array(position) + shift).tolist(), turn)

    def _put_board(self, scene: Scene, body: Body, aside: float, rng: np.random.Generator) -> None:
        """An upright board that faces the camera in front of `body`: wider than it and, as the camera sees it, higher.

        The body stands at the origin, as in every series.
        """
        towards = np.array([np.cos(scene.azimuth), np.sin(scene.azimuth)])
        radius = float(np.linalg.norm((body.high - body.low)[:2])) / 2
        ahead = radius + 0.03
        height = 1.15 * float(body.high[2] - body.low[2]) + ahead * np.tan(scene.elevation)
        spot = towards * ahead + np.array([-towards[1], towards[0]]) * aside * radius
        turn = self.client.getQuaternionFromEuler([0, 0, scene.azimuth])
        centre = [*spot.tolist(), TABLE_HEIGHT + height / 2]
        self._box("board", [0.005, 1.3 * radius, height / 2], centre, turn, scene, rng)


def _radius(low: np.ndarray, high: np.ndarray) -> float:
    """Radius in metres of the circle that a body of these bounds takes on the table: corners of things may touch."""
    return float(np.linalg.norm((high - low)[:2])) / 2 * 0.8


def free_spot(
    wanted: np.ndarray, radius: float, taken: list[tuple[float, np.ndarray]], table: tuple[float, float]
) -> np.ndarray | None:
    """The free place nearest to `wanted` on a spiral around it, or None: things do not run into one another."""
    for step in range(60):
        angle, reach = 2.4 * step, 0.012 * step
        spot = wanted + reach * np.array([np.cos(angle), np.sin(angle)])
        on_table = abs(spot[0]) < table[0] - 0.4 * radius and abs(spot[1]) < table[1] - 0.4 * radius
        if on_table and all(np.linalg.norm(spot - at) > radius + other for other, at in taken):
            return spot
    return None


def _texture(kind: int, rng: np.random.Generator, size: int = 256) -> np.ndarray:
    """A grey-level surface pattern `size×size×3 uint8`: 0 plain, 1 wood-like stripes, 2 tiles, 3 speckle."""
    rows, columns = np.mgrid[0:size, 0:size] / size
    if kind == 1:
        grey = 0.85 + 0.15 * np.sin(2 * np.pi * (rng.integers(6, 16) * rows + 0.6 * np.sin(4 * np.pi * columns)))
    elif kind == 2:
        tiles = int(rng.integers(3, 7))
        grey = np.where((np.floor(rows * tiles) + np.floor(columns * tiles)) % 2 > 0, 1.0, rng.uniform(0.6, 0.9))
    elif kind == 3:
        coarse = rng.uniform(0.7, 1.0, (size // 8, size // 8))
        grey = np.kron(coarse, np.ones((8, 8)))
    else:
        grey = np.ones((size, size))
    return np.repeat((grey * 255).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
