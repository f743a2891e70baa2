"""Sending a long answer from the thread that makes it, past the event loop.

A thread that decodes and then writes to the socket itself does both without the GIL, out of memory
that is still in the cache; handing each piece to the loop costs as much again. Such a thread never
waits for a client: when the socket takes no more, it is given back until there is room.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
from collections.abc import Iterator
from concurrent.futures import Executor

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from stepwell.server.asgi import SEND_TIMEOUT_S, ClientGoneError, Scope

logger = logging.getLogger(__name__)

_IN_SCOPE = "stepwell.push"
_BREAK_OFF = "stepwell.break_off"


def offer_push(cycle: RequestResponseCycle) -> None:
    """Let whoever answers a request push to its connection (see `push_of`)."""
    cycle.scope[_BREAK_OFF] = functools.partial(_break_off, cycle)  # type: ignore[literal-required]
    if cycle.scope["scheme"] == "http" and cycle.scope["method"] != "HEAD":
        cycle.scope[_IN_SCOPE] = Push(cycle)  # type: ignore[literal-required]


def push_of(scope: Scope) -> Push | None:
    """Give the way past the loop to a request's client; None where there is none (TLS, HEAD)."""
    push: Push | None = scope.get(_IN_SCOPE)
    return push


def break_off(scope: Scope) -> None:
    """Cut a request's connection: an answer that has begun and cannot be ended must not look whole.

    Raises:
        ClientGoneError: always; there is nobody left to answer.
    """
    scope[_BREAK_OFF]()
    raise ClientGoneError


def _break_off(cycle: RequestResponseCycle) -> None:
    cycle.disconnected = True
    cycle.transport.abort()


class Push:
    """The way to one request's client. Used after the head of its answer was sent."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        """Hold the request; nothing is opened yet."""
        self._cycle = cycle

    async def send(self, executor: Executor, pieces: Iterator[memoryview]) -> None:
        """Send pieces of a body whose Content-Length was stated.

        Args:
            executor: whose threads make and send them.
            pieces: each is sent before the next one is made.

        Raises:
            ClientGoneError: the client closed its connection, or did not read for `SEND_TIMEOUT_S`.
            Exception: what making a piece raised.
        """
        try:
            await self._flushed()
            await self._send(executor, pieces)
        except (OSError, ClientGoneError) as error:
            if isinstance(error, TimeoutError):
                logger.warning("a client does not read its answer: %s", self._cycle.scope["client"])
            _break_off(self._cycle)
            raise ClientGoneError from error

    async def _send(self, executor: Executor, pieces: Iterator[memoryview]) -> None:
        loop = asyncio.get_running_loop()
        with _second_handle(self._cycle.transport) as sock:
            pushing = _Pushing(sock, pieces)
            while not pushing.is_over:
                job = loop.run_in_executor(executor, pushing.go_on)
                try:
                    # Shielded: the thread uses the socket, and ends soon by itself.
                    self._cycle.expected_content_length -= await asyncio.shield(job)
                except asyncio.CancelledError:
                    pushing.is_over = True
                    await job
                    raise
                if not pushing.is_over:
                    await _writable(loop, sock)

    async def _flushed(self) -> None:
        """Wait until the loop has nothing left to write to this client."""
        transport = self._cycle.transport
        if transport.is_closing():
            raise ClientGoneError
        low, high = transport.get_write_buffer_limits()
        transport.set_write_buffer_limits(high=0)
        try:
            # Buffers of earlier answers were bounded by the limits that held then.
            async with asyncio.timeout(SEND_TIMEOUT_S):
                while transport.get_write_buffer_size() and not transport.is_closing():
                    await asyncio.sleep(0)
                    await self._cycle.flow.drain()
        finally:
            if not transport.is_closing():
                transport.set_write_buffer_limits(high=high, low=low)
        if transport.is_closing():
            raise ClientGoneError


class _Pushing:
    """Pieces on their way into a socket that does not block."""

    def __init__(self, sock: socket.socket, pieces: Iterator[memoryview]) -> None:
        self.is_over = False
        self._sock = sock
        self._pieces = pieces
        self._left = memoryview(b"")

    def go_on(self) -> int:
        """Send until the socket takes no more, or to the end. Returns the bytes sent. On a thread.

        Raises:
            OSError: the client is gone.
            Exception: what making a piece raised.
        """
        sent_bytes = 0
        while not self.is_over:
            if not self._left:
                # Given back first: the next piece then comes in the same memory.
                self._left = memoryview(b"")
                piece = next(self._pieces, None)
                if piece is None:
                    self.is_over = True
                    break
                self._left = piece
                del piece
            try:
                sent = self._sock.send(self._left)
            except BlockingIOError:
                break
            self._left = self._left[sent:]
            sent_bytes += sent
        return sent_bytes


@contextlib.contextmanager
def _second_handle(transport: asyncio.Transport) -> Iterator[socket.socket]:
    """Give a handle of one's own to a transport's socket: the loop may close its own meanwhile."""
    original = transport.get_extra_info("socket")
    with socket.fromfd(original.fileno(), original.family, original.type) as sock:
        sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        yield sock


async def _writable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    """Wait until a socket takes more. Raises TimeoutError."""
    ready = loop.create_future()
    loop.add_writer(sock, _wake, ready)
    try:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await ready
    finally:
        loop.remove_writer(sock)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
