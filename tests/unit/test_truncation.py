"""Rule 11: an answer that is cut says so, and what it says leads to exactly the rest."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.model.errors import QueryError
from stepwell.model.queries import MetricQuery, MetricResult, Status
from stepwell.query.evaluate import evaluate, range_to_read
from stepwell.store.protocol import Series, StepRange, TimeRange
from stepwell.testing.reference import ReferencePoint, ReferenceQuery, answer, difference

ReadSeries = Callable[[Sequence[ReferencePoint], TimeRange | StepRange | None], Series]
AsQuery = Callable[[ReferenceQuery], MetricQuery | QueryError]

#: 1973-03-03T09:46:40Z in microseconds: from here on an x in milliseconds is not below 10^11.
MILLISECONDS_FROM_US = 10**14
NOON_US = 1_700_049_600_000_000

_GO_ON = re.compile(r"Start=(-?\d+)")


def ask(
    points: Sequence[ReferencePoint],
    asked: ReferenceQuery,
    values_max: int,
    as_query: AsQuery,
    read: ReadSeries,
) -> MetricResult:
    """Ask one query as a client does."""
    query = as_query(asked)
    assert isinstance(query, MetricQuery)
    return evaluate(query, read(points, range_to_read(query)), values_max)


def follow(
    points: Sequence[ReferencePoint],
    asked: ReferenceQuery,
    values_max: int,
    as_query: AsQuery,
    read: ReadSeries,
) -> list[MetricResult]:
    """Ask, and go on from the Start that each message names until an answer is Complete."""
    results = []
    for _ in range(len(points) + 1):
        result = ask(points, asked, values_max, as_query, read)
        results.append(result)
        if result.status is Status.COMPLETE:
            return results
        assert result.status is Status.TRUNCATED
        found = _GO_ON.findall(result.message or "")
        assert len(found) == 1, result.message
        asked = replace(asked, start=int(found[0]))
    pytest.fail("following the named Start does not end")


def check_pages(
    points: Sequence[ReferencePoint],
    asked: ReferenceQuery,
    values_max: int,
    as_query: AsQuery,
    read: ReadSeries,
) -> list[MetricResult]:
    """Check that the pages together are the whole answer and that each of them has something."""
    pages = follow(points, asked, values_max, as_query, read)
    assert all(len(page.x) for page in pages[:-1])
    x = [each for page in pages for each in page.x.tolist()]
    values = [each for page in pages for each in page.values.tolist()]
    found = difference(answer(points, asked), asked.statistic, x, values)
    assert found is None, found
    return pages


@st.composite
def crowded_points(draw: st.DrawFn) -> list[ReferencePoint]:
    """Draw points of which many share a millisecond or a second, on either side of 1973."""
    first_us = draw(st.sampled_from([0, 1_234_567, MILLISECONDS_FROM_US - 3_000_000, NOON_US]))
    offsets = st.sampled_from([0, 1, 999, 1_000, 1_500, 400_000, 999_999, 1_000_000, 61_000_000])
    rows = draw(
        st.lists(
            st.tuples(st.none() | st.integers(0, 9), offsets, st.integers(0, 3)),
            min_size=1,
            max_size=24,
        )
    )
    return [
        ReferencePoint(step, first_us + offset_us + second * 1_000_000, float(index))
        for index, (step, offset_us, second) in enumerate(rows)
    ]


@settings(max_examples=400, deadline=None)
@given(
    points=crowded_points(),
    values_max=st.integers(1, 6),
    form=st.sampled_from(
        [
            ("IterationNumber", "Timestamp"),
            ("IterationNumber", "IterationNumber"),
            ("OneMinute", "Timestamp"),
        ]
    ),
    statistic=st.sampled_from(["Last", "Count"]),
)
def test_pages_are_the_whole_answer(
    points: list[ReferencePoint],
    values_max: int,
    form: tuple[str, str],
    statistic: str,
    as_query: AsQuery,
    list_series: ReadSeries,
) -> None:
    """Following the named Start gives every value once, also where many share one x."""
    asked = ReferenceQuery(statistic, *form)
    check_pages(points, asked, values_max, as_query, list_series)


@settings(max_examples=100, deadline=None)
@given(points=crowded_points(), values_max=st.integers(1, 4), data=st.data())
def test_pages_stay_within_the_range(
    points: list[ReferencePoint],
    values_max: int,
    data: st.DataObject,
    as_query: AsQuery,
    list_series: ReadSeries,
) -> None:
    """A range with an End is cut and followed like a query without one."""
    near = sorted({point.timestamp_us // 1_000_000 for point in points})
    start = data.draw(st.sampled_from(near))
    end = data.draw(st.sampled_from(near)) + data.draw(st.integers(0, 60))
    asked = ReferenceQuery("Last", "IterationNumber", "Timestamp", start, end)
    check_pages(points, asked, values_max, as_query, list_series)


@pytest.mark.parametrize("first_us", [0, NOON_US])
def test_a_cut_comes_at_the_limit(
    first_us: int, as_query: AsQuery, list_series: ReadSeries
) -> None:
    """Where every x is a second of its own, pages are exactly as long as the limit allows."""
    points = [ReferencePoint(None, first_us + index * 1_000_000, 1.0) for index in range(10)]
    asked = ReferenceQuery("Last", "IterationNumber", "Timestamp")
    pages = check_pages(points, asked, 4, as_query, list_series)
    assert [len(page.x) for page in pages] == [4, 4, 2]


def test_exactly_the_limit_is_complete(as_query: AsQuery, list_series: ReadSeries) -> None:
    """As many values as the limit are Complete and need no message; one more is Truncated."""
    points = [ReferencePoint(step, NOON_US, 1.0) for step in range(5)]
    asked = ReferenceQuery("Count", "IterationNumber", "IterationNumber")
    whole = ask(points, asked, 5, as_query, list_series)
    assert (whole.status, len(whole.x), whole.message) == (Status.COMPLETE, 5, None)
    cut = ask(points, asked, 4, as_query, list_series)
    assert (cut.status, cut.x.tolist()) == (Status.TRUNCATED, [0, 1, 2, 3])
    assert cut.message is not None
    assert "Start=4" in cut.message


def test_a_cut_also_says_what_was_left_out(as_query: AsQuery, list_series: ReadSeries) -> None:
    """A message can say both: points without a step were left out, and where to go on."""
    points = [ReferencePoint(step, NOON_US, 1.0) for step in (0, 1, 2, None, None)]
    asked = ReferenceQuery("Count", "IterationNumber", "IterationNumber")
    message = ask(points, asked, 2, as_query, list_series).message or ""
    assert "2 points without a step" in message
    assert "Start=2" in message


@pytest.mark.parametrize("count", [3, 8])
def test_one_x_is_never_torn(count: int, as_query: AsQuery, list_series: ReadSeries) -> None:
    """Values that share one x come together, even where they are more than the limit."""
    points = [ReferencePoint(None, NOON_US + index, float(index)) for index in range(count)]
    points += [ReferencePoint(None, NOON_US + 5_000, 9.0)]
    asked = ReferenceQuery("Last", "IterationNumber", "Timestamp")
    pages = check_pages(points, asked, 2, as_query, list_series)
    assert [len(page.x) for page in pages] == [count, 1]
