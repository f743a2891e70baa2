"""The reference model itself, on series small enough to be worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from stepwell.testing.reference import (
    ReferencePoint,
    ReferenceQuery,
    answer,
    difference,
    mean,
    std_dev,
)

NOON_US = 1_700_049_600_000_000  # 2023-11-15T12:00:00Z
NOON_MS = NOON_US // 1000


def _points(*rows: tuple[int | None, int, float]) -> list[ReferencePoint]:
    """Make points at milliseconds after noon."""
    return [ReferencePoint(step, NOON_US + ms * 1000, value) for step, ms, value in rows]


STEPS = _points((1, 0, 3.0), (0, 1, 5.0), (1, 2, 4.0), (None, 3, 9.0), (1, 2, math.nan))


@pytest.mark.parametrize(
    ("statistic", "values"),
    [
        ("Count", [1.0, 3.0]),
        ("Min", [5.0, 3.0]),
        ("Max", [5.0, 4.0]),
        ("Avg", [5.0, 3.5]),
        ("StdDev", [0.0, 0.5]),
        ("Last", [5.0, math.nan]),
    ],
)
def test_statistics_of_steps(statistic: str, values: Sequence[float]) -> None:
    """Points of one step make one bucket; NaN counts and can be last, but no statistic sees it."""
    query = ReferenceQuery(statistic, "IterationNumber", "IterationNumber")
    found = answer(STEPS, query)
    assert (found.status, found.x, found.says_left_out) == ("Complete", [0, 1], 1)
    assert difference(found, statistic, [0, 1], values) is None


def test_steps_on_the_time_axis() -> None:
    """A step stands at the time of its last point, a point without a step at its own."""
    query = ReferenceQuery("Count", "IterationNumber", "Timestamp")
    found = answer(STEPS, query)
    assert found.x == [NOON_MS + 1, NOON_MS + 2, NOON_MS + 3]
    assert found.values == [1.0, 3.0, 1.0]
    assert found.says_left_out == 0


@pytest.mark.parametrize(
    ("period", "x"),
    [
        ("OneMinute", [0, 60_000, 300_000, 3_600_000]),
        ("FiveMinute", [0, 300_000, 3_600_000]),
        ("OneHour", [0, 3_600_000]),
    ],
)
def test_time_buckets(period: str, x: Sequence[int]) -> None:
    """Time buckets are aligned to the epoch, x is their start, and empty ones are not there."""
    points = _points(*[(None, ms, 1.0) for ms in (3_600_001, 59_999, 0, 60_000, 300_000)])
    found = answer(points, ReferenceQuery("Count", period, "Timestamp"))
    assert found.x == [NOON_MS + each for each in x]
    assert sum(found.values) == len(points)


@pytest.mark.parametrize("unit", [1, 1000])
def test_ranges_take_whole_buckets(unit: int) -> None:
    """Start and End in seconds or milliseconds choose buckets by their start, End excluded."""
    points = _points(*[(None, minute * 60_000 + 30_000, 1.0) for minute in range(5)])
    noon = NOON_MS // 1000 * unit
    query = ReferenceQuery("Count", "OneMinute", "Timestamp", noon + 60 * unit, noon + 180 * unit)
    assert answer(points, query).x == [NOON_MS + 60_000, NOON_MS + 120_000]
    inside = ReferenceQuery("Count", "OneMinute", "Timestamp", noon + unit, noon + 60 * unit)
    assert answer(points, inside).x == []


def test_time_periods_have_no_step_axis() -> None:
    """A time period on the step axis is a ValidationError."""
    query = ReferenceQuery("Count", "OneHour", "IterationNumber")
    assert answer(STEPS, query).status == "ValidationError"


def test_nothing_there() -> None:
    """A metric without points is Complete and empty, and says so."""
    found = answer([], ReferenceQuery("Count", "OneHour", "Timestamp"))
    assert (found.status, found.x, found.says_nothing_there) == ("Complete", [], True)


def test_last_is_by_time_then_by_arrival() -> None:
    """Of equal times the one that arrived later is last; an earlier time never is."""
    points = _points((0, 5, 1.0), (0, 5, 2.0), (0, 4, 3.0))
    found = answer(points, ReferenceQuery("Last", "IterationNumber", "IterationNumber"))
    assert found.values == [2.0]


@pytest.mark.parametrize(
    ("values", "average", "deviation"),
    [
        ([1e308, 1.5e308], 1.25e308, 2.5e307),
        ([1.7976931348623157e308, -1.7976931348623157e308], 0.0, 1.7976931348623157e308),
        ([5e-324, 15e-324], 10e-324, 5e-324),
        ([1e16, 1e16 + 2], 1e16, 1.0),  # 1e16 + 1 is a tie and goes to the even neighbour
        ([0.1] * 3, 0.1, 0.0),
        ([-0.0, -0.0], -0.0, 0.0),
        ([math.inf], math.inf, 0.0),
        ([math.inf, 1.0], math.inf, math.nan),
        ([math.inf, -math.inf], math.nan, math.nan),
    ],
)
def test_mean_and_deviation(values: list[float], average: float, deviation: float) -> None:
    """Mean and standard deviation neither overflow nor underflow nor cancel."""
    assert repr(mean(values)) == repr(average)
    assert repr(std_dev(values)) == repr(deviation)


def test_difference_sees_the_last_bit() -> None:
    """Exact statistics are compared bit by bit, equal x in any order."""
    points = _points((None, 0, 1.0), (None, 0, -0.0))
    expected = answer(points, ReferenceQuery("Last", "IterationNumber", "Timestamp"))
    x = [NOON_MS, NOON_MS]
    assert difference(expected, "Last", x, [1.0, -0.0]) is None
    assert difference(expected, "Last", x, [-0.0, 1.0]) is None
    assert difference(expected, "Last", x, [1.0, 0.0]) is not None
    assert difference(expected, "Last", x, [math.nextafter(1.0, 2.0), -0.0]) is not None
    assert difference(expected, "Last", x[:1], [1.0]) is not None
    assert difference(expected, "Last", x, [1.0, math.nan]) is not None
