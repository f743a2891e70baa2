"""HTTP/1.1 connections: uvicorn's, and clients that never finish a request's head are let go.

uvicorn times out idle connections only after their first answer. Here one that has said nothing, or
half a head, is closed as well, so that such clients cannot use up all file descriptors for good.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: SDKs keep connections for later; closing them early costs them a retry.
KEEP_ALIVE_S = 75
#: Bytes of request heads that may arrive without one of them ending.
_HEAD_BYTES_MAX = 256 * 1024


class Connection(HttpToolsProtocol):
    """One client's connection."""

    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first request."""
        super().connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take in data; when that leaves a head unfinished, wait for the rest of it."""
        super().data_received(data)
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._wait_for_head()
        if cycle is not None and (cycle.more_body or not cycle.response_complete):
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > _HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The request's head is too long.")

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
