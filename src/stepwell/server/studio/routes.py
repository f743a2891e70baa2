"""The native API over HTTP: who asks and whether they may, a thread that answers, what is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stepwell.model.errors import NotFoundError, ThrottledError, UnknownComponentError
from stepwell.model.names import fold
from stepwell.server.ahead import ahead
from stepwell.server.asgi import Bodies, ClientGoneError, Receive, Scope, Send
from stepwell.server.peer import peer_of
from stepwell.server.studio import changes, frames, metrics, noted, openapi, runs, tables
from stepwell.server.studio.live import Listener, Live
from stepwell.server.studio.page import Page
from stepwell.server.studio.requests import LiveRequest, decode_query
from stepwell.server.studio.service import Answer, Asked, Endpoint, Studio
from stepwell.server.studio.session import Gate

if TYPE_CHECKING:
    from stepwell.server.app import Parts

PREFIX = "/api/v1/"
#: Answers that are made and wait to be sent, all together.
_HELD_BYTES_MAX = 256 * 1024 * 1024
#: Pieces of a long answer.
_PIECE_BYTES = 1024 * 1024
_PIECES_AHEAD = 4

ENDPOINTS: list[Endpoint] = [
    *frames.ENDPOINTS,
    *metrics.ENDPOINTS,
    *runs.ENDPOINTS,
    *tables.ENDPOINTS,
    *noted.ENDPOINTS,
    *changes.ENDPOINTS,
]


def enter(scope: Scope) -> bool:
    """Say whether a request is for the native API, and take a base path in front of it off.

    A proxy may send the whole of its path (`/proxy/7837/api/v1/runs`), for the page too.
    """
    path: str = scope["path"]
    base, is_native, _ = path.partition(PREFIX)
    if not is_native:
        if scope["method"] not in {"GET", "HEAD"}:
            return False
        base, is_asset, _ = path.rpartition("/assets/")
        if not is_asset:
            base = path[:-1] if path.endswith("/") else ""
    if base:
        scope["root_path"] = base
    return bool(is_native)


def studio_routes(parts: Parts) -> list[Route]:
    """Give the routes of all endpoints."""
    studio = Studio(parts.store, parts.control, parts.decoders)
    gate = parts.gate
    bodies = Bodies(parts.limits)
    held = _Held()
    made = [_route(each, studio, gate, bodies, parts, held) for each in ENDPOINTS]
    live = _live_route(gate, parts)
    described = openapi.routes(PREFIX, ENDPOINTS)
    return [*made, live, *gate.routes(PREFIX, bodies), *described, *Page().routes()]


def _live_route(gate: Gate, parts: Parts) -> Route:
    async def live(request: Request) -> Response:
        identity = gate.let_in(request, b"", "GetLive", changes=False)
        asked = decode_query(dict(request.query_params), LiveRequest)
        runs = frozenset(fold(each) for each in asked.runs.split(",") if each)
        return _Listening(Listener(identity.account, runs or None), parts.live)

    return Route(PREFIX + "live", live, methods=["GET"])


class _Listening(Response):
    """The answer of someone who listens: it goes on until they or the server stop."""

    def __init__(self, listener: Listener, live: Live) -> None:
        super().__init__()
        self._listener = listener
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell what changes."""
        await self._live.serve(self._listener, scope, receive, send)


def _route(
    endpoint: Endpoint, studio: Studio, gate: Gate, bodies: Bodies, parts: Parts, held: _Held
) -> Route:
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
        return _Sent(answer, parts, held)

    return Route(PREFIX + endpoint.path, handle, methods=[endpoint.method])


class _Held:
    """Counts the bytes of answers that are made and not yet sent, to keep them within bounds."""

    def __init__(self) -> None:
        self._bytes = 0

    @contextlib.contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Hold an answer's bytes. One that is large by itself goes when no other is held."""
        if self._bytes and self._bytes + size > _HELD_BYTES_MAX:
            msg = "Rate exceeded: too many large answers are being sent. Try again."
            raise ThrottledError(msg)
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size


class _Sent(Response):
    """An answer on its way. A client that does not read is let go."""

    def __init__(self, answer: Answer, parts: Parts, held: _Held) -> None:
        self._answer = answer
        self._held = held
        is_made = not isinstance(answer.parts, Iterator)
        self._size = sum(map(len, answer.parts)) if is_made else 0
        self._executor = parts.executor
        self._reads = parts.data_plane.reads
        headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
        headers |= answer.headers
        if not isinstance(answer.parts, Iterator) and answer.parts:
            headers["content-length"] = str(sum(map(len, answer.parts)))
        super().__init__(None, answer.status, headers, answer.media_type)
        if not isinstance(answer.parts, Iterator):
            return
        # Its length is not known: it comes in chunks.
        self.raw_headers = [each for each in self.raw_headers if each[0] != b"content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del receive
        peer = peer_of(scope)
        with (
            self._reads.admit(peer),
            self._held.hold(self._size),
            contextlib.suppress(ClientGoneError),
        ):
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            if isinstance(self._answer.parts, Iterator):
                made = ahead(self._executor, self._answer.parts, _PIECES_AHEAD, peer.is_there)
                async with contextlib.aclosing(made) as pieces:
                    async for piece in pieces:
                        await peer.send(send, piece, more=True)
            else:
                for part in self._answer.parts:
                    for first in range(0, len(part), _PIECE_BYTES):
                        await peer.send(send, part[first : first + _PIECE_BYTES], more=True)
            await peer.send(send, b"", more=False)
