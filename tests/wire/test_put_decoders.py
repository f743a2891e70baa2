"""The strict and the lenient decoder of BatchPutMetrics agree on every body, right or wrong.

The strict one is tried first. A bare NaN in a member that nobody reads makes it give up and
changes nothing else, so each body is decoded twice, without and with such a member.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stepwell.model.errors import RequestError
from stepwell.model.limits import Limits
from stepwell.model.names import DEFAULT_ACCOUNT
from stepwell.model.points import Put
from stepwell.wire.put_metrics import decode_put

NOW_US = 1_700_000_000_000_000
PROFILES = {name: Limits.of(name) for name in ("stepwell", "aws")}

#: JSON numbers in spellings that two parsers could read differently.
NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(-(2**80), 2**80).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(0, 2**60).map(lambda number: f"{number}.0"),
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(
        [
            *("-0", "-0.0", "0e0", "0e999", "1e308", "1e309", "1E400", "1e-400", "2.5e-324"),
            *("9007199254740993", "18446744073709551616", "9223372036854775808", "1.0e0", "3.0"),
            *("0.1e1", "1e22", "1e23", "123456789012345678901234567890", "17976931348623157e292"),
            "2.2250738585072011e-308",
            "179769313486231580793728971405303415079934132710037826936173778980444968292764750949",
        ],
    ),
)
SECONDS = st.one_of(
    NUMBERS,
    st.integers(0, 253_402_300_800).map(str),
    st.floats(0, 2_000_000_000).map(repr),
    st.integers(0, 10**15).map(lambda us: f"{us // 10**6}.{us % 10**6:06}"),
    st.sampled_from(["0", "253402300799", "253402300799.999999", "253402300800", "-0.0", "-1e-7"]),
    st.integers(1_699_000_000, 1_701_000_000).map(str),
)
ODD = st.sampled_from(
    ["null", "true", "false", '"NaN"', '"Infinity"', '"1"', '""', "[]", "{}", "[1]"]
)
TEXTS = st.text(max_size=20) | st.sampled_from(
    ["loss", "a\nb", "\u2028", "\x00", "x" * 255, "x" * 256]
)
STRINGS = st.one_of(
    st.just('"loss"'),
    TEXTS.map(json.dumps),
    TEXTS.map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(['"\\ud800"', '"\\ud83d\\ude00"', '"\\/"', '"\\u0000"', '"\\n"']),
)


def _member(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return values.map(lambda value: f'"{name}":{value}')


@st.composite
def items(draw: st.DrawFn) -> str:
    """Draw an item's text: mostly whole and right, with members in any order, some twice."""
    members = [
        draw(_member("MetricName", STRINGS)),
        draw(_member("Timestamp", SECONDS)),
        draw(_member("Value", NUMBERS)),
    ]
    if draw(st.booleans()):
        members.append(draw(_member("Step", st.integers(0, 2**54).map(str) | NUMBERS)))
    if draw(st.integers(0, 9)) == 0:
        name = draw(st.sampled_from(["MetricName", "Timestamp", "Value", "Step", "Other"]))
        members.append(draw(_member(name, ODD | NUMBERS | STRINGS)))
    if draw(st.integers(0, 19)) == 0:
        members.pop(draw(st.integers(0, len(members) - 1)))
    return "{" + ",".join(draw(st.permutations(members))) + "}"


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """Draw a request's text, without its closing brace."""
    name = draw(st.sampled_from(['"run"', '"RUN-1"', '"a_b"', '""', "null", "7"]) | STRINGS)
    data = "[" + ",".join(draw(st.lists(items() | ODD, max_size=3))) + "]"
    members = [f'"TrialComponentName":{name}', f'"MetricData":{data}']
    if draw(st.integers(0, 9)) == 0:
        members.append(draw(_member("MetricData", ODD)))
    return "{" + ",".join(draw(st.permutations(members)))


def decode(body: bytes, limits: Limits) -> dict[str, Any] | tuple[str, str]:
    """Decode a body into a Put's fields, floats as bits; or into the error's kind and words."""
    try:
        put = decode_put(body, limits, NOW_US, account=DEFAULT_ACCOUNT, owner="key", put_id="id")
    except RequestError as error:
        return type(error).__name__, str(error)
    assert put.content_crc == zlib.crc32(body)
    assert all(isinstance(value, float) for value in put.values)
    return fields(put)


