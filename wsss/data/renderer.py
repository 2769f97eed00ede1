"""Renders a `Scene` with PyBullet's CPU renderer: picture, exact masks, amodal occlusion and depth."""

from dataclasses import dataclass

import numpy as np

from wsss.data.scenes import Scene
from wsss.data.world import TABLE_HEIGHT, Body, World, silenced

__all__ = ["Rendered", "Renderer"]

_NEAR, _FAR = 0.05, 12.0  # metres


@dataclass(frozen=True)
class Rendered:
    """A rendered scene: arrays `H×W`, per-instance arrays `(N,)` in the order of the ids 1…N in `instances`."""

    image: np.ndarray
    mask: np.ndarray
    instances: np.ndarray
    instance_classes: np.ndarray
    occlusion: np.ndarray
    depth_metres: np.ndarray


class Renderer:
    """Renders scenes at `side`×`side` pixels; use as a context manager.

    The picture is rendered at twice the size and averaged, since the renderer itself does not smooth edges.

    Raises:
        WsssError: PyBullet is missing.
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self.world = World()

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, *_: object) -> None:
        self.world.close()

    def render(self, scene: Scene, rng: np.random.Generator) -> Rendered:
        """Render one scene. `rng` supplies surface patterns and sensor noise."""
        with silenced():
            bodies = self.world.build(scene, rng)
            image, depth, owner = self._shoot(scene)
            amodal = self._amodal_areas(scene, [body for body in bodies if body.placement.class_id])
        return _assemble(image, depth, owner, bodies, amodal, scene, rng)

    def _camera(self, scene: Scene) -> tuple[list[float], list[float]]:
        client = self.world.client
        level = scene.distance * np.cos(scene.elevation)
        height = TABLE_HEIGHT + 0.05
        eye = [
            scene.target[0] + level * np.cos(scene.azimuth),
            scene.target[1] + level * np.sin(scene.azimuth),
            height + scene.distance * np.sin(scene.elevation),
        ]
        view = client.computeViewMatrix(eye, [*scene.target, height], [0, 0, 1])
        return view, client.computeProjectionMatrixFOV(scene.field_of_view, 1.0, _NEAR, _FAR)

    def _shoot(self, scene: Scene, shadow: int = 1, factor: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Colours `S×S×3 float32` in 0…255, depth `S×S` in metres, and whose each pixel is, `S×S`: a uid, −1 for none.

        S is `factor` times the renderer's side.
        """
        view, projection = self._camera(scene)
        side, client = self.side * factor, self.world.client
        light = {"lightDirection": scene.light, "lightColor": [1, 1, 1], "lightDistance": 4, "shadow": shadow}
        light |= {
            "lightAmbientCoeff": scene.ambient,
            "lightDiffuseCoeff": 0.95 - scene.ambient,
            "lightSpecularCoeff": 0.1,
        }
        _, _, colour, depth, owner = client.getCameraImage(
            side, side, view, projection, **light, renderer=client.ER_TINY_RENDERER
        )
        image = np.asarray(colour, np.float32).reshape(side, side, 4)[..., :3]
        # Depth buffer to metres, see the OpenGL perspective projection.
        metres = _FAR * _NEAR / (_FAR - (_FAR - _NEAR) * np.asarray(depth, np.float64).reshape(side, side))
        return image, metres.astype(np.float32), np.asarray(owner, np.int32).reshape(side, side)

    def _amodal_areas(self, scene: Scene, bodies: list[Body]) -> dict[int, int]:
        """Pixels that each body would cover were it alone in the room, in frame. Colours are gone afterwards."""
        self.world.hide_all()
        areas = {}
        for body in bodies:
            self.world.show(body.uid, 1)
            areas[body.uid] = int((self._shoot(scene, shadow=0, factor=1)[2] == body.uid).sum())
            self.world.show(body.uid, 0)
        return areas


def _assemble(
    image: np.ndarray,
    depth: np.ndarray,
    owner: np.ndarray,
    bodies: list[Body],
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
