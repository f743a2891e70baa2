"""Statistics of points bucket by bucket, as rows that can be merged.

A row is what a chart needs of the points of one bucket: the envelope, the mean, the last one, and
how many there are of each kind, so that nothing is hidden. Rows of parts of a series merge into the
rows of the whole. Minimum, maximum and mean are of finite values and NaN where there are none; the
last point is the one of the greatest x, and of several the one that arrived last.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Self

import numpy as np

from stepwell.model.points import Float64Array, Int64Array

#: A power of two scales without rounding; the sum of 2**64 values of any size fits then.
_SCALE = 64


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows, in ascending order of their buckets unless it is said otherwise.

    Attributes:
        bucket: int64[k]; which bucket, or any other key that buckets are told apart by.
        first_x: int64[k]; the least x of the bucket's points.
        last_x: int64[k]; the greatest.
        min: float64[k].
        max: float64[k].
        mean: float64[k].
        last: float64[k]; the last point's value, whatever it is.
        count: int64[k]; all points, NaN and the infinities too.
        nan: int64[k].
        plus: int64[k]; how many are plus infinity.
        minus: int64[k].
    """

    bucket: Int64Array
    first_x: Int64Array
    last_x: Int64Array
    min: Float64Array
    max: Float64Array
    mean: Float64Array
    last: Float64Array
    count: Int64Array
    nan: Int64Array
    plus: Int64Array
    minus: Int64Array

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.bucket)

    def take(self, chosen: Int64Array | slice) -> Self:
        """Choose rows."""
        return type(self)(*[column[chosen] for column in _columns_of(self)])

    def with_bucket(self, bucket: Int64Array) -> Self:
        """Give the rows other buckets."""
        return type(self)(bucket, *_columns_of(self)[1:])

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Put rows one after another."""
        if len(parts) == 1:
            return parts[0]
        return cls(*map(np.concatenate, zip(*map(_columns_of, parts), strict=True)))


_columns_of = attrgetter(*(each.name for each in fields(Rows)))
_INTS = np.empty(0, np.int64)
_FLOATS = np.empty(0, np.float64)
NO_ROWS = Rows(_INTS, _INTS, _INTS, _FLOATS, _FLOATS, _FLOATS, _FLOATS, _INTS, _INTS, _INTS, _INTS)


def starts_of(keys: Int64Array) -> Int64Array:
    """Give the first index of each run of equal keys, of one or more."""
    return np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1))


def rows_of_points(bucket: Int64Array, x: Int64Array, values: Float64Array) -> Rows:
    """Make rows of points that are in order of their buckets, then of x, then of arrival."""
    count = len(values)
    if not count:
        return NO_ROWS
    starts = starts_of(bucket)
    if len(starts) == count:
        return _rows_of_single_points(bucket, x, values)
    ends = np.append(starts[1:], count) - 1
    counts = ends - starts + 1
    zeros = np.zeros(len(starts), np.int64)
    nan = plus = minus = zeros
    finite = np.isfinite(values)
    if finite.all():
        low = np.minimum.reduceat(values, starts)
        high = np.maximum.reduceat(values, starts)
        mean = _means(values, starts, counts, low, high)
    else:
        nan, plus, minus = (
            np.add.reduceat(kind(values), starts, dtype=np.int64)
            for kind in (np.isnan, np.isposinf, np.isneginf)
        )
        low = np.minimum.reduceat(np.where(finite, values, np.inf), starts)
        high = np.maximum.reduceat(np.where(finite, values, -np.inf), starts)
        rest = counts - nan - plus - minus
        low[rest == 0] = high[rest == 0] = np.nan
        mean = _means(np.where(finite, values, 0.0), starts, np.maximum(rest, 1), low, high)
    return Rows(
        bucket[starts], x[starts], x[ends], low, high, mean, values[ends], counts, nan, plus, minus
    )


def merged(rows: Rows) -> Rows:
    """Merge rows of one bucket into one. Of rows of equal last x, the later one arrived later."""
    if len(rows) < 2 or (rows.bucket[1:] > rows.bucket[:-1]).all():  # noqa: PLR2004 - nothing to do
        return rows
    in_turn = (rows.bucket[1:] > rows.bucket[:-1]) | (
        (rows.bucket[1:] == rows.bucket[:-1]) & (rows.last_x[1:] >= rows.last_x[:-1])
    )
    if not in_turn.all():
        rows = rows.take(np.lexsort((rows.last_x, rows.bucket)))
    starts = starts_of(rows.bucket)
    ends = np.append(starts[1:], len(rows)) - 1
    finite = rows.count - rows.nan - rows.plus - rows.minus
    total = np.add.reduceat(finite, starts)
    low, high = np.fmin.reduceat(rows.min, starts), np.fmax.reduceat(rows.max, starts)
    # Shares of each mean, not their sum: that could overflow.
    share = finite / np.repeat(np.maximum(total, 1), ends - starts + 1)
    mean = np.add.reduceat(np.where(finite > 0, rows.mean, 0.0) * share, starts)
    return Rows(
        rows.bucket[starts],
        np.minimum.reduceat(rows.first_x, starts),
        rows.last_x[ends],
        low,
        high,
        np.clip(mean, low, high),
        rows.last[ends],
        *(
            np.add.reduceat(column, starts)
            for column in (rows.count, rows.nan, rows.plus, rows.minus)
        ),
    )


def _rows_of_single_points(bucket: Int64Array, x: Int64Array, values: Float64Array) -> Rows:
    ones = np.ones(len(values), np.int64)
    finite = np.isfinite(values)
    if finite.all():
        zeros = np.zeros(len(values), np.int64)
        return Rows(bucket, x, x, values, values, values, values, ones, zeros, zeros, zeros)
    nan, plus, minus = (
        kind(values).astype(np.int64) for kind in (np.isnan, np.isposinf, np.isneginf)
    )
    only = np.where(finite, values, np.nan)
    return Rows(bucket, x, x, only, only, only, values, ones, nan, plus, minus)


def _means(
    values: Float64Array,
    starts: Int64Array,
    counts: Int64Array,
    low: Float64Array,
    high: Float64Array,
) -> Float64Array:
    """Take means of finite values, kept between the least and the greatest of each bucket."""
    with np.errstate(over="ignore", invalid="ignore"):
        means: Float64Array = np.add.reduceat(values, starts) / counts
        huge = ~np.isfinite(means)
        if huge.any():
            scaled = np.add.reduceat(np.ldexp(values, -_SCALE), starts) / counts
            means[huge] = np.ldexp(scaled[huge], _SCALE)
    clipped: Float64Array = np.clip(means, low, high)
    return clipped
