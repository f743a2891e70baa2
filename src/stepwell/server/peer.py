"""The client of one request: whether it is still there and reads, and a short way to it.

A thread that decodes points and then writes them to the socket itself does both without the GIL,
out of memory that is still in the cache; handing each piece to the event loop costs as much again.
Such a thread never waits for a client: when the socket takes no more, it is given back until there
is room.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Executor

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from stepwell.server.asgi import ClientGoneError, Scope, Send

logger = logging.getLogger(__name__)

#: A client that does not read for this long is let go.
SEND_TIMEOUT_S = 60
_LOOK_S = 0.5
#: A client that reads takes less than this to make room again; the way over the loop takes longer.
_ROOM_MS = 3
#: For how long a thread sends before it is others' turn: long answers share the threads.
_TURN_S = 0.05
_IN_SCOPE = "stepwell.peer"


def introduce(cycle: RequestResponseCycle) -> None:
    """Let whoever answers a request know its client (see `peer_of`)."""
    cycle.scope[_IN_SCOPE] = Peer(cycle)  # type: ignore[literal-required]


def peer_of(scope: Scope) -> Peer:
    """Give a request's client."""
    peer: Peer = scope[_IN_SCOPE]
    return peer


def unread_s(cycle: RequestResponseCycle) -> float:
    """Give for how long a request's client has not read what it was sent (see `Peer.unread_s`)."""
    peer = cycle.scope.get(_IN_SCOPE)
    return peer.unread_s() if isinstance(peer, Peer) else 0.0


class Peer:
    """One request's client. On the loop."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        """Hold the request."""
        self._cycle = cycle
        self._waiting_since: float | None = None

    def check(self) -> None:
        """Raise ClientGoneError if its connection is closed, by it or by us."""
        if self._cycle.disconnected or self._cycle.transport.is_closing():
            self.let_go()
            raise ClientGoneError

    @property
    def can_push(self) -> bool:
        """Whether `push` may be used: not over TLS, and not where no body is wanted."""
        scope = self._cycle.scope
        return scope["scheme"] == "http" and scope["method"] != "HEAD"

    def is_there(self) -> bool:
        """Say whether its connection is open, as far as is known. On any thread."""
        return not self._cycle.disconnected

    def unread_s(self) -> float:
        """Give for how long it has not read what it was sent, while there is more to send."""
        return 0.0 if self._waiting_since is None else time.monotonic() - self._waiting_since

    def let_go(self) -> None:
        """Close its connection at once, whatever was not sent yet."""
        self._cycle.disconnected = True
        self._cycle.message_event.set()
        self._cycle.transport.abort()

    async def send(self, send: Send, body: bytes | memoryview, *, more: bool) -> None:
        """Send a part of a long answer through the loop.

        Raises:
            ClientGoneError: the client closed its connection, or does not read and was let go.
        """
        self.check()
        with self._reading():
            await send({"type": "http.response.body", "body": body, "more_body": more})

    async def push(self, executor: Executor, pieces: Iterator[bytes | memoryview]) -> None:
        """Send pieces of a body past the loop. Its head was sent.

        Args:
            executor: whose threads make and send them.
            pieces: each is sent before the next one is made.

        Raises:
            ClientGoneError: the client closed its connection, or does not read and was let go.
            Exception: what making a piece raised.
        """
        with self._reading():
            await self._flushed()
        if self._cycle.chunked_encoding:
            pieces = map(_chunk, pieces)
        loop = asyncio.get_running_loop()
        with _second_handle(self._cycle.transport) as sock:
            pushing = _Pushing(sock, pieces)
            while not pushing.is_over:
                job = loop.run_in_executor(executor, pushing.go_on)
                try:
                    # Shielded: the thread uses the socket, and ends soon by itself.
                    sent_bytes = await asyncio.shield(job)
                except asyncio.CancelledError:
                    pushing.is_over = True
                    await job
                    raise
                except OSError as error:
                    self.let_go()
                    raise ClientGoneError from error
                if not self._cycle.chunked_encoding:
                    self._cycle.expected_content_length -= sent_bytes
                if not pushing.is_over:
                    with self._reading():
                        await self._writable(loop, sock)

    async def _writable(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        """Wait until the client's socket takes more."""
        ready = loop.create_future()
        loop.add_writer(sock, _wake, ready)
        try:
            while not ready.done():
                # Nobody tells our handle that the connection's own was closed.
                await asyncio.wait((ready,), timeout=_LOOK_S)
                self.check()
        finally:
            loop.remove_writer(sock)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Note that we wait for the client to read, and let it go when that takes too long."""
        self._waiting_since = time.monotonic()
        limit = asyncio.get_running_loop().call_later(SEND_TIMEOUT_S, self._lose_patience)
        try:
            yield
        finally:
            limit.cancel()
            self._waiting_since = None

    def _lose_patience(self) -> None:
        logger.warning("a client does not read its answer: %s", self._cycle.scope["client"])
        self.let_go()

    async def _flushed(self) -> None:
        """Wait until the loop has nothing left to write to this client."""
        transport = self._cycle.transport
        self.check()
        low, high = transport.get_write_buffer_limits()
        transport.set_write_buffer_limits(high=0)
        try:
            while transport.get_write_buffer_size():
                await asyncio.sleep(0)
                await self._cycle.flow.drain()
                self.check()
        finally:
            if not transport.is_closing():
                transport.set_write_buffer_limits(high=high, low=low)


class _Pushing:
    """Pieces on their way into a socket that does not block."""

    def __init__(self, sock: socket.socket, pieces: Iterator[bytes | memoryview]) -> None:
        self.is_over = False
        self._sock = sock
        self._pieces = pieces
        self._left = memoryview(b"")
        self._room = select.poll()
        self._room.register(sock, select.POLLOUT)

    def go_on(self) -> int:
        """Send until the socket takes no more, or to the end. Returns the bytes sent. On a thread.

        After `_TURN_S` it is others' turn.

        Raises:
            OSError: the client is gone.
            Exception: what making a piece raised.
        """
        sent_bytes = 0
        turn_ends = time.monotonic() + _TURN_S
        while not self.is_over and time.monotonic() < turn_ends:
            if not self._left:
                # Given back first: the next piece then comes in the same memory.
                self._left = memoryview(b"")
                piece = next(self._pieces, None)
                if piece is None:
                    self.is_over = True
                    break
                self._left = memoryview(piece)
                del piece
                if not self._left:
                    continue
            try:
                sent = self._sock.send(self._left)
            except BlockingIOError:
                if not self._room.poll(_ROOM_MS):
                    break
                continue
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


def _chunk(piece: bytes | memoryview) -> bytes:
    """Frame a piece of a body without a stated length (RFC 9112); nothing at all if it is empty."""
    return b"".join((b"%x\r\n" % len(piece), piece, b"\r\n")) if piece else b""


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
