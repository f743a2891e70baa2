"""HTTP/1.1 connections: uvicorn's, with two differences.

A put whose body arrived together with its head needs no ASGI: it goes to the application as it is,
and its answer is written in one piece. That is how SDKs send them, and it halves what HTTP costs.

uvicorn times out idle connections only after their first answer. Here one that has said nothing, or
half a head, is closed as well, so that such clients cannot use up all file descriptors for good.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from stepwell.server.asgi import Header, Reply, Scope
from stepwell.server.peer import introduce, unread_s

#: SDKs keep connections for later; closing them early costs them a retry.
KEEP_ALIVE_S = 75
#: Bytes of request heads that may arrive without one of them ending.
_HEAD_BYTES_MAX = 256 * 1024
#: Bytes of an answer that wait for a client to read before no more are made.
_WRITE_BYTES_AHEAD = 1024 * 1024
#: While the server stops: seconds between two looks at a client. Who has not moved is let go.
_STOP_LOOK_S = 1.0


#: Where a request's scope has what is to be called when the server stops: an answer that would not
#: end by itself is ended by it.
ON_SHUTDOWN = "stepwell.on_shutdown"


class Application(Protocol):
    """What an ASGI application has that takes some requests without a task."""

    def takes(self, scope: Scope) -> bool:
        """Say whether it takes a request."""

    def take(self, scope: Scope, body: bytes, reply: Reply) -> None:
        """Take it, and call `reply` once, now or later."""


class Connection(HttpToolsProtocol):
    """One client's connection."""

    _head_bytes = _received_bytes = 0
    #: A request that was not handed to anyone yet, because its body may come within this very read.
    _held: RequestResponseCycle | None = None
    _is_reading = _has_ended = False

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing of it: any client could fill the log, and no library is missing."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=_WRITE_BYTES_AHEAD)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take in data; when that leaves a head unfinished, wait for the rest of it."""
        self._is_reading, self._has_ended = True, False
        self._received_bytes += len(data)
        super().data_received(data)
        self._is_reading = False
        if self._held is not None:
            # The rest of its body comes later: a task waits for it.
            held, self._held = self._held, None
            self._start_task(held, self.app)
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._wait_for_head()
        if self._has_ended or (
            cycle is not None and (cycle.more_body or not cycle.response_complete)
        ):
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > _HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The request's head is too long.")

    def on_message_complete(self) -> None:
        """Hand a request over that is whole."""
        super().on_message_complete()
        self._has_ended = True
        if self._held is not None and self._held is self.cycle:
            held, self._held = self._held, None
            self.app.take(held.scope, bytes(held.body), functools.partial(self._reply, held))

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if (
            self._is_reading
            and not cycle.waiting_for_100_continue
            and not self.flow.write_paused
            and self.app.takes(cycle.scope)
        ):
            self._held = cycle
        else:
            self._start_task(cycle, app)

    def _start_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        introduce(cycle)
        super()._start_asgi_task(cycle, app)

    def _reply(
        self, cycle: RequestResponseCycle, status: int, headers: list[Header], body: bytes
    ) -> None:
        """Write an answer, as `RequestResponseCycle.send` would."""
        if cycle.disconnected or cycle.response_started:
            return
        cycle.response_started = cycle.response_complete = True
        content = [STATUS_LINE[status]]
        for name, value in (*self.server_state.default_headers, *headers):
            content += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive:
            content.append(b"connection: close\r\n")
        content.append(b"content-length: %d\r\n\r\n" % len(body))
        content.append(body)
        self.transport.write(b"".join(content))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def shutdown(self) -> None:
        """Close once the request is answered, or when its client does not send or read any more."""
        super().shutdown()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            scope: Any = cycle.scope
            if ON_SHUTDOWN in scope:
                scope[ON_SHUTDOWN]()
        self._look_again()

    def _look_again(self) -> None:
        self.loop.call_later(_STOP_LOOK_S, self._let_go_if_stuck, self._progress())

    def _progress(self) -> tuple[int, int]:
        return self._received_bytes, self.transport.get_write_buffer_size()

    def _let_go_if_stuck(self, before: tuple[int, int]) -> None:
        """Let the client go if nothing has moved since the last look, unless it waits for us."""
        if self not in self.connections:
            return
        cycle = self.cycle
        is_our_turn = (
            cycle is not None
            and not (cycle.more_body or cycle.response_complete)
            and unread_s(cycle) < _STOP_LOOK_S
        )
        if is_our_turn or self._progress() != before:
            self._look_again()
            return
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.abort()

    def _wait_for_head(self) -> None:
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )


def uvicorn_options() -> dict[str, Any]:
    """Give the options that we run uvicorn with."""
    return {
        "loop": "uvloop",
        "http": Connection,
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        # Nothing here asks where a request came from; a proxy's word for it is not needed.
        "proxy_headers": False,
        "server_header": False,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": 30,
        "timeout_worker_healthcheck": 30,
        "backlog": 4096,
    }
