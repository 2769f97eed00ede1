"""P values against the intervals that they belong to, and Holm's correction against the closure of Bonferroni's tests."""

import math
from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from wsss.analysis.bootstrap import interval_of
from wsss.analysis.significance import bootstrap_p, holm

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=7)


@given(PROBABILITIES)
@settings(max_examples=100, deadline=None)
def test_holm_is_the_closed_test_of_bonferroni(values: list[float]) -> None:
    """An adjusted p value is the largest of all Bonferroni p values of sets that hold the hypothesis."""
    for place, adjusted in enumerate(holm(values)):
        rest = [other for other in range(len(values)) if other != place]
        sets = [(place, *some) for size in range(len(values)) for some in combinations(rest, size)]
        expected = max(min(1.0, len(each) * min(values[one] for one in each)) for each in sets)
        assert adjusted == pytest.approx(expected)


@given(PROBABILITIES, st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_members_that_are_not_there_yet_count_as_1(values: list[float], more: int) -> None:
    whole = holm([*values, *[1.0] * more])[: len(values)]
    assert holm(values, len(values) + more) == pytest.approx(whole)
    assert holm([*values, *[math.nan] * more])[: len(values)] == pytest.approx(whole)
    assert all(map(math.isnan, holm([*values, *[math.nan] * more])[len(values) :]))


@given(st.integers(0, 1000), st.floats(-3, 3), st.sampled_from([0.2, 0.1, 0.05, 0.01]))
@settings(max_examples=100, deadline=None)
def test_p_belongs_to_the_interval(seed: int, null: float, alpha: float) -> None:
    drawn = np.random.default_rng(seed).normal(0.5, 1, 5000)
    low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2])
    assert alpha != 0.05 or interval_of(drawn) == pytest.approx((low, high))
    p = bootstrap_p(drawn, null)
    if p < alpha:
        assert not low < null < high
    elif p > alpha + 2e-3:  # the resample that is added, and what quantiles interpolate
        assert low <= null <= high


def test_p_is_near_that_of_students_test() -> None:
    values = np.random.default_rng(0).normal(0.25, 1, 100)
    draws = np.random.default_rng(1).integers(0, 100, (20_000, 100))
    p = bootstrap_p(values[draws].mean(axis=1))
    assert p == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue, rel=0.3)


def test_p_is_uniform_where_nothing_differs() -> None:
    generator = np.random.default_rng(2)
    found = []
    for _ in range(400):
        values = generator.normal(0, 1, 60)
        weights = generator.multinomial(60, np.full(60, 1 / 60), size=400)
        found.append(bootstrap_p(weights @ values / 60))
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.08)


def test_p_is_never_0_and_at_most_1() -> None:
    assert bootstrap_p(np.ones(1999)) == pytest.approx(2 / 2000)
    assert bootstrap_p(np.zeros(10)) == 1.0
    assert bootstrap_p(np.array([np.nan, 1, 1])) == pytest.approx(2 / 3)
    assert math.isnan(bootstrap_p(np.full(3, np.nan)))
