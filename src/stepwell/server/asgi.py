"""What every handler of bare ASGI needs: request ids, whole bodies, whole answers."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from stepwell.model.errors import (
    BodyTimeoutError,
    PayloadTooLargeError,
    StepwellError,
    ThrottledError,
)
from stepwell.model.limits import Limits
from stepwell.server.error_map import wire_error
from stepwell.wire.errors import error_body, error_headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
#: Takes an answer's status, headers (without Content-Length) and body.
Reply = Callable[[int, list[Header], bytes], None]

JSON: Header = (b"content-type", b"application/json")


class ClientGoneError(Exception):
    """The client closed its connection, or we did because it does not read."""


class RequestIds:
    """Ids for requests: a UUID's form, 64 random bits a process and a counter. Cheap and unique."""

    def __init__(self) -> None:
        """Draw the random part."""
        head = os.urandom(8).hex()
        self._prefix = f"{head[:8]}-{head[8:12]}-4{head[13:16]}-8"
        self._counter = itertools.count(int.from_bytes(os.urandom(4), "big"))

    def next(self) -> bytes:
        """Give the next id."""
        tail = f"{next(self._counter) & 0xFFF_FFFF_FFFF_FFFF:015x}"
        return f"{self._prefix}{tail[:3]}-{tail[3:]}".encode()


class Bodies:
    """Reads bodies that did not arrive at once, within a budget that all of them share."""

    def __init__(self, limits: Limits) -> None:
        """Hold nothing yet."""
        self._limits = limits
        self._held = 0

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """Read a request's body.

        Raises:
            ClientGoneError: the client went away.
            PayloadTooLargeError: it is over the limit (said as soon as that is known).
            BodyTimeoutError: it did not arrive in time.
            ThrottledError: too much is arriving at once.
        """
        check_size(_content_length(scope), self._limits)
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                body: bytes = message.get("body", b"")
                if message.get("more_body", False):
                    return await self._read_rest(body, receive)
        except TimeoutError as error:
            msg = f"The request body did not arrive within {self._limits.body_timeout_s} seconds."
            raise BodyTimeoutError(msg) from error
        check_size(len(body), self._limits)
        return body

    async def _read_rest(self, first: bytes, receive: Receive) -> bytes:
        parts, size, more = [first], len(first), True
        self._held += size
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                part: bytes = message.get("body", b"")
                more = message.get("more_body", False)
                parts.append(part)
                size += len(part)
                self._held += len(part)
                check_size(size, self._limits)
                if self._held > self._limits.receiving_bytes_max:
                    msg = "Rate exceeded: too many request bodies are arriving. Try again."
                    raise ThrottledError(msg)
            return b"".join(parts)
        finally:
            self._held -= size


def check_size(size: int, limits: Limits) -> None:
    """Raise PayloadTooLargeError where a body of so many bytes is over the limit."""
    if size > limits.body_bytes_max:
        msg = f"The request body is over the limit of {limits.body_bytes_max} bytes."
        raise PayloadTooLargeError(msg)


async def send_answer(
    send: Send, status: int, headers: list[Header], body: bytes | memoryview
) -> None:
    """Send a whole answer."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class ErrorAnswer(NamedTuple):
    """An error as it goes out."""

    status: int
    code: str
    headers: list[Header]
    body: bytes


def error_answer(error: Exception, request_id: bytes) -> ErrorAnswer:
    """Put an error in the form that AWS clients read."""
    status, code, retry_after_s = wire_error(error)
    # Only our own errors were worded for clients.
    message = str(error) if isinstance(error, StepwellError) else "Internal failure."
    headers = [(b"x-amzn-requestid", request_id), *error_headers(code)]
    if retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % retry_after_s))
        headers.append((b"x-amz-retry-after", b"%d" % (retry_after_s * 1000)))
    if isinstance(error, BodyTimeoutError):
        # The rest of the body would be taken for the next request.
        headers.append((b"connection", b"close"))
    return ErrorAnswer(status, code, headers, error_body(code, message))


def header(scope: Scope, name: bytes) -> str | None:
    """Give a request header's value, or None; `name` in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def _content_length(scope: Scope) -> int:
    text = header(scope, b"content-length")
    return int(text) if text is not None and text.isdecimal() else 0
