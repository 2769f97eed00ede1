"""The things on the tables of `tabletop`: ten classes and some that are none, each in several forms.

All of them are made here, from a few rounded pieces, so they are as free as the code. No two of a class need be alike:
a form has its own proportions, and a scene gives the colours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from wsss.data import clutter, toys
from wsss.data.solids import Mesh, Solid

__all__ = ["DISTRACTORS", "FORMS", "THINGS", "Thing", "thing_mesh", "thing_solid"]

FORMS = 8
"""Forms of each thing: 0…7."""


@dataclass(frozen=True)
class Thing:
    """What can stand on a table.

    Attributes:
        name: as a person would say it.
        make: draws a form.
        size: range of the longest side in metres.
    """

    name: str
    make: Callable[[np.random.Generator], Solid]
    size: tuple[float, float]


THINGS: dict[str, Thing] = {
    thing.name: thing
    for thing in (
        Thing("duck", toys.duck, (0.14, 0.32)),
        Thing("teddy", toys.teddy, (0.14, 0.34)),
        Thing("ball", toys.ball, (0.11, 0.26)),
        Thing("mug", toys.mug, (0.12, 0.26)),
        Thing("brick", toys.brick, (0.12, 0.26)),
        Thing("car", toys.car, (0.18, 0.38)),
        Thing("robot", toys.robot, (0.16, 0.36)),
        Thing("teapot", toys.teapot, (0.15, 0.32)),
        Thing("plane", toys.plane, (0.20, 0.40)),
        Thing("dice", toys.dice, (0.09, 0.20)),
    )
}
"""The classes, in the order of the label ids 1…10."""

DISTRACTORS: dict[str, Thing] = {
    thing.name: thing
    for thing in (
        Thing("bottle", clutter.bottle, (0.18, 0.34)),
        Thing("bowl", clutter.bowl, (0.14, 0.30)),
        Thing("book", clutter.book, (0.18, 0.34)),
        Thing("cone", clutter.cone, (0.14, 0.30)),
        Thing("ring", clutter.ring, (0.12, 0.26)),
        Thing("candle", clutter.candle, (0.12, 0.26)),
        Thing("stone", clutter.stone, (0.10, 0.24)),
        Thing("block", clutter.block, (0.10, 0.26)),
        Thing("can", clutter.can, (0.12, 0.22)),
        Thing("pear", clutter.pear, (0.10, 0.20)),
        Thing("dumbbell", clutter.dumbbell, (0.14, 0.28)),
    )
}
"""Things without a label: they are background in every mask, so that "something on the table" is no class."""


@cache
def thing_solid(name: str, form: int) -> Solid:
    """One form of a thing."""
    thing = THINGS.get(name) or DISTRACTORS[name]
    number = [*THINGS, *DISTRACTORS].index(name)
    return thing.make(np.random.default_rng([number, form]))


@cache
def thing_mesh(name: str, form: int) -> Mesh:
    """Its triangles in its own units."""
    return thing_solid(name, form).mesh()
