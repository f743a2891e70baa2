"""The dialects in which AWS clients write numbers, and the one in which we answer.

What each client sends stands in docs/wire.md (CONTRACT part A, section 2). Read here:
numbers, booleans as 1 and 0, the strings "NaN", "Infinity" and "-Infinity", the same as bare
tokens, and integers of any size. A value that float64 cannot hold is refused, not rounded to
infinity. Everything returns None for what it cannot take.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from stepwell.model.errors import SerializationError
from stepwell.model.limits import TIMESTAMP_US_LAST
from stepwell.model.points import Float64Array

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
#: More digits than any float64 has before its point; also keeps int() from going quadratic.
_DIGITS_MAX = 400
_SECONDS_LAST = TIMESTAMP_US_LAST / 1e6


class OutOfRangeNumber:
    """A JSON number too large for float64. Every parser here refuses it."""


_OUT_OF_RANGE = OutOfRangeNumber()


def _parse_int(text: str) -> int | OutOfRangeNumber:
    return int(text) if len(text) <= _DIGITS_MAX else _OUT_OF_RANGE


def _parse_float(text: str) -> float | OutOfRangeNumber:
    number = float(text)
    return _OUT_OF_RANGE if math.isinf(number) else number


_decoder = json.JSONDecoder(
    parse_int=_parse_int,
    parse_float=_parse_float,
    parse_constant=_NON_FINITE.__getitem__,
)


def decode_json(body: bytes) -> Any:
    """Decode JSON in any of the dialects, bare NaN too. The last of two equal keys wins.

    Raises:
        SerializationError: not UTF-8, not JSON, or nested too deeply.
    """
    try:
        return _decoder.decode(body.decode())
    except RecursionError:
        msg = "The request body is nested too deeply."
    except UnicodeDecodeError as error:
        msg = f"The request body is not UTF-8: {error.reason} at byte {error.start}."
    except ValueError as error:
        msg = f"The request body is not JSON: {error}."
    raise SerializationError(msg)


def parse_value(value: object) -> float | None:
    """Parse a metric's Value into a float64."""
    match value:
        case float():
            return value
        case bool() | int():
            try:
                return float(value)
            except OverflowError:
                return None
        case str():
            return _NON_FINITE.get(value)
        case _:
            return None


def parse_step(value: object) -> int | None:
    """Parse a Step: an integer, also written 3.0 or true. Its bounds are not checked here."""
    match value:
        case bool() | int():
            return int(value)
        case float() if value.is_integer():
            return int(value)
        case _:
            return None


def parse_timestamp_us(value: object) -> int | None:
    """Parse a Timestamp in seconds since the epoch into microseconds, years 1970 to 9999."""
    match value:
        case bool():
            return None
        case int():
            timestamp_us = value * 1_000_000
        case float() if 0 <= value <= _SECONDS_LAST:
            timestamp_us = round(value * 1e6)
        case _:
            return None
    return timestamp_us if 0 <= timestamp_us <= TIMESTAMP_US_LAST else None


def doubles_for_json(values: Float64Array) -> Float64Array | list[float | str]:
    """Give what orjson has to write so that NaN and the infinities become rest-json's strings."""
    finite = np.isfinite(values)
    if finite.all():
        return values
    texts: list[float | str] = values.tolist()
    for index in np.flatnonzero(~finite).tolist():
        number = float(values[index])
        texts[index] = "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    return texts
