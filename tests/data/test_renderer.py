"""The renderer, against what geometry says must be seen."""

from dataclasses import replace

import numpy as np
import pytest

from wsss.data.inverse_depth import inverse_depth, normalise_inverse_depth
from wsss.data.rays import glance, shoot
from wsss.data.renderer import Rendered, render_scene
from wsss.data.scenes import CLASSES, Placement, Scene, draw_scene
from wsss.data.things import THINGS
from wsss.data.world import build_world, free_spot
from wsss.methods.planes import find_planes

SIDE = 128


def render(scene: Scene, seed: int = 0) -> Rendered:
    return render_scene(scene, np.random.default_rng(seed), SIDE)


def ball(x: float, y: float = 0.0, side: float = 0.2) -> Placement:
    return Placement(CLASSES.index("ball") + 1, THINGS["ball"], 0, side, 0.0, (x, y), (1.0, 1.0, 1.0))


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


def test_amodal_area_is_what_is_seen_of_the_object_alone() -> None:
    front, back = ball(0.25), replace(ball(-0.15, 0.08), class_id=1)
    both = render(table(front, back))
    alone = render(table(back))
    assert both.instance_classes.tolist() == [front.class_id, 1]
    visible, whole = (both.instances == 2).sum(), (alone.instances == 1).sum()
    assert 0.1 < both.occlusion[1] < 0.9
    assert both.occlusion[1] == pytest.approx(1 - visible / whole, abs=0.04)
    assert both.occlusion[0] < 0.04
    assert alone.occlusion[0] < 0.04
    # In front is nearer, and what is in front is seen whole.
    assert np.median(both.depth_metres[both.instances == 1]) < np.median(both.depth_metres[both.instances == 2])


def test_an_object_cut_by_the_frame_is_not_called_occluded() -> None:
    seen = render(table(ball(0.3, 0.45)))
    rows, columns = np.nonzero(seen.instances)
    assert {0, SIDE - 1} & set(columns.tolist())
    assert len(rows)
    assert seen.occlusion[0] < 0.05


def test_depth_is_in_metres_along_the_axis() -> None:
    seen = render(table(ball(0.0, side=0.2)))
    # The camera looks at a point 5 cm above the table's middle from 1.2 m; the ball's radius is 10 cm.
    assert seen.depth_metres[seen.instances == 1].min() == pytest.approx(1.1, abs=0.03)


def test_apparent_size_follows_from_the_field_of_view() -> None:
    seen = render(table(ball(0.0, side=0.2)))
    rows, columns = np.nonzero(seen.instances)
    pixels_per_metre = SIDE / (2 * 1.2 * np.tan(np.radians(25)))
    assert np.ptp(columns) + 1 == pytest.approx(0.2 * pixels_per_metre, rel=0.12)
    assert np.ptp(rows) + 1 == pytest.approx(0.2 * pixels_per_metre, rel=0.12)


def test_an_empty_room_is_made_of_planes() -> None:
    """Inverse depth of floor, table and wall is affine in pixel coordinates: the plane search depends on it."""
    seen = render(table())
    assert not seen.mask.any()
    assert seen.occlusion.shape == (0,)
    depth = normalise_inverse_depth(inverse_depth(seen.depth_metres, "metric"))
    assert np.sum(find_planes(depth), axis=0).mean() > 0.9


def test_masks_and_instances_agree() -> None:
    scene = draw_scene(np.random.default_rng([1, 2]), "occluded")
    seen = render(scene)
    classes = np.concatenate([[0], seen.instance_classes])
    np.testing.assert_array_equal(seen.mask, classes[seen.instances])
    assert seen.image.shape == (SIDE, SIDE, 3)
    assert seen.image.dtype == np.uint8
    assert set(np.unique(seen.instances)) - {0} == set(range(1, len(seen.instance_classes) + 1))
    assert len(seen.occlusion) == len(seen.instance_classes)
    assert ((seen.occlusion >= 0) & (seen.occlusion <= 1)).all()
    assert (seen.depth_metres > 0.05).all()


def test_distractors_are_background() -> None:
    seen = render(table(replace(ball(0.0), class_id=0), ball(-0.2, 0.35)))
    empty = render(table(ball(-0.2, 0.35)))
    np.testing.assert_array_equal(seen.mask, empty.mask)
    assert (seen.depth_metres < empty.depth_metres - 0.05).any()


def test_same_scene_same_picture_whatever_came_before() -> None:
    scene = draw_scene(np.random.default_rng(5), "mixed")
    first = render(scene, seed=3)
    render(draw_scene(np.random.default_rng(6), "occluded"))
    again = render(scene, seed=3)
    for name in vars(first):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))


