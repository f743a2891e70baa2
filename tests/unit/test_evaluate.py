"""Queries against the reference model of rules 7 to 11: any points, any query, any store state."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stepwell.model.errors import QueryError
from stepwell.model.limits import TIMESTAMP_US_LAST
from stepwell.model.queries import MetricQuery
from stepwell.query.evaluate import evaluate, range_to_read
from stepwell.store.protocol import Series, StepRange, TimeRange
from stepwell.testing.reference import (
    ReferencePoint,
    ReferenceQuery,
    answer,
    difference,
)

STATISTICS = ("Min", "Max", "Avg", "Count", "StdDev", "Last")
PERIODS = ("OneMinute", "FiveMinute", "OneHour", "IterationNumber")
AXES = ("IterationNumber", "Timestamp")
NO_LIMIT = 1_000_000

Points = list[ReferencePoint]
ReadSeries = Callable[[Sequence[ReferencePoint], TimeRange | StepRange | None], Series]
AsQuery = Callable[[ReferenceQuery], MetricQuery | QueryError]
StoredSeries = Callable[[Sequence[ReferencePoint], Sequence[int]], ReadSeries]

STEPS = st.one_of(st.none(), st.integers(0, 4), st.sampled_from([2**31, 2**53 - 1]))
#: The epoch, 1970, 1973 (where Start turns from seconds into milliseconds), now, and the end.
FIRST_INSTANTS = st.sampled_from(
    [0, 5_000_000, 10**14 - 2_000, 1_700_049_600_000_000, TIMESTAMP_US_LAST - 10**10]
)
#: Equal times, times within a millisecond, a second, some hours.
OFFSETS = st.one_of(*(st.integers(0, most) for most in (2, 900, 10**6, 10**10)))
LARGEST = 1.7976931348623157e308
VALUES = st.one_of(
    st.floats(),
    st.floats(-100, 100),
    st.sampled_from(
        [math.nan, math.inf, -math.inf, 1e308, -1e308, LARGEST, -LARGEST, 5e-324, -5e-324, 1e-310]
    ),
    st.sampled_from([1.0, 0.1, 1e16, 1e16 + 2, 0.0]),
)


@st.composite
def point_lists(draw: st.DrawFn, size_max: int = 24) -> Points:
    """Draw a series in order of arrival. Its zeros have one sign: the others are tested below."""
    first_us = draw(FIRST_INSTANTS)
    rows = draw(st.lists(st.tuples(STEPS, OFFSETS, VALUES), max_size=size_max))
    zero = draw(st.sampled_from([0.0, -0.0]))
    return [
        ReferencePoint(step, first_us + offset_us, value or zero) for step, offset_us, value in rows
    ]


@st.composite
def query_lists(draw: st.DrawFn, points: Points, axes: Sequence[str] = AXES) -> ReferenceQuery:
    """Draw a query whose bounds, if any, lie about where the points are."""
    axis = draw(st.sampled_from(axes))
    if axis == "IterationNumber":
        bounds = st.one_of(st.integers(-1, 6), st.sampled_from([2**31, 2**53 - 1, 2**62]))
    else:
        near_ms = {point.timestamp_us // 1000 for point in points} or {0}
        near_ms |= {ms - ms % 60_000 for ms in near_ms}
        near = sorted(near_ms | {ms // 1000 for ms in near_ms})
        bounds = st.builds(int.__add__, st.sampled_from(near), st.integers(-1, 1))
    return ReferenceQuery(
        draw(st.sampled_from(STATISTICS)),
        draw(st.sampled_from(PERIODS)),
        axis,
        draw(st.none() | bounds),
        draw(st.none() | bounds),
    )


def check(points: Points, asked: ReferenceQuery, as_query: AsQuery, read: ReadSeries) -> None:
    """Compare one answer with the reference's: status, x, values, and what the message says."""
    expected = answer(points, asked)
    query = as_query(asked)
    if isinstance(query, QueryError):
        assert expected.status == "ValidationError", str(query)
        assert "XAxisType" in str(query)
        assert "Period" in str(query)
        return
    result = evaluate(query, read(points, range_to_read(query)), NO_LIMIT)
    assert result.status.value == expected.status
    found = difference(expected, asked.statistic, result.x.tolist(), result.values.tolist())
    assert found is None, found
    message = result.message or ""
    assert ("no metric 'loss'" in message) == expected.says_nothing_there
    left_out = re.search(r"(\d+) points? without a step", message)
    assert (int(left_out.group(1)) if left_out else 0) == expected.says_left_out
    assert "Truncated" not in message


