"""The six statistics over consecutive buckets of points (rule 10; NaN and infinities, rule 7).

Min, Max, Avg and StdDev pass over NaN, and are NaN where a bucket has nothing else. An infinity
takes part: it can be Min or Max, makes Avg infinite (or NaN beside its opposite) and StdDev NaN,
except that StdDev is 0 wherever only one point takes part. Count and Last take every point.
"""

from __future__ import annotations

import math

import numpy as np

from stepwell.model.points import Float64Array, Int64Array
from stepwell.model.queries import Statistic
from stepwell.model.statistics import bucket_moments, bucket_std_devs


def aggregate(  # noqa: PLR0911 - one case a statistic
    statistic: Statistic, values: Float64Array, starts: Int64Array | None
) -> Float64Array:
    """Compute one value a bucket.

    Args:
        statistic: which one. For LAST, a bucket's last value must be its latest point's.
        values: float64[n], bucket after bucket.
        starts: int64[k], the first index of each bucket, ascending, the first one 0; none empty.
            None: each point is a bucket of its own.

    Returns:
        float64[k]; it may be `values` itself.
    """
    if starts is None:
        return _of_single_points(statistic, values)
    if not len(starts):
        return np.empty(0)
    match statistic:
        case Statistic.COUNT:
            counts: Float64Array = np.diff(starts, append=len(values)).astype(np.float64)
            return counts
        case Statistic.LAST:
            last: Float64Array = values[np.append(starts[1:], len(values)) - 1]
            return last
        case Statistic.MIN:
            return _with_zero_of_sign(np.fmin.reduceat(values, starts), values, starts, -0.0)
        case Statistic.MAX:
            return _with_zero_of_sign(np.fmax.reduceat(values, starts), values, starts, 0.0)
        case Statistic.AVG:
            return _averages(values, starts)
        case Statistic.STD_DEV:
            return _std_devs(values, starts)


def _of_single_points(statistic: Statistic, values: Float64Array) -> Float64Array:
    if statistic is Statistic.COUNT:
        return np.ones(len(values))
    if statistic is Statistic.STD_DEV:
        return np.where(np.isnan(values), math.nan, 0.0)
    return values


def bucket_starts(keys: Int64Array) -> Int64Array:
    """Give the first index of each run of equal keys."""
    if not len(keys):
        return np.empty(0, np.int64)
    return np.append(0, np.flatnonzero(keys[1:] != keys[:-1]) + 1)


def _with_zero_of_sign(
    result: Float64Array, values: Float64Array, starts: Int64Array, zero: float
) -> Float64Array:
    """Make zeros among extremes the wanted one where a bucket has it: -0.0 is less than 0.0."""
    is_zero = result == 0
    if is_zero.any():
        wanted = (values == 0) & (np.signbit(values) == np.signbit(zero))
        result[is_zero & np.logical_or.reduceat(wanted, starts)] = zero
    return result


def _averages(values: Float64Array, starts: Int64Array) -> Float64Array:
    finite = np.isfinite(values)
    if finite.all():
        return bucket_moments(values, starts)[0]
    result, some, inner = _finite_buckets(finite, starts)
    if len(inner):
        result[some] = bucket_moments(values[finite], inner)[0]
    positive = np.logical_or.reduceat(np.isposinf(values), starts)
    negative = np.logical_or.reduceat(np.isneginf(values), starts)
    result[positive] = math.inf
    result[negative] = -math.inf
    result[positive & negative] = math.nan
    return result


def _std_devs(values: Float64Array, starts: Int64Array) -> Float64Array:
    finite = np.isfinite(values)
    if finite.all():
        return bucket_std_devs(values, starts)
    result, some, inner = _finite_buckets(finite, starts)
    if len(inner):
        result[some] = bucket_std_devs(values[finite], inner)
    infinite = np.logical_or.reduceat(np.isinf(values), starts)
    result[infinite] = math.nan
    result[np.add.reduceat((~np.isnan(values)).astype(np.int64), starts) == 1] = 0.0
    return result


def _finite_buckets(
    finite: np.ndarray[tuple[int], np.dtype[np.bool_]], starts: Int64Array
) -> tuple[Float64Array, Int64Array, Int64Array]:
    """Leave out what is not finite.

    Returns an array of NaN for every bucket, which buckets have finite values, and where those
    start among the finite values.
    """
    counts = np.add.reduceat(finite.astype(np.int64), starts)
    some = np.flatnonzero(counts)
    inner = np.append(0, np.cumsum(counts[some])[:-1]) if len(some) else np.empty(0, np.int64)
    return np.full(len(starts), math.nan), some, inner
