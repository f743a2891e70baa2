"""Rules 7 to 11 of CONTRACT part B in plain Python: what a query must answer, computed slowly.

Written from the rules' text and sharing no code with `stepwell.query`, so that a mistake in either
shows as a difference. Numbers are `fractions.Fraction` until the very last step: Avg and StdDev
come out correctly rounded, and neither 1e308 nor 5e-324 leaves the range on the way.

Where the text leaves a choice, this is what was decided:

- A range applies to x, and so to whole buckets: Start <= x < End.
- x of a point is its time in milliseconds, rounded down.
- StdDev is 0 where a single non-NaN value takes part, NaN with an infinity among several.
- Min of -0.0 and 0.0 is -0.0, Max is 0.0, as in IEEE 754-2019.
- Equal x are in no order: `difference` compares answers without regard to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from stepwell.model.summaries import MetricSummary

#: Below this, Start and End on the Timestamp axis are seconds (rule 8).
SECONDS_BELOW = 10**11

_PERIOD_S = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600}


class ReferencePoint(NamedTuple):
    """A point as it arrived: its step or None, its time in microseconds, its value."""

    step: int | None
    timestamp_us: int
    value: float


@dataclass(frozen=True, slots=True)
class ReferenceQuery:
    """A query in the words of the wire.

    Attributes:
        start: as sent: steps, seconds or milliseconds; None where it is absent.
        end: the same.
    """

    statistic: str
    period: str
    axis: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class ReferenceAnswer:
    """The whole answer, before any truncation.

    Attributes:
        status: `Complete` or `ValidationError`.
        x: ascending.
        values: one for each x.
        scales: the mean of the absolute values in each bucket: what the last bits of Avg weigh.
        says_nothing_there: `Message` must say that the component has no such metric.
        says_left_out: how many points without a step `Message` must say were left out.
    """

    status: str
    x: list[int]
    values: list[float]
    scales: list[float]
    says_nothing_there: bool = False
    says_left_out: int = 0


class ReferenceSummary(NamedTuple):
    """What a summary of a whole series says, and what the last bits of its Avg and StdDev weigh."""

    points: int
    min: float
    max: float
    last: float
    avg: float
    std_dev: float
    timestamp_us: int
    scale: float


class _Bucket(NamedTuple):
    x: int
    points: list[ReferencePoint]


def answer(points: Sequence[ReferencePoint], query: ReferenceQuery) -> ReferenceAnswer:
    """Say what rules 7 to 11 demand for a series whose points arrived in this order."""
    on_steps = query.axis == "IterationNumber"
    if on_steps and query.period != "IterationNumber":
        return ReferenceAnswer("ValidationError", [], [], [])
    if not points:
        return ReferenceAnswer("Complete", [], [], [], says_nothing_there=True)
    buckets = sorted(_buckets(points, query), key=lambda bucket: bucket.x)
    start, stop = (
        bound if on_steps else as_milliseconds(bound) for bound in (query.start, query.end)
    )
    kept = [
        bucket
        for bucket in buckets
        if (start is None or start <= bucket.x) and (stop is None or bucket.x < stop)
    ]
    without_step = sum(point.step is None for point in points)
    return ReferenceAnswer(
        "Complete",
        [bucket.x for bucket in kept],
        [statistic(query.statistic, bucket.points) for bucket in kept],
        [scale(point.value for point in bucket.points) for bucket in kept],
        says_left_out=without_step if on_steps else 0,
    )


def as_milliseconds(bound: int | None) -> int | None:
    """Read a Start or End of the Timestamp axis: seconds or milliseconds, by magnitude."""
    if bound is None:
        return None
    return bound * 1000 if abs(bound) < SECONDS_BELOW else bound


def _buckets(points: Sequence[ReferencePoint], query: ReferenceQuery) -> Iterable[_Bucket]:
    if query.period in _PERIOD_S:
        return _time_buckets(points, _PERIOD_S[query.period])
    return _step_buckets(points, on_steps=query.axis == "IterationNumber")


def _time_buckets(points: Sequence[ReferencePoint], period_s: int) -> Iterable[_Bucket]:
    members: dict[int, list[ReferencePoint]] = {}
    for point in points:
        number = point.timestamp_us // (period_s * 1_000_000)
        members.setdefault(number, []).append(point)
    for number, inside in members.items():
        yield _Bucket(number * period_s * 1000, inside)


def _step_buckets(points: Sequence[ReferencePoint], *, on_steps: bool) -> Iterable[_Bucket]:
    members: dict[int, list[ReferencePoint]] = {}
    for point in points:
        if point.step is not None:
            members.setdefault(point.step, []).append(point)
        elif not on_steps:
            yield _Bucket(point.timestamp_us // 1000, [point])
    for step, inside in members.items():
        yield _Bucket(step if on_steps else last(inside).timestamp_us // 1000, inside)


def last(points: Sequence[ReferencePoint]) -> ReferencePoint:
    """Give the last point by timestamp, then by order of arrival (rule 10)."""
    winner = points[0]
    for point in points[1:]:
        if point.timestamp_us >= winner.timestamp_us:
            winner = point
    return winner


def statistic(name: str, points: Sequence[ReferencePoint]) -> float:
    """Compute one statistic of the points of one bucket, in order of arrival (rules 7, 10).

    Raises:
        KeyError: there is no such statistic.
    """
    if name == "Count":
        return float(len(points))
    if name == "Last":
        return last(points).value
    values = [point.value for point in points if not math.isnan(point.value)]
    return _OF_VALUES[name](values) if values else math.nan


def summary(points: Sequence[ReferencePoint]) -> ReferenceSummary:
    """Say what rules 7 and 10 demand for one or more points that arrived in this order."""
    finite = [abs(point.value) for point in points if math.isfinite(point.value)]
    return ReferenceSummary(
        len(points),
        statistic("Min", points),
        statistic("Max", points),
        statistic("Last", points),
        statistic("Avg", points),
        statistic("StdDev", points),
        last(points).timestamp_us,
        max(finite, default=0.0),
    )


def summary_difference(expected: ReferenceSummary, found: MetricSummary) -> str | None:
    """Say where a summary differs from the expected one, or None.

    All have to agree exactly, but for the sign of a zero (all NaN are one). Avg and StdDev have to
    agree to within a few units in the last place of the largest value, or a hundred of their own.
    """
    if found.count != expected.points:
        return f"count is {found.count}, not {expected.points}"
    if found.timestamp_us != expected.timestamp_us:
        return f"timestamp_us is {found.timestamp_us}, not {expected.timestamp_us}"
    for name in ("min", "max", "last", "avg", "std_dev"):
        right, value = getattr(expected, name), getattr(found, name)
        slack = 0.0
        if name in {"avg", "std_dev"} and math.isfinite(right):
            slack = max(16 * math.ulp(expected.scale), 100 * math.ulp(right))
        # Adding zero takes the sign from a zero.
        if not _is_close(value + 0.0, right + 0.0, slack):
            return f"{name} is {value!r}, not {right!r}"
    return None


def _order(value: float) -> tuple[bool, float, float]:
    # As IEEE 754-2019's minimum and maximum: -0.0 lies below 0.0. NaN comes last.
    if math.isnan(value):
        return True, 0.0, 0.0
    return False, value, math.copysign(1.0, value)


def mean(values: Sequence[float]) -> float:
    """Take the mean of values that are no NaN, correctly rounded."""
    signs = {value for value in values if math.isinf(value)}
    if signs:
        return signs.pop() if len(signs) == 1 else math.nan
    exact = sum(map(Fraction, values)) / len(values)
    if exact == 0 and all(math.copysign(1.0, value) < 0 for value in values):
        return -0.0
    return float(exact)


def std_dev(values: Sequence[float]) -> float:
    """Take the population's standard deviation of values that are no NaN, to within an ulp."""
    if len(values) == 1:
        return 0.0
    if any(math.isinf(value) for value in values):
        return math.nan
    exact = [Fraction(value) for value in values]
    centre = sum(exact) / len(exact)
    return _square_root(Fraction(sum((value - centre) ** 2 for value in exact)) / len(exact))


