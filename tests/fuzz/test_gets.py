"""BatchGetMetrics with any bytes: the documented answer, query by query."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepwell.testing.reference import ReferencePoint, ReferenceQuery, answer, difference

from .bodies import AXES, BODY_BYTES_MAX, NOON, PERIODS, STATISTICS, Members, spoiled, travels
from .budget import ran, share
from .checks import check_form
from .line import Answer, Travel
from .model import TOO_LARGE, Point, fold, is_metric, read_object

if TYPE_CHECKING:
    from .conftest import Fuzzed

COMPONENT = "known"
METRIC = "loss"
#: Of one series: two minutes, a step that comes twice, NaN, an infinity, a point without a step.
POINTS = [
    ReferencePoint(0, NOON * 1_000_000, 4.0),
    ReferencePoint(1, NOON * 1_000_000 + 500_000, 0.1),
    ReferencePoint(1, (NOON + 60) * 1_000_000, float("nan")),
    ReferencePoint(2, (NOON + 61) * 1_000_000, float("-inf")),
    ReferencePoint(None, (NOON + 62) * 1_000_000, -0.0),
]
_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:[0-9]{12}:experiment-trial-component/(.+)")


@pytest.fixture(scope="session")
def known(fuzzed: Fuzzed) -> Fuzzed:
    """Give the server, with the series in it."""
    items = [
        {"MetricName": METRIC, "Timestamp": point.timestamp_us / 1e6, "Value": point.value}
        | ({} if point.step is None else {"Step": point.step})
        for point in POINTS
    ]
    body = json.dumps({"TrialComponentName": COMPONENT, "MetricData": items}).encode()
    reply = fuzzed.line.send("PUT", "/BatchPutMetrics", body)
    assert reply.json() == {"Errors": []}
    fuzzed.ledger[COMPONENT, METRIC] += [
        Point(METRIC, -1 if step is None else step, timestamp_us, value)
        for step, timestamp_us, value in POINTS
    ]
    return fuzzed


@st.composite
def gets(draw: st.DrawFn) -> Members:
    """Make a well-formed BatchGetMetrics."""
    bounds = st.sampled_from([0, 1, 2, NOON, NOON + 60, NOON * 1000, (NOON + 60) * 1000])
    queries = []
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["experiment-trial-component", "training-job"]))
        arn = f"arn:aws:sagemaker:eu-west-1:123456789012:{kind}/{COMPONENT}"
        period = draw(st.sampled_from(PERIODS))
        axis = draw(st.sampled_from(AXES)) if period == "IterationNumber" else "Timestamp"
        members: list[tuple[str, Any]] = [
            ("ResourceArn", arn if draw(st.booleans()) else arn.replace(COMPONENT, "KNOWN")),
            ("MetricName", draw(st.sampled_from([METRIC, METRIC, "accuracy"]))),
            ("MetricStat", draw(st.sampled_from(STATISTICS))),
            ("Period", period),
            ("XAxisType", axis),
        ]
        members += [(name, draw(bounds)) for name in ("Start", "End") if draw(st.booleans())]
        queries.append(Members(draw(st.permutations(members))))
    return Members([("MetricQueries", queries)])


def expected_code(body: bytes) -> tuple[str, list[Any]]:
    """Say with which code a get is refused as a whole, or give its queries."""
    if len(body) > BODY_BYTES_MAX:
        return "RequestEntityTooLargeException", []
    document = read_object(body)
    queries = None if document is None else document.get("MetricQueries")
    if document is None or not isinstance(queries, list | None):
        return "SerializationException", []
    return ("", queries) if queries and len(queries) <= 100 else ("ValidationException", [])


def reference_query(query: Any) -> ReferenceQuery | None:
    """Read a query; None where it is malformed or means another component."""
    if not isinstance(query, dict) or not is_metric(query.get("MetricName")):
        return None
    arn = query.get("ResourceArn")
    if not isinstance(arn, str) or len(arn) > 2048:
        return None
    found = _ARN.fullmatch(arn)
    if found is None or fold(found.group(1)) != COMPONENT:
        return None
    words = [query.get(member) for member in ("MetricStat", "Period", "XAxisType")]
    choices = (STATISTICS, PERIODS, AXES)
    if not all(word in some for word, some in zip(words, choices, strict=True)):
        return None
    bounds = [_bound(query.get(member)) for member in ("Start", "End")]
    if TOO_LARGE in bounds:
        return None
    return ReferenceQuery(*words, *bounds)  # type: ignore[arg-type]


def _bound(value: Any) -> Any:
    """Read a bound: an integer or None; `TOO_LARGE` is what is neither."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_bound = isinstance(value, int) and not isinstance(value, bool)
    return value if is_bound and -(2**63) <= value < 2**63 else TOO_LARGE


def check_get(reply: Answer, body: bytes) -> None:
    """Check an answer against the rules, query by query."""
    check_form(reply)
    code, queries = expected_code(body)
    assert reply.code == code, reply
    if code:
        return
    results = reply.json()["MetricQueryResults"]
    for query, result in zip(queries, results, strict=True):
        assert {"Status", "XAxisValues", "MetricValues"} <= result.keys()
        assert len(result["XAxisValues"]) == len(result["MetricValues"])
        assert len(result.get("Message", "")) <= 2048
        asked = reference_query(query)
        expected = None
        if asked is not None:
            expected = answer(POINTS if query["MetricName"] == METRIC else [], asked)
        if asked is None or expected is None or expected.status == "ValidationError":
            assert result["Status"] == "ValidationError", (query, result)
            assert result["XAxisValues"] == []
            assert result["Message"]
            continue
        assert result["Status"] == "Complete", (query, result)
        values = [float(value) for value in result["MetricValues"]]
        assert difference(expected, asked.statistic, result["XAxisValues"], values) is None


@share(5)
@given(body=st.binary(max_size=200), travel=travels())
def test_any_bytes(fuzzed: Fuzzed, body: bytes, travel: Travel) -> None:
    """Bytes that are no request get their documented error."""
    ran["gets of any bytes"] += 1
    reply = fuzzed.line.send("POST", "/BatchGetMetrics", body, travel=travel)
    check_get(reply, body)
    assert reply.status == 400


@share(15)
@given(body=gets().flatmap(spoiled), travel=travels())
def test_spoiled_gets(known: Fuzzed, body: bytes, travel: Travel) -> None:
    """Whatever happens to a good get, good queries are answered, and others say why not."""
    ran["spoiled gets"] += 1
    if len(body) > BODY_BYTES_MAX:
        travel = Travel()
    check_get(known.line.send("POST", "/BatchGetMetrics", body, travel=travel), body)
