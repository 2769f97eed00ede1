"""The renderer, against what geometry says must be seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.data.scenes import CLASSES, DISTRACTORS, MODELS, Model, Placement, Scene, draw_scene
from wsss.methods.planes import find_planes

pytest.importorskip("pybullet", reason="rendering needs PyBullet, whose newest wheel is for Python 3.11")

from wsss.data.renderer import Rendered, Renderer
from wsss.data.world import SHAPELESS, free_spot

SIDE = 128


@pytest.fixture(scope="module")
def renderer():
    with Renderer(SIDE) as opened:
        yield opened


def shoot(renderer: Renderer, scene: Scene, seed: int = 0) -> Rendered:
    return renderer.render(scene, np.random.default_rng(seed))


def ball(x: float, y: float = 0.0, side: float = 0.2) -> Placement:
    return Placement(CLASSES.index("ball") + 1, MODELS["ball"][0], side, 0.0, (x, y), (1.0, 1.0, 1.0))


def table(*placements: Placement) -> Scene:
    """A noiseless scene, seen along the x axis from 1.2 m, from low above the table."""
    drawn = draw_scene(np.random.default_rng(0), "mixed")
    return replace(
        drawn,
        placements=placements,
        azimuth=0.0,
        elevation=0.2,
        distance=1.2,
        target=(0.0, 0.0),
        noise=0.0,
        field_of_view=50.0,
        table=(0.8, 0.8),
        textures=dict.fromkeys(drawn.textures, 0),
    )


def test_amodal_area_is_what_is_seen_of_the_object_alone(renderer: Renderer) -> None:
    front, back = ball(0.25), replace(ball(-0.15, 0.08), class_id=1)
    both = shoot(renderer, table(front, back))
    alone = shoot(renderer, table(back))
    assert both.instance_classes.tolist() == [front.class_id, 1]
    visible, whole = (both.instances == 2).sum(), (alone.instances == 1).sum()
    assert 0.1 < both.occlusion[1] < 0.9
    assert both.occlusion[1] == pytest.approx(1 - visible / whole, abs=0.04)
    assert both.occlusion[0] < 0.04
    assert alone.occlusion[0] < 0.04
    # In front is nearer, and what is in front is seen whole.
    assert np.median(both.depth_metres[both.instances == 1]) < np.median(both.depth_metres[both.instances == 2])


def test_an_object_cut_by_the_frame_is_not_called_occluded(renderer: Renderer) -> None:
    seen = shoot(renderer, table(ball(0.3, 0.45)))
    rows, columns = np.nonzero(seen.instances)
    assert {0, SIDE - 1} & set(columns.tolist())
    assert len(rows)
    assert seen.occlusion[0] < 0.05


def test_depth_is_in_metres_along_the_axis(renderer: Renderer) -> None:
    seen = shoot(renderer, table(ball(0.0, side=0.2)))
    # The camera looks at a point 5 cm above the table's middle from 1.2 m; the ball's radius is 10 cm.
    assert seen.depth_metres[seen.instances == 1].min() == pytest.approx(1.1, abs=0.03)


def test_apparent_size_follows_from_the_field_of_view(renderer: Renderer) -> None:
    seen = shoot(renderer, table(ball(0.0, side=0.2)))
    rows, columns = np.nonzero(seen.instances)
    pixels_per_metre = SIDE / (2 * 1.2 * np.tan(np.radians(25)))
    assert np.ptp(columns) + 1 == pytest.approx(0.2 * pixels_per_metre, rel=0.12)
    assert np.ptp(rows) + 1 == pytest.approx(0.2 * pixels_per_metre, rel=0.12)


def test_an_empty_room_is_made_of_planes(renderer: Renderer) -> None:
    """Inverse depth of floor, table and wall is affine in pixel coordinates: the plane search depends on it."""
    seen = shoot(renderer, table())
    assert not seen.mask.any()
    assert seen.occlusion.shape == (0,)
    depth = normalise_inverse_depth(inverse_depth(seen.depth_metres, "metric"))
    assert np.sum(find_planes(depth), axis=0).mean() > 0.9


def test_masks_and_instances_agree(renderer: Renderer) -> None:
    scene = draw_scene(np.random.default_rng([1, 2]), "occluded")
    seen = shoot(renderer, scene)
    classes = np.concatenate([[0], seen.instance_classes])
    np.testing.assert_array_equal(seen.mask, classes[seen.instances])
    assert seen.image.shape == (SIDE, SIDE, 3)
    assert seen.image.dtype == np.uint8
    assert set(np.unique(seen.instances)) - {0} == set(range(1, len(seen.instance_classes) + 1))
    assert len(seen.occlusion) == len(seen.instance_classes)
    assert ((seen.occlusion >= 0) & (seen.occlusion <= 1)).all()
    assert (seen.depth_metres > 0.05).all()


def test_distractors_are_background(renderer: Renderer) -> None:
    seen = shoot(renderer, table(replace(ball(0.0), class_id=0), ball(-0.2, 0.35)))
    empty = shoot(renderer, table(ball(-0.2, 0.35)))
    np.testing.assert_array_equal(seen.mask, empty.mask)
    assert (seen.depth_metres < empty.depth_metres - 0.05).any()


def test_same_scene_same_picture_whatever_came_before(renderer: Renderer) -> None:
    scene = draw_scene(np.random.default_rng(5), "mixed")
    first = shoot(renderer, scene, seed=3)
    shoot(renderer, draw_scene(np.random.default_rng(6), "occluded"))
    again = shoot(renderer, scene, seed=3)
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_models_are_measured_without_their_visual_shapes(renderer: Renderer) -> None:
    world, client = renderer.world, renderer.world.client
    models = [model for kinds in MODELS.values() for model in kinds] + list(DISTRACTORS)[::10]
    for path in {model.path for model in models} - {SHAPELESS}:
        bounds = []
        for flags in (0, client.URDF_IGNORE_VISUAL_SHAPES):
            uid = client.loadURDF(path, useFixedBase=True, flags=flags)
            bounds.append(world.bounds(uid))
            client.removeBody(uid)
        np.testing.assert_array_equal(bounds[0], bounds[1], err_msg=path)


def test_no_place_is_given_where_something_stands() -> None:
    wide = (0.5, 0.5)
    spot = free_spot(np.zeros(2), 0.1, [(0.1, np.zeros(2))], wide)
    assert spot is not None
    assert 0.2 < np.linalg.norm(spot) < 0.35
    np.testing.assert_array_equal(free_spot(np.array([0.3, 0]), 0.1, [(0.1, np.zeros(2))], wide), [0.3, 0])
    assert free_spot(np.zeros(2), 0.1, [(5.0, np.zeros(2))], wide) is None


def test_models_have_vertices_but_for_one_that_takes_the_place_of_a_point(renderer: Renderer) -> None:
    import pybullet_data

    folder = Path(pybullet_data.getDataPath())
    paths = {model.path for model in DISTRACTORS if model.path.startswith("random_urdfs")}
    shapeless = {path for path in paths if "nan" in (folder / path).with_suffix(".obj").read_text()}
    assert shapeless == {SHAPELESS}
    thing = Placement(0, Model(SHAPELESS), 0.2, 1.0, (0.0, 0.0), (1.0, 1.0, 1.0))
    for _ in range(5):  # what its vertices are read as hangs on what was in memory
        seen = shoot(renderer, table(thing, ball(0.0, 0.3)))
        assert seen.instances.max() == 1
        np.testing.assert_array_equal(seen.image, shoot(renderer, table(ball(0.0, 0.3))).image)
        body = renderer.world.load(thing)
        np.testing.assert_allclose(body.high, [0.003 * (np.cos(1) + np.sin(1))] * 2 + [0.003])
        np.testing.assert_array_equal(body.low, -body.high)
