"""Summaries of parts that are merged against the rules in plain Python over all points at once."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stepwell.model.points import Points
from stepwell.model.summaries import MetricSummary, Part, deviation_of, part_of
from stepwell.testing.reference import ReferencePoint, summary, summary_difference

LARGEST = 1.7976931348623157e308
EXTREMES = [LARGEST, -LARGEST, 1e200, 5e-324, 1e-160, -0.0, 0.0, math.inf, -math.inf, math.nan]
VALUES = st.floats() | st.floats(-10, 10) | st.sampled_from(EXTREMES)
#: Values that differ in their last digits only.
CLOSE = st.integers(0, 8).map(lambda ulps: 1e9 + ulps * math.ulp(1e9))
POINTS = st.lists(st.tuples(st.integers(0, 5), VALUES), min_size=1, max_size=12)


def merged(parts: list[list[tuple[int, float]]]) -> MetricSummary:
    """Summarise parts of a series as a store does."""
    whole = reduce(Part.then, [part_of(columns(part)) for part in parts])
    std_dev = None
    if not whole.tells_deviation:
        std_dev = deviation_of(columns([point for part in parts for point in part]).values)
    return whole.summary("loss", std_dev)


def columns(points: list[tuple[int, float]]) -> Points:
    """Make columns of points (time, value)."""
    times, values = zip(*points, strict=True)
    return Points(np.full(len(points), -1), np.array(times), np.array(values, np.float64))


@settings(max_examples=1000, deadline=None)
@given(
    st.lists(POINTS, min_size=1, max_size=5)
    | st.lists(st.lists(st.tuples(st.just(0), CLOSE), min_size=1, max_size=9), min_size=1)
)
@example([[(0, 0.0)], [(0, -0.0)]])
@example([[(0, LARGEST)], [(0, -LARGEST)]])
@example([[(0, 1e-160)], [(0, 0.0), (0, 2e-160)]])
def test_merging_agrees_with_the_rules(parts: list[list[tuple[int, float]]]) -> None:
    """However a series is cut, its parts merge to what the rules say of all of its points."""
    points = [ReferencePoint(None, time, value) for part in parts for time, value in part]
    assert summary_difference(summary(points), merged(parts)) is None


@pytest.mark.parametrize(
    ("values", "low", "high", "avg", "std_dev"),
    [
        ([math.nan, math.nan], math.nan, math.nan, math.nan, math.nan),
        ([math.nan, 3.0], 3.0, 3.0, 3.0, 0.0),
        ([math.inf], math.inf, math.inf, math.inf, 0.0),
        ([math.inf, math.nan], math.inf, math.inf, math.inf, 0.0),
        ([math.inf, math.inf], math.inf, math.inf, math.inf, math.nan),
        ([-math.inf, 1.0], -math.inf, 1.0, -math.inf, math.nan),
        ([math.inf, 1.0, -math.inf], -math.inf, math.inf, math.nan, math.nan),
        ([1.0, 3.0], 1.0, 3.0, 2.0, 1.0),
        ([1e300, 3e300], 1e300, 3e300, 2e300, 1e300),
    ],
)
def test_what_is_not_finite(
    values: list[float], low: float, high: float, avg: float, std_dev: float
) -> None:
    """NaN is passed over and infinities take part, wherever the series is cut."""
    points = list(enumerate(values))
    for cut in range(1, len(points) + 1):
        found = merged([part for part in (points[:cut], points[cut:]) if part])
        assert found.count == len(values)
        assert [found.min, found.max, found.avg, found.std_dev] == pytest.approx(
            [low, high, avg, std_dev], rel=1e-15, nan_ok=True
        )


def test_last_is_by_time_then_by_arrival() -> None:
    """Of the latest points the one that arrived last is Last, in whichever part it is."""
    late, early = [(7, 1.0), (7, 2.0)], [(3, 9.0)]
    assert merged([late, early]).last == 2.0
    assert merged([early, late]).last == 2.0
    assert merged([late, [(7, 5.0)]]).last == 5.0
    assert merged([late, early]).timestamp_us == 7


def test_a_zero_has_no_sign() -> None:
    """Whichever zeros there are, a summary says 0.0: a store may have lost the sign."""
    found = merged([[(0, -0.0)], [(0, -0.0)]])
    for value in (found.min, found.max, found.last, found.avg, found.std_dev):
        assert math.copysign(1.0, value) == 1.0
