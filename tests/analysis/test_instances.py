"""Objects one by one, on small drawn scenes whose answers are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.analysis import border_occlusion, depth_ranks, instance_scores, instances_of, neighbour_counts
from wsss.data.base import Sample


def make_sample(mask, **known):
    mask = np.asarray(mask, dtype=np.uint8)
    image = np.zeros((*mask.shape, 3), dtype=np.uint8)
    return Sample(id="scene", image=image, labels=np.ones(3, dtype=bool), mask=mask, **known)


@pytest.fixture
def two_ducks():
    """Two 6×6 objects of class 1 and, between them, a 6×4 one of class 2; the rightmost column is not scored."""
    instances = np.zeros((10, 30), dtype=np.uint16)
    instances[2:8, 2:8], instances[2:8, 12:16], instances[2:8, 22:28] = 1, 2, 3
    mask = np.array([0, 1, 2, 1], dtype=np.uint8)[instances]
    mask[:, 29] = 255
    return make_sample(
        mask,
        instances=instances,
        instance_classes=np.array([1, 2, 1], dtype=np.uint8),
        occlusion=np.array([0, 0.25, 0.5], dtype=np.float32),
    )


def test_given_instances_are_measured(two_ducks):
    found = instances_of(two_ducks)
    np.testing.assert_array_equal(found.map, two_ducks.instances)
    np.testing.assert_array_equal(found.classes, [1, 2, 1])
    np.testing.assert_array_equal(found.area, [36, 24, 36])
    np.testing.assert_allclose(found.relative_area, [0.12, 0.08, 0.12])
    np.testing.assert_allclose(found.occlusion, [0, 0.25, 0.5])
    assert np.isnan(found.border_occlusion).all()


def test_components_stand_in_for_instances():
    mask = np.zeros((12, 20), dtype=np.uint8)
    mask[0:4, 0:4] = 1
    mask[4:8, 4:8] = 1  # touches the first by a corner: one object
    mask[0:4, 4:8] = 2  # touches both, but is another class
    mask[9:12, 10:15] = 3  # 15 pixels: a speck
    mask[0:4, 15:19] = 255
    found = instances_of(make_sample(mask))
    np.testing.assert_array_equal(found.classes, [1, 2])
    np.testing.assert_array_equal(found.area, [32, 16])
    np.testing.assert_array_equal(found.map > 0, np.isin(mask, [1, 2]))
    assert np.isnan(found.occlusion).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (4, 7)])
def test_no_object_no_score(shape):
    sample = make_sample(np.zeros(shape), depth=np.zeros(shape, dtype=np.float32))
    assert len(instances_of(sample).classes) == 0
    assert instance_scores(sample, np.ones(shape, dtype=np.uint8)) == []


def test_truth_itself_scores_1(two_ducks):
    scores = instance_scores(two_ducks, two_ducks.mask)
    assert [score.recall for score in scores] == [1, 1, 1]
    assert [score.iou for score in scores] == [1, 1, 1]
    assert [score.class_id for score in scores] == [1, 2, 1]
    assert [score.occlusion_ratio for score in scores] == [0, 0.25, 0.5]


def test_predicted_pixels_go_to_the_nearest_instance_of_their_class(two_ducks):
    prediction = np.zeros((10, 30), dtype=np.uint8)
    prediction[2:8, 2:12] = 1  # all of the first duck and 24 pixels beside it, nearest to it
    prediction[2:8, 25:30] = 1  # half of the second duck, 6 pixels beside it and 6 that are not scored
    left, middle, right = instance_scores(two_ducks, prediction, instances_of(two_ducks))
    assert (left.recall, left.iou) == (1, 36 / 60)
    assert (middle.recall, middle.iou) == (0, 0)
    assert (right.recall, right.iou) == (0.5, pytest.approx(18 / 42))


def test_only_instance_of_a_class_gets_all_its_pixels(two_ducks):
    prediction = np.where(two_ducks.mask == 255, 255, 2).astype(np.uint8)
    assert instance_scores(two_ducks, prediction)[1].iou == pytest.approx(24 / 290)


def test_invisible_objects_and_specks_are_left_out():
    instances = np.zeros((8, 8), dtype=np.uint16)
    instances[:4, :4] = 1
    mask = (instances > 0).astype(np.uint8)
    mask[7, 7] = 1  # true, but of no instance: neither hit nor false alarm
    sample = make_sample(mask, instances=instances, instance_classes=np.array([1, 1], dtype=np.uint8))
    np.testing.assert_array_equal(instances_of(sample).area, [16, 0])
    (score,) = instance_scores(sample, mask)
    assert (score.area, score.recall, score.iou) == (16, 1, 1)


def test_prediction_of_another_shape_is_refused(two_ducks):
    with pytest.raises(ValueError, match="scene"):
        instance_scores(two_ducks, two_ducks.mask.T)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), height=st.integers(1, 9), width=st.integers(1, 9))
def test_scores_equal_brute_force(seed, height, width):
    generator = np.random.default_rng(seed)
    instances = generator.integers(0, 4, (height, width)).astype(np.uint16)
    classes = np.array([1, 1, 2], dtype=np.uint8)
    mask = np.append(0, classes)[instances]
    mask[generator.random(mask.shape) < 0.1] = 255
    prediction = generator.integers(0, 3, mask.shape).astype(np.uint8)
    sample = make_sample(mask, instances=instances, instance_classes=classes)
    visible = np.where(mask == 255, 0, instances)
    scores = instance_scores(sample, prediction)
    assert len(scores) == len(set(visible.ravel().tolist()) - {0})
    for score, number in zip(scores, sorted(set(visible.ravel().tolist()) - {0}), strict=True):
        own = visible == number
        predicted = (prediction == classes[number - 1]) & (mask != 255)
        assert score.recall == pytest.approx(np.sum(own & predicted) / own.sum())
        # Which of two equally near instances gets a pixel is open, so IoU is bounded rather than given.
        others = np.isin(visible, [k for k in (1, 2, 3) if k != number and classes[k - 1] == classes[number - 1]])
        distance, rival = (squared_distance(region) for region in (own, others))
        hit = np.sum(own & predicted)
        most, least = np.sum(predicted & (distance <= rival)), np.sum(predicted & (distance < rival))
        assert hit / (own.sum() + most - hit) <= score.iou + 1e-9
        assert score.iou <= hit / (own.sum() + least - hit) + 1e-9


def squared_distance(region):
    """To the nearest pixel of a region, infinite if it has none."""
    grid = np.moveaxis(np.indices(region.shape), 0, -1)
    points = np.argwhere(region)
    if not len(points):
        return np.full(region.shape, np.inf)
    return ((grid[:, :, None] - points) ** 2).sum(axis=-1).min(axis=-1)


def test_border_occlusion_counts_only_what_is_nearer():
    instances = np.zeros((20, 30), dtype=np.uint16)
    instances[5:15, 5:15], instances[5:15, 15:25] = 1, 2  # side by side: 10 of 40 border pairs each are shared
    depth = np.full((20, 30), 0.2, dtype=np.float32)
    depth[instances == 1], depth[instances == 2] = 0.5, 0.8
    np.testing.assert_allclose(border_occlusion(instances, depth), [0.25, 0])
    np.testing.assert_allclose(border_occlusion(instances, 1 - depth), [0.75, 1])
    np.testing.assert_allclose(border_occlusion(instances, depth, jump=0.4), [0, 0])


def test_border_occlusion_sees_an_edge_that_is_soft_and_beside_the_mask():
    instances = np.zeros((10, 20), dtype=np.uint16)
    instances[:, 10:] = 1
    depth = np.tile(np.interp(np.arange(20), [8, 12], [0.6, 0.5]), (10, 1)).astype(np.float32)
    np.testing.assert_allclose(border_occlusion(instances, depth), [1])


def test_border_occlusion_without_border_or_depth_is_nan():
    whole = np.ones((4, 6), dtype=np.uint16)
    assert np.isnan(border_occlusion(whole, np.zeros((4, 6), np.float32))).all()
    half = whole.copy()
    half[:, :3] = 0
    assert np.isnan(border_occlusion(half, np.full((4, 6), np.nan, np.float32))).all()
    np.testing.assert_array_equal(border_occlusion(half, np.zeros((4, 6), np.float32), count=2), [0, np.nan])
    np.testing.assert_array_equal(border_occlusion(np.eye(1, 5, dtype=int), np.zeros((1, 5), np.float32)), [0])


def test_border_occlusion_comes_with_the_sample(two_ducks):
    depth = np.where(two_ducks.instances > 0, 0.3, 0.6).astype(np.float32)
    sample = make_sample(two_ducks.mask, depth=depth)
    np.testing.assert_allclose(instances_of(sample).border_occlusion, [1, 1, 1])
    assert instance_scores(sample, sample.mask)[0].border_occlusion == 1


def test_border_occlusion_refuses_depth_of_another_shape():
    with pytest.raises(ValueError, match="depth"):
        border_occlusion(np.ones((2, 3), int), np.ones((3, 2), np.float32))


def test_what_is_around_an_object(two_ducks):
    depth = np.select([two_ducks.instances == 2, two_ducks.instances > 0], [0.9, 0.4], 0.1).astype(np.float32)
    sample = make_sample(
        two_ducks.mask, instances=two_ducks.instances, instance_classes=two_ducks.instance_classes, depth=depth
    )
    found = instances_of(sample)
    np.testing.assert_array_equal(found.depth_rank, [2, 1, 2])  # the two ducks are equally far
    np.testing.assert_array_equal(found.neighbours, [0, 0, 0])
    np.testing.assert_array_equal(found.at_border, [False, False, False])
    assert np.isnan(found.marked_occluded).all()
    assert np.isnan(instances_of(two_ducks).depth_rank).all()


@pytest.mark.parametrize("gap", [0, 1, 2, 3, 5])
def test_neighbours_are_those_within_reach(gap):
    instances = np.zeros((4, 14), dtype=np.uint16)
    instances[1:3, :4], instances[1:3, 4 + gap : 8 + gap] = 1, 3
    np.testing.assert_array_equal(neighbour_counts(instances, 3), [gap < 3, 0, gap < 3])
    np.testing.assert_array_equal(neighbour_counts(instances.T, 3), [gap < 3, 0, gap < 3])


def test_depth_ranks_leave_out_what_is_unknown():
    instances = np.array([[1, 1, 2, 3]])
    depth = np.array([[0.2, np.nan, 0.7, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(depth_ranks(instances, depth, 4), [2, 1, np.nan, np.nan])


def test_an_object_at_the_frame_may_be_cut_off():
    instances = np.zeros((1, 6), dtype=np.uint16)
    assert (
        len(instances_of(make_sample(instances, instances=instances, instance_classes=np.zeros(0, np.uint8))).at_border)
        == 0
    )
    instances = np.zeros((5, 5), dtype=np.uint16)
    instances[0, 2], instances[2, 2] = 1, 2
    sample = make_sample(instances > 0, instances=instances, instance_classes=np.ones(2, np.uint8))
    np.testing.assert_array_equal(instances_of(sample).at_border, [True, False])


def test_pointing_game_and_activation(two_ducks):
    scores = np.zeros((10, 30), dtype=np.float32)
    scores[4, 4], scores[0, 5] = 0.9, 0.8  # on the left duck, and beside it but weaker
    scores[4, 20], scores[4, 24] = 0.7, 0.6  # beside the right duck, and on it but weaker
    scores[4, 29] = 1  # not scored
    left, middle, right = instance_scores(two_ducks, two_ducks.mask, maps={1: scores})
    assert (left.pointing, middle.pointing, right.pointing) == (1, 0, 0)
    assert left.activation == pytest.approx(0.9 / 36)
    assert right.activation == pytest.approx(0.6 / 36)
    assert middle.activation == 0  # a class without scores
    assert np.isnan(instance_scores(two_ducks, two_ducks.mask)[0].pointing)
    with pytest.raises(ValueError, match="scene"):
        instance_scores(two_ducks, two_ducks.mask, maps={1: scores.T})


def test_tied_maxima_count_by_their_share_on_the_object(two_ducks):
    scores = np.zeros((10, 30), dtype=np.float32)
    scores[1:4, 2:8] = 1  # a plateau of 18 pixels that begins above the left duck: 12 lie on it
    left, _, right = instance_scores(two_ducks, two_ducks.mask, maps={1: scores})
    assert left.pointing == pytest.approx(12 / 18)
    assert right.pointing == 0
