"""BatchPutMetrics: a body into a `Put`, an outcome into a body.

Two decoders: a strict one in C for what nearly every client sends, and a lenient one in Python for
whatever it refuses (NaN, booleans, nulls, broken items), which also says what is wrong. Both give
the same answer for a body that both take; a property test holds them to that.
"""

from __future__ import annotations

import contextlib
import functools
import struct
import zlib
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

from stepwell.model.errors import SerializationError, ValidationError
from stepwell.model.limits import STEP_LAST, TIMESTAMP_US_LAST, Limits
from stepwell.model.names import (
    COMPONENT_NAME_CHARS_MAX,
    COMPONENT_NAME_PATTERN,
    METRIC_NAME_CHARS_MAX,
    Component,
    fold,
    is_component_name,
    is_metric_name,
)
from stepwell.model.points import NO_STEP, Float64Array, Int64Array, ItemError, ItemErrorCode, Put
from stepwell.wire.numbers import (
    decode_json,
    parse_step,
    parse_timestamp_us,
    parse_value,
)

#: Below this many items a list comprehension beats numpy's fixed cost.
_NUMPY_ITEMS_MIN = 48
_SECONDS_STOP = TIMESTAMP_US_LAST / 1e6

_KNOWN_NAMES_MAX = 20_000
#: Well-formed names, each to the one copy of it: what looks them up later finds the same object.
_known_names: dict[str, str] = {}

_NO_ERRORS = b'{"Errors":[]}'


_Integers = Sequence[int] | Int64Array


class _Item(msgspec.Struct, gc=False):
    MetricName: Annotated[str, msgspec.Meta(min_length=1, max_length=METRIC_NAME_CHARS_MAX)]
    Timestamp: Annotated[float, msgspec.Meta(ge=0, lt=_SECONDS_STOP)]
    Value: float
    Step: Annotated[int, msgspec.Meta(ge=0, le=STEP_LAST)] = NO_STEP


class _Request(msgspec.Struct, gc=False):
    TrialComponentName: str
    MetricData: list[_Item]


_decode_strict = msgspec.json.Decoder(_Request).decode


