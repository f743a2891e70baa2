"""A metric query into its result: what to read, its buckets, the cut (rules 8, 9 and 11)."""

from __future__ import annotations

import numpy as np

from stepwell.model.points import NO_STEP, Float64Array, Int64Array, Points
from stepwell.model.queries import (
    PERIOD_US,
    Axis,
    MetricQuery,
    MetricResult,
    Period,
    Statistic,
    Status,
)
from stepwell.query.aggregate import aggregate, bucket_starts
from stepwell.store.protocol import Series, StepRange, TimeRange

_INT64_LAST = 2**63 - 1
#: Below this an x on the time axis would be read back as seconds (rule 8).
_MILLISECONDS_FIRST = 10**11

#: The columns of an answer that has none.
EMPTY_INTS: Int64Array = np.empty(0, np.int64)
EMPTY_FLOATS: Float64Array = np.empty(0, np.float64)

_Columns = tuple[Int64Array, Float64Array]


def range_to_read(query: MetricQuery) -> TimeRange | StepRange | None:
    """Give the points that a query's range of x needs, where that can be said before reading."""
    if query.start is None and query.stop is None:
        return None
    if query.axis is Axis.ITERATION_NUMBER:
        return StepRange(_bound(query.start, 0), _bound(query.stop, _INT64_LAST))
    period_us = PERIOD_US.get(query.period)
    if period_us is None:
        return None
    # Whole buckets: those whose start lies in the range.
    start, stop = (
        default if bound is None else -(-bound * 1000 // period_us) * period_us
        for bound, default in ((query.start, 0), (query.stop, _INT64_LAST))
    )
    return TimeRange(_bound(start, 0), _bound(stop, _INT64_LAST))


def evaluate(query: MetricQuery, series: Series, values_max: int) -> MetricResult:
    """Answer one query.

    Args:
        query: what is asked.
        series: the series, read with `range_to_read(query)`.
        values_max: the values after which the answer is Truncated.

    Raises:
        DamagedSeriesError: the series cannot be read.
    """
    messages = []
    if series.count == 0:
        messages.append(f"Trial component {query.component.name!r} has no metric {query.metric!r}.")
    if query.axis is Axis.ITERATION_NUMBER:
        left_out = series.count_without_step
        if left_out:
            messages.append(f"{left_out} points without a step are left out.")
        x, values = _by_step(query.statistic, series.points())
    elif query.period is Period.ITERATION_NUMBER:
        x, values = _within(query, *_by_step_over_time(query.statistic, series.points()))
    else:
        x, values = _by_time(query.statistic, PERIOD_US[query.period], series.points())
    status = Status.COMPLETE
    if len(x) > values_max:
        kept, start = _cut(query, x, values_max)
        if kept < len(x):
            messages.append(f"Truncated after {kept} of {len(x)} values. Go on with Start={start}.")
            status, x, values = Status.TRUNCATED, x[:kept], values[:kept]
    return MetricResult(status, x, values, " ".join(messages) or None)


def _by_step(statistic: Statistic, points: Points) -> _Columns:
    if _is_ascending(points.steps) and (not len(points) or points.steps[0] != NO_STEP):
        # One point a step, in order, as most training code logs.
        return points.steps, aggregate(statistic, points.values, None)
    with_step = points.steps != NO_STEP
    if not with_step.all():
        points = _take(points, np.flatnonzero(with_step))
    points = _sort(statistic, points, points.steps)
    starts = bucket_starts(points.steps)
    return points.steps[starts], aggregate(statistic, points.values, starts)


def _by_time(statistic: Statistic, period_us: int, points: Points) -> _Columns:
    keys = points.timestamps_us // period_us
    points = _sort(statistic, points, keys)
    keys = points.timestamps_us // period_us
    starts = bucket_starts(keys)
    x = keys[starts] * (period_us // 1000)
    return x, aggregate(statistic, points.values, starts)


def _by_step_over_time(statistic: Statistic, points: Points) -> _Columns:
    """One bucket a step, at the time of the step's last point; a point without step is its own."""
    with_step = points.steps != NO_STEP
    stepped = _take(points, np.flatnonzero(with_step))
    # Sorted as for LAST: the end of a bucket is then its last point.
    stepped = _sort(Statistic.LAST, stepped, stepped.steps)
    starts = bucket_starts(stepped.steps)
    ends = np.append(starts[1:], len(stepped)) - 1 if len(starts) else starts
    alone = _take(points, np.flatnonzero(~with_step))
    timestamps_us = np.concatenate((stepped.timestamps_us[ends], alone.timestamps_us))
    values = np.concatenate(
        (
            aggregate(statistic, stepped.values, starts),
            aggregate(statistic, alone.values, None),
        )
    )
    order = np.argsort(timestamps_us, kind="stable")
    return timestamps_us[order] // 1000, values[order]


def _sort(statistic: Statistic, points: Points, keys: Int64Array) -> Points:
    """Bring points into order of their keys; for LAST, by time within equal keys. Stable."""
    if statistic is Statistic.LAST:
        if _is_sorted(keys) and _is_sorted(points.timestamps_us):
            return points
        if _is_ascending(keys):
            return points
        return _take(points, np.lexsort((points.timestamps_us, keys)))
    return points if _is_sorted(keys) else _take(points, np.argsort(keys, kind="stable"))


def _is_sorted(column: Int64Array) -> bool:
    return bool((column[1:] >= column[:-1]).all())


def _is_ascending(column: Int64Array) -> bool:
    """Say whether each key is greater than the one before it."""
    return bool((column[1:] > column[:-1]).all())


def _take(points: Points, indexes: Int64Array) -> Points:
    return Points(points.steps[indexes], points.timestamps_us[indexes], points.values[indexes])


def _within(query: MetricQuery, x: Int64Array, values: Float64Array) -> _Columns:
    first = 0 if query.start is None else int(np.searchsorted(x, _int64(query.start), "left"))
    stop = len(x) if query.stop is None else int(np.searchsorted(x, _int64(query.stop), "left"))
    return x[first:stop], values[first:stop]


def _cut(query: MetricQuery, x: Int64Array, values_max: int) -> tuple[int, int]:
    """Find how many values to keep, and the Start that gives exactly the rest.

    Several values may share one x (steps within a millisecond), and a Start before 1973 can only be
    said in seconds. Such a group is not torn: we cut before it, or after it if it comes first.
    """
    marks = x
    if query.axis is Axis.TIMESTAMP and int(x[values_max]) < _MILLISECONDS_FIRST:
        # Seconds, up to the first x that is read as milliseconds.
        marks = np.where(x < _MILLISECONDS_FIRST, x // 1000, x)
    kept = int(np.searchsorted(marks, marks[values_max], "left"))
    if kept == 0:
        kept = int(np.searchsorted(marks, marks[0], "right"))
    return kept, int(marks[kept]) if kept < len(x) else 0


def _bound(bound: int | None, default: int) -> int:
    """Keep a bound within what points can have."""
    return default if bound is None else min(max(bound, 0), _INT64_LAST)


def _int64(bound: int) -> int:
    return min(max(bound, -_INT64_LAST), _INT64_LAST)