def fields(put: Put) -> dict[str, Any]:
    """Give everything that a Put says about the request, in comparable form."""
    return {
        "component": put.component,
        "metrics": list(put.metrics),
        "steps": [int(step) for step in put.steps],
        "timestamps_us": [int(each) for each in put.timestamps_us],
        "values": struct.pack(f"<{len(put.values)}d", *put.values),
        "item_count": put.item_count,
        "refused": [(error.index, error.code) for error in put.refused],
        "places": [put.position(index) for index in range(len(put.metrics))],
        "ids": (put.owner, put.put_id, put.received_us),
    }


@settings(max_examples=1_500, deadline=None)
@given(bodies(), st.sampled_from(sorted(PROFILES)))
@example(
    '{"TrialComponentName":"a","MetricData":[{"MetricName":"m","Timestamp":1e303,"Value":1}]',
    "stepwell",
)
@example(
    '{"TrialComponentName":"a","MetricData":[{"MetricName":"m","Timestamp":253402300799.99999,'
    '"Value":1}]',
    "stepwell",
)
def test_both_decoders_agree(text: str, profile: str) -> None:
    """A body means the same whether or not the strict decoder takes it."""
    limits = PROFILES[profile]
    body = (text + "}").encode("utf-8", "surrogatepass")
    spoiled = (text + ',"Nobody":NaN}').encode("utf-8", "surrogatepass")
    assert decode(body, limits) == decode(spoiled, limits)


@pytest.mark.parametrize("count", [1, 47, 48, 49, 500])
@pytest.mark.parametrize("spoiled", ["", ',"Nobody":NaN'])
def test_many_items(count: int, spoiled: str) -> None:
    """Columns are the same whether they are made one by one or at once, and in request order."""
    seconds = [1_700_000_000 + index / 7 for index in range(count)]
    data = [
        {"MetricName": f"m{index % 3}", "Timestamp": second, "Value": index / 3, "Step": index}
        for index, second in enumerate(seconds)
    ]
    text = json.dumps({"TrialComponentName": "run", "MetricData": data})[:-1] + spoiled + "}"
    found = decode(text.encode(), PROFILES["stepwell"])
    assert isinstance(found, dict)
    assert found["metrics"] == [f"m{index % 3}" for index in range(count)]
    assert found["steps"] == list(range(count))
    assert found["timestamps_us"] == [round(second * 1e6) for second in seconds]
    assert found["values"] == struct.pack(f"<{count}d", *(index / 3 for index in range(count)))


@pytest.mark.parametrize("spoiled", ["", ',"Nobody":NaN'])
@pytest.mark.parametrize(
    ("offset_s", "is_ok"),
    [
        (0, True),
        (-1_209_600, True),
        (-1_209_601, False),
        (7_200, True),
        (7_201, False),
    ],
)
def test_the_window_of_the_aws_profile(spoiled: str, offset_s: int, *, is_ok: bool) -> None:
    """The aws profile takes two weeks back and two hours ahead, both ends included."""
    timestamp = NOW_US // 10**6 + offset_s
    item = f'{{"MetricName":"m","Timestamp":{timestamp},"Value":1}}'
    text = f'{{"TrialComponentName":"run","MetricData":[{item}]{spoiled}}}'
    found = decode(text.encode(), PROFILES["aws"])
    assert isinstance(found, dict)
    assert (found["refused"] == []) == is_ok


@settings(max_examples=500, deadline=None)
@given(st.binary() | st.text().map(str.encode))
def test_any_bytes(body: bytes) -> None:
    """Any bytes are a Put or a documented error."""
    decode(body, PROFILES["stepwell"])


@settings(max_examples=300, deadline=None)
@given(st.floats(0, 2**31), st.floats())
def test_values_and_times_round_trip(seconds: float, value: float) -> None:
    """What Python's json writes is read to the bit, and a time to its microsecond."""
    item = {"MetricName": "m", "Timestamp": seconds, "Value": value}
    body = json.dumps({"TrialComponentName": "run", "MetricData": [item]}).encode()
    put = decode_put(body, PROFILES["stepwell"], NOW_US, account=DEFAULT_ACCOUNT)
    assert list(put.timestamps_us) == [round(seconds * 1e6)]
    assert put.values[0] == value or (math.isnan(put.values[0]) and math.isnan(value))
    assert math.copysign(1, put.values[0]) == math.copysign(1, value) or math.isnan(value)
