"""Summaries of metrics: all six statistics of a whole series, from parts that merge.

The rules are part B's 7 and 10: Min, Max, Avg and StdDev pass over NaN (all NaN gives NaN), an
infinity takes part, StdDev is the population's, Last is by timestamp and then by order of arrival.
A zero has no sign here: what the parts were kept in may have lost it.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from stepwell.model.points import Float64Array, Points
from stepwell.model.statistics import Moments, bucket_std_devs, is_exact, merge, moments_of


class MetricSummary(msgspec.Struct, frozen=True, gc=False):
    """Statistics of all points of one metric of one trial component.

    Attributes:
        metric: its name.
        count: all points, NaN too.
        min: NaN where every value is; so are `max`, `avg` and `std_dev`.
        max: see `min`.
        last: the value of the last point by timestamp, then by order of arrival.
        avg: NaN where there are infinities of both signs.
        std_dev: the population's; NaN with an infinity among several values.
        timestamp_us: the last point's.
        nan: how many values are NaN.
        infinite: how many are infinite.
    """

    metric: str
    count: int
    min: float
    max: float
    last: float
    avg: float
    std_dev: float
    timestamp_us: int
    nan: int = 0
    infinite: int = 0


class Finite(msgspec.Struct, frozen=True, gc=False):
    """What is known of the finite values of a part, one or more."""

    min: float
    max: float
    moments: Moments

    def then(self, later: Finite) -> Finite:
        """Merge with the values of another part."""
        return Finite(
            min(self.min, later.min), max(self.max, later.max), merge(self.moments, later.moments)
        )


class Part(msgspec.Struct, frozen=True, gc=False):
    """What is known of some consecutive points of a series without the points themselves.

    Attributes:
        count: all points, NaN too.
        plus: how many are plus infinity.
        minus: how many are minus infinity.
        finite: of the finite values; None where there are none.
        last: the value of the last point by timestamp, then by order of arrival.
        timestamp_us: that point's.
    """

    count: int
    plus: int
    minus: int
    finite: Finite | None
    last: float
    timestamp_us: int

    def then(self, later: Part) -> Part:
        """Merge with the points that arrived after these."""
        if self.finite is None or later.finite is None:
            finite = self.finite or later.finite
        else:
            finite = self.finite.then(later.finite)
        newest = later if later.timestamp_us >= self.timestamp_us else self
        return Part(
            self.count + later.count,
            self.plus + later.plus,
            self.minus + later.minus,
            finite,
            newest.last,
            newest.timestamp_us,
        )

    @property
    def tells_deviation(self) -> bool:
        """Say whether `summary` knows the deviation; where squares leave float64's range, not."""
        finite = self.finite
        if finite is None or self.plus or self.minus or finite.min == finite.max:
            return True
        return is_exact(finite.moments)

    def summary(self, metric: str, std_dev: float | None = None) -> MetricSummary:
        """Give the statistics; with `std_dev` where these do not tell it."""
        low = high = avg = deviation = math.nan
        finite = self.finite
        if finite is not None:
            low, high, moments = finite.min, finite.max, finite.moments
            avg = moments.mean
            if std_dev is not None:
                deviation = std_dev
            else:
                deviation = 0.0 if low == high else math.sqrt(moments.m2 / moments.count)
        if self.plus or self.minus:
            avg, deviation = self._with_infinities()
            low = -math.inf if self.minus else low if finite else math.inf
            high = math.inf if self.plus else high if finite else -math.inf
        # Adding it takes the sign from a zero.
        zero = 0.0
        return MetricSummary(
            metric,
            self.count,
            low + zero,
            high + zero,
            self.last + zero,
            avg + zero,
            deviation,
            self.timestamp_us,
            self.count - self.plus - self.minus - (finite.moments.count if finite else 0),
            self.plus + self.minus,
        )

    def _with_infinities(self) -> tuple[float, float]:
        """Give Avg and StdDev where infinities take part."""
        is_alone = self.finite is None and self.plus + self.minus == 1
        deviation = 0.0 if is_alone else math.nan
        if self.plus and self.minus:
            return math.nan, deviation
        return math.inf if self.plus else -math.inf, deviation


def part_of(points: Points) -> Part:
    """Look at one or more points of a series, in order of arrival."""
    values = points.values
    finite = values[np.isfinite(values)]
    last = len(points) - 1 - int(np.argmax(points.timestamps_us[::-1]))
    return Part(
        len(points),
        int(np.isposinf(values).sum()),
        int(np.isneginf(values).sum()),
        Finite(float(finite.min()), float(finite.max()), moments_of(finite))
        if len(finite)
        else None,
        float(values[last]),
        int(points.timestamps_us[last]),
    )


def deviation_of(values: Float64Array) -> float:
    """Give the standard deviation of the finite values among these, one or more, of any size."""
    finite = values[np.isfinite(values)]
    return float(bucket_std_devs(finite, np.zeros(1, np.int64))[0])
