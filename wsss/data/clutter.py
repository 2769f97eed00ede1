"""Things on the tables of `tabletop` that are no class, each drawn with its own proportions."""

from collections.abc import Callable

import numpy as np

from wsss.data.solids import MAIN, SECOND, Piece, Points, Solid, box, capsule, cylinder, ellipsoid, half_space, torus
from wsss.data.toys import BLACK, GREY, WHITE, WOOD

__all__ = ["block", "book", "bottle", "bowl", "can", "candle", "cone", "dumbbell", "pear", "ring", "stone"]

Rng = np.random.Generator


def bottle(rng: Rng) -> Solid:
    radius, neck = rng.uniform(0.14, 0.2), rng.uniform(0.62, 0.75)
    return Solid(
        (
            Piece(cylinder((0, 0, 0.3), radius, 0.3, rounding=0.05), MAIN),
            Piece(cylinder((0, 0, neck), 0.06, 0.24), MAIN),
            Piece(cylinder((0, 0, neck + 0.25), 0.075, 0.05), SECOND),
        ),
        paint=(Piece(cylinder((0, 0, 0.28), 1, 0.13, rounding=0), WHITE),),
        blend=0.12,
    )


def bowl(rng: Rng) -> Solid:
    radius, deep = rng.uniform(0.42, 0.5), rng.uniform(0.25, 0.4)
    outside, inside = ellipsoid((0, 0, deep), (radius, radius, deep)), (radius - 0.05, radius - 0.05, deep - 0.05)
    upper: Callable[[Points], np.ndarray] = lambda points: deep - points[:, 2]  # noqa: E731
    return Solid((Piece(outside, MAIN),), carved=(upper, ellipsoid((0, 0, deep), inside)))


def book(rng: Rng) -> Solid:
    thick = rng.uniform(0.05, 0.12)
    inner = box((0.02, 0, thick), (0.49, 0.33, thick - 0.025), 0)
    return Solid(
        (Piece(box((0, 0, thick), (0.5, 0.35, thick), 0.01), MAIN),),
        carved=(_outside(inner, thick),),
        paint=(Piece(box((0.03, 0, thick), (0.5, 0.4, thick - 0.02), 0), WHITE),),
    )


def _outside(pages: Callable[[Points], np.ndarray], thick: float) -> Callable[[Points], np.ndarray]:
    """A groove around the pages of a book."""
    slot = box((0.06, 0, thick), (0.5, 0.5, thick - 0.03), 0)
    return lambda points: np.maximum(slot(points), -pages(points) + 0.015)


def cone(rng: Rng) -> Solid:
    return Solid(
        (
            Piece(cylinder((0, 0, 0.5), 0.3, 0.48, top=0.03), MAIN),
            Piece(box((0, 0, 0.03), (0.36, 0.36, 0.03)), MAIN),
        ),
        paint=(Piece(cylinder((0, 0, rng.uniform(0.4, 0.6)), 1, 0.1, rounding=0), SECOND),),
    )


def ring(rng: Rng) -> Solid:
    tube = rng.uniform(0.1, 0.17)
    return Solid((Piece(torus((0, 0, tube), 0.5 - tube, tube), MAIN),), paint=(Piece(half_space(tube * 0.9), SECOND),))


def candle(rng: Rng) -> Solid:
    half = rng.uniform(0.25, 0.45)
    return Solid(
        (
            Piece(cylinder((0, 0, half), 0.16, half), MAIN),
            Piece(capsule((0, 0, 2 * half), (0.01, 0, 2 * half + 0.1), 0.022), BLACK),
            Piece(cylinder((0, 0, 0.03), 0.3, 0.03), SECOND),
        )
    )


def stone(rng: Rng) -> Solid:
    spots = rng.uniform(-0.2, 0.2, (4, 3)) * [1, 1, 0.5]
    return Solid(tuple(Piece(ellipsoid(spot, rng.uniform(0.18, 0.32, 3).tolist()), MAIN) for spot in spots), blend=0.2)


def block(rng: Rng) -> Solid:
    half = rng.uniform(0.1, 0.5, 3).tolist()
    return Solid(
        (Piece(box((0, 0, half[2]), half, 0.03), MAIN),),
        paint=(Piece(box((0, 0, half[2]), (2, half[1] * 0.3, 2), 0), SECOND),),
    )


def can(rng: Rng) -> Solid:
    half = rng.uniform(0.3, 0.5)
    return Solid(
        (Piece(cylinder((0, 0, half), 0.26, half), GREY),),
        paint=(
            Piece(cylinder((0, 0, half), 1, half * 0.85, rounding=0), MAIN),
            Piece(cylinder((0, 0, half), 1, half * 0.3, rounding=0), SECOND),
        ),
    )


def pear(rng: Rng) -> Solid:
    return Solid(
        (
            Piece(ellipsoid((0, 0, 0.3), (0.3, 0.3, 0.3)), MAIN),
            Piece(ellipsoid((0, 0, rng.uniform(0.6, 0.7)), (0.16, 0.16, 0.18)), MAIN),
            Piece(capsule((0, 0, 0.8), (0.06, 0, 0.98), 0.02), WOOD),
        ),
        blend=0.2,
    )


def dumbbell(rng: Rng) -> Solid:
    radius = rng.uniform(0.13, 0.2)
    return Solid(
        (
            Piece(cylinder((0, 0, radius), 0.06, 0.35, axis=1), GREY),
            *(Piece(cylinder((0, s * 0.38, radius), radius, 0.1, axis=1), MAIN) for s in (1, -1)),
        )
    )
