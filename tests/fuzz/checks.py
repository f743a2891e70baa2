"""What holds for every answer, and for every series that was put."""

from __future__ import annotations

import json
import math
import re
from typing import Any
from urllib.parse import urlencode

import numpy as np

from .line import Answer, Line
from .model import Point

ARN = "arn:aws:sagemaker:us-east-1:000000000000:experiment-trial-component/"

_CODES = {
    400: {"SerializationException", "ValidationException"},
    413: {"RequestEntityTooLargeException"},
    429: {"ThrottlingException"},
    503: {"ServiceUnavailable"},
}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def check_form(answer: Answer) -> None:
    """Check what holds for every answer of the two operations."""
    assert answer.status in {200, *_CODES}, answer
    assert answer.headers["content-type"] == "application/json"
    assert _UUID.fullmatch(answer.headers["x-amzn-requestid"])
    if answer.status == 200:
        assert "x-amzn-errortype" not in answer.headers
        return
    document = answer.json()
    assert document.keys() == {"__type", "message"}
    assert document["__type"] == answer.code
    assert answer.code in _CODES[answer.status], answer
    assert document["message"]
    waits = answer.status in {429, 503}
    assert ("retry-after" in answer.headers) == ("x-amz-retry-after" in answer.headers) == waits


def is_same(first: float, second: float) -> bool:
    """Say whether two doubles are the same to the bit; all NaN are one."""
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) and math.isnan(second)
    return first == second and math.copysign(1.0, first) == math.copysign(1.0, second)


def check_stored(line: Line, component: str, metric: str, points: list[Point]) -> None:
    """Read a series back in two ways: every bit of it, in order, and the number of its points."""
    names = urlencode({"component": component, "metric": metric})
    frame = line.send("GET", f"/api/v1/points?{names}")
    assert frame.status == 200, frame
    start = 4 + int.from_bytes(frame.body[:4], "little")
    head = json.loads(frame.body[4:start])
    assert head["count"] == len(points)
    columns = []
    for column in head["columns"]:
        columns.append(np.frombuffer(frame.body, column["type"], head["count"], start).tolist())
        start += 8 * head["count"]
    assert start == len(frame.body)
    for point, step, timestamp_us, value in zip(points, *columns, strict=True):
        assert (point.step, point.timestamp_us) == (step, timestamp_us)
        assert is_same(point.value, value)
    _, counts, _ = line.get_all(count_query(component, metric))
    assert sum(counts) == len(points)


def count_query(component: str, metric: str) -> dict[str, Any]:
    """Make a query that counts all points of a series."""
    form = {"MetricStat": "Count", "Period": "OneHour", "XAxisType": "Timestamp"}
    return {"ResourceArn": ARN + component, "MetricName": metric, **form}