@settings(max_examples=600, deadline=None)
@given(data=st.data())
def test_agrees_with_the_rules(
    data: st.DataObject, as_query: AsQuery, list_series: ReadSeries
) -> None:
    """Every answer is the reference's, whatever the points, statistic, period, axis and range."""
    points = data.draw(point_lists())
    asked = data.draw(query_lists(points))
    check(points, asked, as_query, list_series)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_agrees_with_the_rules_from_disk(
    data: st.DataObject, as_query: AsQuery, stored_series: StoredSeries
) -> None:
    """The same holds for a real store whose points are hot, in chunks, or some of each."""
    points = data.draw(point_lists(size_max=12))
    compact_at = data.draw(st.lists(st.integers(0, len(points)), max_size=2, unique=True))
    read = stored_series(points, compact_at)
    for _ in range(4):
        check(points, data.draw(query_lists(points)), as_query, read)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_compaction_changes_no_bit(
    data: st.DataObject, as_query: AsQuery, stored_series: StoredSeries
) -> None:
    """An answer has the same x, values and message, bit by bit, before and after compaction."""
    points = data.draw(point_lists(size_max=12))
    hot = stored_series(points, [])
    compacted = stored_series(points, [len(points) // 2, len(points)])
    for statistic in STATISTICS:
        query = as_query(ReferenceQuery(statistic, "IterationNumber", "Timestamp"))
        assert isinstance(query, MetricQuery)
        before, after = (evaluate(query, read(points, None), NO_LIMIT) for read in (hot, compacted))
        assert before.x.tolist() == after.x.tolist()
        assert before.values.tobytes() == after.values.tobytes()
        assert before.message == after.message


@pytest.mark.parametrize("statistic", STATISTICS)
def test_long_series(statistic: str, as_query: AsQuery, stored_series: StoredSeries) -> None:
    """20,000 points of eight ranks over many buckets and several chunks agree with the rules."""
    points = [
        ReferencePoint(
            index // 8 if index % 11 else None,
            1_700_049_600_000_000 + index * 250_000 - index % 8 * 900_000,
            2.5 / (1 + index) + math.sin(index) * 1e-3,
        )
        for index in range(20_000)
    ]
    read = stored_series(points, [12_000])
    for period, axis in (
        ("OneHour", "Timestamp"),
        ("OneMinute", "Timestamp"),
        ("IterationNumber", "Timestamp"),
        ("IterationNumber", "IterationNumber"),
    ):
        check(points, ReferenceQuery(statistic, period, axis), as_query, read)


@pytest.mark.parametrize(("statistic", "zero"), [("Min", -0.0), ("Max", 0.0)])
@pytest.mark.parametrize("order", [(0.0, -0.0), (-0.0, 0.0), (0.0, -0.0, -0.0), (-0.0, 0.0, 0.0)])
def test_zeros_of_both_signs(
    statistic: str,
    zero: float,
    order: Sequence[float],
    as_query: AsQuery,
    list_series: ReadSeries,
) -> None:
    """Of -0.0 and 0.0 the first is Min and the second Max, in whatever order they arrived."""
    points = [ReferencePoint(1, 0, value) for value in order]
    query = as_query(ReferenceQuery(statistic, "IterationNumber", "IterationNumber"))
    assert isinstance(query, MetricQuery)
    result = evaluate(query, list_series(points, None), NO_LIMIT)
    assert math.copysign(1.0, result.values[0]) == math.copysign(1.0, zero)


@pytest.mark.parametrize("statistic", ["Avg", "StdDev"])
@pytest.mark.parametrize("value", [0.0, -0.0, 5e-324, 1.0, 1e160, 1e308, LARGEST, -LARGEST])
@pytest.mark.parametrize("count", [1, 2, 3, 64])
def test_equal_values(
    statistic: str, value: float, count: int, as_query: AsQuery, list_series: ReadSeries
) -> None:
    """Equal values, however huge or tiny, have StdDev 0 and themselves as Avg, to the last bit."""
    points = [ReferencePoint(7, 0, value)] * count + [ReferencePoint(8, 0, 1.0)]
    query = as_query(ReferenceQuery(statistic, "IterationNumber", "IterationNumber"))
    assert isinstance(query, MetricQuery)
    found = evaluate(query, list_series(points, None), NO_LIMIT).values[0]
    assert repr(float(found)) == repr(value if statistic == "Avg" else 0.0)
