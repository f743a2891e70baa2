"""The control plane's wire, JSON 1.1: a target and a body into validated members, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from stepwell.model.errors import SerializationError, UnknownOperationError, ValidationError
from stepwell.wire.numbers import decode_json
from stepwell.wire.operations import OPERATIONS

_SERVICE = "SageMaker."
_SHOWN_CHARS_MAX = 200


class ControlRequest(NamedTuple):
    """An operation and its members: AWS's names, times in microseconds, absent where null."""

    operation: str
    members: dict[str, Any]


def operation_of(target: str | None) -> str:
    """Give the operation that a target names.

    Raises:
        UnknownOperationError: it names none of this service.
    """
    name = (target or "").removeprefix(_SERVICE)
    if target == name or name not in OPERATIONS:
        msg = (
            f"Unknown operation: {(target or '')[:_SHOWN_CHARS_MAX]!r}. Stepwell answers the"
            " Experiments and lineage operations of SageMaker; docs/sagemaker.md lists them."
        )
        raise UnknownOperationError(msg)
    return name


def decode_control(target: str | None, body: bytes) -> ControlRequest:
    """Decode a request.

    Raises:
        UnknownOperationError: the target names no operation of this service.
        SerializationError: the body is not JSON, or a member has the wrong JSON type.
        ValidationError: members that break a rule, all of them.
    """
    name = operation_of(target)
    document = decode_json(body) if body.strip() else {}
    if not isinstance(document, dict):
        msg = "The request body must be a JSON object."
        raise SerializationError(msg)
    problems: list[str] = []
    members = OPERATIONS[name].input.read(document, "", problems)
    if problems:
        raise ValidationError(problems)
    return ControlRequest(name, members)


def encode_document(document: Mapping[str, Any]) -> bytes:
    """Encode an answer; members that are None are left out at every level."""
    return orjson.dumps(_without_none(document))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_none(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_none(each) for each in value]
    return value
