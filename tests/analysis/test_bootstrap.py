"""Bootstrap intervals: against a loop over resamples, and against the truth in a simulation."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.analysis import (
    bootstrap_miou,
    bootstrap_ratios,
    iou_per_class,
    mean_iou,
    paired_bootstrap,
)
from wsss.analysis.bootstrap import column_intervals, interval_of, mean_of_iou, resampled_iou
from wsss.errors import WsssError


def random_confusions(generator, num_images, num_classes=2, correct=0.8):
    """Images whose object sizes vary, with a share near `correct` of the pixels predicted right."""
    rows = generator.gamma(1.0, 200, (num_images, num_classes + 1)).astype(int)
    rows[:, 1:] //= 4
    shares = generator.beta(10 * correct, 10 * (1 - correct), rows.shape)
    confusions = np.zeros((num_images, num_classes + 1, num_classes + 2), dtype=np.int64)
    for label in range(num_classes + 1):
        right = (rows[:, label] * shares[:, label]).astype(int)
        confusions[:, label, label] = right
        confusions[:, label, (label + 1) % (num_classes + 1)] = rows[:, label] - right
    return confusions


def test_equal_to_a_loop_over_drawn_images():
    confusions = random_confusions(np.random.default_rng(0), 12)
    draws = np.random.default_rng(5).multinomial(12, np.full(12, 1 / 12), size=200)
    looped = [mean_iou(np.repeat(confusions, weights, axis=0).sum(axis=0)) for weights in draws]
    interval = bootstrap_miou(confusions, resamples=200, seed=5)
    np.testing.assert_allclose(interval, np.quantile(looped, [0.025, 0.975]))


def test_interval_covers_the_true_miou_as_often_as_it_says():
    generator = np.random.default_rng(1)
    truth = mean_iou(random_confusions(generator, 100_000).sum(axis=0))
    images = 150
    intervals = [
        bootstrap_miou(random_confusions(generator, images), resamples=400, seed=repeat) for repeat in range(1000)
    ]
    covered = np.mean([low <= truth <= high for low, high in intervals])
    assert 0.93 <= covered <= 0.97


def test_interval_of_a_mean_over_objects_covers_it_as_often_as_it_says():
    generator = np.random.default_rng(2)
    covered = 0
    for repeat in range(1000):
        counts = generator.integers(0, 5, 150)
        # Objects of an image are alike: the share that is found differs from image to image.
        hits = generator.binomial(counts, generator.beta(2, 2, 150))
        _, low, high = bootstrap_ratios(
            hits[:, None].astype(float), counts[:, None].astype(float), resamples=400, seed=repeat
        )
        covered += int(low[0] <= 0.5 <= high[0])
    assert 0.93 <= covered / 1000 <= 0.97


def test_same_seed_same_interval():
    confusions = random_confusions(np.random.default_rng(0), 20)
    assert bootstrap_miou(confusions, seed=3) == bootstrap_miou(confusions, seed=3)
    assert bootstrap_miou(confusions, seed=3) != bootstrap_miou(confusions, seed=4)


def test_one_image_has_no_spread():
    confusions = random_confusions(np.random.default_rng(0), 1)
    assert list(bootstrap_miou(confusions, resamples=50)) == pytest.approx([float(mean_iou(confusions[0]))] * 2)


def test_identical_methods_differ_by_exactly_nothing():
    confusions = random_confusions(np.random.default_rng(2), 30)
    assert paired_bootstrap(confusions, confusions) == (0.0, (0.0, 0.0))


def test_pairing_narrows_the_interval_of_a_difference():
    generator = np.random.default_rng(4)
    worse = random_confusions(generator, 80, correct=0.6)
    better = worse.copy()
    for label in range(3):  # a tenth of every row's pixels moves onto the diagonal
        wrong = (label + 1) % 3
        better[:, label, label] += worse[:, label].sum(axis=1) // 10
        better[:, label, wrong] -= worse[:, label].sum(axis=1) // 10
    difference, (low, high) = paired_bootstrap(better, worse)
    assert difference == pytest.approx(float(mean_iou(better.sum(axis=0)) - mean_iou(worse.sum(axis=0))))
    assert 0 < low < difference < high
    alone = bootstrap_miou(worse)
    assert high - low < alone[1] - alone[0]
    reverse, (reverse_low, reverse_high) = paired_bootstrap(worse, better)
    assert (reverse, reverse_low, reverse_high) == pytest.approx((-difference, -high, -low))


def test_differences_of_classes_equal_a_loop():
    generator = np.random.default_rng(8)
    a, b = (random_confusions(generator, 12, correct=correct) for correct in (0.8, 0.6))
    draws = np.random.default_rng(5).multinomial(12, np.full(12, 1 / 12), size=200)
    looped = [
        iou_per_class(np.repeat(a, weights, axis=0).sum(axis=0))
        - iou_per_class(np.repeat(b, weights, axis=0).sum(axis=0))
        for weights in draws
    ]
    drawn = [resampled_iou(each, 200, 5).mean(axis=1) for each in (a, b)]
    np.testing.assert_allclose(column_intervals(drawn[0] - drawn[1]), np.quantile(looped, [0.025, 0.975], axis=0))
    a[:, 2], a[:, :, 2] = 0, 0  # a class that is nowhere
    assert np.isnan(np.array(column_intervals(resampled_iou(a, 20).mean(axis=1)))[:, 2]).all()


def test_training_seeds_are_averaged_within_a_resample():
    generator = np.random.default_rng(6)
    a = [random_confusions(generator, 25) for _ in range(3)]
    b = [random_confusions(generator, 25, correct=0.5) for _ in range(3)]
    difference, (low, high) = paired_bootstrap(a, b)
    single = [paired_bootstrap(one, other)[0] for one, other in zip(a, b, strict=True)]
    assert difference == pytest.approx(np.mean(single))
    assert low < difference < high
    assert paired_bootstrap([a[0]] * 3, [b[0]] * 3)[1] == pytest.approx(paired_bootstrap(a[0], b[0])[1])
    assert bootstrap_miou([a[0]] * 2) == pytest.approx(bootstrap_miou(a[0]))


def test_images_without_a_scored_pixel_do_no_harm():
    confusions = random_confusions(np.random.default_rng(0), 3)
    confusions[1:] = 0
    low, high = bootstrap_miou(confusions, resamples=100)
    assert low == high == pytest.approx(float(mean_iou(confusions[0])))
    assert np.isnan(bootstrap_miou(np.zeros_like(confusions), resamples=20)).all()


def test_ratio_of_sums_over_images():
    numerator, denominator = np.array([[1.0], [0.0], [3.0]]), np.array([[2.0], [0.0], [3.0]])
    value, low, high = bootstrap_ratios(numerator, denominator)
    assert value == pytest.approx([4 / 5])
    assert low == pytest.approx([0.5])  # only the first image drawn
    assert high == pytest.approx([1.0])


def test_empty_ratio_is_nan_and_leaves_its_neighbours_alone():
    numerators = np.array([[1.0, 0.0], [2.0, 0.0]])
    denominators = np.array([[2.0, 0.0], [2.0, 0.0]])
    values, lows, highs = bootstrap_ratios(numerators, denominators)
    assert np.isnan([values[1], lows[1], highs[1]]).all()
    alone = bootstrap_ratios(numerators[:, :1], denominators[:, :1])
    assert (values[0], lows[0], highs[0]) == tuple(each[0] for each in alone)


def test_images_of_one_scene_are_drawn_together():
    confusions, scenes = random_confusions(np.random.default_rng(0), 12), np.array([7, 7, 7, 1, 2, 2, 3, 3, 3, 3, 1, 9])
    names = np.unique(scenes)
    draws = np.random.default_rng(5).multinomial(5, np.full(5, 1 / 5), size=200)
    looped = [
        mean_iou(sum(count * confusions[scenes == name].sum(axis=0) for name, count in zip(names, drawn, strict=True)))
        for drawn in draws
    ]
    interval = bootstrap_miou(confusions, resamples=200, seed=5, scenes=scenes)
    np.testing.assert_allclose(interval, np.quantile(looped, [0.025, 0.975]))
    difference = paired_bootstrap(confusions, confusions[::-1], resamples=50, scenes=scenes)
    assert difference[1][0] < 0 < difference[1][1]
    assert paired_bootstrap(confusions, confusions, resamples=50, scenes=scenes)[1] == (0.0, 0.0)


def test_each_image_its_own_scene_is_the_bootstrap_over_images():
    confusions = random_confusions(np.random.default_rng(0), 12)
    own = bootstrap_miou(confusions, resamples=300, scenes=np.arange(12))
    assert own == pytest.approx(bootstrap_miou(confusions, resamples=300))


def test_copies_of_images_within_a_scene_do_not_narrow_the_interval():
    """Five frames of each scene that are all alike say no more than one of them."""
    confusions = random_confusions(np.random.default_rng(3), 40)
    copies = np.repeat(confusions, 5, axis=0)
    alone = bootstrap_miou(confusions)
    assert bootstrap_miou(copies, scenes=np.repeat(np.arange(40), 5)) == pytest.approx(alone)
    low, high = bootstrap_miou(copies)
    assert high - low < 0.6 * (alone[1] - alone[0])


def test_the_interval_is_that_of_scipy():
    confusions = random_confusions(np.random.default_rng(1), 60)

    def statistic(drawn, axis):
        return mean_iou(confusions[drawn].sum(axis=-3))

    found = scipy.stats.bootstrap(
        (np.arange(60),), statistic, n_resamples=4000, method="percentile", random_state=0, batch=200
    ).confidence_interval
    low, high = bootstrap_miou(confusions)
    assert (low, high) == pytest.approx((found.low, found.high), abs=0.1 * (high - low))


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_names_and_order_of_scenes_do_not_matter(images, scenes, seed):
    generator = np.random.default_rng(seed)
    confusions, names = random_confusions(generator, images), generator.integers(0, scenes, images)
    own = np.searchsorted(np.unique(names), names)
    sums = [resampled_iou(confusions, 40, 0, each) for each in (names, 3 * names - 7, own)]
    for each in sums[1:]:
        np.testing.assert_allclose(each, sums[0])
    shuffled = generator.permutation(images)
    np.testing.assert_allclose(resampled_iou(confusions[shuffled], 40, 0, names[shuffled]), sums[0])
    np.testing.assert_allclose(interval_of(mean_of_iou(sums[0])), bootstrap_miou(confusions, 40, 0, scenes=names))


def test_every_image_needs_a_scene():
    with pytest.raises(ValueError, match="4 images, but 3 are given a scene"):
        bootstrap_miou(random_confusions(np.random.default_rng(0), 4), scenes=np.arange(3))


def test_wrong_arguments_are_refused():
    confusions = random_confusions(np.random.default_rng(0), 4)
    with pytest.raises(WsssError, match="no image"):
        bootstrap_miou(confusions[:0])
    with pytest.raises(ValueError, match="not"):
        bootstrap_miou(confusions[0])
    with pytest.raises(ValueError, match="paired image by image"):
        paired_bootstrap(confusions, confusions[:3])
    with pytest.raises(ValueError, match="numerators"):
        bootstrap_ratios(np.zeros((2, 3)), np.zeros((2, 2)))
