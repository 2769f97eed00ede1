"""The ten classes of `tabletop` as solid things, each drawn with its own proportions."""

from collections.abc import Callable

import numpy as np

from wsss.data.solids import (
    MAIN,
    SECOND,
    Piece,
    Points,
    Solid,
    box,
    capsule,
    cylinder,
    ellipsoid,
    half_space,
    torus,
)

__all__ = ["ball", "brick", "car", "dice", "duck", "mug", "plane", "robot", "teapot", "teddy"]

BLACK, WHITE, GREY, GLASS = (0.04, 0.04, 0.05), (0.93, 0.93, 0.9), (0.55, 0.56, 0.58), (0.16, 0.24, 0.34)
ORANGE, WOOD, YELLOW = (0.95, 0.5, 0.1), (0.62, 0.42, 0.24), (0.98, 0.85, 0.3)

Rng = np.random.Generator


def _both(make: Callable[[float], Piece]) -> tuple[Piece, Piece]:
    """A piece on the left and its twin on the right."""
    return make(1.0), make(-1.0)


def _within(shape: Callable[[Points], np.ndarray], floor: float) -> Callable[[Points], np.ndarray]:
    """What of a shape lies above a height."""
    return lambda points: np.maximum(shape(points), floor - points[:, 2])


def duck(rng: Rng) -> Solid:
    fat, head, turn = rng.uniform(0.27, 0.34), rng.uniform(0.19, 0.25), rng.uniform(-0.06, 0.06)
    top = 0.66 + head / 4
    beak = (0.2 + head + 0.06, turn, top - 0.04)
    return Solid(
        (
            Piece(ellipsoid((0, 0, 0.3), (0.44, fat, 0.28)), MAIN),
            Piece(capsule((-0.3, 0, 0.36), (-0.52, 0, 0.58), 0.12, 0.04), MAIN),
            Piece(ellipsoid((0.2, turn / 2, top), (head, head, head)), MAIN),
            Piece(ellipsoid(beak, (0.15, 0.12, 0.05)), ORANGE),
            *_both(lambda s: Piece(ellipsoid((-0.06, s * fat, 0.36), (0.24, 0.07, 0.16)), MAIN)),
        ),
        carved=(half_space(0.06),),
        paint=(
            *_both(
                lambda s: Piece(
                    ellipsoid((0.2 + 0.78 * head, turn / 2 + s * 0.55 * head, top + 0.06), (0.05,) * 3), BLACK
                )
            ),
            *_both(lambda s: Piece(ellipsoid((-0.06, s * (fat + 0.05), 0.36), (0.24, 0.06, 0.16)), SECOND)),
        ),
        blend=0.06,
    )


def teddy(rng: Rng) -> Solid:
    fat, head, arm = rng.uniform(0.24, 0.31), rng.uniform(0.21, 0.26), rng.uniform(0.08, 0.1)
    lift, front = rng.uniform(0.2, 0.62), 0.03 + head
    return Solid(
        (
            Piece(ellipsoid((0, 0, 0.36), (0.26, fat, 0.33)), MAIN),
            Piece(ellipsoid((0.03, 0, 0.8), (head, head, 0.95 * head)), MAIN),
            *_both(lambda s: Piece(ellipsoid((0, s * 0.8 * head, 0.8 + 0.85 * head), (0.06, 0.09, 0.09)), MAIN)),
            Piece(ellipsoid((front - 0.02, 0, 0.74), (0.1, 0.11, 0.085)), SECOND),
            Piece(ellipsoid((front + 0.08, 0, 0.775), (0.035, 0.045, 0.035)), BLACK),
            *_both(lambda s: Piece(capsule((0.05, s * 0.9 * fat, 0.52), (0.24, s * 1.35 * fat, lift), arm), MAIN)),
            *_both(lambda s: Piece(capsule((0.08, s * 0.17, 0.11), (0.42, s * 0.24, 0.11), 0.11), MAIN)),
        ),
        paint=(
            *_both(lambda s: Piece(ellipsoid((front - 0.04, s * 0.4 * head, 0.86), (0.045,) * 3), BLACK)),
            Piece(ellipsoid((0.26, 0, 0.36), (0.09, 0.17, 0.22)), SECOND),
            *_both(lambda s: Piece(ellipsoid((0.55, s * 0.24, 0.11), (0.04, 0.07, 0.07)), SECOND)),
            *_both(lambda s: Piece(ellipsoid((0.06, s * 0.8 * head, 0.8 + 0.85 * head), (0.03, 0.05, 0.05)), SECOND)),
        ),
        blend=0.03,
    )


