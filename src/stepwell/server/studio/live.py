"""What has changed, told as it happens: server-sent events, out of one look at the store for all.

While anyone listens, this worker looks at the store's feed a few times a second. What it sees is
told to everyone whom it concerns. A listener who reads slowly gets what has gathered meanwhile in
one event, so that nothing queues up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import orjson

from stepwell.catalog import runs
from stepwell.catalog.database import Database
from stepwell.model.errors import StepwellError, ThrottledError
from stepwell.model.names import Component
from stepwell.server.asgi import ClientGoneError, Receive, Scope, Send
from stepwell.server.connections import ON_SHUTDOWN
from stepwell.server.peer import peer_of
from stepwell.store.protocol import Feed

logger = logging.getLogger(__name__)

LISTENERS_MAX = 1000
_LOOK_INTERVAL_S = 0.25
#: A line that says nothing, so that nobody takes the connection for dead.
_KEEP_ALIVE_S = 15.0
_KEEP_ALIVE = b": still here\n\n"
#: How often an event goes out at most.
_EVENT_INTERVAL_S = 0.1
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    # nginx would gather what is to be told at once.
    (b"x-accel-buffering", b"no"),
]


class Told(NamedTuple):
    """What one look has found: runs with new points, new ones, deleted ones, and changed ones."""

    points: frozenset[Component]
    new: frozenset[Component]
    deleted: frozenset[Component]
    modified: frozenset[Component]


_NOTHING = Told(frozenset(), frozenset(), frozenset(), frozenset())
#: What `Told` is called in an event.
_NAMES = ("runs", "new", "deleted", "modified")
#: A change is seen once its transaction has ended: for so long after it began we look for it.
_MODIFIED_LATE_US = 15_000_000


class Listener:
    """Someone who listens, and what is waiting to be told."""

    def __init__(self, account: str, runs: frozenset[str] | None) -> None:
        """Listen to some runs of an account, or to all."""
        self.account = account
        self._runs = runs
        self._waiting: dict[str, set[str]] = {name: set() for name in _NAMES}
        self._wake = asyncio.Event()
        self.is_over = False

    def tell(self, told: Told) -> None:
        """Note what concerns this listener."""
        for name, components in zip(_NAMES, told, strict=True):
            # Those that are new are told of whoever they are: nobody can ask for them by name.
            wanted = None if name == "new" else self._runs
            found = {
                each.name
                for each in components
                if each.account == self.account and (wanted is None or each.name in wanted)
            }
            if found:
                self._waiting[name] |= found
                self._wake.set()

    def end(self) -> None:
        """Stop listening: the server stops, or the client has gone."""
        self.is_over = True
        self._wake.set()

    async def events(self) -> AsyncIterator[bytes]:
        """Give events as they come, and a sign of life where none do, until it is over."""
        yield b"retry: 1000\n\n"
        while not self.is_over:
            try:
                async with asyncio.timeout(_KEEP_ALIVE_S):
                    await self._wake.wait()
            except TimeoutError:
                yield _KEEP_ALIVE
                continue
            self._wake.clear()
            if any(self._waiting.values()):
                document = {name: sorted(found) for name, found in self._waiting.items()}
                for found in self._waiting.values():
                    found.clear()
                yield b"event: changed\ndata: " + orjson.dumps(document) + b"\n\n"
                await asyncio.sleep(_EVENT_INTERVAL_S)


class Live:
    """One worker's listeners, and the one task that looks at the store for them."""

    def __init__(self, feed: Feed, database: Database) -> None:
        """Look at nothing while nobody listens."""
        self._feed = feed
        self._database = database
        self._listeners: set[Listener] = set()
        # A thread of its own: reads that take long must not delay it.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._mark: int | None = None
        self._components_mark = 0
        self._stamps: dict[Component, int] = {}
        self._deleted: dict[Component, int] = {}
        self._modified: dict[str, dict[Component, int]] = {}

    async def serve(self, listener: Listener, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell a listener until it goes or the server stops.

        Raises:
            ThrottledError: there are too many.
        """
        if len(self._listeners) >= LISTENERS_MAX:
            msg = f"Rate exceeded: {LISTENERS_MAX} listen already. Try again."
            raise ThrottledError(msg)
        peer = peer_of(scope)
        self._listeners.add(listener)
        scope[ON_SHUTDOWN] = listener.end
        watch = asyncio.create_task(_until_gone(receive, listener))
        try:
            async with self._starting:
                if self._task is None or self._task.done():
                    # What happened before anyone listened is nobody's news.
                    await self._run()
                    self._task = asyncio.create_task(self._keep_looking())
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            async with contextlib.aclosing(listener.events()) as events:  # type: ignore[type-var]
                async for event in events:
                    await peer.send(send, event, more=True)
            await peer.send(send, b"", more=False)
        except ClientGoneError:
            return
        finally:
            self._listeners.discard(listener)
            watch.cancel()

    def close(self) -> None:
        """Let everyone go."""
        for listener in self._listeners:
            listener.end()
        if self._task is not None:
            self._task.cancel()
        self._executor.shutdown()

    async def _keep_looking(self) -> None:
        while self._listeners:
            await asyncio.sleep(_LOOK_INTERVAL_S)
            try:
                told = await self._run()
            except StepwellError as error:
                logger.warning("what has changed cannot be told: %s", error)
                continue
            except Exception:
                # Listeners would wait in vain: the next look may do better.
                logger.exception("unexpected error while looking for changes")
                continue
            if any(told):
                for listener in self._listeners:
                    listener.tell(told)

    async def _run(self) -> Told:
        accounts = frozenset(each.account for each in self._listeners)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._look, accounts)

    def _look(self, accounts: frozenset[str]) -> Told:
        """Look at what has changed since the last look. Runs on the one thread."""
        changes, mark = self._feed.changed_since(self._mark or 0)
        changed = frozenset(
            each.component for each in changes if self._stamps.get(each.component) != each.stamp
        )
        self._stamps |= {each.component: each.stamp for each in changes}
        new = set()
        while True:
            created, self._components_mark = self._feed.components_since(self._components_mark)
            if not created:
                break
            new |= {each.component for each in created}
        deleted = self._feed.deletions()
        gone = {each for each, time_us in deleted.items() if self._deleted.get(each) != time_us}
        is_first, self._mark, self._deleted = self._mark is None, mark, dict(deleted)
        for each in gone - new:
            self._stamps.pop(each, None)
        modified = self._look_for_modified(accounts)
        if is_first:
            return _NOTHING
        return Told(changed, frozenset(new), frozenset(gone), modified)

    def _look_for_modified(self, accounts: frozenset[str]) -> frozenset[Component]:
        """Look which runs the catalog has changed: names, tags, statuses. Notes are among them."""
        since_us = time.time_ns() // 1000 - _MODIFIED_LATE_US
        before, self._modified = self._modified, {}
        changed: set[Component] = set()
        with self._database.read() as connection:
            for account in accounts:
                found = runs.modified_since(connection, account, since_us)
                # Whoever begins to listen is not told of what was before.
                known = before.get(account, found)
                changed |= {each for each, time_us in found.items() if known.get(each) != time_us}
                self._modified[account] = found
        return frozenset(changed)


async def _until_gone(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end()
