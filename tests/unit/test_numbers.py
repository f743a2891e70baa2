"""Numbers of every client, one by one: what is read, what is refused, what goes out."""

from __future__ import annotations

import contextlib
import json
import math
import struct
from fractions import Fraction
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.model.errors import SerializationError
from stepwell.model.limits import TIMESTAMP_US_LAST
from stepwell.wire.numbers import (
    decode_json,
    doubles_for_json,
    parse_step,
    parse_timestamp_us,
    parse_value,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def bits(value: float | None) -> bytes | None:
    """Give a double's bits, so that -0.0 and NaN compare."""
    return None if value is None else struct.pack("<d", value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0),
        ("-0.0", -0.0),
        ("0.1", 0.1),
        ("1e308", 1e308),
        ("5e-324", 5e-324),
        ("1e-400", 0.0),
        ("true", 1.0),
        ("false", 0.0),
        ('"NaN"', math.nan),
        ('"Infinity"', math.inf),
        ('"-Infinity"', -math.inf),
        ("NaN", math.nan),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        (str(2**70), float(2**70)),
        (str(2**53 + 1), float(2**53)),
        ("-" + "9" * 300, -1e300),
    ],
)
def test_values(text: str, value: float) -> None:
    """A Value is a number, a boolean, one of three strings, or one of three bare tokens."""
    assert bits(parse_value(decode_json(text.encode()))) == bits(value)


@pytest.mark.parametrize(
    "text",
    [
        "null",
        '"nan"',
        '"inf"',
        '"1.0"',
        '"+Infinity"',
        '" NaN"',
        '""',
        "{}",
        "[1.0]",
        "1e309",
        "-1e309",
        "9" * 310,
        "9" * 5000,
    ],
)
def test_not_values(text: str) -> None:
    """Other strings, null, lists, objects and numbers beyond float64 are no Value."""
    assert parse_value(decode_json(text.encode())) is None


@pytest.mark.parametrize(
    ("text", "step"),
    [("0", 0), ("7", 7), ("3.0", 3), ("true", 1), ("false", 0), ("-1", -1), (str(2**70), 2**70)],
)
def test_steps(text: str, step: int) -> None:
    """A Step is a whole number in any spelling; its bounds are checked elsewhere."""
    assert parse_step(decode_json(text.encode())) == step


@pytest.mark.parametrize(
    "text", ['"3"', "1.5", "NaN", "Infinity", "null", "{}", "[]", '""', "1e400"]
)
def test_not_steps(text: str) -> None:
    """Strings, fractions and what is not a number are no Step."""
    assert parse_step(decode_json(text.encode())) is None


@pytest.mark.parametrize(
    ("text", "timestamp_us"),
    [
        ("0", 0),
        ("1700000000", 1_700_000_000_000_000),
        ("1700000000.0", 1_700_000_000_000_000),
        ("1700000000.123", 1_700_000_000_123_000),
        ("1700000000.123456", 1_700_000_000_123_456),
        ("1.7e9", 1_700_000_000_000_000),
        ("0.000001", 1),
        ("253402300799", TIMESTAMP_US_LAST - 999_999),
    ],
)
def test_timestamps(text: str, timestamp_us: int) -> None:
    """A Timestamp is whole or fractional seconds, kept to the microsecond, to the year 9999."""
    assert parse_timestamp_us(decode_json(text.encode())) == timestamp_us


@pytest.mark.parametrize(
    "text",
    [
        *("-1", "-62198755200", "253402300800", "1e15", str(2**70), "NaN", "Infinity", "1e400"),
        *('"NaN"', '"1700000000"', '"2023-11-14T22:13:20Z"', "true", "null", "{}", "[]"),
    ],
)
def test_not_timestamps(text: str) -> None:
    """Before 1970, after 9999, strings, booleans and what is not finite are no Timestamp."""
    assert parse_timestamp_us(decode_json(text.encode())) is None


@given(st.integers(0, TIMESTAMP_US_LAST // 10**6 - 1), st.integers(0, 999_999))
def test_microseconds_survive(seconds: int, microseconds: int) -> None:
    """A time written with six decimals is kept to within float64's resolution of it."""
    exact = seconds * 1_000_000 + microseconds
    found = parse_timestamp_us(decode_json(f"{seconds}.{microseconds:06}".encode()))
    assert found is not None
    # Half a unit in the last place of the seconds, and the rounding to a microsecond.
    assert abs(Fraction(found - exact)) <= Fraction(math.ulp(float(seconds))) * 10**6 + 1
    assert found == exact or seconds > 2**32


@settings(max_examples=200)
@given(JSON_VALUES)
def test_decode_json_is_json(document: Any) -> None:
    """What Python's json writes, bare tokens included, is read back as it was."""
    text = json.dumps(document)
    found = decode_json(text.encode())
    assert json.dumps(found) == text


@settings(max_examples=200)
@given(JSON_VALUES)
def test_parsers_never_fail(document: Any) -> None:
    """Each parser takes any JSON value and gives a number of its kind or None."""
    found = decode_json(json.dumps(document).encode())
    assert isinstance(parse_value(found), float | None)
    assert isinstance(parse_step(found), int | None)
    assert isinstance(parse_timestamp_us(found), int | None)


@settings(max_examples=300)
@given(st.binary())
def test_any_bytes_decode_or_are_refused(body: bytes) -> None:
    """Bytes are JSON or a SerializationError, nothing else."""
    with contextlib.suppress(SerializationError):
        decode_json(body)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a":1}x', "not JSON"),
        (b"nan", "not JSON"),
        (b"+1", "not JSON"),
        (b"01", "not JSON"),
        (b"'a'", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'"\xff"', "not UTF-8"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
    ],
)
def test_not_json(body: bytes, says: str) -> None:
    """What is wrong with a body that is not JSON is said in a few words."""
    with pytest.raises(SerializationError, match=says) as caught:
        decode_json(body)
    assert len(str(caught.value)) < 200


def test_the_last_of_equal_keys_wins() -> None:
    """Of two equal keys the last one counts."""
    assert decode_json(b'{"a":1,"a":2}') == {"a": 2}


@given(st.lists(st.floats()))
def test_doubles_go_out_exactly(values: list[float]) -> None:
    """Doubles go out so that they read back bit by bit; NaN and the infinities are strings."""
    encoded = orjson.dumps(doubles_for_json(np.array(values)), option=orjson.OPT_SERIALIZE_NUMPY)
    read_back = json.loads(encoded)
    assert len(read_back) == len(values)
    for value, found in zip(values, read_back, strict=True):
        if math.isfinite(value):
            assert isinstance(found, float)
            assert bits(found) == bits(value)
        else:
            assert found == (
                "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
            )
