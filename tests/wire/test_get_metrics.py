"""BatchGetMetrics: queries in, results out; one bad query spoils no other (rules 8, 9, 11)."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.model.errors import QueryError, RequestError, SerializationError, ValidationError
from stepwell.model.limits import Limits
from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.queries import Axis, MetricQuery, MetricResult, Period, Statistic, Status
from stepwell.wire.get_metrics import decode_get, encode_result

ARN = "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/run"
QUERY: dict[str, Any] = {
    "ResourceArn": ARN,
    "MetricName": "loss",
    "MetricStat": "Avg",
    "Period": "OneMinute",
    "XAxisType": "Timestamp",
}


def get(*queries: Any) -> list[MetricQuery | QueryError]:
    """Decode queries."""
    body = json.dumps({"MetricQueries": queries}).encode()
    return decode_get(body, Limits(), account=DEFAULT_ACCOUNT)


def problem_of(**changed: Any) -> str:
    """Give the error of the query with some members changed; those that are ... are taken away."""
    query = {name: value for name, value in {**QUERY, **changed}.items() if value is not ...}
    (found,) = get(query)
    assert isinstance(found, QueryError), found
    return str(found)


def bounds_of(**changed: Any) -> tuple[int | None, int | None]:
    """Give the range of the query with some members changed."""
    (found,) = get({**QUERY, **changed})
    assert isinstance(found, MetricQuery), found
    return found.start, found.stop


@pytest.mark.parametrize("document", [[], "x", 7, True, None, [QUERY]])
def test_not_an_object(document: Any) -> None:
    """A body that is JSON but no object is a SerializationException that says so."""
    with pytest.raises(SerializationError, match="must be a JSON object"):
        decode_get(json.dumps(document).encode(), Limits(), account=DEFAULT_ACCOUNT)


@pytest.mark.parametrize("queries", [7, "x", True, {}, QUERY])
def test_wrong_types_at_the_top(queries: Any) -> None:
    """MetricQueries of another JSON type is a SerializationException that names it."""
    body = json.dumps({"MetricQueries": queries}).encode()
    with pytest.raises(SerializationError, match="MetricQueries"):
        decode_get(body, Limits(), account=DEFAULT_ACCOUNT)


@pytest.mark.parametrize("document", [{}, {"MetricQueries": None}, {"metricQueries": [QUERY]}])
def test_missing_queries(document: Any) -> None:
    """Missing MetricQueries are a ValidationException that names them."""
    with pytest.raises(ValidationError, match=r"'metricQueries'.*must not be null"):
        decode_get(json.dumps(document).encode(), Limits(), account=DEFAULT_ACCOUNT)


@pytest.mark.parametrize("count", [0, 101, 1_000])
def test_too_few_or_many_queries(count: int) -> None:
    """No queries or more than a hundred are a ValidationException with count and limit."""
    with pytest.raises(ValidationError) as caught:
        get(*[QUERY] * count)
    assert "'metricQueries'" in str(caught.value)
    assert "between 1 and 100" in str(caught.value)
    assert str(count) in str(caught.value)


def test_a_hundred_queries_keep_their_order() -> None:
    """A hundred queries come out in request order, each broken one as an error in its place."""
    names: list[Any] = [f"m{index}" if index % 7 else index for index in range(100)]
    found = get(*({**QUERY, "MetricName": name} for name in names))
    assert [each.metric if isinstance(each, MetricQuery) else None for each in found] == [
        name if isinstance(name, str) else None for name in names
    ]


@pytest.mark.parametrize("query", [None, 7, "x", [], True])
def test_queries_that_are_no_objects(query: Any) -> None:
    """A query of another JSON type is an error in its place."""
    found = get(query, QUERY)
    assert isinstance(found[0], QueryError)
    assert "JSON object" in str(found[0])
    assert isinstance(found[1], MetricQuery)


@pytest.mark.parametrize("statistic", ["Min", "Max", "Avg", "Count", "StdDev", "Last"])
@pytest.mark.parametrize("period", ["OneMinute", "FiveMinute", "OneHour", "IterationNumber"])
@pytest.mark.parametrize("axis", ["IterationNumber", "Timestamp"])
def test_every_form(statistic: str, period: str, axis: str) -> None:
    """Every statistic, period and axis is known; steps as x need steps as buckets (rule 9)."""
    (found,) = get({**QUERY, "MetricStat": statistic, "Period": period, "XAxisType": axis})
    if axis == "IterationNumber" != period:
        assert isinstance(found, QueryError)
        assert "XAxisType" in str(found)
        assert "Period" in str(found)
        assert period in str(found)
    else:
        component = Component(DEFAULT_ACCOUNT, "run")
        form = (Statistic(statistic), Period(period), Axis(axis))
        assert found == MetricQuery(component, "loss", *form)


@pytest.mark.parametrize(
    ("member", "choices"),
    [
        ("MetricStat", ["Min", "Max", "Avg", "Count", "StdDev", "Last"]),
        ("Period", ["OneMinute", "FiveMinute", "OneHour", "IterationNumber"]),
        ("XAxisType", ["IterationNumber", "Timestamp"]),
    ],
)
@pytest.mark.parametrize(
    "value", [..., None, 7, "", "avg", "ONE_MINUTE", [], {}, "\ud800", "x" * 9]
)
def test_malformed_enums(member: str, choices: list[str], value: Any) -> None:
    """A missing or unknown enum value is named with all that it may be; case counts."""
    problem = problem_of(**{member: value})
    assert member in problem
    assert all(choice in problem for choice in choices)


@pytest.mark.parametrize("value", [..., None, 7, "", "x" * 256, "a\nb", "\ud800", ["loss"]])
def test_malformed_metric_names(value: Any) -> None:
    """A missing or malformed MetricName is named with its rule."""
    problem = problem_of(MetricName=value)
    assert "MetricName" in problem
    assert "1 to 255 characters" in problem


@pytest.mark.parametrize(
    "value",
    [
        *(..., None, 7, "", "run", [ARN], ARN + "x" * 2_048),
        *(ARN.replace("123", "12"), ARN.replace("sagemaker", "s3")),
        ARN.replace("experiment-trial-component", "experiment"),
    ],
)
def test_malformed_arns(value: Any) -> None:
    """A missing or malformed ResourceArn is named with the two forms that are known."""
    problem = problem_of(ResourceArn=value)
    assert "ResourceArn" in problem
    assert "experiment-trial-component/" in problem
    assert "training-job/" in problem


@pytest.mark.parametrize("name", ["\ud800", "a\udfff"])
def test_arns_with_half_a_surrogate_pair(name: str) -> None:
    """An ARN that no text encoding can hold is malformed; the store must never see it."""
    assert "ResourceArn" in problem_of(ResourceArn=ARN.replace("run", name))


@pytest.mark.parametrize("member", ["Start", "End"])
@pytest.mark.parametrize(
    "value", ["1", "", 1.5, True, "NaN", math.nan, math.inf, [], {}, 2**63, 1e300]
)
def test_malformed_bounds(member: str, value: Any) -> None:
    """A bound that is no 64-bit integer is named with its rule."""
    problem = problem_of(**{member: value})
    assert member in problem
    assert "64-bit integer" in problem


def test_every_broken_member_is_named() -> None:
    """A query with everything wrong says everything."""
    (found,) = get({"Start": "x", "End": "y"})
    members = ("ResourceArn", "MetricName", "MetricStat", "Period", "XAxisType", "Start", "End")
    assert all(member in str(found) for member in members)
    assert len(str(found)) <= 2_048


@pytest.mark.parametrize(
    ("bound", "milliseconds"),
    [
        (0, 0),
        (1_700_000_000, 1_700_000_000_000),
        (99_999_999_999, 99_999_999_999_000),
        (100_000_000_000, 100_000_000_000),
        (1_700_000_000_000, 1_700_000_000_000),
        (-99_999_999_999, -99_999_999_999_000),
        (-100_000_000_000, -100_000_000_000),
        (1_700_000_000.0, 1_700_000_000_000),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (None, None),
    ],
)
def test_bounds_on_the_time_axis(bound: Any, milliseconds: int | None) -> None:
    """On the time axis a bound below 10^11 is in seconds, any other in milliseconds (rule 8)."""
    assert bounds_of(Start=bound, End=bound) == (milliseconds, milliseconds)


@pytest.mark.parametrize("bound", [0, -1, 7, 99_999_999_999, 10**11, 2**53, 2**63 - 1])
def test_bounds_on_the_step_axis(bound: int) -> None:
    """On the step axis a bound is a step, whatever its size."""
    form = {"Period": "IterationNumber", "XAxisType": "IterationNumber"}
    assert bounds_of(**form, Start=bound, End=bound) == (bound, bound)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*QUERY, "Start", "End", "Other"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([]),
    )
)
def test_any_query(changed: dict[str, Any]) -> None:
    """A query with any members is a query or an error, and so are those about it."""
    first, second, third = get(QUERY, {**QUERY, **changed}, QUERY)
    assert isinstance(first, MetricQuery)
    assert isinstance(second, MetricQuery | QueryError)
    assert third == first


@settings(max_examples=300, deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_any_bytes(body: bytes) -> None:
    """Any bytes are queries or a documented error."""
    try:
        decode_get(body, Limits(), account=DEFAULT_ACCOUNT)
    except RequestError:
        return


def encoded(status: Status, x: list[int], values: list[float], message: str | None = None) -> Any:
    """Encode a result and read it back."""
    result = MetricResult(status, np.array(x, np.int64), np.array(values), message)
    return json.loads(encode_result(result))


def test_results() -> None:
    """A result has status, whole x, doubles; NaN and the infinities are rest-json's strings."""
    values = [0.5, math.nan, math.inf, -math.inf]
    found = encoded(Status.COMPLETE, [0, 1, 2**53, 1_700_000_000_000], values)
    assert found == {
        "Status": "Complete",
        "XAxisValues": [0, 1, 2**53, 1_700_000_000_000],
        "MetricValues": [0.5, "NaN", "Infinity", "-Infinity"],
    }
    assert all(isinstance(x, int) for x in found["XAxisValues"])


@pytest.mark.parametrize("status", Status)
def test_empty_results(status: Status) -> None:
    """Empty lists are there, and a message is cut to the 2048 characters that clients take."""
    found = encoded(status, [], [], "é" * 3_000)
    assert found == {
        "Status": status.value,
        "XAxisValues": [],
        "MetricValues": [],
        "Message": "é" * 2_048,
    }


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_values_go_out_to_the_bit(values: list[float]) -> None:
    """Every finite double reads back bit by bit, -0.0 and denormals too."""
    found = encoded(Status.COMPLETE, list(range(len(values))), values)["MetricValues"]
    assert [float.hex(float(each)) for each in found] == [each.hex() for each in values]
