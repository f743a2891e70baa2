"""Smoothing by an exponential moving average over a series' whole history.

The average at a point weighs each finite point up to it, in order of x, by a power of two that
falls with its distance: in points (`weight`), or in x (`half_life`). It is debiased: divided by the
sum of the weights, so the first points are not drawn towards zero. What is not finite is passed
over.

The average does not depend on buckets or on what is looked at. It is computed by parts: each part
weighs its own points as seen from its last one, and parts are then chained. Every weight is
computed by itself and lies within [0, 1], so nothing cancels, overflows, or is divided by what has
become too small, as it would with running products.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from stepwell.model.points import Float64Array, Int64Array

#: A weight of zero, as a power of two: what comes one point later has vanished.
_RATE_MIN = -1100.0
#: Powers of two below this are zero, with a good margin: the least that float64 has is -1074.
_EXPONENT_MIN = -1200.0
#: So many series side by side, numpy's calls cost less than Python's steps.
_ABREAST_MIN = 40


class Smoothing(NamedTuple):
    """How fast weights fall: as powers of two, for each point or each whole x of distance."""

    rate: float
    by_points: bool

    @classmethod
    def by_weight(cls, weight: float) -> Self:
        """Let each point weigh `weight` (0 to below 1) of the one after it."""
        return cls(max(math.log2(weight), _RATE_MIN) if weight > 0 else _RATE_MIN, by_points=True)

    @classmethod
    def by_half_life(cls, half_life: float) -> Self:
        """Let weights halve with every `half_life` of x."""
        return cls(max(-1 / half_life, _RATE_MIN), by_points=False)

    @classmethod
    def by_x(cls, weight: float, apart: float) -> Self:
        """Let weights fall along x as `weight` does for points that are so far apart."""
        return cls(max(cls.by_weight(weight).rate / apart, _RATE_MIN), by_points=False)

    @property
    def half_life(self) -> float | None:
        """Say after how much whole x weights are halved; None: that depends on the points."""
        return None if self.by_points else -1 / self.rate

    def forgets(self, distance: int) -> bool:
        """Say whether what is so far back has no weight at all, as one power or as a product."""
        return distance * self.rate < _EXPONENT_MIN


@dataclass(frozen=True, slots=True)
class Partials:
    """Weighted means of consecutive parts of a series, each as seen from its last finite point.

    Attributes:
        mean: float64[k]; 0 for a part without finite points.
        total: float64[k]; the sum of the weights; 0 for such a part.
        end: int64[k]; the x of its last finite point.
        finite: int64[k]; how many finite points it has.
    """

    mean: Float64Array
    total: Float64Array
    end: Int64Array
    finite: Int64Array

    def take(self, chosen: Int64Array | slice) -> Self:
        """Choose parts."""
        return type(self)(
            self.mean[chosen], self.total[chosen], self.end[chosen], self.finite[chosen]
        )

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Put parts one after another."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([each.mean for each in parts]),
            np.concatenate([each.total for each in parts]),
            np.concatenate([each.end for each in parts]),
            np.concatenate([each.finite for each in parts]),
        )


def partials_of(
    smoothing: Smoothing, starts: Int64Array, x: Int64Array, values: Float64Array
) -> Partials:
    """Weigh the points of consecutive parts.

    Args:
        smoothing: how.
        starts: int64[k], the first index of each part, ascending, the first one 0; none empty.
        x: int64[n], ascending within a part.
        values: float64[n].
    """
    counts = np.diff(starts, append=len(values))
    is_finite = np.isfinite(values)
    if is_finite.all():
        return Partials(*_weighted(smoothing, starts, counts, x, values))
    finite = np.add.reduceat(is_finite, starts, dtype=np.int64)
    some = np.flatnonzero(finite)
    mean, total = np.zeros(len(starts)), np.zeros(len(starts))
    end = np.zeros(len(starts), np.int64)
    if len(some):
        inner = np.concatenate(([0], np.cumsum(finite[some])[:-1]))
        found = _weighted(smoothing, inner, finite[some], x[is_finite], values[is_finite])
        mean[some], total[some], end[some], _ = found
    return Partials(mean, total, end, finite)


def _weighted(
    smoothing: Smoothing,
    starts: Int64Array,
    counts: Int64Array,
    x: Int64Array,
    values: Float64Array,
) -> tuple[Float64Array, Float64Array, Int64Array, Int64Array]:
    last = starts + counts - 1
    place = np.arange(len(values)) if smoothing.by_points else x
    distance = np.repeat(place[last], counts) - place
    weights = np.exp2(distance * smoothing.rate)
    totals = np.add.reduceat(weights, starts)
    # Shares of the whole, so that the sum cannot overflow.
    shares = weights / np.repeat(totals, counts)
    means: Float64Array = np.add.reduceat(shares * values, starts)
    return means, totals, x[last], counts


def chained(
    smoothing: Smoothing, partials: Partials, is_first: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> Float64Array:
    """Give the average at each part's last point.

    Args:
        smoothing: how.
        partials: of parts in order of x.
        is_first: bool[k]; where another series begins.

    Returns:
        float64[k]; NaN before the first finite point of a series.
    """
    group = np.cumsum(is_first)
    some = np.flatnonzero(partials.finite)
    result = np.full(len(is_first), np.nan)
    if not len(some):
        return result
    begins = np.append(True, group[some][1:] != group[some][:-1])
    end, finite = partials.end[some], partials.finite[some]
    distance = finite if smoothing.by_points else np.diff(end, prepend=end[0])
    decay = np.where(begins, 0.0, np.exp2(np.where(begins, 0, distance) * smoothing.rate))
    averages = _averages(np.flatnonzero(begins), decay, partials.mean[some], partials.total[some])
    # A part without finite points has the average of the part before it, in the same series.
    place = np.cumsum(partials.finite > 0) - 1
    known = (place >= 0) & (group[some][np.maximum(place, 0)] == group)
    result[known] = averages[place[known]]
    return result


def _averages(
    starts: Int64Array, decay: Float64Array, means: Float64Array, weights: Float64Array
) -> Float64Array:
    """Go along each series, which begin at `starts`: many of them at once, or one by one.

    Both ways do the same arithmetic in the same order, so that they agree to the last bit.
    """
    lengths = np.diff(starts, append=len(decay))
    longest = int(lengths.max())
    if len(decay) < _ABREAST_MIN * longest:
        return _averages_in_turn(decay, means, weights)
    # The longest series first: those that still go on are then the first ones.
    order = np.argsort(-lengths, kind="stable")
    starts = starts[order]
    going = np.searchsorted(-lengths[order], -np.arange(longest), side="left").tolist()
    averages = np.empty(len(decay))
    average, total = np.zeros(len(starts)), np.zeros(len(starts))
    for step, count in enumerate(going):
        place = starts[:count] + step
        weight = weights[place]
        before = decay[place] * total[:count]
        total = before + weight
        average = average[:count] * (before / total) + means[place] * (weight / total)
        averages[place] = average
    return averages


def _averages_in_turn(
    decay: Float64Array, means: Float64Array, weights: Float64Array
) -> Float64Array:
    averages, average, total = [], 0.0, 0.0
    for each, mean, weight in zip(decay.tolist(), means.tolist(), weights.tolist(), strict=True):
        before = each * total
        total = before + weight
        average = average * (before / total) + mean * (weight / total)
        averages.append(average)
    return np.array(averages)