def test_no_place_is_given_where_something_stands() -> None:
    wide = (0.5, 0.5)
    spot = free_spot(np.zeros(2), 0.1, [(0.1, np.zeros(2))], wide)
    assert spot is not None
    assert 0.2 < np.linalg.norm(spot) < 0.35
    np.testing.assert_array_equal(free_spot(np.array([0.3, 0]), 0.1, [(0.1, np.zeros(2))], wide), [0.3, 0])
    assert free_spot(np.zeros(2), 0.1, [(5.0, np.zeros(2))], wide) is None


@pytest.mark.parametrize("seed", range(6))
def test_a_glance_sees_as_much_of_labelled_things_as_all_rays(seed: int) -> None:
    """Counts are those of all rays, and amodal ones those of a room with nothing else in it, ray by ray."""
    scene = draw_scene(np.random.default_rng(seed), ("occluded", "small", "mixed")[seed % 3])
    if seed == 5:  # the camera is among the things: some are behind it
        scene = replace(scene, distance=0.2)
    world = build_world(scene, np.random.default_rng(0))
    seen, shot = glance(world, scene, SIDE), shoot(world, scene, SIDE)
    hidden = dict(zip(seen.instances(), seen.occlusion, strict=True))
    assert seen.instances() == shot.glance.instances()
    for number, thing in enumerate(world.things):
        visible = int((shot.owner == number).sum())
        if thing.class_id:
            assert seen.seen[number] == visible
        if number in hidden and seed != 5:
            alone = shoot(replace(world, things=(thing,), room=()), scene, SIDE)
            assert hidden[number] == np.float32(1 - visible / (alone.owner == 0).sum())


@pytest.mark.parametrize("sky", [False, True])
def test_a_pixel_is_the_same_in_image_mask_and_depth(sky: bool) -> None:
    """Four rays a pixel, brute force: the commonest instance, the nearest at ties, and the mean depth of its rays."""
    scene = table(ball(0.25), replace(ball(-0.15, 0.08), class_id=1))
    if sky:  # over the wall
        scene = replace(scene, field_of_view=100.0, elevation=0.02, placements=(ball(0.8, side=1.2), ball(-0.2)))
    shot = shoot(build_world(scene, np.random.default_rng(0)), scene, 48)
    seen = render_scene(scene, np.random.default_rng(0), 48)
    owner, depth = (each.reshape(96, 96) for each in (shot.owner, shot.distance * (shot.ways @ shot.ahead)))
    assert bool((owner < 0).any()) == sky
    assert depth.max() <= 12
    for row, column in np.ndindex(48, 48):
        rays = [(owner[r, c], depth[r, c]) for r in (2 * row, 2 * row + 1) for c in (2 * column, 2 * column + 1)]
        whose = max(
            {one for one, _ in rays},
            key=lambda one: (sum(o == one for o, _ in rays), -min(d for o, d in rays if o == one)),
        )
        assert seen.instances[row, column] == {0: 1, 1: 2}.get(whose, 0)
        own = [d for o, d in rays if o == whose]
        assert seen.depth_metres[row, column] == pytest.approx(np.mean(own), rel=1e-5)


def test_edges_are_smooth_and_faces_lit() -> None:
    seen = render(replace(table(ball(0.0, side=0.3)), light=(0.3, 0.0, 1.0)))
    inside = seen.instances == 1
    top, bottom = (np.flatnonzero(inside.any(axis=1))[end] for end in (0, -1))
    upper, lower = (
        seen.image[rows][inside[rows]].mean()
        for rows in (slice(top, (top + bottom) // 2), slice((top + bottom) // 2, bottom))
    )
    assert upper > 1.2 * lower


def test_a_thing_casts_a_shadow() -> None:
    scene = replace(table(ball(0.0, side=0.25)), light=(0.0, 1.0, 1.0))
    seen, empty = render(scene), render(replace(scene, placements=()))
    darker = (seen.image.astype(int).sum(axis=2) < empty.image.astype(int).sum(axis=2) - 20) & (seen.instances == 0)
    assert darker.sum() > 50


def test_the_projector_does_not_light_what_is_beside_an_edge() -> None:
    seen = render(table(ball(0.2, side=0.25)))
    assert seen.reached[seen.instances == 1].mean() > 0.9
    columns = np.flatnonzero((seen.instances == 1).any(axis=0))
    shadow = np.flatnonzero((~seen.reached & (seen.instances == 0)).any(axis=0))
    assert len(shadow)
    assert np.median(shadow) < columns.mean()  # the projector is to the right of the camera
