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
from collections.abc import Iterable, Iterator, Sequence
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
    Receive,
    Scope,
    Send,
    error_answer,
    send_answer,
)
from stepwell.server.auth import allow
from stepwell.server.edge import Edge
from stepwell.server.peer import Peer, peer_of
from stepwell.server.puts import Puts
from stepwell.server.reads import Reads
from stepwell.store.protocol import Reader, Series, SeriesKey
from stepwell.wire.get_metrics import decode_get, encode_result

logger = logging.getLogger(__name__)

#: Queries read from the store at once, and the points that they may have together, going by those
#: before them: their encoded points are held until they are answered and sent.
_QUERIES_AT_ONCE = 10
_POINTS_AT_ONCE = 200_000
#: Pieces of an answer, and how many of them are made before the first one is sent.
_PIECE_BYTES = 1024 * 1024
_PIECES_AHEAD = 2
#: Seconds for which a thread works without being asked whether anyone still waits.
_SILENCE_S = 0.05
_RESULTS_HEAD = b'{"MetricQueryResults":['
_RESULTS_TAIL = b"]}"


class DataPlane:
    """Answers the two operations; `handles` says which requests are its own."""

    def __init__(
        self,
        store: Reader,
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
        self.reads = Reads(edge.limits.reads_at_once)
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
        results = encoded_results(self._store, queries, self._limits)
        with self.reads.admit(peer_of(scope)):
            headers = [(b"x-amzn-requestid", request_id), JSON]
            await _send_results(results, peer_of(scope), send, headers, self._executor)
        self._telemetry.got(len(queries), time.perf_counter() - started)


async def _send_results(
    results: Iterator[bytes], peer: Peer, send: Send, headers: list[Header], executor: Executor
) -> None:
    """Send an answer whose pieces are made on threads: a short one whole, with its length.

    Raises:
        ClientGoneError: the client is not there any more: the rest need not be made.
        Exception: what making the first two pieces raised.
    """
    wanted = _while_there(peer, results)
    job = asyncio.get_running_loop().run_in_executor(executor, _first_two, wanted)
    try:
        # Shielded: nobody else may ask the iterator meanwhile. It ends soon, with the client.
        held = await asyncio.shield(job)
    except asyncio.CancelledError:
        peer.let_go()
        await job
        raise
    peer.check()
    if len(held) == 1:
        await send_answer(send, 200, headers, held.pop())
        return
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    pieces = itertools.chain(_given_away(held), wanted)
    if peer.can_push:
        await peer.push(executor, pieces)
    else:
        made = ahead(executor, pieces, _PIECES_AHEAD, peer.is_there)
        async with contextlib.aclosing(made) as sent:
            async for piece in sent:
                await peer.send(send, piece, more=True)
    await peer.send(send, b"", more=False)


def _while_there(peer: Peer, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Ask for pieces for as long as someone waits for them."""
    while peer.is_there() and (piece := next(pieces, None)) is not None:
        given = [piece]
        del piece
        yield given.pop()


def _first_two(pieces: Iterator[bytes]) -> deque[bytes]:
    return deque(itertools.islice(filter(None, pieces), 2))


def _given_away(pieces: deque[bytes]) -> Iterator[bytes]:
    while pieces:
        yield pieces.popleft()


def encoded_results(
    store: Reader, queries: Sequence[MetricQuery | QueryError], limits: Limits
) -> Iterator[bytes]:
    """Answer queries as JSON, in pieces of about `_PIECE_BYTES`. Runs on a thread.

    Where a piece takes long, an empty one comes now and then, so that one can stop asking.

    Raises:
        StoreUnavailableError: nothing can be read.
    """
    waiting, separator = [_RESULTS_HEAD], b""
    waiting_bytes = 0
    given_at = time.monotonic()
    # While we wait to be sent, nothing holds on to a result, which may be a view of many more
    # points (so `enumerate` would), nor to its bytes.
    for result in answer_queries(store, queries, limits):
        waiting += (separator, encode_result(result))
        del result
        separator = b","
        waiting_bytes += len(waiting[-1])
        if waiting_bytes >= _PIECE_BYTES:
            pieces, waiting, waiting_bytes = [b"".join(waiting)], [], 0
            yield pieces.pop()
        elif time.monotonic() - given_at > _SILENCE_S:
            yield b""
        else:
            continue
        given_at = time.monotonic()
    waiting.append(_RESULTS_TAIL)
    yield b"".join(waiting)


def answer_queries(
    store: Reader, queries: Sequence[MetricQuery | QueryError], limits: Limits
) -> Iterator[MetricResult]:
    """Answer queries one after another, each with its result or its error.

    Raises:
        StoreUnavailableError: nothing can be read.
    """
    by_range = itertools.groupby(
        queries,
        lambda query: None if isinstance(query, QueryError) else range_to_read(query),
    )
    count = 1
    for within, some in by_range:
        group = list(some)
        while group:
            part, group = group[:count], group[count:]
            asked = [query for query in part if isinstance(query, MetricQuery)]
            keys = [SeriesKey(query.component, query.metric) for query in asked]
            # Taken out one by one: a client that does not read keeps us holding what is left.
            found = deque(store.read(keys, within) if keys else ())
            count = _count_to_read(found)
            for query in part:
                yield (
                    _failed(query)
                    if isinstance(query, QueryError)
                    else _answer_one(query, found.popleft(), limits)
                )


def _count_to_read(found: Iterable[Series | StepwellError]) -> int:
    """Say how many queries to read next, if their series are as long as these."""
    longest = max((each.count for each in found if not isinstance(each, StepwellError)), default=0)
    return min(max(_POINTS_AT_ONCE // max(longest, 1), 1), _QUERIES_AT_ONCE)


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