_GOLDEN = (1 + 5**0.5) / 2
_CORNERS = np.array([(0, a, b * _GOLDEN) for a in (-1, 1) for b in (-1, 1)], float)
_PENTAGONS = np.concatenate([np.roll(_CORNERS, turn, axis=1) for turn in range(3)]) / np.hypot(1, _GOLDEN)
"""Middles of a football's twelve pentagons: the corners of an icosahedron, as unit vectors `(12,3)`."""


def ball(rng: Rng) -> Solid:
    spot = np.cos(rng.uniform(0.34, 0.4))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    middles = _PENTAGONS @ turn

    def pentagons(points: Points) -> np.ndarray:
        ways = (points - [0, 0, 0.5]) / np.linalg.norm(points - [0, 0, 0.5], axis=1, keepdims=True).clip(1e-9)
        found: np.ndarray = spot - (ways @ middles.T).max(axis=1)
        return found

    def seams(points: Points) -> np.ndarray:
        near = np.sort((points - [0, 0, 0.5]) @ middles.T, axis=1)
        found: np.ndarray = near[:, -1] - near[:, -2] - 0.012
        return found

    return Solid(
        (Piece(ellipsoid((0, 0, 0.5), (0.5, 0.5, 0.5)), WHITE if rng.random() < 0.6 else MAIN),),
        paint=(Piece(seams, GREY), Piece(pentagons, BLACK if rng.random() < 0.6 else SECOND)),
    )


def mug(rng: Rng) -> Solid:
    radius, half = rng.uniform(0.3, 0.4), rng.uniform(0.36, 0.46)
    ring, low = rng.uniform(0.18, 0.24), rng.uniform(0.25, 0.5)
    return Solid(
        (
            Piece(cylinder((0, 0, half), radius, half, top=radius * rng.uniform(0.95, 1.12)), MAIN),
            Piece(torus((radius + 0.03, 0, half), ring, 0.055, axis=1), MAIN),
        ),
        carved=(cylinder((0, 0, half + 0.1), radius - 0.06, half),),
        paint=(
            Piece(cylinder((0, 0, 2 * half * low), 2, half * rng.uniform(0.08, 0.3), rounding=0), SECOND),
            Piece(cylinder((0, 0, half + 0.1), radius - 0.03, half), WHITE),
        ),
    )


def brick(rng: Rng) -> Solid:
    across, along = ((2, 2), (2, 3), (2, 4), (2, 4))[rng.integers(4)]
    step = 0.25
    half = (along * step / 2, across * step / 2, rng.uniform(0.13, 0.17))
    places = [((i + 0.5) * step - half[0], (j + 0.5) * step - half[1]) for i in range(along) for j in range(across)]
    studs = [Piece(cylinder((x, y, 2 * half[2] + 0.045), 0.085, 0.055), MAIN) for x, y in places]
    return Solid((Piece(box((0, 0, half[2]), half), MAIN), *studs))


