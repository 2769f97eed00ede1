"""Renders a `Scene` with PyBullet's CPU renderer: picture, exact masks, amodal occlusion and depth.

PyBullet keeps one global world per client, so a `Renderer` belongs to one process.
"""

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wsss.data.scenes import Placement, Scene
from wsss.errors import WsssError

__all__ = ["Rendered", "Renderer"]

_NEAR, _FAR = 0.05, 12.0
_TABLE_HEIGHT = 0.7

_SHAPELESS, _MARGIN = "random_urdfs/168/168.urdf", 0.003
"""A model of `pybullet_data` whose vertices are all NaN: it is not seen, and its bounds are what happens to be in memory, mostly
nothing but Bullet's margin around a point, in metres. It takes the place of that on the table."""


@dataclass(frozen=True)
class Rendered:
    """A rendered scene: arrays `H×W`, per-instance arrays `(N,)` in the order of the ids 1…N in `instances`."""

    image: np.ndarray
    mask: np.ndarray
    instances: np.ndarray
    instance_classes: np.ndarray
    occlusion: np.ndarray
    depth_metres: np.ndarray


@dataclass
class _Body:
    uid: int
    placement: Placement
    radius: float
    low: np.ndarray
    high: np.ndarray


@contextlib.contextmanager
def _silenced() -> Any:
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


def _import_pybullet() -> tuple[Any, str]:
    try:
        with _silenced():
            import pybullet
            import pybullet_data
    except ImportError as error:
        raise WsssError(
            "rendering needs PyBullet, whose newest wheel is for Python 3.11. Use Python 3.11 (`make env`), "
            "or point --root at an already rendered tabletop folder."
        ) from error
    return pybullet, pybullet_data.getDataPath()


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


