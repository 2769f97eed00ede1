"""What is on the table: a random scene as plain numbers, before anything is rendered.

A scene is drawn from `numpy.random.default_rng([seed, split, index, attempt])` alone, so it is the same whatever number
of processes renders it and whichever scenes were rendered before.
"""

from dataclasses import dataclass, field

import numpy as np

__all__ = ["CLASSES", "DISTRACTORS", "MODELS", "Model", "Placement", "Scene", "draw_scene", "scene_kind"]


@dataclass(frozen=True)
class Model:
    """A mesh of the `pybullet` wheel.

    Attributes:
        path: URDF (or OBJ) below `pybullet_data`.
        euler: rotation in radians that makes it stand upright.
        tint: whether its links are plainly coloured and get a random colour.
        size: range of its longest side in metres.
    """

    path: str
    euler: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tint: bool = False
    size: tuple[float, float] = (0.14, 0.34)


_UPRIGHT = (np.pi / 2, 0.0, 0.0)

MODELS: dict[str, tuple[Model, ...]] = {
    "duck": (Model("duck_vhacd.urdf", _UPRIGHT, tint=True),),
    "teddy": (Model("teddy_vhacd.urdf", _UPRIGHT, tint=True),),
    "ball": (Model("soccerball.urdf", size=(0.11, 0.28)),),
    "mug": (Model("objects/mug.urdf", tint=True, size=(0.13, 0.28)),),
    "brick": (Model("lego/lego.urdf", tint=True, size=(0.11, 0.24)),),
    "car": (Model("racecar/racecar.urdf", size=(0.20, 0.42)),),
    "droid": (Model("r2d2.urdf", size=(0.18, 0.38)),),
    "dog": (Model("a1/a1.urdf", size=(0.22, 0.44)), Model("laikago/laikago.urdf", _UPRIGHT, size=(0.22, 0.44))),
    "rover": (Model("husky/husky.urdf", size=(0.20, 0.42)),),
    "domino": (Model("domino/domino.urdf", size=(0.14, 0.26)),),
}
"""Class name → its meshes, in the order of the label ids 1…10."""

CLASSES = tuple(MODELS)
_FREQUENCY = np.array([1, 1, 1, 1, 1, 1, 1, 1, 0.7, 0.35])  # rover and domino are rare on purpose
_ALMOST_EMPTY = 0.03  # share of tables without any object of a class

DISTRACTORS: tuple[Model, ...] = (
    Model("jenga/jenga.urdf", size=(0.14, 0.30)),
    Model("tray/traybox.urdf", size=(0.20, 0.38)),
    *(Model(f"random_urdfs/{n:03d}/{n:03d}.urdf", tint=True, size=(0.10, 0.28)) for n in range(0, 200, 4)),
)
"""Unlabelled things: they are background in every mask, so that "something on the table" is no class."""


@dataclass(frozen=True)
class Placement:
    """One thing on the table: class id (0 for a distractor), mesh, pose on the table top and looks."""

    class_id: int
    model: Model
    side: float
    yaw: float
    position: tuple[float, float]
    colour: tuple[float, float, float]
    behind: int | None = None  # index of an earlier placement that it is put behind, as seen from the camera


@dataclass(frozen=True)
class Scene:
    """Everything the renderer needs; lengths in metres, angles in radians, colours in [0, 1].

    `board`, if given, puts a board in front of the first thing, which stands at the origin, so many of its radii to the
    side.
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
    colours: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    textures: dict[str, int] = field(default_factory=dict)
    board: float | None = None


def scene_kind(index: int) -> str:
    """`small`, `occluded` or `mixed`, in a fixed cycle of ten: the quotas of the data set."""
    return ("occluded", "small", "mixed", "occluded", "small", "occluded", "mixed", "small", "occluded", "mixed")[
        index % 10
    ]


def _colour(rng: np.random.Generator, low: float = 0.1, high: float = 1.0) -> tuple[float, float, float]:
    red, green, blue = rng.uniform(low, high, 3)
    return float(red), float(green), float(blue)


def _muted(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    """Halfway to grey: surfaces of a room are seldom as bright as toys."""
    grey = sum(colour) / 3
    red, green, blue = ((channel + grey) / 2 for channel in colour)
    return red, green, blue


def _draw_placement(rng: np.random.Generator, kind: str, class_id: int, earlier: list[Placement]) -> Placement:
    models = MODELS[CLASSES[class_id - 1]] if class_id else DISTRACTORS
    model = models[rng.integers(len(models))]
    low, high = model.size
    shrink = 0.75 if kind == "small" else 1.0
    behind = None
    if kind == "occluded" and earlier and rng.random() < 0.8:
        behind = int(rng.integers(len(earlier)))
    return Placement(
        class_id=class_id,
        model=model,
        side=float(rng.uniform(low, high)) * shrink,
        yaw=float(rng.uniform(-np.pi, np.pi)),
        position=(float(rng.uniform(-0.35, 0.35)), float(rng.uniform(-0.35, 0.35))),
        colour=_colour(rng),
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
    near, far = (1.5, 2.0) if kind == "small" else (0.9, 1.7)
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
        ambient=float(rng.uniform(0.35, 0.6)),
        exposure=float(rng.uniform(0.8, 1.15)),
        noise=float(rng.uniform(0.0, 5.0)),
        colours={surface: _muted(_colour(rng, 0.3)) for surface in ("table", "floor", "wall", "sky")},
        textures={surface: int(rng.integers(4)) for surface in ("table", "floor", "wall")},
    )