def car(rng: Rng) -> Solid:
    cabin, back, tall = rng.uniform(0.2, 0.3), rng.uniform(-0.16, 0.0), rng.uniform(0.11, 0.17)
    height, wheel = 0.34 + tall, rng.uniform(0.11, 0.14)
    wheels = [(x, s) for x in (0.3, -0.3) for s in (1, -1)]
    glass = (cabin * 0.84, 2, tall * 0.6), (2, 0.15, tall * 0.6)
    return Solid(
        (
            Piece(box((0, 0, 0.25), (0.52, 0.24, 0.11), 0.06), MAIN),
            Piece(box((back, 0, height), (cabin, 0.2, tall), 0.07), MAIN),
            *(Piece(cylinder((x, s * 0.22, wheel), wheel, 0.06, axis=1), BLACK) for x, s in wheels),
            *_both(lambda s: Piece(ellipsoid((0.51, s * 0.15, 0.28), (0.03, 0.05, 0.05)), YELLOW)),
        ),
        paint=(
            *(Piece(_within(box((back, 0, height + 0.02), half, 0), 0.36), GLASS) for half in glass),
            *(Piece(cylinder((x, s * 0.28, wheel), wheel * 0.5, 0.04, axis=1), GREY) for x, s in wheels),
            *_both(lambda s: Piece(ellipsoid((-0.52, s * 0.16, 0.28), (0.04, 0.06, 0.04)), (0.8, 0.05, 0.05))),
            Piece(box((0, 0, 0.2), (2, 2, 0.03 * rng.integers(0, 2)), 0), SECOND),
        ),
    )


def robot(rng: Rng) -> Solid:
    wide, head, arm = rng.uniform(0.2, 0.28), rng.uniform(0.14, 0.2), rng.uniform(0.16, 0.5)
    top = 0.78 + head
    return Solid(
        (
            Piece(box((0, 0, 0.5), (0.17, wide, 0.22)), MAIN),
            Piece(box((0, 0, top), (0.15, head * 1.15, head * 0.85)), MAIN),
            Piece(cylinder((0, 0, 0.74), 0.07, 0.06), GREY),
            Piece(capsule((0, 0, top + head), (0, 0, top + head + 0.12), 0.02), GREY),
            Piece(ellipsoid((0, 0, top + head + 0.15), (0.05, 0.05, 0.05)), SECOND),
            *_both(lambda s: Piece(capsule((0, s * (wide + 0.06), 0.62), (0.1, s * (wide + 0.1), arm), 0.055), GREY)),
            *_both(lambda s: Piece(ellipsoid((0.1, s * (wide + 0.1), arm), (0.08, 0.08, 0.08)), SECOND)),
            *_both(lambda s: Piece(box((0, s * 0.11, 0.2), (0.08, 0.07, 0.14)), GREY)),
            *_both(lambda s: Piece(box((0.05, s * 0.12, 0.045), (0.15, 0.085, 0.045)), MAIN)),
        ),
        paint=(
            *_both(lambda s: Piece(ellipsoid((0.15, s * head * 0.5, top + 0.02), (0.05, 0.055, 0.055)), YELLOW)),
            Piece(box((0.15, 0, top - head * 0.5), (0.03, head * 0.6, 0.02), 0), BLACK),
            Piece(box((0.17, 0, 0.52), (0.03, wide * 0.65, 0.12), 0), WHITE),
            *(Piece(ellipsoid((0.17, y, 0.55), (0.03, 0.035, 0.035)), colour) for y, colour in _LAMPS),
        ),
    )


_LAMPS = ((-0.08, (0.85, 0.1, 0.1)), (0.0, (0.95, 0.8, 0.1)), (0.08, (0.1, 0.6, 0.2)))


def teapot(rng: Rng) -> Solid:
    wide, high = rng.uniform(0.32, 0.4), rng.uniform(0.26, 0.34)
    top, mouth = 0.03 + 2 * high, rng.uniform(0.5, 0.62)
    return Solid(
        (
            Piece(ellipsoid((0, 0, 0.03 + high), (wide, wide, high)), MAIN),
            Piece(cylinder((0, 0, 0.04), wide * 0.6, 0.04), MAIN),
            Piece(capsule((wide * 0.8, 0, high * 0.8), (wide + 0.14, 0, high * 1.3), 0.09, 0.06), MAIN),
            Piece(capsule((wide + 0.14, 0, high * 1.3), (wide + 0.24, 0, mouth), 0.055, 0.04), MAIN),
            Piece(torus((-wide - 0.02, 0, high + 0.06), 0.19, 0.04, axis=1), SECOND),
            Piece(ellipsoid((0, 0, top), (wide * 0.55, wide * 0.55, 0.06)), MAIN),
            Piece(ellipsoid((0, 0, top + 0.09), (0.06, 0.06, 0.06)), SECOND),
        ),
        paint=(Piece(cylinder((0, 0, top - 0.035), wide * 0.6, 0.012, rounding=0), BLACK),),
        blend=0.04,
    )


