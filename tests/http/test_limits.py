"""Limits over HTTP: those of components, those that were changed, and the profile aws (rule 6)."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import ExpectError, Server, StartServer

Query = Callable[..., dict[str, Any]]

DAY_S = 86_400


def item(metric: str = "loss", **changed: Any) -> dict[str, Any]:
    """Make an item of right now."""
    return {"MetricName": metric, "Timestamp": int(time.time()), "Value": 0.5, **changed}


def body(component: str, data: Any) -> bytes:
    """Encode a request."""
    return json.dumps({"TrialComponentName": component, "MetricData": data}).encode()


def test_metrics_of_a_component(small_server: Server, component: str, make_query: Query) -> None:
    """A name past the limit is METRIC_LIMIT_EXCEEDED; known names go on accepting (rule 4)."""
    assert small_server.put(component, [item("a"), item("b")]) == []
    errors = small_server.put(component, [item(name) for name in ("a", "c", "d", "b", "e", "c")])
    refused = [index for index, _ in errors]
    assert {code for _, code in errors} == {"METRIC_LIMIT_EXCEEDED"}
    # One of the three new names had room; every item of that name was taken.
    assert len(refused) in {2, 3}
    assert not {0, 3} & set(refused)
    assert small_server.put(component, [item("a"), item("zzz")]) == [(1, "METRIC_LIMIT_EXCEEDED")]
    (unknown,) = small_server.get(make_query(component, "zzz"))
    assert (unknown["Status"], unknown["XAxisValues"]) == ("Complete", [])
    assert small_server.count(component, "a") == 3


def test_first_names_come_first(small_server: Server, component: str) -> None:
    """Where a put opens more names than there is room for, the first ones of the request win."""
    names = ["z", "y", "x", "a"]
    assert small_server.put(component, [item(name) for name in names]) == [
        (3, "METRIC_LIMIT_EXCEEDED")
    ]


def test_errors_of_both_kinds(small_server: Server, component: str) -> None:
    """Broken items and those past a limit are named together, in request order."""
    known = ["a", "b", "c"]
    assert small_server.put(component, [item(name) for name in known]) == []
    data = [item("new"), item("a", Value=None), item("a"), item("new", Step=-1), item("newer")]
    assert small_server.put(component, data) == [
        (0, "METRIC_LIMIT_EXCEEDED"),
        (1, "VALIDATION_ERROR"),
        (3, "VALIDATION_ERROR"),
        (4, "METRIC_LIMIT_EXCEEDED"),
    ]


def test_points_of_a_component(small_server: Server, component: str) -> None:
    """Points past the component's limit are METRIC_LIMIT_EXCEEDED; those before are stored."""
    assert small_server.put(component, [item()] * 18) == []
    assert small_server.put(component, [item()] * 4) == [
        (2, "METRIC_LIMIT_EXCEEDED"),
        (3, "METRIC_LIMIT_EXCEEDED"),
    ]
    assert small_server.put(component, [item()]) == [(0, "METRIC_LIMIT_EXCEEDED")]
    assert small_server.count(component) == 20
    assert small_server.put(f"{component}-b", [item()]) == []


def test_a_retry_at_the_limit(small_server: Server, component: str) -> None:
    """A put that was stored up to the limit gets its first answer again, not a new one."""
    first = small_server.put(component, [item()] * 22, "one")
    assert first == [(20, "METRIC_LIMIT_EXCEEDED"), (21, "METRIC_LIMIT_EXCEEDED")]
    for _ in range(2):
        data = [item(Timestamp=1)] * 22
        assert small_server.put(f"{component}-b", data, "two") == first
    assert small_server.count(f"{component}-b") == 20


@pytest.mark.parametrize(("count", "is_ok"), [(100, True), (101, False)])
def test_items_of_a_put(
    small_server: Server, component: str, expect_error: ExpectError, count: int, *, is_ok: bool
) -> None:
    """A changed number of items in a put holds, and is named."""
    reply = small_server.put_body(body(component, [item()] * count))
    if is_ok:
        assert reply.status == 200
    else:
        expect_error(reply, 400, "ValidationException", "metricData", "between 1 and 100")


def test_queries_of_a_get(
    small_server: Server, make_query: Query, expect_error: ExpectError
) -> None:
    """A changed number of queries in a get holds, and is named."""
    assert len(small_server.get(*[make_query("nobody")] * 5)) == 5
    reply = small_server.get_body(json.dumps({"MetricQueries": [make_query("a")] * 6}).encode())
    expect_error(reply, 400, "ValidationException", "metricQueries", "between 1 and 5")


