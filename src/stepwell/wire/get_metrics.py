"""BatchGetMetrics: a body into queries, results into a body.

A query that is wrong does not spoil the others: in its place stands the error (rule 11).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

import orjson

from stepwell.model.errors import QueryError, SerializationError, ValidationError
from stepwell.model.limits import Limits
from stepwell.model.names import (
    ARN_CHARS_MAX,
    Component,
    component_of_arn,
    is_metric_name,
)
from stepwell.model.queries import Axis, MetricQuery, MetricResult, Period, Statistic
from stepwell.wire.numbers import decode_json, doubles_for_json, parse_step

_MESSAGE_CHARS_MAX = 2048
#: Below this, a range on the time axis is in seconds, else in milliseconds (rule 8).
SECONDS_LIMIT = 10**11
_INT64_STOP = 2**63

_Enum = TypeVar("_Enum", bound=StrEnum)


def decode_get(body: bytes, limits: Limits, *, account: str) -> list[MetricQuery | QueryError]:
    """Decode a request's body into its queries, in request order; a broken one is its error.

    Raises:
        SerializationError: not JSON, or a wrong JSON type at the top.
        ValidationError: no queries, or too many.
    """
    request = decode_json(body)
    if not isinstance(request, dict):
        msg = "The request body must be a JSON object."
        raise SerializationError(msg)
    items = request.get("MetricQueries")
    if items is None:
        constraint = (
            "Value at 'metricQueries' failed to satisfy constraint: Member must not be null"
        )
        raise ValidationError([constraint])
    if not isinstance(items, list):
        msg = "The member MetricQueries must be a list."
        raise SerializationError(msg)
    if not 1 <= len(items) <= limits.queries_per_get:
        constraint = (
            f"Value with {len(items)} items at 'metricQueries' failed to satisfy constraint: Member"
            f" must have length between 1 and {limits.queries_per_get}, inclusive"
        )
        raise ValidationError([constraint])
    return [_decode_query(item, account) for item in items]


def encode_result(result: MetricResult) -> bytes:
    """Encode one result. Message is absent where there is none; all else is always there."""
    document: dict[str, Any] = {
        "Status": result.status.value,
        "XAxisValues": result.x,
        "MetricValues": doubles_for_json(result.values),
    }
    if result.message is not None:
        document["Message"] = result.message[:_MESSAGE_CHARS_MAX]
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def _decode_query(item: object, account: str) -> MetricQuery | QueryError:
    if not isinstance(item, dict):
        return QueryError("A metric query must be a JSON object.")
    problems: list[str] = []
    component = _decode_arn(item.get("ResourceArn"), problems)
    metric = item.get("MetricName")
    if not isinstance(metric, str) or not is_metric_name(metric):
        problems.append("MetricName must be a string of 1 to 255 characters without line ends")
    statistic = _decode_enum(item, "MetricStat", Statistic, problems)
    period = _decode_enum(item, "Period", Period, problems)
    axis = _decode_enum(item, "XAxisType", Axis, problems)
    if axis is Axis.ITERATION_NUMBER and period not in {Period.ITERATION_NUMBER, None}:
        problems.append(
            f"XAxisType IterationNumber goes with Period IterationNumber only, not {period}"
        )
    start = _decode_bound(item, "Start", axis, problems)
    stop = _decode_bound(item, "End", axis, problems)
    if problems or component is None or statistic is None or period is None or axis is None:
        return QueryError("; ".join(problems) + ".")
    return MetricQuery(
        Component(account, component), str(metric), statistic, period, axis, start, stop
    )


def _decode_arn(arn: object, problems: list[str]) -> str | None:
    name = component_of_arn(arn) if isinstance(arn, str) else None
    if name is None:
        problems.append(
            "ResourceArn must be the ARN of a trial component or a training job:"
            " arn:aws:sagemaker:<region>:<account>:experiment-trial-component/<name> or"
            f" .../training-job/<name>, at most {ARN_CHARS_MAX} characters"
        )
    return name


def _decode_enum(
    item: dict[str, Any], member: str, kind: type[_Enum], problems: list[str]
) -> _Enum | None:
    value = item.get(member)
    choices = {choice.value: choice for choice in kind}
    if isinstance(value, str) and value in choices:
        return choices[value]
    problems.append(f"{member} must satisfy enum value set: [{', '.join(choices)}]")
    return None


def _decode_bound(
    item: dict[str, Any], member: str, axis: Axis | None, problems: list[str]
) -> int | None:
    value = item.get(member)
    if value is None:
        return None
    bound = None if isinstance(value, bool) else parse_step(value)
    if bound is None or not -_INT64_STOP <= bound < _INT64_STOP:
        problems.append(f"{member} must be a 64-bit integer")
        return None
    if axis is Axis.TIMESTAMP and abs(bound) < SECONDS_LIMIT:
        return bound * 1000
    return bound