def plane(rng: Rng) -> Solid:
    span, swept, tail = rng.uniform(0.46, 0.6), rng.uniform(0.0, 0.22), rng.uniform(0.16, 0.24)
    return Solid(
        (
            Piece(capsule((0.42, 0, 0.2), (-0.5, 0, 0.24), 0.13, 0.06), MAIN),
            *_both(lambda s: Piece(_wing((0.12, 0.18), (0.1 - swept, s * span), 0.15), SECOND)),
            *_both(lambda s: Piece(_wing((-0.48, 0.25), (-0.52, s * tail), 0.08), SECOND)),
            Piece(box((-0.5, 0, 0.36), (0.08, 0.025, 0.13)), SECOND),
            Piece(ellipsoid((0.58, 0, 0.2), (0.06, 0.05, 0.05)), GREY),
            Piece(box((0.6, 0, 0.2), (0.02, 0.2, 0.03), 0.01), WOOD),
            *_both(lambda s: Piece(cylinder((0.2, s * 0.12, 0.05), 0.05, 0.03, axis=1), BLACK)),
            *_both(lambda s: Piece(capsule((0.2, s * 0.12, 0.06), (0.2, s * 0.06, 0.14), 0.02), GREY)),
        ),
        paint=(
            Piece(_within(box((0.24, 0, 0.3), (0.1, 0.3, 0.1), 0), 0.26), GLASS),
            *(
                Piece(ellipsoid((x, s * 0.11, 0.24), (0.03, 0.05, 0.03)), GLASS)
                for x in (0.0, -0.12, -0.24)
                for s in (1, -1)
            ),
        ),
    )


def _wing(root: tuple[float, float], tip: tuple[float, float], chord: float) -> Callable[[Points], np.ndarray]:
    """A flat wing from (x, z) at the middle to (x, y) at its end, `2 chord` deep."""
    (x, z), (end, y) = root, tip

    def distance(points: Points) -> np.ndarray:
        out = np.clip(points[:, 1] / y, 0, 1)
        shifted = points - np.stack([x + out * (end - x), np.full_like(out, y / 2), np.full_like(out, z)], axis=1)
        beyond = np.abs(shifted) - [chord - 0.03, abs(y) / 2 - 0.02, 0.003]
        outside: np.ndarray = np.linalg.norm(np.maximum(beyond, 0), axis=1)
        return np.asarray(outside + np.minimum(beyond.max(axis=1), 0) - 0.022)

    return distance


_PIPS = {
    1: ((0, 0),),
    2: ((-1, -1), (1, 1)),
    3: ((-1, -1), (0, 0), (1, 1)),
    4: ((-1, -1), (-1, 1), (1, -1), (1, 1)),
    5: ((-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0)),
    6: ((-1, -1), (-1, 0), (-1, 1), (1, -1), (1, 0), (1, 1)),
}


def dice(rng: Rng) -> Solid:
    order, ink = rng.permutation(3), BLACK if rng.random() < 0.5 else WHITE
    pips = []
    for axis, number in zip(order, (1, 2, 3), strict=True):
        for side, count in ((1, number), (-1, 7 - number)):
            for a, b in _PIPS[count]:
                at = np.insert(np.array([a, b]) * 0.23, axis, side * 0.5) + np.array([0, 0, 0.5])
                pips.append(Piece(ellipsoid(at.tolist(), (0.085, 0.085, 0.085)), ink))
    return Solid((Piece(box((0, 0, 0.5), (0.5, 0.5, 0.5), 0.09), MAIN),), paint=tuple(pips))