def decode_put(
    body: bytes,
    limits: Limits,
    now_us: int,
    *,
    account: str,
    owner: str = "",
    put_id: str | None = None,
) -> Put:
    """Decode a request's body into its points and its refused items.

    Args:
        body: the request's body.
        limits: the limits that hold.
        now_us: the present, for the window of timestamps.
        account: the account of the key that signed.
        owner: that key.
        put_id: the idempotency id that came with the request.

    Raises:
        SerializationError: not JSON, or a wrong JSON type at the top.
        ValidationError: a missing or malformed name, an empty or too long MetricData.
    """
    try:
        request = _decode_strict(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return _decode_lenient(body, limits, now_us, account, owner, put_id)
    items = request.MetricData
    name, problems = _check_request(request.TrialComponentName, len(items), limits)
    if problems:
        raise ValidationError(problems)
    metrics = _known([item.MetricName for item in items])
    steps, timestamps_us, values = _columns(items)
    if metrics is None or not _are_within_limits(steps, timestamps_us, limits, now_us):
        return _decode_lenient(body, limits, now_us, account, owner, put_id)
    return Put(
        component=_component(account, name),
        metrics=metrics,
        steps=steps,
        timestamps_us=timestamps_us,
        values=values,
        item_count=len(items),
        owner=owner,
        put_id=put_id,
        content_crc=zlib.crc32(body),
        received_us=now_us,
    )


def encode_put_answer(errors: Sequence[ItemError]) -> bytes:
    """Encode the answer to a put: `Errors` in request order, `[]` when there are none."""
    if not errors:
        return _NO_ERRORS
    return orjson.dumps(
        {"Errors": [{"Code": error.code.name, "MetricIndex": error.index} for error in errors]}
    )


def _columns(
    items: list[_Item],
) -> tuple[_Integers, _Integers, Sequence[float] | Float64Array]:
    """Give the items' steps, timestamps in microseconds and values."""
    steps = [item.Step for item in items]
    seconds = [item.Timestamp for item in items]
    values = [item.Value for item in items]
    if len(items) < _NUMPY_ITEMS_MIN:
        return steps, [round(second * 1e6) for second in seconds], values
    # 8 bytes a number while it waits, not an object of 32; and struct is quicker than np.array.
    timestamps_us = np.rint(_column("d", seconds) * 1e6).astype(np.int64)
    return _column("q", steps), timestamps_us, _column("d", values)


def _column(kind: str, numbers: Sequence[float]) -> npt.NDArray[Any]:
    """Make an int64 ("q") or float64 ("d") array of a list. Read-only."""
    return np.frombuffer(struct.pack(f"={len(numbers)}{kind}", *numbers), kind)


@functools.lru_cache(maxsize=4096)
def _component(account: str, name: str) -> Component:
    return Component(account, name)


def _are_within_limits(
    steps: _Integers,
    timestamps_us: _Integers,
    limits: Limits,
    now_us: int,
) -> bool:
    """Check what the strict decoder's types cannot say."""
    if limits.step_max < STEP_LAST and max(steps) > limits.step_max:
        return False
    first_us, last_us = _timestamp_window(limits, now_us)
    if first_us == 0 and last_us == TIMESTAMP_US_LAST:
        return True
    return bool(first_us <= min(timestamps_us) and max(timestamps_us) <= last_us)


def _known(names: list[str]) -> list[str] | None:
    """Check names, and give the remembered copies of them; None if one is malformed.

    Most puts repeat the names of earlier ones.
    """
    with contextlib.suppress(KeyError):
        return list(map(_known_names.__getitem__, names))
    if not all(map(is_metric_name, set(names))):
        return None
    if len(_known_names) > _KNOWN_NAMES_MAX:
        _known_names.clear()
    return [_known_names.setdefault(name, name) for name in names]


def _timestamp_window(limits: Limits, now_us: int) -> tuple[int, int]:
    past_s, future_s = limits.timestamp_past_s, limits.timestamp_future_s
    first_us = 0 if past_s is None else now_us - past_s * 1_000_000
    last_us = TIMESTAMP_US_LAST if future_s is None else now_us + future_s * 1_000_000
    return max(first_us, 0), min(last_us, TIMESTAMP_US_LAST)


def _check_request(name: str, item_count: int, limits: Limits) -> tuple[str, list[str]]:
    """Fold the component's name, and name everything that is wrong with the request itself."""
    folded, problems = name, []
    if 1 <= len(name) <= COMPONENT_NAME_CHARS_MAX:
        folded, is_well_formed = _fold_and_check(name, limits.folds_names)
        if not is_well_formed:
            problems.append(
                f"Value {name!a} at 'trialComponentName' failed to satisfy constraint: Member must"
                f" satisfy regular expression pattern: {COMPONENT_NAME_PATTERN}"
            )
    else:
        problems.append(
            "Value at 'trialComponentName' failed to satisfy constraint: Member must have length"
            f" between 1 and {COMPONENT_NAME_CHARS_MAX}, inclusive"
        )
    if not 1 <= item_count <= limits.points_per_put:
        problems.append(
            f"Value with {item_count} items at 'metricData' failed to satisfy constraint: Member"
            f" must have length between 1 and {limits.points_per_put}, inclusive"
        )
    return folded, problems


@functools.lru_cache(maxsize=4096)
def _fold_and_check(name: str, folds: bool) -> tuple[str, bool]:  # noqa: FBT001 - a limit's value
    folded = fold(name) if folds else name
    return folded, is_component_name(folded)


def _decode_lenient(
    body: bytes,
    limits: Limits,
    now_us: int,
    account: str,
    owner: str,
    put_id: str | None,
) -> Put:
    name, items = _top_members(decode_json(body), limits)
    window = _timestamp_window(limits, now_us)
    put = Put(
        component=Component(account, name),
        metrics=[],
        steps=[],
        timestamps_us=[],
        values=[],
        item_count=len(items),
        owner=owner,
        put_id=put_id,
        content_crc=zlib.crc32(body),
        received_us=now_us,
    )
    columns: list[tuple[str, int, int, float]] = []
    refused: list[ItemError] = []
    positions: list[int] = []
    for index, item in enumerate(items):
        point = _parse_item(item, limits.step_max, window)
        if point is None:
            refused.append(ItemError(index, ItemErrorCode.VALIDATION_ERROR))
        else:
            columns.append(point)
            positions.append(index)
    if columns:
        put.metrics, put.steps, put.timestamps_us, put.values = map(
            list, zip(*columns, strict=True)
        )
    if refused:
        put.refused, put.positions = refused, positions
    return put


def _top_members(request: Any, limits: Limits) -> tuple[str, list[Any]]:
    """Take the two members of a request apart, or say all that is wrong with them."""
    if not isinstance(request, dict):
        msg = "The request body must be a JSON object."
        raise SerializationError(msg)
    name, items = request.get("TrialComponentName"), request.get("MetricData")
    for member, value, kind, noun in (
        ("TrialComponentName", name, str, "a string"),
        ("MetricData", items, list, "a list"),
    ):
        if value is not None and not isinstance(value, kind):
            msg = f"The member {member} must be {noun}."
            raise SerializationError(msg)
    missing = [
        f"Value at '{member}' failed to satisfy constraint: Member must not be null"
        for member, value in (("trialComponentName", name), ("metricData", items))
        if value is None
    ]
    folded, problems = _check_request(
        "a" if name is None else name, 1 if items is None else len(items), limits
    )
    if missing or problems:
        raise ValidationError([*missing, *problems])
    return folded, items or []


def _parse_item(
    item: object, step_max: int, window: tuple[int, int]
) -> tuple[str, int, int, float] | None:
    """Parse one item into (metric, step, timestamp_us, value), or None if it breaks a rule."""
    if not isinstance(item, dict):
        return None
    metric = item.get("MetricName")
    if not isinstance(metric, str) or not is_metric_name(metric):
        return None
    value = parse_value(item.get("Value"))
    timestamp_us = parse_timestamp_us(item.get("Timestamp"))
    if value is None or timestamp_us is None or not window[0] <= timestamp_us <= window[1]:
        return None
    if item.get("Step") is None:
        return metric, NO_STEP, timestamp_us, value
    step = parse_step(item["Step"])
    if step is None or not 0 <= step <= step_max:
        return None
    return metric, step, timestamp_us, value
