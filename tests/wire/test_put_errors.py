"""What is wrong with a put, and how that is said, of requests and of items (rules 4, 5, 6)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stepwell.model.errors import SerializationError, ValidationError
from stepwell.model.limits import Limits
from stepwell.model.names import DEFAULT_ACCOUNT
from stepwell.model.points import ItemError, ItemErrorCode, Put
from stepwell.wire.errors import error_body, error_headers
from stepwell.wire.put_metrics import decode_put, encode_put_answer

NOW_US = 1_700_000_000_000_000
ITEM = {"MetricName": "loss", "Timestamp": 1_700_000_000, "Value": 0.5, "Step": 1}


def put(document: Any, profile: str = "stepwell") -> Put:
    """Decode a request."""
    body = json.dumps(document).encode()
    return decode_put(body, Limits.of(profile), NOW_US, account=DEFAULT_ACCOUNT)


def request(name: Any = "run", data: Any = None) -> dict[str, Any]:
    """Make a request; by default with one good item."""
    return {"TrialComponentName": name, "MetricData": [ITEM] if data is None else data}


@pytest.mark.parametrize("document", [[], [ITEM], "x", 7, 1.5, True, None, float("nan")])
def test_not_an_object(document: Any) -> None:
    """A body that is JSON but no object is a SerializationException that says so."""
    with pytest.raises(SerializationError, match="must be a JSON object"):
        put(document)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("TrialComponentName", value) for value in (7, 1.5, True, [], {}, ["run"])),
        *(("MetricData", value) for value in (7, True, "x", {}, ITEM)),
    ],
)
def test_wrong_types_at_the_top(member: str, value: Any) -> None:
    """A wrong JSON type of a top-level member is a SerializationException that names it."""
    with pytest.raises(SerializationError, match=member):
        put({**request(), member: value})


@pytest.mark.parametrize("member", ["TrialComponentName", "MetricData"])
@pytest.mark.parametrize("is_null", [True, False])
def test_missing_members(member: str, *, is_null: bool) -> None:
    """A missing or null member is a ValidationException that names it and the rule."""
    document = {**request(), member: None}
    if not is_null:
        del document[member]
    with pytest.raises(ValidationError) as caught:
        put(document)
    (problem,) = caught.value.problems
    assert member[0].lower() + member[1:] in problem
    assert "must not be null" in problem


@pytest.mark.parametrize("document", [{}, {"trialComponentName": "run", "metricData": [ITEM]}])
def test_everything_is_missing(document: Any) -> None:
    """Where both members are missing, or misspelled, both are named."""
    with pytest.raises(ValidationError) as caught:
        put(document)
    text = str(caught.value)
    assert text.startswith("2 validation errors detected: ")
    assert "trialComponentName" in text
    assert "metricData" in text


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "between 1 and 120"),
        ("x" * 121, "between 1 and 120"),
        ("x" * 5_000, "between 1 and 120"),
        *(
            (name, r"[a-z0-9](-*[a-z0-9]){0,119}")
            for name in ("-", "a-", "a_b", "a b", "ä", "😀", "a\n", "\0", "\ud800", "a/b", "\u212a")
        ),
    ],
)
def test_malformed_names(name: str, rule: str) -> None:
    """A malformed TrialComponentName is a ValidationException with the member and its rule."""
    with pytest.raises(ValidationError) as caught:
        put(request(name))
    (problem,) = caught.value.problems
    assert "trialComponentName" in problem
    assert rule in problem
    assert len(problem) < 1_000


@pytest.mark.parametrize(
    ("profile", "count"), [("stepwell", 0), ("stepwell", 10_001), ("aws", 0), ("aws", 11)]
)
def test_too_few_or_many_items(profile: str, count: int) -> None:
    """No items, or more than the limit, is a ValidationException with count and limit."""
    with pytest.raises(ValidationError) as caught:
        put(request(data=[ITEM] * count), profile)
    (problem,) = caught.value.problems
    assert "metricData" in problem
    assert f"between 1 and {10_000 if profile == 'stepwell' else 10}" in problem
    assert str(count) in problem


@pytest.mark.parametrize(("profile", "count"), [("stepwell", 10_000), ("aws", 10)])
def test_as_many_items_as_allowed(profile: str, count: int) -> None:
    """Exactly the limit's number of items is taken."""
    assert put(request(data=[ITEM] * count), profile).item_count == count


