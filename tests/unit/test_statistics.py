"""Moments and deviations against exact arithmetic, and merging against doing it at once."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.model.statistics import (
    Moments,
    bucket_moments,
    bucket_std_devs,
    merge,
    moments_of,
)
from stepwell.testing import reference

LARGEST = 1.7976931348623157e308
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ORDINARY = st.floats(-1e6, 1e6, allow_subnormal=False)
EXTREME = FINITE | st.sampled_from([LARGEST, -LARGEST, 1e308, -1e308, 5e-324, -5e-324, 0.0])


def exact_m2(values: list[float]) -> Fraction:
    """Sum the squared differences from the mean without rounding."""
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    return Fraction(sum((value - mean) ** 2 for value in exact))


def near(found: float, right: float, weight: float, units: int) -> bool:
    """Say whether two numbers are within some units in the last place, also of what they weigh."""
    return abs(Fraction(found) - Fraction(right)) <= units * Fraction(
        max(math.ulp(right), math.ulp(weight))
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(EXTREME, min_size=1, max_size=30))
def test_mean_of_anything_finite(values: list[float]) -> None:
    """The mean of finite values is finite and right, also where float64 cannot hold their sum."""
    found = moments_of(np.array(values))
    assert found.count == len(values)
    assert near(found.mean, reference.mean(values), reference.scale(values), 2)


@settings(max_examples=300, deadline=None)
@given(st.lists(ORDINARY, min_size=2, max_size=30), st.sampled_from([0.0, 1e3, 1e9, 1e12]))
def test_m2_does_not_cancel(values: list[float], shift: float) -> None:
    """M2 keeps its digits where the mean is large against the spread."""
    shifted = [value + shift for value in values]
    found = moments_of(np.array(shifted)).m2
    right = exact_m2(shifted)
    assert abs(Fraction(found) - right) <= right * Fraction(1, 10**14) + Fraction(10) ** -300


@settings(max_examples=300, deadline=None)
@given(st.lists(EXTREME, min_size=1, max_size=20))
def test_std_dev_of_anything_finite(values: list[float]) -> None:
    """The standard deviation is right where squares overflow and where they underflow."""
    found = float(bucket_std_devs(np.array(values), np.zeros(1, np.int64))[0])
    right = reference.std_dev(values)
    assert abs(found - right) <= 4 * math.ulp(right)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(EXTREME, min_size=1, max_size=6), min_size=1, max_size=6))
def test_buckets_do_not_see_each_other(buckets: list[list[float]]) -> None:
    """A bucket's mean, M2 and deviation are those it has alone, whatever its neighbours hold."""
    values = np.array([value for bucket in buckets for value in bucket])
    starts = np.cumsum([0, *map(len, buckets[:-1])])
    means, m2s, counts = bucket_moments(values, starts)
    deviations = bucket_std_devs(values, starts)
    assert counts.tolist() == [len(bucket) for bucket in buckets]
    for index, bucket in enumerate(buckets):
        alone = moments_of(np.array(bucket))
        assert near(float(means[index]), alone.mean, reference.scale(bucket), 2)
        assert m2s[index] == alone.m2 or math.isclose(m2s[index], alone.m2, rel_tol=1e-14)
        deviation = bucket_std_devs(np.array(bucket), np.zeros(1, np.int64))[0]
        assert abs(deviations[index] - deviation) <= 4 * math.ulp(deviation)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(ORDINARY, min_size=1, max_size=20),
    st.lists(ORDINARY, min_size=1, max_size=20),
    st.sampled_from([0.0, 1e6, 1e12]),
)
def test_merging_is_doing_it_at_once(first: list[float], second: list[float], shift: float) -> None:
    """Chan's rule on two parts gives the moments of all their values."""
    first, second = ([value + shift for value in part] for part in (first, second))
    merged = merge(moments_of(np.array(first)), moments_of(np.array(second)))
    both = first + second
    scale = reference.scale(both)
    assert merged.count == len(both)
    assert near(merged.mean, reference.mean(both), scale, 4)
    # What a rounded mean costs: its error's square, once a value.
    slack = len(both) * (8 * Fraction(math.ulp(scale))) ** 2
    right = exact_m2(both)
    spread = Fraction(abs(moments_of(np.array(first)).mean - moments_of(np.array(second)).mean))
    slack += 8 * len(both) * spread * Fraction(math.ulp(scale))
    # Squares below 1e-154 underflow; `bucket_std_devs` has a way around that, M2 has none.
    slack += Fraction(10) ** -300
    assert abs(Fraction(merged.m2) - right) <= right * Fraction(1, 10**13) + slack


@settings(max_examples=200, deadline=None)
@given(st.lists(EXTREME, min_size=1, max_size=9), st.lists(EXTREME, min_size=1, max_size=9))
def test_merged_means_stay_in_range(first: list[float], second: list[float]) -> None:
    """The merged mean of finite values is finite and lies between the two means."""
    one, other = moments_of(np.array(first)), moments_of(np.array(second))
    merged = merge(one, other)
    assert math.isfinite(merged.mean)
    slack = 2 * math.ulp(max(abs(one.mean), abs(other.mean)))
    assert min(one.mean, other.mean) - slack <= merged.mean
    assert merged.mean <= max(one.mean, other.mean) + slack
    assert merged.m2 >= 0


def test_merging_is_exact_for_equal_values() -> None:
    """Parts of equal values merge into that value and no spread, however many and in any order."""
    value = 0.1
    moments = [moments_of(np.full(count, value)) for count in (1, 7, 1000, 3)]
    merged = moments[0]
    for part in moments[1:]:
        merged = merge(merged, part)
    assert merged == Moments(1011, value, 0.0)


@pytest.mark.parametrize("count", [2, 3, 7, 1000])
@pytest.mark.parametrize("value", [LARGEST, -LARGEST, 1e308, 5e-324, 0.1])
def test_equal_extremes(value: float, count: int) -> None:
    """Equal values have exactly that mean and no deviation, at both ends of float64's range."""
    values = np.full(count, value)
    assert moments_of(values).mean == value
    assert bucket_std_devs(values, np.zeros(1, np.int64))[0] == 0.0


def test_the_largest_spread_fits() -> None:
    """Half the values at one end of float64's range and half at the other deviate by its end."""
    values = np.array([LARGEST, -LARGEST] * 3)
    assert bucket_std_devs(values, np.zeros(1, np.int64))[0] == LARGEST
    assert moments_of(values).mean == 0.0
    assert moments_of(values).m2 == math.inf
