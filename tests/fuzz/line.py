"""One kept connection to a server, with a say in how a body travels."""

from __future__ import annotations

import json
import socket
from http.client import HTTPResponse
from typing import Any, NamedTuple

ANSWER_S = 30


class Travel(NamedTuple):
    """How a body goes out: with its head or after it, in how many parts, chunked or not."""

    parts: int = 1
    with_head: bool = True
    is_chunked: bool = False


class Answer(NamedTuple):
    """An answer: status, headers with names in lower case, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Read the body as JSON, strictly: the bare tokens NaN and Infinity are none."""
        return json.loads(self.body, parse_constant=_refuse)

    @property
    def code(self) -> str:
        """Give the error's code, or an empty text."""
        return self.headers.get("x-amzn-errortype", "")


class Line:
    """A connection that is opened anew only when the server said that it closes it."""

    def __init__(self, port: int) -> None:
        """Remember where to; the first request connects."""
        self._port = port
        self._socket: socket.socket | None = None

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        travel: Travel = Travel(),  # noqa: B008 - it cannot change
    ) -> Answer:
        """Send a request and read its answer. A dropped connection is an error."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in _parts(method, path, body, headers or {}, travel):
            self._socket.sendall(part)
        response = HTTPResponse(self._socket, method=method)
        response.begin()
        content = response.read()
        names = {name.lower(): text for name, text in response.getheaders()}
        if response.will_close:
            self.close()
        response.close()
        return Answer(response.status, names, content)

    def get(self, *queries: dict[str, Any]) -> list[dict[str, Any]]:
        """Send queries and give their results; the answer must be a 200."""
        body = json.dumps({"MetricQueries": queries}).encode()
        answer = self.send("POST", "/BatchGetMetrics", body)
        assert answer.status == 200, answer
        results: list[dict[str, Any]] = answer.json()["MetricQueryResults"]
        assert len(results) == len(queries)
        return results

    def get_all(self, query: dict[str, Any]) -> tuple[list[int], list[float], str]:
        """Send a query, and go on as its answers say until they are complete.

        Returns x, values, and the last answer's message.
        """
        x: list[int] = []
        values: list[float] = []
        while True:
            (result,) = self.get(query)
            x += result["XAxisValues"]
            values += map(float, result["MetricValues"])
            message = result.get("Message", "")
            if result["Status"] != "Truncated":
                assert result["Status"] == "Complete", result
                return x, values, message
            assert result["XAxisValues"], "a page must have something, or the pages never end"
            query = {**query, "Start": int(message.rpartition("Start=")[2].rstrip("."))}

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _parts(
    method: str, path: str, body: bytes, headers: dict[str, str], travel: Travel
) -> list[bytes]:
    """Cut a request into the parts that are sent one by one."""
    size = -(-len(body) // travel.parts) or 1
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    framing = f"Content-Length: {len(body)}"
    if travel.is_chunked:
        framing = "Transfer-Encoding: chunked"
        parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in parts]
        parts.append(b"0\r\n\r\n")
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", framing]
    lines += [f"{name}: {text}" for name, text in headers.items()]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    if travel.with_head:
        return [head + b"".join(parts[:1]), *parts[1:]]
    return [head, *parts]


def _refuse(token: str) -> None:
    msg = f"{token} is not JSON"
    raise ValueError(msg)