def _least(values: Sequence[float]) -> float:
    return min(values, key=_order)


def _greatest(values: Sequence[float]) -> float:
    return max(values, key=_order)


_OF_VALUES: dict[str, Callable[[Sequence[float]], float]] = {
    "Min": _least,
    "Max": _greatest,
    "Avg": mean,
    "StdDev": std_dev,
}


def _square_root(square: Fraction) -> float:
    if square == 0:
        return 0.0
    # The integer square root has half as many bits: 200 give far more than a double's 53.
    bits = square.numerator.bit_length() - square.denominator.bit_length()
    shift = max(0, 200 - bits) // 2
    whole = math.isqrt((square.numerator << (2 * shift)) // square.denominator)
    return float(Fraction(whole, 1 << shift))


def scale(values: Iterable[float]) -> float:
    """Give the mean of the finite values' absolute values, rounded up to the smallest double."""
    exact = [abs(Fraction(value)) for value in values if math.isfinite(value)]
    return float(sum(exact) / len(exact)) if exact else 0.0


def difference(
    expected: ReferenceAnswer, statistic_name: str, x: Sequence[int], values: Sequence[float]
) -> str | None:
    """Say where an answer differs from the expected one, or None. Equal x may be in any order.

    Min, Max, Count and Last have to agree in every bit (all NaN are one); Avg and StdDev to within
    a few units in the last place: of the result, or of the values that it was made from.
    """
    if list(x) != expected.x:
        return f"x is {list(x)}, not {expected.x}"
    units = {"Avg": 2, "StdDev": 4}.get(statistic_name, 0)
    weights = expected.scales if statistic_name == "Avg" else [0.0] * len(expected.x)
    found = _grouped(expected.x, values, weights)
    for each, group in _grouped(expected.x, expected.values, weights).items():
        for (right, weight), (value, _) in zip(group, found[each], strict=True):
            slack = units * max(math.ulp(right), math.ulp(weight)) if units else 0.0
            if not _is_close(value, right, slack):
                return f"at x={each} the value is {value!r}, not {right!r}"
    return None


def _grouped(
    x: Sequence[int], values: Sequence[float], weights: Sequence[float]
) -> dict[int, list[tuple[float, float]]]:
    """Collect the values of each x in an order of their own: -0.0 before 0.0, NaN last."""
    groups: dict[int, list[float]] = {}
    heaviest: dict[int, float] = {}
    for each, value, weight in zip(x, values, weights, strict=True):
        groups.setdefault(each, []).append(value)
        heaviest[each] = max(weight, heaviest.get(each, 0.0))
    return {
        each: [(value, heaviest[each]) for value in sorted(group, key=_order)]
        for each, group in groups.items()
    }


def _is_close(value: float, right: float, slack: float) -> bool:
    if math.isnan(right) or math.isnan(value):
        return math.isnan(right) and math.isnan(value)
    if math.isinf(right) or math.isinf(value):
        return value == right
    if value == right:
        return slack > 0 or math.copysign(1.0, value) == math.copysign(1.0, right)
    return abs(value - right) <= slack
