"""The native API over HTTP: who asks and whether they may, a thread that answers, what is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stepwell.model.errors import NotFoundError, UnknownComponentError
from stepwell.server.ahead import ahead
from stepwell.server.asgi import Bodies, Receive, Scope, Send, send_part
from stepwell.server.studio import frames, metrics, runs
from stepwell.server.studio.service import Answer, Asked, Endpoint, Studio
from stepwell.server.studio.session import Gate

if TYPE_CHECKING:
    from stepwell.server.app import Parts

PREFIX = "/api/v1/"
#: Pieces of a long answer.
_PIECE_BYTES = 1024 * 1024
_PIECES_AHEAD = 4

ENDPOINTS: list[Endpoint] = [
    *frames.ENDPOINTS,
    *metrics.ENDPOINTS,
    *runs.ENDPOINTS,
]


def enter(scope: Scope) -> bool:
    """Say whether a request is for the native API, and take a base path in front of it off.

    A proxy may send the whole of its path (`/proxy/7837/api/v1/runs`).
    """
    base, found, _ = scope["path"].partition(PREFIX)
    if not found:
        return False
    if base:
        scope["root_path"] = base
    return True


def studio_routes(parts: Parts) -> list[Route]:
    """Give the routes of all endpoints."""
    studio = Studio(parts.store, parts.control, parts.decoders)
    gate = Gate(parts)
    bodies = Bodies(parts.limits)
    made = [_route(each, studio, gate, bodies, parts) for each in ENDPOINTS]
    return [*made, *gate.routes(PREFIX, bodies)]


def _route(endpoint: Endpoint, studio: Studio, gate: Gate, bodies: Bodies, parts: Parts) -> Route:
    async def handle(request: Request) -> Response:
        body = b""
        if endpoint.method != "GET":
            body = await bodies.read(request.scope, request.receive)
        identity = gate.let_in(request, body, endpoint.operation, changes=endpoint.changes)
        asked = Asked(identity, request.path_params, body, dict(request.query_params))
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(parts.executor, endpoint.handler, studio, asked)
        except NotFoundError as error:
            # AWS says 400 where something is not there; here it is 404.
            raise UnknownComponentError(str(error)) from error
        return _Sent(answer, parts)

    return Route(PREFIX + endpoint.path, handle, methods=[endpoint.method])


class _Sent(Response):
    """An answer on its way. A client that does not read is let go."""

    def __init__(self, answer: Answer, parts: Parts) -> None:
        self._answer = answer
        self._executor = parts.executor
        self._reads = parts.data_plane.reads
        headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
        headers |= answer.headers
        if not isinstance(answer.parts, Iterator):
            headers["content-length"] = str(sum(map(len, answer.parts)))
        super().__init__(media_type=answer.media_type, headers=headers)
        if not isinstance(answer.parts, Iterator):
            return
        # Its length is not known: it comes in chunks.
        self.raw_headers = [each for each in self.raw_headers if each[0] != b"content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope, receive
        with self._reads:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            if isinstance(self._answer.parts, Iterator):
                made = ahead(self._executor, self._answer.parts, _PIECES_AHEAD)
                async with contextlib.aclosing(made) as pieces:
                    async for piece in pieces:
                        await send_part(send, piece, more=True)
            else:
                for part in self._answer.parts:
                    for first in range(0, len(part), _PIECE_BYTES):
                        await send_part(send, part[first : first + _PIECE_BYTES], more=True)
            await send_part(send, b"", more=False)
