"""What can be asked of a series: statistic, period, axis and range (rules 8, 9, 10)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stepwell.model.names import Component
from stepwell.model.points import Float64Array, Int64Array


class Statistic(StrEnum):
    """How the points of one bucket become one value."""

    MIN = "Min"
    MAX = "Max"
    AVG = "Avg"
    COUNT = "Count"
    STD_DEV = "StdDev"
    LAST = "Last"


class Period(StrEnum):
    """The width of a bucket."""

    ONE_MINUTE = "OneMinute"
    FIVE_MINUTE = "FiveMinute"
    ONE_HOUR = "OneHour"
    ITERATION_NUMBER = "IterationNumber"


class Axis(StrEnum):
    """What the x-values are: steps, or milliseconds since the epoch."""

    ITERATION_NUMBER = "IterationNumber"
    TIMESTAMP = "Timestamp"


class Status(StrEnum):
    """How one query of a BatchGetMetrics ended."""

    COMPLETE = "Complete"
    TRUNCATED = "Truncated"
    INTERNAL_ERROR = "InternalError"
    VALIDATION_ERROR = "ValidationError"


PERIOD_US: dict[Period, int] = {
    Period.ONE_MINUTE: 60_000_000,
    Period.FIVE_MINUTE: 300_000_000,
    Period.ONE_HOUR: 3_600_000_000,
}


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """One well-formed query.

    Attributes:
        start: the first x that is wanted, or None; steps, or epoch milliseconds.
        stop: the first x that is not wanted any more, or None.
    """

    component: Component
    metric: str
    statistic: Statistic
    period: Period
    axis: Axis
    start: int | None = None
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class MetricResult:
    """The answer to one query: x ascending, one value a bucket, no empty buckets."""

    status: Status
    x: Int64Array
    values: Float64Array
    message: str | None = None
