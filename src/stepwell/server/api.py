"""Everything but the data plane: health, metrics, raw points, and the answer to unknown paths."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import struct
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    PlainTextResponse,
    Response,
)
from starlette.routing import Route

from stepwell.model.errors import (
    DamagedSeriesError,
    StepwellError,
    UnknownOperationError,
    ValidationError,
)
from stepwell.model.names import (
    Component,
    fold,
    is_component_name,
    is_metric_name,
)
from stepwell.server.ahead import ahead
from stepwell.server.asgi import (
    ClientGoneError,
    Receive,
    RequestIds,
    Scope,
    Send,
    error_answer,
)
from stepwell.server.auth import allow
from stepwell.server.peer import Peer, peer_of
from stepwell.server.telemetry import Telemetry
from stepwell.store.protocol import ColumnName, ColumnTypes, Series, SeriesKey

if TYPE_CHECKING:
    from stepwell.server.app import Parts

logger = logging.getLogger(__name__)

_COLUMNS: tuple[tuple[ColumnName, str], ...] = (
    ("steps", "step"),
    ("timestamps_us", "timestamp_us"),
    ("values", "value"),
)
_WIDE = ColumnTypes(np.dtype(np.int64), np.dtype(np.int64), np.dtype(np.float64))
#: Pieces of at most 512 KiB that are decoded and not yet sent.
_PIECES_AHEAD = 4
#: Set in the scope of a request whose unexpected error was logged and answered.
ANSWERED = "stepwell.answered"
FRAME_TYPE = "application/vnd.stepwell.columns"


def routes(parts: Parts) -> list[Route]:
    """Give the routes, over the parts of a running server."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        try:
            async with asyncio.timeout(5):
                await run_in_threadpool(parts.store.size)
        except (StepwellError, TimeoutError) as error:
            return PlainTextResponse(f"not ready: {error}\n", 503)
        if parts.ingest.not_ready:
            return PlainTextResponse(f"not ready: {parts.ingest.not_ready}\n", 503)
        return PlainTextResponse("ready\n")

    async def metrics(request: Request) -> Response:
        allow(parts.authenticator.identify(request.scope, b""), "GetServerMetrics")
        parts.telemetry.sample()
        text = await run_in_threadpool(parts.telemetry.render)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def points(request: Request) -> Response:
        identity = parts.gate.let_in(request, b"", "GetPoints", changes=False)
        key, is_narrow = _series_asked_for(request, identity.account)
        loop = asyncio.get_running_loop()
        (series,) = await loop.run_in_executor(parts.executor, parts.store.read, [key])
        if isinstance(series, StepwellError):
            if isinstance(series, DamagedSeriesError):
                _log_damage(series)
            raise series
        return _FrameResponse(series, _columns_of(series, is_narrow=is_narrow), parts)

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/api/v1/points", points),
    ]


class Fallback:
    """Answers errors in AWS's form: those that routes raise, and unknown paths and methods."""

    def __init__(self, telemetry: Telemetry) -> None:
        """Start counting request ids."""
        self._request_ids = RequestIds()
        self._telemetry = telemetry

    async def on_error(self, request: Request, error: Exception) -> Response:
        """Answer an error that a route raised."""
        request_id = self._request_ids.next()
        if not isinstance(error, StepwellError):
            request.scope[ANSWERED] = True
            logger.error(
                "unexpected error", exc_info=error, extra={"request_id": request_id.decode()}
            )
        answer = error_answer(error, request_id)
        self._telemetry.refused(answer.code)
        headers = {name.decode(): value.decode() for name, value in answer.headers}
        return Response(answer.body, answer.status, headers)

    async def on_unknown(self, request: Request, _error: Exception) -> Response:
        """Answer a path, or a method on it, that nothing handles.

        A browser at a base path without its slash is led to the page there: what the page names is
        relative to it.
        """
        path = request.url.path
        last = path.rpartition("/")[2]
        is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        if is_page and last and "." not in last and "/api/" not in path:
            return Response(status_code=307, headers={"location": f"{urllib.parse.quote(last)}/"})
        msg = f"Unknown operation: {request.method} {request.url.path[:200]}"
        return await self.on_error(request, UnknownOperationError(msg))


class _Column(NamedTuple):
    """A column of a frame."""

    source: ColumnName
    name: str
    type: np.dtype[Any]


def _columns_of(series: Series, *, is_narrow: bool) -> list[_Column]:
    """Choose the types of a frame's columns. The wider ones come first, so that all are aligned."""
    types = series.types if is_narrow else _WIDE
    columns = [_Column(source, name, getattr(types, source)) for source, name in _COLUMNS]
    return sorted(columns, key=lambda column: -column.type.itemsize)


def _frame_head(count: int, columns: Sequence[_Column]) -> bytes:
    """Encode a frame's head: its length as uint32, then JSON padded to a multiple of 8 in all."""
    described = [{"name": each.name, "type": each.type.name} for each in columns]
    document = json.dumps({"count": count, "columns": described}).encode()
    document += b" " * (-(len(document) + 4) % 8)
    return struct.pack("<I", len(document)) + document


class _FrameResponse(Response):
    """A frame, sent by the thread that decodes it, or (TLS) by the loop while a thread decodes."""

    def __init__(self, series: Series, columns: Sequence[_Column], parts: Parts) -> None:
        self._columns = columns
        self._head = _frame_head(series.count, self._columns)
        size = len(self._head) + series.count * sum(each.type.itemsize for each in self._columns)
        super().__init__(media_type=FRAME_TYPE, headers={"content-length": str(size)})
        self._series = series
        self._executor = parts.executor
        self._reads = parts.data_plane.reads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. A client that does not read is let go; damage breaks the answer off."""
        del receive
        peer = peer_of(scope)
        with self._reads.admit(peer), contextlib.suppress(ClientGoneError):
            try:
                await self._send(send, peer)
            except DamagedSeriesError as error:
                _log_damage(error)
                # An answer that has begun and cannot be ended must not look whole.
                peer.let_go()

    async def _send(self, send: Send, peer: Peer) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        pieces = _frame(self._head, self._series, self._columns)
        if peer.can_push:
            await peer.push(self._executor, pieces)
        else:
            made = ahead(self._executor, pieces, _PIECES_AHEAD, peer.is_there)
            async with contextlib.aclosing(made) as decoded:
                async for piece in decoded:
                    await peer.send(send, piece, more=True)
        await peer.send(send, b"", more=False)


def _log_damage(error: DamagedSeriesError) -> None:
    logger.error("a query cannot be answered: %s", error)


def _frame(head: bytes, series: Series, columns: Sequence[_Column]) -> Iterator[bytes | memoryview]:
    yield head
    for column in columns:
        for piece in series.column(column.source):
            yield np.ascontiguousarray(piece, column.type).data.cast("B")


def _series_asked_for(request: Request, account: str) -> tuple[SeriesKey, bool]:
    """Give which series it is, and whether its columns may have narrow types."""
    name = fold(request.query_params.get("component", ""))
    metric = request.query_params.get("metric", "")
    problems = []
    if not is_component_name(name):
        problems.append("Value at 'component' must be a trial component's name")
    if not is_metric_name(metric):
        problems.append("Value at 'metric' must be a metric's name of 1 to 255 characters")
    types = request.query_params.get("types", "wide")
    if types not in {"wide", "narrow"}:
        problems.append("Value at 'types' must be 'wide' or 'narrow'")
    if problems:
        raise ValidationError(problems)
    return SeriesKey(Component(account, name), metric), types == "narrow"
