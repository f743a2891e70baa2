"""Working ahead: an iterator run on threads while what it gave is being sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import TypeVar

_Piece = TypeVar("_Piece")
_END = object()
_PAUSE = object()


async def ahead(
    executor: Executor,
    pieces: Iterable[_Piece],
    pieces_ahead: int,
    is_wanted: Callable[[], bool],
) -> AsyncGenerator[_Piece, None]:
    """Iterate on a thread, at most so many pieces ahead of the consumer.

    A thread that is so far ahead is given back and taken again later: consumers that are slow, or
    stop, hold none. An error of the iterator is raised where its piece would have come. Close the
    generator (use `contextlib.aclosing`) to stop early. `is_wanted` is asked on the thread
    before each piece; once it says no, this was the end.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[object] = asyncio.Queue()
    iterator = iter(pieces)
    is_over = False

    def work(count: int) -> None:
        for _ in range(count):
            piece = _END if is_over or not is_wanted() else _advance(iterator)
            loop.call_soon_threadsafe(queue.put_nowait, piece)
            if piece is _END or isinstance(piece, Exception):
                return

    def start(count: int) -> asyncio.Future[None]:
        job = loop.run_in_executor(executor, work, count)
        # Who waits for a piece looks again whether there is room for more.
        job.add_done_callback(lambda _job: queue.put_nowait(_PAUSE))
        return job

    job = start(pieces_ahead)
    room = 0
    try:
        while True:
            if job.done() and room >= pieces_ahead // 2:
                job, room = start(room), 0
            piece = await queue.get()
            if piece is _END:
                return
            if isinstance(piece, Exception):
                raise piece
            if piece is not _PAUSE:
                yield piece  # type: ignore[misc]
                room += 1
    finally:
        is_over = True
        await job


def _advance(iterator: Iterator[object]) -> object:
    try:
        return next(iterator, _END)
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        return error
