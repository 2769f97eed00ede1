"""Renders a `Scene` on the CPU: picture, exact masks, amodal occlusion and depth."""

from collections.abc import Sequence
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
    scene, numbers = shot.scene, shot.glance.instances()
    light, returned = lit(shot, rng)
    colours = _mean(light, shot.glance.side) * scene.exposure * 255
    image = colours + rng.normal(0, 1, colours.shape) * scene.noise
    owner = _pixels(shot.owner, shot.glance.side)
    depth = _pixels(shot.distance * (shot.ways @ shot.ahead), shot.glance.side)
    whose = _commonest(owner, depth)
    same = [one == whose for one in owner]
    instance_of, class_of = np.zeros(len(shot.world.surfaces) + 1, np.uint16), np.zeros(1 + len(numbers), np.uint8)
    for instance, number in enumerate(numbers, 1):
        instance_of[number], class_of[instance] = instance, shot.world.things[number].class_id
    instances = instance_of[whose]
    return Rendered(
        image=image.clip(0, 255).round().astype(np.uint8),
        mask=class_of[instances],
        instances=instances,
        instance_classes=class_of[1:],
        occlusion=shot.glance.occlusion,
        depth_metres=(sum(map(np.multiply, depth, same)) / sum(each.astype(int) for each in same)).astype(np.float32),
        returned=_mean(returned, shot.glance.side),
        reached=_reached(shot),
    )


def _commonest(owner: Sequence[NDArray[np.int32]], depth: Sequence[Floats]) -> NDArray[np.int32]:
    """Of the rays of each pixel the commonest owner, `H×W`; at ties that of the nearest ray."""
    whose, best = owner[0], np.full(owner[0].shape, -np.inf)
    for one, metres in zip(owner, depth, strict=True):
        score = sum((one == other).astype(float) for other in owner) * _FARTHEST - metres
        whose, best = np.where(score > best, one, whose), np.maximum(score, best)
    return whose


def _reached(shot: Shot) -> NDArray[np.bool_]:
    """Whether the projector of a depth camera, a little to the right of the camera, lights each pixel's first ray."""
    side = shot.glance.side
    row, column = np.divmod(np.arange(side**2), side)
    first = FACTOR**2 * side * row + FACTOR * column
    projector = shot.eye + np.float32(_BASELINE) * right_of(shot.ahead).astype(np.float32)
    points = shot.eye + (shot.distance[first, None] * np.float32(0.999)) * shot.ways[first]
    blocked = shot.glance.rays.run(points, (projector - points).astype(np.float32), query="OCCLUDED") >= 0
    return np.asarray(~blocked).reshape(side, side)


def _pixels(values: NDArray[Any], side: int) -> list[NDArray[Any]]:
    """Rays `(R,…)` by place in their pixel, row by row: four arrays `(side, side, …)`."""
    by_pixel = values.reshape(side, FACTOR, side, FACTOR, *values.shape[1:])
    return [by_pixel[:, row, :, column] for row in range(FACTOR) for column in range(FACTOR)]


def _mean(values: Floats, side: int) -> Floats:
    """Means over the rays `(R,…)` of each pixel, `(side, side, …)`."""
    return np.asarray(sum(_pixels(values, side)) / np.float32(FACTOR**2))
