"""BatchPutMetrics over HTTP, item by item: what is taken, what is refused, and what reads back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Server

Query = Callable[..., dict[str, Any]]

NOON = 1_700_049_600
ITEM = {"MetricName": "loss", "Timestamp": NOON, "Value": 0.5, "Step": 1}

GOOD: dict[str, dict[str, Any]] = {
    "no step": {"Step": None},
    "step 0": {"Step": 0},
    "step 3.0": {"Step": 3.0},
    "step true": {"Step": True},
    "step 2^31": {"Step": 2**31},
    "step 2^53-1": {"Step": 2**53 - 1},
    "a fraction of a second": {"Timestamp": NOON + 0.123456},
    "the epoch": {"Timestamp": 0},
    "the year 9999": {"Timestamp": 253_402_300_799},
    "value true": {"Value": True},
    "value 1e308": {"Value": 1e308},
    "value 5e-324": {"Value": 5e-324},
    "value -0.0": {"Value": -0.0},
    "value 2^70": {"Value": 2**70},
    "the string NaN": {"Value": "NaN"},
    "the string Infinity": {"Value": "Infinity"},
    "the string -Infinity": {"Value": "-Infinity"},
    "the token NaN": {"Value": math.nan},
    "the token Infinity": {"Value": math.inf},
    "the token -Infinity": {"Value": -math.inf},
    "a name of 255 characters": {"MetricName": "x" * 255},
    "a name of 255 emoji": {"MetricName": "😀" * 255},
    "a name of control characters": {"MetricName": "\0\x01\t\x0b\x0c\x1f\x7f"},
    "a name of spaces": {"MetricName": "  "},
    "a name of quotes": {"MetricName": "'\"\\;--%00"},
}

BAD: dict[str, dict[str, Any]] = {
    "no name": {"MetricName": None},
    "an empty name": {"MetricName": ""},
    "a name of 256 characters": {"MetricName": "x" * 256},
    "a name of 256 emoji": {"MetricName": "😀" * 256},
    "a name of a million characters": {"MetricName": "x" * 1_000_000},
    "half an emoji as name": {"MetricName": "\ud83d"},
    "a number as name": {"MetricName": 3},
    "an object as name": {"MetricName": {}},
    **{f"a name with {ord(end):#06x}": {"MetricName": f"a{end}"} for end in "\n\r\x85\u2028\u2029"},
    "no time": {"Timestamp": None},
    "the year -1": {"Timestamp": -62_198_755_200},
    "the year 1969": {"Timestamp": -1},
    "the year 10000": {"Timestamp": 253_402_300_800},
    "time 10^15": {"Timestamp": 10**15},
    "time 1e15": {"Timestamp": 1e15},
    "time 1e303": {"Timestamp": 1e303},
    "time in milliseconds": {"Timestamp": NOON * 1000},
    "time as a string": {"Timestamp": str(NOON)},
    "time as an ISO string": {"Timestamp": "2023-11-15T12:00:00Z"},
    "time NaN": {"Timestamp": math.nan},
    "time as the string NaN": {"Timestamp": "NaN"},
    "time Infinity": {"Timestamp": math.inf},
    "time true": {"Timestamp": True},
    "time as a list": {"Timestamp": [NOON]},
    "no value": {"Value": None},
    "value nan": {"Value": "nan"},
    "value 1.0 as a string": {"Value": "1.0"},
    "value as an empty string": {"Value": ""},
    "value as an object": {"Value": {}},
    "value as a list": {"Value": [0.5]},
    "value 10^309": {"Value": 10**309},
    "step -1": {"Step": -1},
    "step 2^53": {"Step": 2**53},
    "step 2^63": {"Step": 2**63},
    "step 2^64": {"Step": 2**64},
    "step 10^400": {"Step": 10**400},
    "step 1.5": {"Step": 1.5},
    "step 3 as a string": {"Step": "3"},
    "step NaN": {"Step": math.nan},
    "step as an object": {"Step": {}},
}


@pytest.mark.parametrize("changed", GOOD.values(), ids=GOOD)
def test_good_items(
    server: Server, component: str, make_query: Query, changed: dict[str, Any]
) -> None:
    """What the contract allows is stored, and reads back as it is."""
    item = {**ITEM, **changed}
    assert server.put(component, [item]) == []
    has_step = item["Step"] is not None
    form = {
        "Period": "IterationNumber",
        "XAxisType": "IterationNumber" if has_step else "Timestamp",
    }
    (result,) = server.get(make_query(component, item["MetricName"], **form))
    assert result["Status"] == "Complete"
    assert result["XAxisValues"] == [int(item["Step"]) if has_step else int(NOON * 1000)]
    (value,) = result["MetricValues"]
    sent = float(item["Value"])
    assert repr(float(value)) == repr(sent)
    assert isinstance(value, float if math.isfinite(sent) else str)
    (on_time,) = server.get(make_query(component, item["MetricName"], Period="IterationNumber"))
    assert on_time["XAxisValues"] == [math.floor(item["Timestamp"] * 1000)]


@pytest.mark.parametrize("changed", BAD.values(), ids=BAD)
def test_bad_items(server: Server, component: str, changed: dict[str, Any]) -> None:
    """A broken item is a VALIDATION_ERROR at its place, and those about it are stored."""
    data = [ITEM, {**ITEM, **changed}, ITEM]
    assert server.put(component, data) == [(1, "VALIDATION_ERROR")]
    assert server.count(component) == 2


@pytest.mark.parametrize("number", ["1e309", "-1e309", "1" + "0" * 400, "9" * 100_000])
@pytest.mark.parametrize("member", ["Value", "Timestamp", "Step"])
def test_numbers_that_nothing_holds(
    server: Server, component: str, member: str, number: str
) -> None:
    """A number beyond float64, however many digits it has, is a VALIDATION_ERROR."""
    item = {**ITEM, member: "@"}
    text = json.dumps({"TrialComponentName": component, "MetricData": [item, ITEM]})
    reply = server.put_body(text.replace('"@"', number).encode())
    assert reply.status == 200, reply
    assert reply.json() == {"Errors": [{"Code": "VALIDATION_ERROR", "MetricIndex": 0}]}
    assert server.count(component) == 1


@pytest.mark.parametrize("item", [None, 7, "x", [], [ITEM], {}, True])
def test_items_that_are_no_items(server: Server, component: str, item: Any) -> None:
    """An item of another JSON type is a VALIDATION_ERROR at its place."""
    assert server.put(component, [item, ITEM, item]) == [
        (0, "VALIDATION_ERROR"),
        (2, "VALIDATION_ERROR"),
    ]
    assert server.count(component) == 1


@pytest.mark.parametrize("member", ["MetricName", "Timestamp", "Value"])
def test_items_without_a_member(server: Server, component: str, member: str) -> None:
    """An item without a required member is a VALIDATION_ERROR."""
    item = {name: value for name, value in ITEM.items() if name != member}
    assert server.put(component, [item]) == [(0, "VALIDATION_ERROR")]


def test_nothing_is_stored_of_a_put_that_is_all_wrong(
    server: Server, component: str, make_query: Query
) -> None:
    """A put without one good item names every item and makes no component."""
    data = [{**ITEM, "Value": None}] * 3
    assert server.put(component, data) == [(index, "VALIDATION_ERROR") for index in range(3)]
    (result,) = server.get(make_query(component))
    assert result["Status"] == "ValidationError"


def test_errors_come_in_request_order(server: Server, component: str) -> None:
    """Of 10,000 items with every third one broken, those and no others are named, in order."""
    data = [{**ITEM, "Step": -1} if index % 3 == 0 else ITEM for index in range(10_000)]
    errors = server.put(component, data)
    assert errors == [(index, "VALIDATION_ERROR") for index in range(0, 10_000, 3)]
    assert server.count(component) == 10_000 - len(errors)


def test_equal_points_are_all_kept(server: Server, component: str, make_query: Query) -> None:
    """Eight equal points at one step and one instant are eight points (rule 1)."""
    assert server.put(component, [ITEM] * 5) == []
    for _ in range(3):
        assert server.put(component, [ITEM]) == []
    form = {"Period": "IterationNumber", "XAxisType": "IterationNumber", "MetricStat": "Count"}
    (result,) = server.get(make_query(component, **form))
    assert (result["XAxisValues"], result["MetricValues"]) == ([1], [8])


def test_reads_see_writes(server: Server, component: str) -> None:
    """Each answered put is in the very next get (rule 13)."""
    for count in range(1, 21):
        assert server.put(component, [ITEM]) == []
        assert server.count(component) == count