def test_all_problems_at_once() -> None:
    """A bad name and no items are both named, in the request's order."""
    with pytest.raises(ValidationError) as caught:
        put(request("a_b", []))
    name, data = caught.value.problems
    assert "trialComponentName" in name
    assert "metricData" in data


@pytest.mark.parametrize("name", ["run-1", "RUN-1", "Run-1"])
def test_upper_case(name: str) -> None:
    """Upper case in a TrialComponentName is folded, and refused in the aws profile."""
    assert put(request(name)).component.name == "run-1"
    if name == "run-1":
        assert put(request(name), "aws").component.name == name
    else:
        with pytest.raises(ValidationError, match="trialComponentName"):
            put(request(name), "aws")


GOOD = {
    "a step of zero": {"Step": 0},
    "a whole float as step": {"Step": 3.0},
    "true as step": {"Step": True},
    "null as step": {"Step": None},
    "the last step": {"Step": 2**53 - 1},
    "true as value": {"Value": True},
    "NaN": {"Value": "NaN"},
    "infinity": {"Value": "-Infinity"},
    "a bare NaN": {"Value": float("nan")},
    "a huge integer": {"Value": 2**1000},
    "the epoch": {"Timestamp": 0},
    "the year 9999": {"Timestamp": 253_402_300_799},
    "fractions of a second": {"Timestamp": 0.000001},
    "255 characters": {"MetricName": "x" * 255},
    "255 emoji": {"MetricName": "😀" * 255},
    "control characters": {"MetricName": "\0\x01\t\x1f\x7f"},
    "unknown members": {"Dimensions": [], "Unit": "None"},
}
BAD = {
    "no name": {"MetricName": None},
    "an empty name": {"MetricName": ""},
    "256 characters": {"MetricName": "x" * 256},
    "256 emoji": {"MetricName": "😀" * 256},
    "half a surrogate pair": {"MetricName": "\ud83d"},
    "a number as name": {"MetricName": 7},
    "a list as name": {"MetricName": ["loss"]},
    **{f"line end {ord(end):#x}": {"MetricName": f"a{end}b"} for end in "\n\r\x85\u2028\u2029"},
    "no time": {"Timestamp": None},
    "the year -1": {"Timestamp": -62_198_755_200},
    "before 1970": {"Timestamp": -1},
    "after 9999": {"Timestamp": 253_402_300_800},
    "milliseconds as time": {"Timestamp": 1_700_000_000_000},
    "10^15 as time": {"Timestamp": 10**15},
    "10^15 as a float": {"Timestamp": 1e15},
    "1e303 as time": {"Timestamp": 1e303},
    "2^70 as time": {"Timestamp": 2**70},
    "a string as time": {"Timestamp": "1700000000"},
    "an ISO string as time": {"Timestamp": "2023-11-14T22:13:20Z"},
    "NaN as time": {"Timestamp": float("nan")},
    "the string NaN as time": {"Timestamp": "NaN"},
    "infinity as time": {"Timestamp": float("inf")},
    "true as time": {"Timestamp": True},
    "an object as time": {"Timestamp": {}},
    "no value": {"Value": None},
    "nan in lower case": {"Value": "nan"},
    "a numeric string": {"Value": "1.0"},
    "an object as value": {"Value": {}},
    "a list as value": {"Value": [1.0]},
    "an integer beyond float64": {"Value": 10**309},
    "step -1": {"Step": -1},
    "step 2^53": {"Step": 2**53},
    "step 2^63": {"Step": 2**63},
    "step 2^70": {"Step": 2**70},
    "step 1e300": {"Step": 1e300},
    "step 1.5": {"Step": 1.5},
    "a string as step": {"Step": "3"},
    "NaN as step": {"Step": float("nan")},
    "an object as step": {"Step": {}},
}


