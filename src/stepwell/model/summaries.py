"""Summaries of metrics: all six statistics of a whole series, from parts that merge.

The rules are part B's 7 and 10: Min, Max, Avg and StdDev pass over NaN (all NaN gives NaN), an
infinity takes part, StdDev is the population's, Last is by timestamp and then by order of arrival.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stepwell.model.points import Points
from stepwell.model.statistics import Moments, bucket_std_devs, is_exact, merge, moments_of


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """Statistics of all points of one metric of one trial component."""

    metric: str
    count: int
    min: float
    max: float
    last: float
    avg: float
    std_dev: float
    timestamp_us: int


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of some consecutive points of a series without the points themselves.

    Attributes:
        count: all points, NaN too.
        infinite: how many are plus, and how many are minus infinity.
        finite_min: the least finite value; with `finite_max` and `moments` None where none is.
        finite_max: the greatest one.
        moments: count, mean and M2 of the finite values.
        last: the value of the last point by timestamp, then by order of arrival.
        timestamp_us: that point's.
    """

    count: int
    infinite: tuple[int, int]
    finite_min: float | None
    finite_max: float | None
    moments: Moments | None
    last: float
    timestamp_us: int

    def then(self, later: Part) -> Part:
        """Merge with the points that arrived after these."""
        is_later = later.timestamp_us >= self.timestamp_us
        return Part(
            self.count + later.count,
            (self.infinite[0] + later.infinite[0], self.infinite[1] + later.infinite[1]),
            min(_there(self.finite_min, later.finite_min), default=None),
            max(_there(self.finite_max, later.finite_max), default=None),
            merge(self.moments, later.moments)
            if self.moments and later.moments
            else self.moments or later.moments,
            later.last if is_later else self.last,
            later.timestamp_us if is_later else self.timestamp_us,
        )

    @property
    def is_exact(self) -> bool:
        """Say whether the moments tell the deviation; where squares leave float64's range, not."""
        moments = self.moments
        return moments is None or self.finite_min == self.finite_max or is_exact(moments)

    def summary(self, metric: str, std_dev: float | None = None) -> MetricSummary:
        """Give the statistics; `std_dev` is of the finite values, where these do not tell it."""
        plus, minus = self.infinite
        return MetricSummary(
            metric,
            self.count,
            -math.inf if minus else _or(self.finite_min, math.inf if plus else math.nan),
            math.inf if plus else _or(self.finite_max, -math.inf if minus else math.nan),
            self.last,
            self._average(),
            self._deviation(std_dev),
            self.timestamp_us,
        )

    def _average(self) -> float:
        plus, minus = self.infinite
        if plus or minus:
            return math.nan if plus and minus else math.inf if plus else -math.inf
        return math.nan if self.moments is None else self.moments.mean

    def _deviation(self, std_dev: float | None) -> float:
        infinite = sum(self.infinite)
        if self.moments is None:
            return 0.0 if infinite == 1 else math.nan
        if infinite:
            return math.nan
        if self.finite_min == self.finite_max:
            return 0.0
        return math.sqrt(self.moments.m2 / self.moments.count) if std_dev is None else std_dev


def part_of(points: Points) -> Part:
    """Look at one or more points of a series, in order of arrival."""
    values = points.values
    finite = values[np.isfinite(values)]
    last = len(points) - 1 - int(np.argmax(points.timestamps_us[::-1]))
    return Part(
        len(points),
        (int(np.isposinf(values).sum()), int(np.isneginf(values).sum())),
        float(finite.min()) if len(finite) else None,
        float(finite.max()) if len(finite) else None,
        moments_of(finite) if len(finite) else None,
        float(values[last]),
        int(points.timestamps_us[last]),
    )


def deviation_of(points: Points) -> float:
    """Give the standard deviation of points' finite values, whatever their size."""
    finite = points.values[np.isfinite(points.values)]
    return float(bucket_std_devs(finite, np.zeros(1, np.int64))[0])


def _there(*values: float | None) -> list[float]:
    return [value for value in values if value is not None]


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
