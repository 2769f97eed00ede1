"""Renders a `Scene` on the CPU: picture, exact masks, amodal occlusion and depth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsss.data.light import lit
from wsss.data.rays import FACTOR, Floats, Shot, right_of, shoot
from wsss.data.scenes import Scene
from wsss.data.world import build_world

__all__ = ["Rendered", "finish", "render_scene"]

_FARTHEST = 1e3  # metres, beyond all there is
_BASELINE = 0.075  # metres from the camera to the projector, as in Kinect


@dataclass(frozen=True)
class Rendered:
    """A rendered scene: arrays `H×W`, per-instance arrays `(N,)` in the order of the ids 1…N in `instances`.

    `returned` in [0, 1] is how much light a pixel's surface throws straight back, and `reached` whether the projector
    of a depth camera lights it: what such a camera has to measure with.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    instances: NDArray[np.uint16]
    instance_classes: NDArray[np.uint8]
    occlusion: Floats
    depth_metres: Floats
    returned: Floats
    reached: NDArray[np.bool_]


def render_scene(scene: Scene, rng: np.random.Generator, side: int) -> Rendered:
    """Render one scene at `side`×`side` pixels. `rng` supplies surface patterns, soft shadows and noise.

    Image, mask and depth sample a pixel alike, by four rays: the image is their mean, mask and instance are the
    commonest, the nearest one at ties, and depth is the mean of those of that instance.
    """
    return finish(shoot(build_world(scene, rng), scene, side), rng)


def finish(shot: Shot, rng: np.random.Generator) -> Rendered:
    """Colour a picture, and count its rays by pixel."""
    scene, numbers = shot.scene, shot.instances()
    light, returned = lit(shot, rng)
    colours = _pixels(light, shot.side).mean(axis=2) * scene.exposure * 255
    image = colours + rng.normal(0, 1, colours.shape) * scene.noise
    owner = _pixels(shot.owner, shot.side)
    depth = _pixels(shot.distance * (shot.ways @ shot.ahead), shot.side)
    alike = (owner[..., :, None] == owner[..., None, :]).sum(axis=-1)
    chosen = np.argmax(alike * _FARTHEST - depth, axis=-1)[..., None]  # the commonest, of these the nearest
    whose = np.take_along_axis(owner, chosen, axis=-1)
    same = owner == whose
    instance_of, class_of = np.zeros(len(shot.world.surfaces) + 1, np.uint16), np.zeros(1 + len(numbers), np.uint8)
    for instance, number in enumerate(numbers, 1):
        instance_of[number], class_of[instance] = instance, shot.world.things[number].class_id
    instances = instance_of[whose[..., 0]]
    return Rendered(
        image=image.clip(0, 255).round().astype(np.uint8),
        mask=class_of[instances],
        instances=instances,
        instance_classes=class_of[1:],
        occlusion=shot.occlusion(),
        depth_metres=((depth * same).sum(axis=-1) / same.sum(axis=-1)).astype(np.float32),
        returned=_pixels(returned, shot.side).mean(axis=-1),
        reached=_reached(shot),
    )


def _reached(shot: Shot) -> NDArray[np.bool_]:
    """Whether the projector of a depth camera, a little to the right of the camera, lights each pixel's first ray."""
    row, column = np.divmod(np.arange(shot.side**2), shot.side)
    first = FACTOR**2 * shot.side * row + FACTOR * column
    projector = shot.eye + np.float32(_BASELINE) * right_of(shot.ahead).astype(np.float32)
    points = shot.eye + (shot.distance[first, None] * np.float32(0.999)) * shot.ways[first]
    blocked = shot.rays.run(points, (projector - points).astype(np.float32), query="OCCLUDED") >= 0
    return np.asarray(~blocked).reshape(shot.side, shot.side)


def _pixels(values: NDArray[Any], side: int) -> NDArray[Any]:
    """Rays `(R,…)` by pixel: `(side, side, 4, …)`."""
    shape = (side, FACTOR, side, FACTOR, *values.shape[1:])
    return values.reshape(shape).swapaxes(1, 2).reshape(side, side, FACTOR**2, *values.shape[1:])
