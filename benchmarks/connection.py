"""Owns the benchmarks' reading side of HTTP: one keep-alive connection that reads into one buffer.

A large answer is received into memory that is already there, so that what is timed is the
server and the loopback, not this process asking for pages.
"""

from __future__ import annotations

import http.client
import socket
import time
from typing import NamedTuple, Self
from urllib.parse import urlencode

import msgspec
import numpy as np
import orjson

ACCOUNT_ARN = "arn:aws:sagemaker:us-east-1:000000000000:experiment-trial-component/"
BUFFER_BYTES = 128 << 20


class WrongAnswerError(Exception):
    """An answer is not what was stored."""


class Answer(NamedTuple):
    """A body, valid until the connection's next request, and the time from request to last byte."""

    body: memoryview
    seconds: float


class Frame(NamedTuple):
    """The raw columns of one series, views of the answer they came in."""

    steps: np.ndarray
    timestamps_us: np.ndarray
    values: np.ndarray


class _Column(msgspec.Struct):
    name: str
    type: str


class _Head(msgspec.Struct):
    count: int
    columns: list[_Column]


class Connection:
    """One keep-alive connection to a loopback port. A context manager."""

    def __init__(self, port: int, timeout_seconds: float = 60.0) -> None:
        """Connect; raises OSError when nothing listens."""
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
        self._http.connect()
        self._http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(BUFFER_BYTES))

    def __enter__(self) -> Self:
        """Return the open connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._http.close()

    def ask(
        self, method: str, path: str, body: bytes | None = None, target: str | None = None
    ) -> Answer:
        """Send one request, read its answer; raise WrongAnswerError unless it is a whole 200."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if target is not None:
            headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        started = time.perf_counter()
        self._http.request(method, path, body, headers)
        response = self._http.getresponse()
        count = 0
        while received := response.readinto(self._buffer[count:]):
            count += received
        seconds = time.perf_counter() - started
        answer = self._buffer[:count]
        if response.status != http.HTTPStatus.OK or not response.isclosed():
            message = f"{method} {path}: {response.status} {bytes(answer[:500])!r}"
            raise WrongAnswerError(message)
        return Answer(answer, seconds)


def batch_get_body(component: str, metrics: list[str]) -> bytes:
    """Return a BatchGetMetrics body that asks for the last value at each step of each metric."""
    queries = [
        {
            "MetricName": metric,
            "ResourceArn": ACCOUNT_ARN + component,
            "MetricStat": "Last",
            "Period": "IterationNumber",
            "XAxisType": "IterationNumber",
        }
        for metric in metrics
    ]
    return orjson.dumps({"MetricQueries": queries})


def points_path(component: str, metric: str) -> str:
    """Return the path that answers one series as raw columns."""
    return "/api/v1/points?" + urlencode({"component": component, "metric": metric})


def decode_frame(body: memoryview) -> Frame:
    """Return the columns of a binary frame: a length, a padded JSON head, the columns."""
    head_bytes = int.from_bytes(body[:4], "little")
    start = 4 + head_bytes
    head = msgspec.json.decode(bytes(body[4:start]), type=_Head)
    columns = {}
    for column in head.columns:
        kind = np.dtype(column.type)
        if start % kind.itemsize or start + head.count * kind.itemsize > len(body):
            message = f"a frame of {len(body)} bytes has no room for {column} at {start}"
            raise WrongAnswerError(message)
        columns[column.name] = np.frombuffer(body, kind, head.count, start)
        start += columns[column.name].nbytes
    require(start == len(body), f"a frame of {len(body)} bytes ends at {start}")
    return Frame(columns["step"], columns["timestamp_us"], columns["value"])


def require(condition: object, claim: str) -> None:
    """Raise WrongAnswerError with the claim unless the condition holds."""
    if not condition:
        raise WrongAnswerError(claim)
