"""BatchPutMetrics over HTTP: requests that are refused as a whole, and that the server goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import ExpectError, Server

MIB = 1024 * 1024
ITEM = {"MetricName": "loss", "Timestamp": 1_700_000_000, "Value": 0.5, "Step": 1}


def body(name: Any, data: Any) -> bytes:
    """Encode a request."""
    return json.dumps({"TrialComponentName": name, "MetricData": data}).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b"TrialComponentName=run",
        b"<xml/>",
        b'{"TrialComponentName":"run",}',
        b"{'TrialComponentName':'run'}",
        b"\xef\xbb\xbf{}",
        b'{"TrialComponentName":"\xff"}',
        b"\x00" * 100,
        body("run", [ITEM])[:-1],
        body("run", [ITEM])[:40],
        body("run", [ITEM]) + b"}",
        body("run", [ITEM]) * 2,
        body("run", [ITEM]).decode().encode("utf-16"),
    ],
)
def test_not_json(server: Server, expect_error: ExpectError, text: bytes) -> None:
    """A body that is not JSON, or cut in its middle, is a SerializationException."""
    expect_error(server.put_body(text), 400, "SerializationException", "request body is not ")


@pytest.mark.parametrize("document", [[], [ITEM], "run", 7, 1.5, True, None])
def test_not_an_object(server: Server, expect_error: ExpectError, document: Any) -> None:
    """A body that is no object is a SerializationException."""
    reply = server.put_body(json.dumps(document).encode())
    expect_error(reply, 400, "SerializationException", "JSON object")


@pytest.mark.parametrize(
    ("name", "data", "member"),
    [
        *((name, [ITEM], "TrialComponentName") for name in (7, 1.5, True, [], {})),
        *(("run", data, "MetricData") for data in (7, True, "x", {}, ITEM)),
    ],
)
def test_wrong_types_at_the_top(
    server: Server, expect_error: ExpectError, name: Any, data: Any, member: str
) -> None:
    """A top-level member of another JSON type is a SerializationException that names it."""
    reply = server.put_body(body(name, data))
    expect_error(reply, 400, "SerializationException", member)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, ["2 validation errors", "trialComponentName", "metricData", "must not be null"]),
        ({"TrialComponentName": "run"}, ["1 validation error ", "metricData", "must not be null"]),
        ({"MetricData": [ITEM]}, ["1 validation error ", "trialComponentName", "not be null"]),
        ({"TrialComponentName": None, "MetricData": None}, ["2 validation errors"]),
        ({"TrialComponentName": "a_b", "MetricData": []}, ["trialComponentName", "metricData"]),
    ],
)
def test_missing_members(
    server: Server, expect_error: ExpectError, document: Any, words: list[str]
) -> None:
    """Missing, null and malformed members are one ValidationException that names all of them."""
    reply = server.put_body(json.dumps(document).encode())
    expect_error(reply, 400, "ValidationException", *words)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "between 1 and 120"),
        ("x" * 121, "between 1 and 120"),
        ("x" * 100_000, "between 1 and 120"),
        *((name, "(-*[a-z0-9]){0,119}") for name in ("-a", "a-", "a_b", "a b", "ä", "😀", "a\n")),
        *((name, "(-*[a-z0-9]){0,119}") for name in ("\0", "\ud800", "a/b", "../a", "\u212a")),
    ],
)
def test_malformed_names(server: Server, expect_error: ExpectError, name: str, rule: str) -> None:
    """A malformed TrialComponentName is a ValidationException with the member and its rule."""
    reply = server.put_body(body(name, [ITEM]))
    expect_error(reply, 400, "ValidationException", "trialComponentName", rule)


@pytest.mark.parametrize("count", [0, 10_001, 20_000])
def test_too_few_or_many_items(server: Server, expect_error: ExpectError, count: int) -> None:
    """No items or more than 10,000 are a ValidationException that says how many may be sent."""
    reply = server.put_body(body("run", [ITEM] * count))
    words = ("metricData", f"{count} items", "between 1 and 10000")
    expect_error(reply, 400, "ValidationException", *words)


@pytest.mark.parametrize("count", [1, 10, 11, 10_000])
def test_as_many_items_as_allowed(server: Server, component: str, count: int) -> None:
    """1, 10, 11 and 10,000 items are stored, every one."""
    assert server.put(component, [ITEM] * count) == []
    assert server.count(component) == count


@pytest.mark.parametrize("place", ["top", "data", "item", "value", "name"])
@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("is_closed", [True, False])
def test_deep_nesting(
    server: Server, expect_error: ExpectError, place: str, opening: bytes, *, is_closed: bool
) -> None:
    """10 MB of nesting, wherever it stands and closed or not, is a SerializationException."""
    depth = 10_000_000 // (len(opening) + 1)
    closing = b"]" if opening == b"[" else b"}"
    deep = opening * depth + b"0" + (closing * depth if is_closed else b"")
    forms = {
        "top": b"%s",
        "data": b'{"TrialComponentName":"run","MetricData":%s}',
        "item": b'{"TrialComponentName":"run","MetricData":[%s]}',
        "value": b'{"TrialComponentName":"run","MetricData":[{"MetricName":"m","Value":%s}]}',
        "name": b'{"TrialComponentName":%s,"MetricData":[]}',
    }
    reply = server.put_body(forms[place] % deep)
    expect_error(reply, 400, "SerializationException", "nested too deeply")


def test_the_largest_body(server: Server, component: str) -> None:
    """A body of exactly the limit is taken; whitespace counts."""
    text = body(component, [ITEM])
    padded = text[:-1] + b" " * (16 * MIB - len(text)) + b"}"
    reply = server.put_body(padded)
    assert (reply.status, reply.json()) == (200, {"Errors": []})
    assert server.count(component) == 1


@pytest.mark.parametrize("size", [16 * MIB + 1, 64 * MIB])
def test_larger_bodies(server: Server, size: int) -> None:
    """A body over the limit is a 413 with code and limit, wherever it is noticed."""
    head = b"PUT /BatchPutMetrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    answer = server.raw(head + b"Content-Length: %d\r\n\r\n" % size, b" " * MIB)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"x-amzn-errortype: RequestEntityTooLarge" in answer
    assert b"16777216 bytes" in answer


def test_the_last_of_equal_keys_wins(server: Server, component: str) -> None:
    """Of two equal keys the last one counts, at the top and in items."""
    item = b'{"MetricName":"x","MetricName":"loss","Timestamp":1,"Value":{},"Value":2.5,"Step":3}'
    text = (
        b'{"TrialComponentName":"a_b","TrialComponentName":"%s","MetricData":7,"MetricData":[%s]}'
    )
    reply = server.put_body(text % (component.encode(), item))
    assert (reply.status, reply.json()) == (200, {"Errors": []})
    assert server.count(component) == 1


def test_members_that_nobody_knows(server: Server, component: str) -> None:
    """Unknown members are passed over, at the top and in items."""
    document = {
        "TrialComponentName": component,
        "Extra": {"deep": [1, {"er": None}]},
        "MetricData": [{**ITEM, "Unit": "Percent"}],
    }
    reply = server.put_body(json.dumps(document).encode())
    assert (reply.status, reply.json()) == (200, {"Errors": []})


def test_the_answer(server: Server, component: str) -> None:
    """A good put is answered with 200, JSON, its length and an id."""
    reply = server.put_body(body(component, [ITEM]))
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.headers["x-amzn-requestid"]
    assert "server" not in reply.headers
    assert "content-encoding" not in reply.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json"},
        {"Content-Type": "application/x-amz-json-1.1"},
        {"Content-Type": "text/plain; charset=latin-1"},
        {"Content-Type": ""},
        {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20231114/us-east-1/sagemaker/aws4"},
        {"Authorization": "Basic nonsense", "X-Amz-Security-Token": "x"},
        {"Accept-Encoding": "gzip", "Accept": "text/html"},
    ],
)
def test_headers_that_clients_differ_in(
    server: Server, component: str, headers: dict[str, str]
) -> None:
    """No content type is refused (never a 415), and a signature that comes is ignored."""
    reply = server.put_body(body(component, [ITEM]), headers)
    assert (reply.status, reply.json()) == (200, {"Errors": []})
    assert "content-encoding" not in reply.headers


@pytest.mark.parametrize("name", ["{}", "{}-UPPER", "UPPER-{}"])
def test_names_are_folded(server: Server, component: str, name: str) -> None:
    """Names that differ in case only are one component, in puts and in ARNs."""
    given = name.format(component)
    for form in (given, given.lower(), given.upper()):
        assert server.put(form, [ITEM]) == []
    assert server.count(given) == server.count(given.lower()) == 3