def test_values_of_a_result(small_server: Server, component: str, make_query: Query) -> None:
    """A cut answer is Truncated, says where to go on, and going on gives the rest (rule 11)."""
    noon = 1_700_049_600
    data = [item(Timestamp=noon + index * 60, Value=index) for index in range(10)]
    assert small_server.put(component, data) == []
    found: list[float] = []
    start: dict[str, int] = {}
    statuses = []
    for _ in range(3):
        (result,) = small_server.get(make_query(component, **start))
        found += result["MetricValues"]
        statuses.append(result["Status"])
        if result["Status"] == "Truncated":
            assert len(result["MetricValues"]) == 4
            start = {"Start": int(result["Message"].split("Start=")[1].rstrip("."))}
    assert statuses == ["Truncated", "Truncated", "Complete"]
    assert found == [float(index) for index in range(10)]


def test_bytes_of_a_body(start_server: StartServer, component: str) -> None:
    """A body over a small limit is a 413 also where it comes in one piece with its head."""
    server = start_server("--limit", "body_bytes_max=1000")
    content = body(component, [item()])
    head = b"PUT /BatchPutMetrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    for size, status in ((1000, 200), (1001, 413)):
        padded = content.ljust(size)
        request = head + b"Content-Length: %d\r\n\r\n" % size + padded
        assert server.raw(request).startswith(b"HTTP/1.1 %d " % status)
    assert server.count(component) == 1


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("nonsense=1", "nonsense"),
        ("points_per_put=0", "points_per_put"),
        ("points_per_put=x", "points_per_put"),
        ("points_per_put=none", "points_per_put"),
        ("folds_names=7", "folds_names"),
        ("points_per_put", "points_per_put"),
    ],
)
def test_limits_that_make_no_sense(argument: str, says: str) -> None:
    """A wrong --limit ends the command at once with a message that names it."""
    command = [sys.executable, "-m", "stepwell.cli.main", "serve", "--limit", argument]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert says in ended.stderr


def test_aws_items(aws_server: Server, expect_error: ExpectError) -> None:
    """The aws profile takes ten items and not eleven."""
    assert aws_server.put("known", [item()] * 10) == []
    reply = aws_server.put_body(body("known", [item()] * 11))
    expect_error(reply, 400, "ValidationException", "metricData", "between 1 and 10")


@pytest.mark.parametrize(
    ("changed", "is_ok"),
    [
        ({"Step": 2**31 - 1}, True),
        ({"Step": 2**31}, False),
        ({"Step": 2**53 - 1}, False),
        ({"Timestamp": int(time.time()) - 13 * DAY_S}, True),
        ({"Timestamp": int(time.time()) - 15 * DAY_S}, False),
        ({"Timestamp": int(time.time()) + 3_600}, True),
        ({"Timestamp": int(time.time()) + 3 * 3_600}, False),
        ({"Timestamp": 0}, False),
    ],
)
def test_aws_bounds(aws_server: Server, changed: dict[str, Any], *, is_ok: bool) -> None:
    """The aws profile has int32 steps and a window of two weeks back and two hours ahead."""
    errors = aws_server.put("known", [item(), item(**changed)])
    assert errors == ([] if is_ok else [(1, "VALIDATION_ERROR")])


def test_aws_components(aws_server: Server, component: str, make_query: Query) -> None:
    """In the aws profile each item for an unknown component is a VALIDATION_ERROR."""
    data = [item(), item(Step=-1), item()]
    assert aws_server.put(component, data) == [(index, "VALIDATION_ERROR") for index in range(3)]
    (result,) = aws_server.get(make_query(component))
    assert result["Status"] == "ValidationError"


@pytest.mark.parametrize("name", ["Known", "KNOWN", "knowN"])
def test_aws_names(aws_server: Server, expect_error: ExpectError, name: str) -> None:
    """In the aws profile upper case in a TrialComponentName is a ValidationException."""
    reply = aws_server.put_body(body(name, [item()]))
    expect_error(reply, 400, "ValidationException", "trialComponentName", "[a-z0-9]")


def test_aws_retries(aws_server: Server) -> None:
    """In the aws profile, too, a retry counts once."""
    before = aws_server.count("known")
    data = [item(Timestamp=int(time.time()) - 60)] * 2
    for _ in range(3):
        assert aws_server.put("known", data, "once") == []
    assert aws_server.count("known") == before + 2
