"""A small client for the faults' tests: one connection, no retries, nothing hidden.

It owns the bytes on the wire and knows nothing of server processes. Whatever goes wrong with a
connection comes out as `Broken`: then nobody knows whether the server did what it was asked.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

import numpy as np
import numpy.typing as npt

ARN = "arn:aws:sagemaker:us-east-1:000000000000:experiment-trial-component/"
TIMEOUT_S = 30.0


class Broken(Exception):  # noqa: N818 - a state of affairs, as the tests read it
    """The connection broke before the whole answer was there."""


class Item(NamedTuple):
    """One point on its way out."""

    metric: str
    step: int | None
    value: float


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Decode the body."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Give the error's code, as SDKs read it."""
        return self.headers.get("x-amzn-errortype", "")


class Columns(NamedTuple):
    """A series as GET /api/v1/points gives it, in order of arrival."""

    steps: npt.NDArray[np.int64]
    timestamps_us: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


class Client:
    """One connection to a server, opened again after it broke. For one thread."""

    def __init__(self, address: str, timeout_s: float = TIMEOUT_S) -> None:
        """Remember the address; the first request connects."""
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=timeout_s
        )

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request and read the whole answer. Raises `Broken`."""
        try:
            self._connection.request(method, path, body, dict(headers or {}))
            response = self._connection.getresponse()
            answer = Answer(
                response.status,
                {name.lower(): value for name, value in response.getheaders()},
                response.read(),
            )
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Broken(repr(error)) from error
        return answer

    def put(self, component: str, items: Sequence[Item], put_id: str | None = None) -> Answer:
        """Put points. Raises `Broken`."""
        return self.put_body(put_body(component, items), put_id)

    def put_body(self, body: bytes, put_id: str | None = None) -> Answer:
        """Put a body that is ready. Raises `Broken`."""
        headers = {"Content-Type": "application/json"}
        if put_id is not None:
            headers["amz-sdk-invocation-id"] = put_id
        return self.request("PUT", "/BatchPutMetrics", body, headers)

    def get(self, queries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Ask queries and give their results, in order. Raises `Broken`."""
        answer = self.request("POST", "/BatchGetMetrics", get_body(queries))
        assert answer.status == 200, answer
        results: list[dict[str, Any]] = answer.json()["MetricQueryResults"]
        assert len(results) == len(queries)
        return results

    def points(self, component: str, metric: str) -> Columns:
        """Read a whole series. Raises `Broken`."""
        answer = self.raw_points(component, metric)
        assert answer.status == 200, answer
        return decode_frame(answer.body)

    def raw_points(self, component: str, metric: str) -> Answer:
        """Ask for a whole series, without a word on what comes back. Raises `Broken`."""
        return self.request("GET", f"/api/v1/points?component={component}&metric={quote(metric)}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Use as a context: closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def put_body(component: str, items: Sequence[Item]) -> bytes:
    """Encode a BatchPutMetrics. The timestamp follows from the step, so that bodies are equal."""
    data = [
        {
            "MetricName": item.metric,
            "Timestamp": 1_700_000_000 + (item.step or 0) % 1_000_000,
            "Value": item.value,
            **({} if item.step is None else {"Step": item.step}),
        }
        for item in items
    ]
    return json.dumps({"TrialComponentName": component, "MetricData": data}).encode()


def query(
    component: str, metric: str, statistic: str = "Last", start: int | None = None
) -> dict[str, Any]:
    """Make a query for one value a step."""
    return {
        "ResourceArn": ARN + component,
        "MetricName": metric,
        "MetricStat": statistic,
        "Period": "IterationNumber",
        "XAxisType": "IterationNumber",
        **({} if start is None else {"Start": start}),
    }


def get_body(queries: Sequence[Mapping[str, Any]]) -> bytes:
    """Encode a BatchGetMetrics."""
    return json.dumps({"MetricQueries": list(queries)}).encode()


def decode_frame(frame: bytes) -> Columns:
    """Decode the binary frame of GET /api/v1/points."""
    (head_bytes,) = struct.unpack_from("<I", frame)
    head = json.loads(frame[4 : 4 + head_bytes])
    assert [column["name"] for column in head["columns"]] == ["step", "timestamp_us", "value"]
    count, start = head["count"], 4 + head_bytes
    assert len(frame) == start + 3 * 8 * count, "a frame of another length than its head says"
    return Columns(
        np.frombuffer(frame, "<i8", count, start),
        np.frombuffer(frame, "<i8", count, start + 8 * count),
        np.frombuffer(frame, "<f8", count, start + 16 * count),
    )


def connect(address: str, timeout_s: float = TIMEOUT_S) -> socket.socket:
    """Open a bare connection, for requests that no decent client would send."""
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout_s)


def head(method: str, path: str, **headers: str | int) -> bytes:
    """Write a request's head; `content_length=3` gives `content-length: 3`."""
    lines = [f"{method} {path} HTTP/1.1", "host: test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def read_answer(bare: socket.socket) -> Answer:
    """Read one whole answer from a bare connection. Raises `Broken`."""
    try:
        with contextlib.closing(http.client.HTTPResponse(bare)) as response:
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())
    except (OSError, http.client.HTTPException) as error:
        raise Broken(repr(error)) from error
