"""Controlled series: the same object in the same room, made smaller step by step or covered step by step.

In photographs, and in the scenes of `tabletop`, small objects are also far, hidden and beside others. In a series the
room and the object stay: `shrinking` changes the object's size, `outshone` does so beside another object of the class
that stays large, `covering` slides a board in front of it. Covering takes away visible area as well, which `shrinking`
does without hiding any part; the board also casts a shadow.
"""

from dataclasses import replace

import numpy as np

from wsss.data.scenes import CLASSES, Placement, Scene, draw_colour, draw_scene
from wsss.data.things import FORMS, THINGS

__all__ = ["SERIES", "draw_series_scene", "series_identity", "series_length", "series_place"]

SERIES_VERSION = 2
"""Raised whenever the same steps give other pictures; part of the hash of a series."""

SERIES: dict[str, tuple[float, ...]] = {
    "shrinking": (1.0, 0.75, 0.56, 0.42, 0.32, 0.24, 0.18),
    "outshone": (1.0, 0.75, 0.56, 0.42, 0.32, 0.24, 0.18),
    "covering": (2.6, 1.75, 1.6, 1.45, 1.3, 1.15, 1.0),
}
"""Steps of each series.

`shrinking`, `outshone`: side of the object, as a share of the largest of its kind in `tabletop`. `covering`: how far
the middle of the board is to the side of the object's, in radii of the object; at 2.6 nothing is hidden. What is hidden
is measured in the picture.
"""

_APART = 0.24  # of each of two objects from the middle of the table, in metres
_CODE = {"shrinking": 10, "covering": 11, "outshone": 12}  # apart from the splits of `tabletop`


def series_identity(name: str) -> dict[str, object]:
    """What decides the pictures of a series, besides the generator of `tabletop`."""
    return {"version": SERIES_VERSION, "steps": list(SERIES[name])}


def series_length(name: str, rooms: int) -> int:
    """Pictures in a series with so many rooms."""
    return rooms * len(SERIES[name])


def series_place(name: str, index: int) -> tuple[int, int]:
    """Group (one object in one room) and step of picture `index`; the class of group g is 1 + g mod C."""
    return divmod(index, len(SERIES[name]))


def draw_series_scene(name: str, index: int, seed: int) -> tuple[Scene, np.random.Generator]:
    """The scene of picture `index`, and the generator for its surfaces, which are the same throughout a group."""
    group, step = series_place(name, index)
    rng = np.random.default_rng([seed, _CODE[name], group])
    room = draw_scene(rng, "mixed")
    class_id = 1 + group % len(CLASSES)
    thing, form = THINGS[CLASSES[class_id - 1]], int(rng.integers(FORMS))
    yaw, colour, second = float(rng.uniform(-np.pi, np.pi)), draw_colour(rng), draw_colour(rng)
    low, high = thing.size
    value = SERIES[name][step]
    side = (low + high) / 2 if name == "covering" else high * value
    aside = np.array([-np.sin(room.azimuth), np.cos(room.azimuth)]) * (_APART if name == "outshone" else 0.0)
    near, far = (-float(aside[0]), -float(aside[1])), (float(aside[0]), float(aside[1]))
    placement = Placement(class_id, thing, form, side, yaw, near, colour, second)
    # The one that changes is always the first.
    others = (replace(placement, side=high, position=far),) if name == "outshone" else ()
    scene = replace(
        room,
        kind=name,
        placements=(placement, *others),
        board=value if name == "covering" else None,
        distance=1.1,
        elevation=0.4,
        field_of_view=48.0,
        target=(0.0, 0.0),
        table=(0.75, 0.75),
        colours=room.colours | {"board": room.colours["floor"]},
        textures=room.textures | {"board": 0},
    )
    return scene, rng
