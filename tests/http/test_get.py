"""BatchGetMetrics over HTTP: results in place, errors query by query, messages (rule 11)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import ExpectError, Server

Query = Callable[..., dict[str, Any]]

NOON = 1_700_049_600
STEPS = {"Period": "IterationNumber", "XAxisType": "IterationNumber"}


def item(metric: str = "loss", **changed: Any) -> dict[str, Any]:
    """Make an item."""
    return {"MetricName": metric, "Timestamp": NOON, "Value": 0.5, **changed}


@pytest.fixture
def run(server: Server, component: str) -> str:
    """Give a component with a few points: two in a first minute, and three an hour later."""
    data = [
        item(Timestamp=NOON, Value=4.0, Step=0),
        item(Timestamp=NOON + 59, Value=2.0, Step=1),
        item(Timestamp=NOON + 3_600, Value="NaN", Step=1),
        item(Timestamp=NOON + 3_600, Value="Infinity", Step=2),
        item(Timestamp=NOON + 3_601, Value=-0.0),
    ]
    assert server.put(component, data) == []
    return component


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff", b'{"MetricQueries":[}', b"[" * 10_000_000, b'{"MetricQueries":' * 600_000],
)
def test_not_json(server: Server, expect_error: ExpectError, text: bytes) -> None:
    """A body that is not JSON, or nested too deeply, is a SerializationException."""
    expect_error(server.get_body(text), 400, "SerializationException", "request body is n")


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ([], "SerializationException", "JSON object"),
        (None, "SerializationException", "JSON object"),
        ({"MetricQueries": 7}, "SerializationException", "MetricQueries"),
        ({"MetricQueries": {}}, "SerializationException", "MetricQueries"),
        ({"MetricQueries": "x"}, "SerializationException", "MetricQueries"),
        ({}, "ValidationException", "metricQueries"),
        ({"MetricQueries": None}, "ValidationException", "metricQueries"),
        ({"MetricQueries": []}, "ValidationException", "metricQueries"),
        ({"MetricQueries": [{}] * 101}, "ValidationException", "between 1 and 100"),
        ({"MetricQueries": [None] * 5_000}, "ValidationException", "between 1 and 100"),
    ],
)
def test_requests_of_the_wrong_shape(
    server: Server, expect_error: ExpectError, document: Any, code: str, words: str
) -> None:
    """A request that is wrong as a whole is refused with the member's name and rule."""
    expect_error(server.get_body(json.dumps(document).encode()), 400, code, words)


def test_the_answer(server: Server, run: str, make_query: Query) -> None:
    """An answer has a Status and both lists for each query, and no Message where all is well."""
    assert server.get(make_query(run)) == [
        {
            "Status": "Complete",
            "XAxisValues": [NOON * 1000, (NOON + 3_600) * 1000],
            "MetricValues": [2.0, -0.0],
        }
    ]


@pytest.mark.parametrize(
    ("statistic", "values"),
    [
        ("Min", [4.0, 2.0, "Infinity"]),
        ("Max", [4.0, 2.0, "Infinity"]),
        ("Avg", [4.0, 2.0, "Infinity"]),
        ("Count", [1.0, 2.0, 1.0]),
        ("StdDev", [0.0, 0.0, 0.0]),
        ("Last", [4.0, "NaN", "Infinity"]),
    ],
)
def test_statistics(
    server: Server, run: str, make_query: Query, statistic: str, values: list[Any]
) -> None:
    """Each statistic comes out by step; what is not finite is a string, and x stays whole."""
    (result,) = server.get(make_query(run, MetricStat=statistic, **STEPS))
    assert (result["XAxisValues"], result["MetricValues"]) == ([0, 1, 2], values)
    assert result["Status"] == "Complete"
    assert "1 points without a step" in result["Message"]


def test_an_unknown_metric(server: Server, run: str, make_query: Query) -> None:
    """A metric that the component does not have is Complete and empty, and says so."""
    (result,) = server.get(make_query(run, "accuracy"))
    assert (result["Status"], result["XAxisValues"], result["MetricValues"]) == ("Complete", [], [])
    assert "no metric" in result["Message"]
    assert "accuracy" in result["Message"]


