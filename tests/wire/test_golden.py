"""Recorded requests of every client version that we know, and what they must be read as.

golden/record.py made the botocore files; the JavaScript ones are written after CONTRACT part A,
section 2.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stepwell.model.limits import Limits
from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.points import NO_STEP, ItemError, ItemErrorCode, Put
from stepwell.model.queries import Axis, MetricQuery, Period, Statistic
from stepwell.wire.get_metrics import decode_get
from stepwell.wire.put_metrics import decode_put

FOLDER = Path(__file__).parent / "golden"
FILES = sorted(path.stem for path in FOLDER.glob("*.json"))
NOW_US = 1_700_003_600_000_000

#: What became of 2023-11-14T22:13:20.123456Z, and of half a second, in microseconds.
FRACTIONS = {
    "botocore-1.44.5": (123_456, 500_000),
    "javascript-v3": (123_000, 500_000),
    "javascript-v3-older": (0, 1_000_000),
    "javascript-v2": (123_000, 500_000),
}
WHOLE_SECONDS = (0, 0)


def bodies(request: str) -> list[Any]:
    """List the clients that have a request, with its body."""
    found = []
    for client in FILES:
        document = json.loads((FOLDER / f"{client}.json").read_text())
        if request in document["requests"]:
            body = document["requests"][request]["body"].encode()
            found.append(pytest.param(client, body, id=client))
    assert found
    return found


def put(body: bytes, limits: Limits | None = None) -> Put:
    """Decode a put."""
    return decode_put(body, limits or Limits(), NOW_US, account=DEFAULT_ACCOUNT)


def bits(values: Sequence[float]) -> bytes:
    """Give doubles' bits, so that -0.0 and NaN compare."""
    return struct.pack(f"<{len(values)}d", *values)


def refused(*places: int) -> list[ItemError]:
    """Make the errors of items that break a rule."""
    return [ItemError(place, ItemErrorCode.VALIDATION_ERROR) for place in places]


def test_every_dialect_is_recorded() -> None:
    """There is a recording for each line of the contract's table."""
    assert {"botocore-1.34.162", "botocore-1.40.76", "botocore-1.43.62", *FRACTIONS} <= set(FILES)


@pytest.mark.parametrize(("client", "body"), bodies("whole seconds"))
def test_whole_seconds(client: str, body: bytes) -> None:
    """Whole seconds, the epoch itself too, are those microseconds; no step is no step."""
    found = put(body)
    assert found.component == Component(DEFAULT_ACCOUNT, "run")
    assert list(found.metrics) == ["loss", "loss"]
    assert list(found.timestamps_us) == [1_700_000_000_000_000, 0]
    assert list(found.steps) == [NO_STEP, NO_STEP]
    assert list(found.values) == [0.5, 0.5]
    assert (found.item_count, list(found.refused), found.positions) == (2, [], None)


@pytest.mark.parametrize(("client", "body"), bodies("a datetime with microseconds"))
def test_microseconds(client: str, body: bytes) -> None:
    """A fraction of a second is kept as far as the client sent it."""
    expected = 1_700_000_000_000_000 + FRACTIONS.get(client, WHOLE_SECONDS)[0]
    assert list(put(body).timestamps_us) == [expected]


@pytest.mark.parametrize(("client", "body"), bodies("half a second"))
def test_half_a_second(client: str, body: bytes) -> None:
    """A float of seconds is kept as far as the client sent it."""
    expected = 1_700_000_000_000_000 + FRACTIONS.get(client, WHOLE_SECONDS)[1]
    assert list(put(body).timestamps_us) == [expected]


@pytest.mark.parametrize(("client", "body"), bodies("before 1970"))
def test_before_1970(client: str, body: bytes) -> None:
    """A time before 1970 refuses that item alone."""
    found = put(body)
    assert (found.item_count, list(found.refused)) == (1, refused(0))
    assert len(found.values) == 0


@pytest.mark.parametrize(("client", "body"), bodies("the non-finite"))
def test_the_non_finite(client: str, body: bytes) -> None:
    """NaN and the infinities arrive as strings and as bare tokens; JavaScript 2 sends null."""
    found = put(body)
    if client == "javascript-v2":
        assert (list(found.values), list(found.refused)) == ([], refused(0, 1, 2))
    else:
        assert bits(found.values) == bits([math.nan, math.inf, -math.inf])
        assert list(found.refused) == []


@pytest.mark.parametrize(("client", "body"), bodies("booleans"))
def test_booleans(client: str, body: bytes) -> None:
    """Booleans are 1 and 0, as values and as steps."""
    found = put(body)
    assert list(found.values) == [1.0, 0.0]
    assert list(found.steps) == [1, 0]
    assert all(isinstance(value, float) for value in found.values)


@pytest.mark.parametrize(("client", "body"), bodies("the ends of float64"))
def test_the_ends_of_float64(client: str, body: bytes) -> None:
    """Values are kept to the last bit; an integer of any size is its nearest double."""
    zero = 0.0 if client.startswith("javascript") else -0.0
    assert bits(put(body).values) == bits([1e308, 5e-324, zero, 0.1, 2.0**70])


@pytest.mark.parametrize(("client", "body"), bodies("steps"))
@pytest.mark.parametrize(("profile", "steps_ok"), [("stepwell", 5), ("aws", 3)])
def test_steps(client: str, body: bytes, profile: str, steps_ok: int) -> None:
    """Steps go to 2^53-1, in the aws profile to 2^31-1; larger ones refuse their item."""
    found = put(body, Limits.of(profile))
    steps = [0, 1, 2**31 - 1, 2**31, 2**53 - 1]
    assert list(found.steps) == steps[:steps_ok]
    assert list(found.refused) == refused(*range(steps_ok, found.item_count))


@pytest.mark.parametrize(("client", "body"), bodies("names"))
def test_names(client: str, body: bytes) -> None:
    """Names are Unicode, escaped or not, with control characters but without line ends."""
    found = put(body)
    assert list(found.metrics) == ["val/loss:ε", "😀", 'q"\\', "\x01"]
    assert list(found.refused) == refused(4)
    assert [found.position(index) for index in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize(("client", "body"), bodies("a get"))
def test_a_get(client: str, body: bytes) -> None:
    """Queries arrive in order, with and without a range."""
    component = Component(DEFAULT_ACCOUNT, "run")
    form = (Statistic.LAST, Period.ITERATION_NUMBER, Axis.ITERATION_NUMBER)
    assert decode_get(body, Limits(), account=DEFAULT_ACCOUNT) == [
        MetricQuery(component, "loss", *form),
        MetricQuery(component, "loss", *form, start=0, stop=2**40),
    ]


@pytest.mark.parametrize("client", FILES)
def test_recordings_are_whole(client: str) -> None:
    """Each recording has the path with its base, the type, and the length of its body."""
    document = json.loads((FOLDER / f"{client}.json").read_text())
    for name, request in document["requests"].items():
        operation = ("POST", "BatchGetMetrics") if name == "a get" else ("PUT", "BatchPutMetrics")
        assert (request["method"], request["path"]) == (operation[0], f"/base/{operation[1]}")
        assert request["headers"]["content-type"] == "application/json"
        assert int(request["headers"]["content-length"]) == len(request["body"].encode())
        assert request["headers"]["amz-sdk-invocation-id"]
