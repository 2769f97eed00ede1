"""What is on the table: a random scene as plain numbers, before anything is rendered.

A scene is drawn from `numpy.random.default_rng([seed, split, index, attempt])` alone, so it is the same whatever number
of processes renders it and whichever scenes were rendered before.
"""

from dataclasses import dataclass, field

import numpy as np

from wsss.data.things import DISTRACTORS, FORMS, THINGS, Thing

__all__ = ["CLASSES", "Placement", "Scene", "draw_colour", "draw_scene", "scene_kind"]

CLASSES = tuple(THINGS)
_FREQUENCY = np.array([1, 1, 1, 1, 1, 1, 1, 1, 0.7, 0.35])  # planes and dice are rare on purpose
_ALMOST_EMPTY = 0.03  # share of tables without any object of a class

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Placement:
    """One thing on the table: class id (0 for a distractor), thing, form, longest side in metres, pose and looks."""

    class_id: int
    thing: Thing
    form: int
    side: float
    yaw: float
    position: tuple[float, float]
    colour: Colour
    second: Colour = (0.9, 0.9, 0.9)
    gloss: float = 0.2
    behind: int | None = None  # index of an earlier placement that it is put behind, as seen from the camera


@dataclass(frozen=True)
class Scene:
    """Everything the renderer needs; lengths in metres, angles in radians, colours in [0, 1].

    `field_of_view` is in degrees. `light` points towards the main light. `board`, if given, puts a board in front of
    the first thing, which stands at the origin, so many of its radii to the side.
    """

    kind: str
    placements: tuple[Placement, ...]
    distance: float
    azimuth: float
    elevation: float
    field_of_view: float
    target: tuple[float, float]
    table: tuple[float, float]
    light: tuple[float, float, float]
    ambient: float
    exposure: float
    noise: float
    colours: dict[str, Colour] = field(default_factory=dict)
    textures: dict[str, int] = field(default_factory=dict)
    board: float | None = None


def scene_kind(index: int) -> str:
    """`small`, `occluded` or `mixed`, in a fixed cycle of ten: the quotas of the data set."""
    return ("occluded", "small", "mixed", "occluded", "small", "occluded", "mixed", "small", "occluded", "mixed")[
        index % 10
    ]


def draw_colour(rng: np.random.Generator, low: float = 0.1) -> Colour:
    """A random colour with channels in [low, 1]."""
    red, green, blue = rng.uniform(low, 1.0, 3)
    return float(red), float(green), float(blue)


def _muted(colour: Colour) -> Colour:
    """Halfway to grey: surfaces of a room are seldom as bright as toys."""
    grey = sum(colour) / 3
    red, green, blue = ((channel + grey) / 2 for channel in colour)
    return red, green, blue


def _draw_placement(rng: np.random.Generator, kind: str, class_id: int, earlier: list[Placement]) -> Placement:
    things = [THINGS[CLASSES[class_id - 1]]] if class_id else list(DISTRACTORS.values())
    thing = things[rng.integers(len(things))]
    low, high = thing.size
    shrink = 0.7 if kind == "small" else 1.0
    behind = None
    if kind == "occluded" and earlier and rng.random() < 0.85:
        behind = int(rng.integers(len(earlier)))
    return Placement(
        class_id=class_id,
        thing=thing,
        form=int(rng.integers(FORMS)),
        side=float(rng.uniform(low, high)) * shrink,
        yaw=float(rng.uniform(-np.pi, np.pi)),
        position=(float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-0.3, 0.3))),
        colour=draw_colour(rng),
        second=draw_colour(rng),
        gloss=float(rng.uniform(0.0, 0.5)),
        behind=behind,
    )


def draw_scene(rng: np.random.Generator, kind: str) -> Scene:
    """A random scene of `kind`: 1–5 objects of mostly different classes, 0–2 distractors, table, camera and light."""
    count = 0 if rng.random() < _ALMOST_EMPTY else int(rng.integers(2 if kind == "occluded" else 1, 6))
    chosen = rng.choice(len(CLASSES), count, replace=rng.random() < 0.2, p=_FREQUENCY / _FREQUENCY.sum()) + 1
    class_ids = [*map(int, chosen), *[0] * int(rng.integers(0, 3))]
    rng.shuffle(class_ids)
    placements: list[Placement] = []
    for class_id in class_ids:
        placements.append(_draw_placement(rng, kind, class_id, placements))
    near, far = {"small": (1.3, 1.9), "occluded": (0.8, 1.4), "mixed": (0.65, 1.4)}[kind]
    return Scene(
        kind=kind,
        placements=tuple(placements),
        distance=float(rng.uniform(near, far)),
        azimuth=float(rng.uniform(-np.pi, np.pi)),
        elevation=float(rng.uniform(0.14, 0.42) if kind == "occluded" else rng.uniform(0.2, 0.75)),
        field_of_view=float(rng.uniform(42, 55)),
        target=(float(rng.uniform(-0.1, 0.1)), float(rng.uniform(-0.1, 0.1))),
        table=(float(rng.uniform(0.55, 0.8)), float(rng.uniform(0.55, 0.8))),
        light=(float(rng.uniform(-1, 1)), float(rng.uniform(-1, 1)), float(rng.uniform(0.8, 2.0))),
        ambient=float(rng.uniform(0.3, 0.5)),
        exposure=float(rng.uniform(0.85, 1.15)),
        noise=float(rng.uniform(0.0, 5.0)),
        colours={surface: _muted(draw_colour(rng, 0.3)) for surface in ("table", "floor", "wall", "sky")},
        textures={surface: int(rng.integers(4)) for surface in ("table", "floor", "wall")},
    )