def test_an_empty_range(server: Server, run: str, make_query: Query) -> None:
    """A range without points is Complete and empty, and the metric is not said to be missing."""
    (result,) = server.get(make_query(run, Start=NOON + 60, End=NOON + 120))
    assert (result["Status"], result["XAxisValues"]) == ("Complete", [])
    assert "no metric" not in result.get("Message", "")


def test_an_unknown_component(server: Server, make_query: Query) -> None:
    """An unknown component is a ValidationError that names it."""
    (result,) = server.get(make_query("nobody-at-all"))
    assert (result["Status"], result["XAxisValues"]) == ("ValidationError", [])
    assert result["MetricValues"] == []
    assert "nobody-at-all" in result["Message"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"ResourceArn": "run"}, ["ResourceArn"]),
        ({"ResourceArn": None}, ["ResourceArn"]),
        ({"ResourceArn": 7}, ["ResourceArn"]),
        ({"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:experiment/a"}, ["ResourceArn"]),
        ({"ResourceArn": "arn:aws:s3:::bucket"}, ["ResourceArn"]),
        ({"MetricName": ""}, ["MetricName", "255"]),
        ({"MetricName": "x" * 256}, ["MetricName", "255"]),
        ({"MetricName": "a\nb"}, ["MetricName"]),
        ({"MetricName": None}, ["MetricName"]),
        ({"MetricStat": "Sum"}, ["MetricStat", "StdDev"]),
        ({"MetricStat": "avg"}, ["MetricStat", "Avg"]),
        ({"Period": "OneDay"}, ["Period", "FiveMinute"]),
        ({"XAxisType": "Step"}, ["XAxisType", "Timestamp"]),
        ({"XAxisType": "IterationNumber"}, ["XAxisType", "IterationNumber", "OneMinute"]),
        ({"Start": "1"}, ["Start", "integer"]),
        ({"Start": 1.5}, ["Start", "integer"]),
        ({"End": True}, ["End", "integer"]),
        ({"End": 2**63}, ["End", "integer"]),
        ({"Start": 10**400}, ["Start", "integer"]),
        ({"MetricStat": None, "Period": 7, "XAxisType": []}, ["MetricStat", "Period", "XAxisType"]),
    ],
)
def test_one_bad_query(
    server: Server, run: str, make_query: Query, changed: dict[str, Any], words: list[str]
) -> None:
    """A bad query alone gets ValidationError with member and rule; its neighbours are answered."""
    good = make_query(run)
    first, second, third = server.get(good, {**good, **changed}, good)
    assert second["Status"] == "ValidationError"
    assert (second["XAxisValues"], second["MetricValues"]) == ([], [])
    assert all(word in second["Message"] for word in words), second["Message"]
    assert first == third
    assert len(first["XAxisValues"]) == 2


@pytest.mark.parametrize(
    "name", ["\ud800", "a\udc00", "\0", "../../etc", "\u212a", "x" * 1_900, "ü"]
)
def test_arns_of_impossible_components(
    server: Server, run: str, make_query: Query, name: str
) -> None:
    """An ARN whose name no component can have is a ValidationError, and the others are answered."""
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/{name}"
    good = make_query(run)
    found = server.get(good, {**good, "ResourceArn": arn}, good)
    assert [result["Status"] for result in found] == ["Complete", "ValidationError", "Complete"]


@pytest.mark.parametrize("name", ["\ud83d\ude00", "\0", "' OR 1=1 --", "\x7f", "e\u0301"])
def test_metrics_of_any_name(server: Server, component: str, make_query: Query, name: str) -> None:
    """Names come back as they went in, and no two are confused."""
    assert server.put(component, [item(name), item("other", Value=1)]) == []
    found = server.get(make_query(component, name), make_query(component, name + "x"))
    assert [len(result["XAxisValues"]) for result in found] == [1, 0]


@pytest.mark.parametrize("query", [None, 7, "x", [], True])
def test_queries_that_are_no_objects(
    server: Server, run: str, make_query: Query, query: Any
) -> None:
    """A query of another JSON type is a ValidationError in its place."""
    statuses = [result["Status"] for result in server.get(query, make_query(run), query)]
    assert statuses == ["ValidationError", "Complete", "ValidationError"]