class Renderer:
    """Renders scenes at `side`×`side` pixels; use as a context manager.

    The picture is rendered at twice the size and averaged, since the renderer itself does not smooth edges.
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self._bullet, self._data = _import_pybullet()
        self._folder = tempfile.TemporaryDirectory(prefix="wsss-textures-")
        with _silenced():
            self._client = self._bullet.connect(self._bullet.DIRECT)
            self._bullet.setAdditionalSearchPath(self._data, physicsClientId=self._client)

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, *_: object) -> None:
        self._bullet.disconnect(self._client)
        self._folder.cleanup()

    def render(self, scene: Scene, rng: np.random.Generator) -> Rendered:
        """Render one scene. `rng` supplies surface patterns and sensor noise."""
        with _silenced():
            self._bullet.resetSimulation(physicsClientId=self._client)
            self._build_room(scene, rng)
            bodies = self._place_all(scene)
            if scene.board is not None:
                self._put_board(scene, bodies[0], scene.board, rng)
            image, depth, owner = self._shoot(scene)
            amodal = self._amodal_areas(scene, [body for body in bodies if body.placement.class_id])
        return _assemble(image, depth, owner, bodies, amodal, scene, rng)

    def _build_room(self, scene: Scene, rng: np.random.Generator) -> None:
        width, length = scene.table
        direction = np.array([np.cos(scene.azimuth), np.sin(scene.azimuth)])
        wall = (-direction * 2.6).tolist()
        turn = self._bullet.getQuaternionFromEuler([0, 0, scene.azimuth])
        self._box("floor", [4, 4, 0.01], [0, 0, -0.01], None, scene, rng)
        self._box("table", [width, length, 0.02], [0, 0, _TABLE_HEIGHT - 0.02], None, scene, rng)
        self._box("wall", [0.02, 5, 3], [*wall, 3], turn, scene, rng)

    def _box(self, surface: str, half: list[float], centre: list[float], turn: Any, scene: Scene, rng: Any) -> None:
        # A mesh, not a box primitive: only meshes carry texture coordinates in this renderer.
        shape = self._bullet.createVisualShape(
            self._bullet.GEOM_MESH,
            fileName="cube.obj",
            meshScale=[2 * side for side in half],
            physicsClientId=self._client,
        )
        uid = self._bullet.createMultiBody(
            0,
            baseVisualShapeIndex=shape,
            basePosition=centre,
            baseOrientation=turn or [0, 0, 0, 1],
            physicsClientId=self._client,
        )
        path = Path(self._folder.name) / f"{surface}-{rng.integers(1 << 40)}.png"
        tinted = _texture(scene.textures[surface], rng) * np.array(scene.colours[surface])
        Image.fromarray(tinted.astype(np.uint8)).save(path, compress_level=0)
        texture = self._bullet.loadTexture(str(path), physicsClientId=self._client)
        self._bullet.changeVisualShape(
            uid, -1, textureUniqueId=texture, rgbaColor=[1, 1, 1, 1], physicsClientId=self._client
        )
        path.unlink()

    def _bounds(self, uid: int) -> tuple[np.ndarray, np.ndarray]:
        links = range(-1, self._bullet.getNumJoints(uid, physicsClientId=self._client))
        boxes = np.array([self._bullet.getAABB(uid, link, physicsClientId=self._client) for link in links])
        return boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)

    def _load(self, placement: Placement) -> _Body:
        turn = self._bullet.multiplyTransforms(
            [0, 0, 0], self._bullet.getQuaternionFromEuler([0, 0, placement.yaw]),
            [0, 0, 0], self._bullet.getQuaternionFromEuler(placement.model.euler),
        )[1]  # fmt: skip
        if placement.model.path == _SHAPELESS:
            return self._nothing(placement, turn)
        load = self._bullet.loadURDF
        first = load(
            placement.model.path,
            baseOrientation=turn,
            useFixedBase=True,
            flags=self._bullet.URDF_IGNORE_VISUAL_SHAPES,  # bounds are those of the collision shapes
            physicsClientId=self._client,
        )
        low, high = self._bounds(first)
        self._bullet.removeBody(first, physicsClientId=self._client)
        scale = placement.side / float((high - low).max())
        uid = load(
            placement.model.path,
            baseOrientation=turn,
            useFixedBase=True,
            globalScaling=scale,
            physicsClientId=self._client,
        )
        if placement.model.tint:
            self._bullet.changeVisualShape(uid, -1, rgbaColor=[*placement.colour, 1], physicsClientId=self._client)
        low, high = self._bounds(uid)
        return _Body(uid, placement, _radius(low, high), low, high)

    def _nothing(self, placement: Placement, turn: Any) -> _Body:
        uid = self._bullet.createMultiBody(0, physicsClientId=self._client)
        rotation = np.array(self._bullet.getMatrixFromQuaternion(turn)).reshape(3, 3)
        half = _MARGIN * np.abs(rotation).sum(axis=1)
        return _Body(uid, placement, _radius(-half, half), -half, half)

    def _place_all(self, scene: Scene) -> list[_Body]:
        away = -np.array([np.cos(scene.azimuth), np.sin(scene.azimuth)])  # from the camera over the table
        placed: list[tuple[_Body, np.ndarray]] = []
        for placement in scene.placements:
            body = self._load(placement)
            wanted = np.array(placement.position)
            # Where a thing before found no place, this is not the thing that was meant. Frozen, as the pictures are.
            if placement.behind is not None and placement.behind < len(placed):
                front, at = placed[placement.behind]
                sideways = np.array([-away[1], away[0]]) * placement.position[0] / 0.35 * front.radius * 0.6
                wanted = at + away * (front.radius + body.radius) * 1.01 + sideways
            spot = _free_spot(wanted, body.radius, [(other.radius, at) for other, at in placed], scene.table)
            if spot is None:
                self._bullet.removeBody(body.uid, physicsClientId=self._client)
                continue
            position, _ = self._bullet.getBasePositionAndOrientation(body.uid, physicsClientId=self._client)
            centre = (body.low + body.high) / 2
            shift = np.array([*(spot - centre[:2]), _TABLE_HEIGHT - body.low[2]])
            self._move(body.uid, (np.array(position) + shift).tolist())
            placed.append((body, spot))
        return [body for body, _ in placed]

    def _put_board(self, scene: Scene, body: _Body, aside: float, rng: np.random.Generator) -> None:
        """An upright board that faces the camera in front of `body`: wider than it and, as the camera sees it, higher.

        The body stands at the origin, as in every series.
        """
        towards = np.array([np.cos(scene.azimuth), np.sin(scene.azimuth)])
        radius = float(np.linalg.norm((body.high - body.low)[:2])) / 2
        ahead = radius + 0.03
        height = 1.15 * float(body.high[2] - body.low[2]) + ahead * np.tan(scene.elevation)
        spot = towards * ahead + np.array([-towards[1], towards[0]]) * aside * radius
        turn = self._bullet.getQuaternionFromEuler([0, 0, scene.azimuth])
        centre = [*spot.tolist(), _TABLE_HEIGHT + height / 2]
        self._box("board", [0.005, 1.3 * radius, height / 2], centre, turn, scene, rng)

    def _move(self, uid: int, position: list[float]) -> None:
        # The base frame's position is that of its inertia, hence the round trip through the current pose.
        turn = self._bullet.getBasePositionAndOrientation(uid, physicsClientId=self._client)[1]
        self._bullet.resetBasePositionAndOrientation(uid, position, turn, physicsClientId=self._client)

    def _camera(self, scene: Scene) -> tuple[list[float], list[float]]:
        level = scene.distance * np.cos(scene.elevation)
        height = _TABLE_HEIGHT + 0.05
        eye = [
            scene.target[0] + level * np.cos(scene.azimuth),
            scene.target[1] + level * np.sin(scene.azimuth),
            height + scene.distance * np.sin(scene.elevation),
        ]
        view = self._bullet.computeViewMatrix(eye, [*scene.target, height], [0, 0, 1])
        return view, self._bullet.computeProjectionMatrixFOV(scene.field_of_view, 1.0, _NEAR, _FAR)

    def _shoot(self, scene: Scene, shadow: int = 1, factor: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        view, projection = self._camera(scene)
        side = self.side * factor
        _, _, colour, depth, owner = self._bullet.getCameraImage(
            side, side, view, projection,
            lightDirection=scene.light, lightColor=[1, 1, 1], lightDistance=4, shadow=shadow,
            lightAmbientCoeff=scene.ambient, lightDiffuseCoeff=0.95 - scene.ambient, lightSpecularCoeff=0.1,
            renderer=self._bullet.ER_TINY_RENDERER, physicsClientId=self._client,
        )  # fmt: skip
        image = np.asarray(colour, np.float32).reshape(side, side, 4)[..., :3]
        # Depth buffer to metres, see the OpenGL perspective projection.
        metres = _FAR * _NEAR / (_FAR - (_FAR - _NEAR) * np.asarray(depth, np.float64).reshape(side, side))
        return image, metres.astype(np.float32), np.asarray(owner, np.int32).reshape(side, side)

    def _amodal_areas(self, scene: Scene, bodies: list[_Body]) -> dict[int, int]:
        """Pixels that each body would cover were it alone in the room, in frame. Colours are gone afterwards."""
        for number in range(self._bullet.getNumBodies(physicsClientId=self._client)):
            self._set_alpha(self._bullet.getBodyUniqueId(number, physicsClientId=self._client), 0)
        areas = {}
        for body in bodies:
            self._set_alpha(body.uid, 1)
            areas[body.uid] = int((self._shoot(scene, shadow=0, factor=1)[2] == body.uid).sum())
            self._set_alpha(body.uid, 0)
        return areas

    def _set_alpha(self, uid: int, alpha: float) -> None:
        """Show a body (1) or leave it out (0): the renderer skips what is wholly transparent."""
        for link in range(-1, self._bullet.getNumJoints(uid, physicsClientId=self._client)):
            self._bullet.changeVisualShape(uid, link, rgbaColor=[1, 1, 1, alpha], physicsClientId=self._client)


def _radius(low: np.ndarray, high: np.ndarray) -> float:
    """Radius in metres of the circle that a body of these bounds takes on the table: things may touch at their corners."""
    return float(np.linalg.norm((high - low)[:2])) / 2 * 0.8


def _free_spot(
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


def _assemble(
    image: np.ndarray,
    depth: np.ndarray,
    owner: np.ndarray,
    bodies: list[_Body],
    amodal: dict[int, int],
    scene: Scene,
    rng: np.random.Generator,
) -> Rendered:
    sky = owner < 0
    image = np.where(sky[..., None], np.array(scene.colours["sky"], np.float32) * 255, image)
    height, width = owner.shape
    image = image.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3)) * scene.exposure
    image = image + rng.normal(0, 1, image.shape) * scene.noise
    owner, depth = owner[::2, ::2], depth[::2, ::2]
    mask, instances = np.zeros(owner.shape, np.uint8), np.zeros(owner.shape, np.uint16)
    classes, occlusion = [], []
    for body in bodies:
        visible = owner == body.uid
        if not body.placement.class_id or not visible.any():
            continue
        classes.append(body.placement.class_id)
        instances[visible] = len(classes)
        mask[visible] = body.placement.class_id
        occlusion.append(1 - min(1.0, visible.sum() / max(1, amodal[body.uid])))
    return Rendered(
        image=image.clip(0, 255).round().astype(np.uint8),
        mask=mask,
        instances=instances,
        instance_classes=np.array(classes, np.uint8),
        occlusion=np.array(occlusion, np.float32),
        depth_metres=depth,
    )
