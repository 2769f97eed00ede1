"""Solid things: distances against brute force, meshes against what a surface must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsss.data.solids import MAIN, SECOND, Piece, Solid, box, capsule, cylinder, ellipsoid, half_space, torus
from wsss.data.things import DISTRACTORS, FORMS, THINGS, thing_mesh, thing_solid

RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-1, 1, (400, 3))

SHAPES = {
    "sphere": (ellipsoid((0.1, 0, 0), (0.4, 0.4, 0.4)), lambda p: np.linalg.norm(p - [0.1, 0, 0], axis=1) <= 0.4),
    "ellipsoid": (ellipsoid((0, 0, 0), (0.6, 0.3, 0.2)), lambda p: ((p / [0.6, 0.3, 0.2]) ** 2).sum(axis=1) <= 1),
    "box": (box((0, 0.1, 0), (0.5, 0.2, 0.3), 0.0), lambda p: (np.abs(p - [0, 0.1, 0]) <= [0.5, 0.2, 0.3]).all(axis=1)),
    "cylinder": (
        cylinder((0, 0, 0), 0.4, 0.3, axis=1, rounding=0.0),
        lambda p: (np.hypot(p[:, 0], p[:, 2]) <= 0.4) & (np.abs(p[:, 1]) <= 0.3),
    ),
    "cone": (
        cylinder((0, 0, 0), 0.5, 0.5, rounding=0.0, top=0.1),
        lambda p: (np.hypot(p[:, 0], p[:, 1]) <= 0.3 - 0.4 * p[:, 2]) & (np.abs(p[:, 2]) <= 0.5),
    ),
    "torus": (
        torus((0, 0, 0), 0.5, 0.2, axis=0),
        lambda p: (np.hypot(p[:, 1], p[:, 2]) - 0.5) ** 2 + p[:, 0] ** 2 <= 0.04,
    ),
    "half space": (half_space(0.2), lambda p: p[:, 2] <= 0.2),
}


@pytest.mark.parametrize("name", SHAPES)
def test_distances_are_negative_just_inside(name: str) -> None:
    shape, inside = SHAPES[name]
    np.testing.assert_array_equal(shape(POINTS) <= 0, inside(POINTS))


@pytest.mark.parametrize("name", ["sphere", "box", "torus", "cylinder", "half space"])
def test_distances_are_those_to_the_nearest_point_of_the_surface(name: str) -> None:
    shape, _ = SHAPES[name]
    for point in POINTS[:20]:
        distance = shape(point[None])[0]
        away = RNG.normal(size=(4000, 3))
        away *= abs(distance) / np.linalg.norm(away, axis=1, keepdims=True)
        assert (shape(point + 0.98 * away) * np.sign(distance) >= -1e-9).all()  # nothing is nearer
        assert (shape(point + 1.2 * away) * np.sign(distance) < 0.3 * abs(distance) + 0.02).any()


@given(st.floats(0.05, 0.3), st.floats(-0.5, 0.5))
def test_a_rod_is_as_thick_as_asked_at_both_ends(radius: float, tilt: float) -> None:
    shape = capsule((0, 0, 0), (1, tilt, 0), radius, radius / 2)
    assert shape(np.array([[-radius, 0, 0]]))[0] == pytest.approx(0, abs=1e-6)
    assert shape(np.zeros((1, 3)))[0] == pytest.approx(-radius)
    assert shape(np.array([[1, tilt, 0]]))[0] == pytest.approx(-radius / 2)


def test_blending_only_adds_and_carving_only_takes_away() -> None:
    pieces = Piece(ellipsoid((0.2, 0, 0), (0.3,) * 3), MAIN), Piece(ellipsoid((-0.2, 0, 0), (0.3,) * 3), SECOND)
    plain = Solid(pieces).distance(POINTS)
    assert (Solid(pieces, blend=0.2).distance(POINTS) <= plain + 1e-12).all()
    carved = Solid(pieces, carved=(half_space(0.0),)).distance(POINTS)
    assert (carved >= plain - 1e-12).all()
    assert (carved[POINTS[:, 2] < 0] > 0).all()


def test_colours_are_those_of_the_nearest_piece_and_of_paint_on_top() -> None:
    left, right = Piece(ellipsoid((0, -0.5, 0), (0.3,) * 3), MAIN), Piece(ellipsoid((0, 0.5, 0), (0.3,) * 3), (0, 0, 1))
    solid = Solid((left, right), paint=(Piece(half_space(-0.2), SECOND),))
    points = np.array([[0, -0.5, 0.3], [0, 0.5, 0.3], [0, 0.5, -0.3]])
    found = solid.colours(points, (1, 0, 0), (0, 1, 0))
    np.testing.assert_array_equal(found, np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]], np.float32))


def test_a_ball_as_a_mesh() -> None:
    mesh = Solid((Piece(ellipsoid((0, 0, 0.5), (0.5,) * 3), MAIN),)).mesh(40)
    offset = mesh.vertices - [0, 0, 0.5]
    assert np.abs(np.linalg.norm(offset, axis=1) - 0.5).max() < 0.005
    assert ((mesh.normals * offset).sum(axis=1) > 0.495).all()  # outwards, of length 1
    corners = mesh.vertices[mesh.faces].astype(float)
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert abs(volume) == pytest.approx(4 / 3 * np.pi / 8, rel=0.01)


@pytest.mark.parametrize("name", [*THINGS, *DISTRACTORS])
def test_every_thing_is_one_closed_body_that_stands(name: str) -> None:
    for form in (0, FORMS - 1):
        mesh = thing_mesh(name, form)
        assert np.isfinite(mesh.vertices).all()
        edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
        _, counts = np.unique(edges, axis=0, return_counts=True)
        assert (counts % 2 == 0).all()  # no edge is open
        span = np.ptp(mesh.vertices, axis=0)
        assert span.min() > 0.1
        assert 0.6 < span.max() < 1.6
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-3)


def test_forms_differ_and_come_again() -> None:
    for name in ("duck", "car", "plane"):
        first, other = thing_solid(name, 0).mesh(24), thing_solid(name, 1).mesh(24)
        assert first.vertices.shape != other.vertices.shape or not np.allclose(first.vertices, other.vertices)
        thing_solid.cache_clear()
        np.testing.assert_array_equal(thing_solid(name, 0).mesh(24).vertices, first.vertices)
