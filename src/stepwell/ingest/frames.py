"""Frames: what goes between a worker and its committer. Puts one way, reports of groups back.

A frame is its length as a little-endian uint32, then MessagePack. Both ends are of one version of
Stepwell on one machine: nothing here is kept or sent anywhere else.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from stepwell.model.errors import StoreDefectError, StoreError
from stepwell.model.names import Component
from stepwell.model.points import ItemError, Outcome, Put

Answer = Outcome | StoreError

_LENGTH = struct.Struct("<I")


class Report(msgspec.Struct):
    """What became of one group.

    Attributes:
        answers: one for each put, in the order in which they were sent.
        seconds: what the whole commit took.
        sync_seconds: what each write and fsync in it took.
    """

    answers: list[Answer]
    seconds: float = 0.0
    sync_seconds: Sequence[float] = ()


class _Put(msgspec.Struct, array_like=True, gc=False):
    """A `Put` as it arrives: members in `Put`'s order, long columns as bytes."""

    component: Component
    metrics: list[str]
    steps: list[int] | bytes
    timestamps_us: list[int] | bytes
    values: list[float] | bytes
    item_count: int
    refused: list[ItemError]
    positions: list[int] | None
    owner: str
    put_id: str | None
    content_crc: int
    received_us: int | None


class _Special(msgspec.Struct, array_like=True, gc=False):
    """An answer that is not "all stored"."""

    stored: int = 0
    is_retry: bool = False
    errors: list[ItemError] = []
    failure: str = ""
    message: str = ""
    notes: list[str] = []


class _Report(msgspec.Struct, array_like=True, gc=False):
    #: The points stored of a put without errors, which nearly all are, or more than that.
    answers: list[int | _Special]
    seconds: float
    sync_seconds: list[float]


class Opened(msgspec.Struct, array_like=True):
    """A committer's first frame: its store is open, or why not."""

    failure: str = ""
    message: str = ""


_FAILURES = {each.__name__: each for each in StoreError.__subclasses__()}


def _bytes_of(column: object) -> memoryview:
    """Give a long column's bytes. Anything else that is not MessagePack's is a defect."""
    if not isinstance(column, np.ndarray):
        msg = f"a {type(column).__name__} cannot be sent"
        raise NotImplementedError(msg)
    return column.data


_encode = msgspec.msgpack.Encoder(enc_hook=_bytes_of).encode
_decode_put = msgspec.msgpack.Decoder(_Put).decode
_decode_report = msgspec.msgpack.Decoder(_Report).decode
decode_opened = msgspec.msgpack.Decoder(Opened).decode


def frame(content: bytes) -> bytes:
    """Put a length before some content."""
    return _LENGTH.pack(len(content)) + content


def encode_put(put: Put) -> bytes:
    """Encode a put as a frame."""
    return frame(_encode(put))


def decode_put(content: bytes | memoryview) -> Put:
    """Decode a put's frame, without its length."""
    put = _decode_put(content)
    return Put(
        put.component,
        put.metrics,
        _column(put.steps, np.int64),
        _column(put.timestamps_us, np.int64),
        _column(put.values, np.float64),
        put.item_count,
        put.refused,
        put.positions,
        put.owner,
        put.put_id,
        put.content_crc,
        put.received_us,
    )


def encode_report(report: Report) -> bytes:
    """Encode a report as a frame."""
    answers = [
        answer.stored
        if isinstance(answer, Outcome) and not answer.errors and not answer.is_retry
        else _special(answer)
        for answer in report.answers
    ]
    return frame(_encode(_Report(answers, report.seconds, list(report.sync_seconds))))


def decode_report(content: bytes | memoryview) -> Report:
    """Decode a report's frame, without its length."""
    report = _decode_report(content)
    answers = [
        Outcome((), answer) if type(answer) is int else _answer(answer) for answer in report.answers
    ]
    return Report(answers, report.seconds, report.sync_seconds)


def encode_opened(error: StoreError | None = None) -> bytes:
    """Encode a committer's first frame."""
    if error is None:
        return frame(_encode(Opened()))
    return frame(_encode(Opened(type(error).__name__, str(error))))


def failure(name: str, message: str) -> StoreError:
    """Make an error out of its name and message."""
    return _FAILURES.get(name, StoreDefectError)(message)


def receive(link: socket.socket) -> bytes:
    """Wait for one frame and give its content; empty where the other end is gone."""
    head = link.recv(_LENGTH.size, socket.MSG_WAITALL)
    return link.recv(_LENGTH.unpack(head)[0], socket.MSG_WAITALL) if head else b""


class Splitter:
    """Splits what arrives into frames."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[memoryview]:
        """Give the content of every frame that is whole now. To be iterated to its end."""
        if self._rest:
            data = self._rest + data
        view = memoryview(data)
        start, size = 0, len(data)
        while size - start >= _LENGTH.size:
            stop = start + _LENGTH.size + _LENGTH.unpack_from(data, start)[0]
            if stop > size:
                break
            yield view[start + _LENGTH.size : stop]
            start = stop
        self._rest = data[start:]


def _column(numbers: Any, kind: type[np.int64 | np.float64]) -> Any:
    return np.frombuffer(numbers, kind) if isinstance(numbers, bytes) else numbers


def _special(answer: Answer) -> _Special:
    if isinstance(answer, Outcome):
        return _Special(answer.stored, answer.is_retry, list(answer.errors))
    notes = list(getattr(answer, "__notes__", ()))
    return _Special(failure=type(answer).__name__, message=str(answer), notes=notes)


def _answer(special: Any) -> Answer:
    if not special.failure:
        return Outcome(special.errors, special.stored, special.is_retry)
    error = failure(special.failure, special.message)
    for note in special.notes:
        error.add_note(note)
    return error
