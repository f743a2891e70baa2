"""Working ahead: an iterator run on a thread while what it gave is being sent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterable
from concurrent.futures import Executor
from typing import TypeVar

_Piece = TypeVar("_Piece")
_END = object()


async def ahead(
    executor: Executor, pieces: Iterable[_Piece], pieces_ahead: int
) -> AsyncGenerator[_Piece, None]:
    """Iterate on a thread, at most so many pieces ahead of the consumer.

    An error of the iterator is raised where its piece would have come. Close the generator (use
    `contextlib.aclosing`) to stop the thread early.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[object] = asyncio.Queue()
    room = threading.Semaphore(pieces_ahead)
    is_over = threading.Event()

    def work() -> None:
        last: object = _END
        try:
            for piece in pieces:
                room.acquire()
                if is_over.is_set():
                    return
                loop.call_soon_threadsafe(queue.put_nowait, piece)
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            last = error
        loop.call_soon_threadsafe(queue.put_nowait, last)

    working = loop.run_in_executor(executor, work)
    try:
        while (piece := await queue.get()) is not _END:
            if isinstance(piece, Exception):
                raise piece
            yield piece  # type: ignore[misc]
            room.release()
    finally:
        is_over.set()
        room.release()
        await working