@pytest.mark.parametrize("changed", GOOD.values(), ids=GOOD)
def test_good_items(changed: dict[str, Any]) -> None:
    """Every spelling that the contract allows is taken."""
    found = put(request(data=[{**ITEM, **changed}]))
    assert (len(found.values), list(found.refused)) == (1, [])


@pytest.mark.parametrize("changed", BAD.values(), ids=BAD)
def test_bad_items(changed: dict[str, Any]) -> None:
    """A broken item is a VALIDATION_ERROR at its place; those about it are taken."""
    found = put(request(data=[ITEM, {**ITEM, **changed}, ITEM]))
    assert list(found.refused) == [ItemError(1, ItemErrorCode.VALIDATION_ERROR)]
    assert len(found.values) == 2
    assert [found.position(index) for index in range(2)] == [0, 2]
    assert found.item_count == 3


@pytest.mark.parametrize("member", ["MetricName", "Timestamp", "Value"])
def test_items_without_a_member(member: str) -> None:
    """An item without a required member is a VALIDATION_ERROR; Step alone may be missing."""
    item = {name: value for name, value in ITEM.items() if name != member}
    assert len(put(request(data=[item])).refused) == 1
    without_step = {name: value for name, value in ITEM.items() if name != "Step"}
    assert list(put(request(data=[without_step])).refused) == []


@pytest.mark.parametrize("item", [None, 7, "x", [], [ITEM], {}, True, float("nan")])
def test_items_that_are_no_items(item: Any) -> None:
    """An item of another JSON type is a VALIDATION_ERROR, not an error of the request."""
    found = put(request(data=[item, ITEM]))
    assert list(found.refused) == [ItemError(0, ItemErrorCode.VALIDATION_ERROR)]
    assert list(found.metrics) == ["loss"]


def test_the_last_of_equal_keys_wins() -> None:
    """Of two equal keys the last one counts, at the top and in items."""
    item = (
        '{"MetricName":"a","MetricName":"b","Timestamp":1,"Value":{},"Value":2,"Step":3,"Step":4}'
    )
    names = '"TrialComponentName":"x","TrialComponentName":"y"'
    body = f'{{{names},"MetricData":7,"MetricData":[{item}]}}'
    found = decode_put(body.encode(), Limits(), NOW_US, account=DEFAULT_ACCOUNT)
    assert found.component.name == "y"
    assert (list(found.metrics), list(found.values), list(found.steps)) == (["b"], [2.0], [4])


def test_answers() -> None:
    """Errors is always there, in request order, with code and index by name."""
    assert json.loads(encode_put_answer([])) == {"Errors": []}
    errors = [ItemError(index, code) for index, code in enumerate(ItemErrorCode)]
    assert json.loads(encode_put_answer(errors)) == {
        "Errors": [
            {"Code": "VALIDATION_ERROR", "MetricIndex": 0},
            {"Code": "METRIC_LIMIT_EXCEEDED", "MetricIndex": 1},
            {"Code": "CONFLICT_ERROR", "MetricIndex": 2},
            {"Code": "INTERNAL_ERROR", "MetricIndex": 3},
        ]
    }


def test_error_bodies() -> None:
    """The code stands in the body's __type and in the header, and any message survives."""
    message = 'quotes " and \\, emoji 😀, controls \x00\n'
    body = json.loads(error_body("ValidationException", message))
    assert body == {"__type": "ValidationException", "message": message}
    headers = dict(error_headers("ValidationException"))
    assert headers[b"x-amzn-errortype"] == b"ValidationException"
    assert headers[b"content-type"] == b"application/json"
