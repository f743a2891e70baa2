"""Mean and standard deviation that neither cancel nor overflow, and how two of them merge.

Sums of squares lose all digits where the mean is large against the spread, so we keep (count, mean,
M2) with M2 the sum of squared differences from the mean; two of them merge by the rule of Chan,
Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances"
(1979). Inputs here are finite; what NaN and the infinities mean is decided by the callers.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from stepwell.model.points import Float64Array, Int64Array

#: Below this, squares have lost digits to float64's smallest exponent.
_M2_EXACT_MIN = 1e-280


class Moments(msgspec.Struct, frozen=True, gc=False):
    """Count, mean and sum of squared differences from the mean, of finite values."""

    count: int
    mean: float
    m2: float


def is_exact(moments: Moments) -> bool:
    """Say whether M2 is within the range in which squares keep their digits."""
    return _M2_EXACT_MIN < moments.m2 < math.inf


def moments_of(values: Float64Array) -> Moments:
    """Compute the moments of one or more finite values. As `bucket_moments`, for one bucket."""
    count = len(values)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.add.reduce(values)) / count
        rest = values - mean
        correction = float(np.add.reduce(rest))
        m2 = float(np.dot(rest, rest)) - correction * correction / count
    if not math.isfinite(correction):
        return Moments(count, _mean_of_huge(values), math.inf)
    if correction:
        mean += correction / count
    mean = min(max(mean, float(values.min())), float(values.max()))
    return Moments(count, mean, math.inf if math.isnan(m2) else max(m2, 0.0))


def merge(first: Moments, second: Moments) -> Moments:
    """Give the moments of both parts' values taken together."""
    count = first.count + second.count
    # Shares of each, not a step from one to the other: that may overflow, and cancels more.
    mean = first.mean * (first.count / count) + second.mean * (second.count / count)
    mean = min(max(mean, min(first.mean, second.mean)), max(first.mean, second.mean))
    delta = second.mean - first.mean
    return Moments(
        count, mean, first.m2 + second.m2 + delta * delta * (first.count * second.count / count)
    )


def bucket_moments(
    values: Float64Array, starts: Int64Array
) -> tuple[Float64Array, Float64Array, Int64Array]:
    """Compute mean and M2 of consecutive buckets of finite values.

    Two passes: the mean of a bucket is corrected by the mean of what is left over, which makes it
    exact for equal values and right to the last bit or two for all others.

    Args:
        values: float64[n], n >= 1, finite.
        starts: int64[k], the first index of each bucket, ascending, the first one 0; none empty.

    Returns:
        means float64[k], m2s float64[k] (infinite where float64 cannot hold it), counts int64[k].
    """
    counts = np.diff(starts, append=len(values))
    if len(starts) == len(values):
        return values.copy(), np.zeros(len(values)), counts
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.add.reduceat(values, starts) / counts
        rest = values - np.repeat(means, counts)
        correction = np.add.reduceat(rest, starts)
        # Not where there is nothing to correct: -0.0 + 0.0 would lose its sign.
        np.add(means, correction / counts, out=means, where=correction != 0)
        means[~np.isfinite(correction)] = math.nan
        m2s = np.add.reduceat(rest * rest, starts) - correction * correction / counts
    np.maximum(m2s, 0.0, out=m2s)
    for index in np.flatnonzero(~np.isfinite(means)).tolist():
        means[index] = _mean_of_huge(values[starts[index] : starts[index] + counts[index]])
        m2s[index] = math.inf
    m2s[np.isnan(m2s)] = math.inf
    return means, m2s, counts


def bucket_std_devs(values: Float64Array, starts: Int64Array) -> Float64Array:
    """Compute the population's standard deviation of consecutive buckets of finite values."""
    _, m2s, counts = bucket_moments(values, starts)
    std_devs: Float64Array = np.sqrt(m2s / counts)
    # Squares leave float64's range from 1e154 up and from 1e-154 down: those get their own unit.
    suspects = np.flatnonzero((counts > 1) & ~((m2s > _M2_EXACT_MIN) & (m2s < math.inf)))
    for index in suspects.tolist():
        part = values[starts[index] : starts[index] + counts[index]]
        std_devs[index] = _scaled_std_dev(part) if part.min() < part.max() else 0.0
    return std_devs


def _mean_of_huge(values: Float64Array) -> float:
    """Take the mean of finite values whose sum float64 cannot hold."""
    # A power of two scales without rounding, and 2**64 values of any size fit then.
    mean = math.fsum(np.ldexp(values, -64).tolist()) / len(values)
    # Rounding twice may lead out of the values by a bit; ldexp would overflow there.
    low, high = float(values.min()), float(values.max())
    return math.ldexp(min(max(mean, math.ldexp(low, -64)), math.ldexp(high, -64)), 64)


def _scaled_std_dev(values: Float64Array) -> float:
    # A power of two scales without rounding; halves first, since the spread itself may overflow.
    spread = float(values.max() / 2 - values.min() / 2)
    exponent = math.frexp(spread)[1] + 1
    middle = values.max() / 2 + values.min() / 2
    scaled = np.ldexp(values / 2 - middle / 2, 1 - exponent)
    mean = scaled.mean()
    return math.ldexp(float(np.sqrt(np.mean((scaled - mean) ** 2))), exponent)
