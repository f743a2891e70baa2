"""The data plane: PUT .../BatchPutMetrics and POST .../BatchGetMetrics, as one bare ASGI function.

A base path in front is allowed (`http://host/base/BatchPutMetrics`). Reads run on threads. Puts
come here when their bodies do not arrive at once; the others go from `connections` to `puts`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import Any

from stepwell.model.errors import (
    DamagedSeriesError,
    QueryError,
    StepwellError,
    StoreUnavailableError,
)
from stepwell.model.limits import Limits
from stepwell.model.queries import MetricQuery, MetricResult, Status
from stepwell.query.evaluate import EMPTY_FLOATS, EMPTY_INTS, evaluate, range_to_read
from stepwell.server.ahead import ahead
from stepwell.server.asgi import (
    JSON,
    Bodies,
    ClientGoneError,
    Header,
    Reads,
    Receive,
    Scope,
    Send,
    error_answer,
    send_answer,
    send_part,
)
from stepwell.server.auth import allow
from stepwell.server.edge import Edge
from stepwell.server.puts import Puts
from stepwell.store.protocol import Series, SeriesKey, Store
from stepwell.wire.get_metrics import decode_get, encode_result

logger = logging.getLogger(__name__)

#: Queries read from the store at once; it holds their encoded points meanwhile.
_QUERIES_AT_ONCE = 5
#: Pieces of an answer, and how many of them are made before the first one is sent.
_PIECE_BYTES = 1024 * 1024
_PIECES_AHEAD = 4
_RESULTS_HEAD = b'{"MetricQueryResults":['
_RESULTS_TAIL = b"]}"


class DataPlane:
    """Answers the two operations; `handles` says which requests are its own."""

    def __init__(
        self,
        store: Store,
        puts: Puts,
        executor: Executor,
        edge: Edge,
    ) -> None:
        """Hold on to what it needs; it owns none of it."""
        self._store = store
        self._puts = puts
        self._limits = edge.limits
        self._executor = executor
        self._authenticator = edge.authenticator
        self._telemetry = edge.telemetry
        self._loop = asyncio.get_running_loop()
        self._request_ids = edge.request_ids
        self.reads = Reads(edge.limits)
        self._bodies = Bodies(edge.limits)

    @staticmethod
    def handles(scope: Scope) -> bool:
        """Say whether a request is for one of the two operations."""
        return Puts.handles(scope) or (
            scope["method"] == "POST" and scope["path"].endswith("/BatchGetMetrics")
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request that `handles` has taken."""
        request_id = self._request_ids.next()
        operation = self._put if scope["method"] == "PUT" else self._get
        try:
            await operation(scope, receive, send, request_id)
        except ClientGoneError:
            return
        except TimeoutError:
            logger.warning("a client does not read its answer: %s", scope.get("client"))
            raise
        except StepwellError as error:
            await self._refuse(send, error, request_id)
        except Exception as error:
            logger.exception("unexpected error", extra={"request_id": request_id.decode()})
            await self._refuse(send, error, request_id)

    async def _refuse(self, send: Send, error: Exception, request_id: bytes) -> None:
        answer = error_answer(error, request_id)
        self._telemetry.refused(answer.code)
        await send_answer(send, answer.status, answer.headers, answer.body)

    async def _put(self, scope: Scope, receive: Receive, send: Send, _request_id: bytes) -> None:
        body = await self._bodies.read(scope, receive)
        answered: asyncio.Future[tuple[int, list[Header], bytes]] = self._loop.create_future()

        def reply(*answer: Any) -> None:
            if not answered.done():
                answered.set_result(answer)

        self._puts.take(scope, body, reply)
        del body
        await send_answer(send, *await answered)

    async def _get(self, scope: Scope, receive: Receive, send: Send, request_id: bytes) -> None:
        body = await self._bodies.read(scope, receive)
        started = time.perf_counter()
        identity = self._authenticator.identify(scope, body)
        allow(identity, "BatchGetMetrics")
        queries = decode_get(body, self._limits, account=identity.account)
        headers = [(b"x-amzn-requestid", request_id), JSON]
        results = encoded_results(self._store, queries, self._limits)
        held = b""
        is_streaming = False
        made = ahead(self._executor, results, _PIECES_AHEAD)
        with self.reads:
            async with contextlib.aclosing(made) as pieces:
                async for piece in pieces:
                    # The first piece waits for the second: a short answer gets its Content-Length.
                    if held and not is_streaming:
                        start = {"type": "http.response.start", "status": 200, "headers": headers}
                        await send(start)
                        is_streaming = True
                    if held:
                        await send_part(send, held, more=True)
                    held = piece
            if is_streaming:
                await send_part(send, held, more=False)
            else:
                await send_answer(send, 200, headers, held)
        self._telemetry.got(len(queries), time.perf_counter() - started)


def encoded_results(
    store: Store, queries: Sequence[MetricQuery | QueryError], limits: Limits
) -> Iterator[bytes]:
    """Answer queries as JSON, in pieces of about `_PIECE_BYTES`. Runs on a thread.

    Raises:
        StoreUnavailableError: nothing can be read.
    """
    waiting = [_RESULTS_HEAD]
    waiting_bytes = 0
    for first in range(0, len(queries), _QUERIES_AT_ONCE):
        some = queries[first : first + _QUERIES_AT_ONCE]
        for index, result in enumerate(answer_queries(store, some, limits), first):
            if index:
                waiting.append(b",")
            waiting.append(encode_result(result))
            # It may be a view of many more points, which would be kept while we wait to be sent.
            del result
            waiting_bytes += len(waiting[-1])
            if waiting_bytes >= _PIECE_BYTES:
                yield b"".join(waiting)
                waiting, waiting_bytes = [], 0
    waiting.append(_RESULTS_TAIL)
    yield b"".join(waiting)


def answer_queries(
    store: Store, queries: Sequence[MetricQuery | QueryError], limits: Limits
) -> Iterator[MetricResult]:
    """Answer queries one after another, each with its result or its error.

    Raises:
        StoreUnavailableError: nothing can be read.
    """
    by_range = itertools.groupby(
        queries,
        lambda query: None if isinstance(query, QueryError) else range_to_read(query),
    )
    for within, some in by_range:
        group = list(some)
        asked = [query for query in group if isinstance(query, MetricQuery)]
        keys = [SeriesKey(query.component, query.metric) for query in asked]
        # Taken out one by one: a client that does not read keeps us holding what is left.
        found = deque(store.read(keys, within) if keys else ())
        for query in group:
            yield (
                _failed(query)
                if isinstance(query, QueryError)
                else _answer_one(query, found.popleft(), limits)
            )


def _answer_one(query: MetricQuery, series: Series | StepwellError, limits: Limits) -> MetricResult:
    if isinstance(series, StepwellError):
        return _failed(series)
    try:
        return evaluate(query, series, limits.values_per_result)
    except DamagedSeriesError as error:
        return _failed(error)
    except Exception:
        logger.exception("unexpected error in a query of metric %r", query.metric)
        return _failed(StoreUnavailableError("Internal failure."))


def _failed(error: StepwellError) -> MetricResult:
    is_query = isinstance(error, QueryError)
    if not is_query:
        logger.error("a query cannot be answered: %s", error)
    status = Status.VALIDATION_ERROR if is_query else Status.INTERNAL_ERROR
    return MetricResult(status, EMPTY_INTS, EMPTY_FLOATS, str(error))
