"""What a BatchPutMetrics must answer, from docs/api.md alone, and the points that are then there.

Shares no code with `stepwell.wire`: Python's own json reads the body, and the rules stand here once
more.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from typing import Any, NamedTuple

#: Limits of the fuzzed server that are smaller than usual, so that they are met.
POINTS_PER_PUT = 20
LINE_ENDS = frozenset("\n\r\u0085\u2028\u2029")

#: A number that float64 cannot hold: of no type that anything allows.
TOO_LARGE = object()

_COMPONENT = re.compile(r"[a-z0-9](-*[a-z0-9])*")
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_MICROSECONDS_LAST = 253_402_300_799_999_999


class Point(NamedTuple):
    """A point that was accepted; a step of -1 is none."""

    metric: str
    step: int
    timestamp_us: int
    value: float


class Expected(NamedTuple):
    """The right answer to a put: a status, and a code or the points at their places."""

    status: int
    code: str = ""
    component: str = ""
    points: tuple[Point | None, ...] = ()

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Give the member Errors of a 200."""
        return [
            {"Code": "VALIDATION_ERROR", "MetricIndex": index}
            for index, point in enumerate(self.points)
            if point is None
        ]


#: (component, metric) to its points, in order of arrival.
Ledger = defaultdict[tuple[str, str], list[Point]]


def expected_put(body: bytes, bytes_max: int) -> Expected:
    """Say what a put with this body must be answered."""
    if len(body) > bytes_max:
        return Expected(413, "RequestEntityTooLargeException")
    document = read_object(body)
    if document is None:
        return Expected(400, "SerializationException")
    name, data = document.get("TrialComponentName"), document.get("MetricData")
    if not isinstance(name, str | None) or not isinstance(data, list | None):
        return Expected(400, "SerializationException")
    folded, items = fold(name or ""), data or []
    is_name = _COMPONENT.fullmatch(folded) is not None and len(folded) <= 120
    if not is_name or not 1 <= len(items) <= POINTS_PER_PUT:
        return Expected(400, "ValidationException")
    return Expected(200, "", folded, tuple(map(_point, items)))


def fold(name: str) -> str:
    """Fold a component's name, its ASCII letters only."""
    return name.lower() if name.isascii() else name


def read_object(body: bytes) -> dict[str, Any] | None:
    """Read a JSON object in the dialects that docs/api.md allows; None if it is something else."""
    try:
        document = json.loads(body.decode(), parse_int=_integer, parse_float=_double)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _integer(text: str) -> object:
    # Python itself refuses integers of more than 4,300 digits.
    return int(text) if len(text) < 4000 else TOO_LARGE


def _double(text: str) -> object:
    number = float(text)
    return TOO_LARGE if math.isinf(number) else number


def _point(item: Any) -> Point | None:
    if not isinstance(item, dict):
        return None
    metric: Any = item.get("MetricName")
    value = _value(item.get("Value"))
    timestamp_us = _timestamp_us(item.get("Timestamp"))
    step = _step(item["Step"]) if item.get("Step") is not None else -1
    if not is_metric(metric) or value is None or timestamp_us is None or step is None:
        return None
    return Point(metric, step, timestamp_us, value)


def is_metric(name: Any) -> bool:
    """Say whether something is a metric's name."""
    if not isinstance(name, str) or not 1 <= len(name) <= 255:
        return False
    return not LINE_ENDS & set(name) and not any("\ud800" <= each <= "\udfff" for each in name)


def _value(value: Any) -> float | None:
    if isinstance(value, str):
        return _NON_FINITE.get(value)
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return None
    return None


def _timestamp_us(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    microseconds = value * 1_000_000 if isinstance(value, int) else round(value * 1e6)
    return microseconds if value >= 0 and microseconds <= _MICROSECONDS_LAST else None


def _step(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return int(value) if isinstance(value, int) and 0 <= value < 2**53 else None