def test_a_hundred_queries(server: Server, component: str, make_query: Query) -> None:
    """A hundred queries of all kinds are answered in request order."""
    data = [item(f"m{index}", Value=index, Step=index) for index in range(100)]
    assert server.put(component, data) == []
    queries = []
    for index in range(100):
        asked = make_query(component, f"m{index}", **STEPS)
        if index % 10 == 3:
            asked = make_query("nobody", f"m{index}")
        elif index % 10 == 5:
            asked = {**asked, "MetricStat": "Median"}
        elif index % 10 == 7:
            asked = {**asked, "Start": index, "End": index + 1}
        queries.append(asked)
    for index, result in enumerate(server.get(*queries)):
        if index % 10 in {3, 5}:
            assert result["Status"] == "ValidationError"
        else:
            assert (result["XAxisValues"], result["MetricValues"]) == ([index], [float(index)])


def test_a_hundred_and_one_queries(
    server: Server, run: str, make_query: Query, expect_error: ExpectError
) -> None:
    """One query more than a hundred refuses the request."""
    text = json.dumps({"MetricQueries": [make_query(run)] * 101}).encode()
    words = ("metricQueries", "101 items", "between 1 and 100")
    expect_error(server.get_body(text), 400, "ValidationException", *words)


@pytest.mark.parametrize("job", ["job-{}", "JOB-{}"])
def test_training_jobs(server: Server, component: str, make_query: Query, job: str) -> None:
    """A training job's ARN means the component that is named after it (rule 12)."""
    name = job.format(component)
    assert server.put(f"{name.lower()}-aws-training-job", [item(Value=7)]) == []
    arn = f"arn:aws-us-gov:sagemaker:us-gov-west-1:999999999999:training-job/{name}"
    (result,) = server.get({**make_query("x"), "ResourceArn": arn})
    assert (result["Status"], result["MetricValues"]) == ("Complete", [7.0])


@pytest.mark.parametrize("region", ["us-east-1", "x-local-1", "cn-north-1", ""])
@pytest.mark.parametrize("account", ["000000000000", "999999999999"])
def test_region_and_account_do_not_count(
    server: Server, run: str, make_query: Query, region: str, account: str
) -> None:
    """Region and account of an ARN are not compared; type and name are, in any case."""
    arn = f"arn:aws:sagemaker:{region}:{account}:experiment-trial-component/{run.upper()}"
    (result,) = server.get({**make_query(run), "ResourceArn": arn})
    assert result["Status"] == "Complete"
    assert len(result["XAxisValues"]) == 2


@pytest.mark.parametrize("unit", [1, 1000])
def test_ranges(server: Server, run: str, make_query: Query, unit: int) -> None:
    """Start and End in seconds and in milliseconds mean the same; End is excluded (rule 8)."""

    def x(start: int | None, end: int | None) -> list[int]:
        bounds = {"Start": start and start * unit, "End": end and end * unit}
        (result,) = server.get(make_query(run, **bounds))
        return [each // 1000 - NOON for each in result["XAxisValues"]]

    assert x(None, None) == [0, 3_600]
    assert x(NOON, NOON + 3_600) == [0]
    assert x(NOON + 1, None) == [3_600]
    assert x(None, NOON + 3_601) == [0, 3_600]
    assert x(NOON + 3_600, NOON) == []


def test_values_read_back_to_the_bit(server: Server, component: str, make_query: Query) -> None:
    """Doubles of every size read back to the bit through JSON."""
    values = [math.pi * 10.0**power for power in range(-320, 308, 7)] + [
        5e-324,
        1.7976931348623157e308,
    ]
    assert server.put(component, [item(Value=v, Step=i) for i, v in enumerate(values)]) == []
    (result,) = server.get(make_query(component, **STEPS))
    assert [value.hex() for value in result["MetricValues"]] == [value.hex() for value in values]


def test_huge_values_are_answered(server: Server, component: str, make_query: Query) -> None:
    """Statistics of the largest doubles are answered, not an InternalError."""
    largest = 1.7976931348623157e308
    assert server.put(component, [item(Value=largest, Step=0)] * 5) == []
    asked = [make_query(component, MetricStat=stat, **STEPS) for stat in ("Avg", "StdDev", "Max")]
    found = server.get(*asked)
    assert [result["Status"] for result in found] == ["Complete"] * 3
    assert [result["MetricValues"] for result in found] == [[largest], [0.0], [largest]]
