"""The process that commits a worker's puts, and what keeps it alive.

It gets puts and sends reports over a socket that is its standard input (see `ingest.frames`). When
that ends, as it also does when the worker dies, it commits what has come and ends as well. When it
dies itself, the puts that it had are answered with "try again", and another one is started: their
ids tell which of them were committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from typing import cast

from stepwell.ingest.admission import Ingest
from stepwell.ingest.committing import Committer
from stepwell.ingest.frames import (
    Splitter,
    decode_opened,
    decode_report,
    encode_opened,
    failure,
    frame,
    receive,
)
from stepwell.model.errors import StoreDefectError, StoreError, StoreUnavailableError
from stepwell.server.interrupts import interrupts_held
from stepwell.server.logs import configure_logging
from stepwell.server.settings import Settings
from stepwell.store.sqlite.store import EmbeddedStore

logger = logging.getLogger(__name__)

#: What is run, with a safe path: no file of the current folder stands in for a module. Tests put
#: programs here that break in some way and then run `main`.
COMMAND = (sys.executable, "-P", "-m", "stepwell.server.committer")

#: How long it may have puts and report nothing. A slow disk is no reason to end it, but clients
#: should be told before they stop waiting: 60 s in most SDKs.
_HUNG_S = 50
#: The same while the server stops: who stops it does not wait for a disk that is dead.
_STOP_S = 7
_LOOK_S = 0.5
_REAP_LOOK_S = 0.02
#: How long it may take to be gone once its link is closed, and once it was killed.
_EXIT_S = 10
_KILLED_S = 1
#: Pauses before another one is started where they die again and again: from the second death on,
#: doubled up to the longest; forgotten once one has lived for a while.
_PAUSE_S_MIN = 0.1
_PAUSE_S_MAX = 5.0
_LIVED_S = 10
_ENDED = (
    "The process that commits puts has ended; whether this one was committed is not known. Try"
    " again with the same amz-sdk-invocation-id or Idempotency-Key."
)
_RESTARTING = "the process that commits puts has ended, and another one is about to start"
_STOPPING = "the process that commits puts has ended, and the server stops"


class CommitterProcess:
    """A child process, started again when it dies. On the loop."""

    def __init__(self, settings: Settings, ingest: Ingest) -> None:
        """Start it. What it does not open is told by `wait_until_open`."""
        self._settings = settings
        self._ingest = ingest
        self._is_stopping = asyncio.Event()
        self._has_all = False
        self._link: _Link | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep_alive())

    async def wait_until_open(self) -> None:
        """Wait until puts can be committed.

        Raises:
            StoreError: the process could not open the store.
        """
        await self._opened

    def expect_stop(self) -> None:
        """Wait only shortly from now on where it does not get on, and start no other one."""
        self._is_stopping.set()

    async def stop(self) -> None:
        """Let it commit what it has, and wait for its end, but not for long if it hangs."""
        self._has_all = True
        self.expect_stop()
        if self._link is not None:
            self._link.end()
        await asyncio.gather(self._task, return_exceptions=True)
        self._opened.cancel()
        await asyncio.gather(self._opened, return_exceptions=True)

    async def _keep_alive(self) -> None:
        pause_s = 0.0
        while True:
            started_s = time.monotonic()
            try:
                await self._live()
            except Exception as cause:  # noqa: BLE001 - whatever it was, puts must be answered
                error = cause if isinstance(cause, StoreError) else _defect(cause)
                if not self._opened.done():
                    self._opened.set_exception(error)
                    return
                logger.error("puts cannot be committed: %s", error)  # noqa: TRY400 - it says all
                self._ingest.detach(str(error), StoreUnavailableError(_ENDED))
            if time.monotonic() - started_s > _LIVED_S:
                pause_s = 0.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_stopping.wait(), pause_s)
            if self._is_stopping.is_set():
                return
            pause_s = min(max(2 * pause_s, _PAUSE_S_MIN), _PAUSE_S_MAX)

    async def _live(self) -> None:
        """Start the process, and go with it until its end.

        Raises:
            StoreError: it could not open the store.
        """
        loop = asyncio.get_running_loop()
        try:
            ours, process = _start()
        except OSError as error:
            msg = f"the process that commits puts cannot be started: {error.strerror or error}"
            raise StoreUnavailableError(msg) from error
        link = self._link = _Link(self._ingest)
        watch = asyncio.create_task(self._watch(link))
        try:
            await loop.create_unix_connection(lambda: link, sock=ours)
            link.send(frame(self._settings.encode()))
            await link.opened
            self._ingest.attach(link.send)
            if not self._opened.done():
                self._opened.set_result(None)
            if self._has_all:
                link.end()
            await link.closed
        except asyncio.CancelledError:
            process.kill()
            raise
        finally:
            watch.cancel()
            link.close()
            if not self._ingest.not_ready:
                reason = _STOPPING if self._is_stopping.is_set() else _RESTARTING
                self._ingest.detach(reason, StoreUnavailableError(_ENDED))
            status = await self._reap(process, kill=link.hangs)
        if not self._has_all:
            logger.warning("the committing process ended with status %d", status)

    async def _watch(self, link: _Link) -> None:
        """Give a process up that hangs. Counts looks: a machine that sleeps ages nobody."""
        seen: object = None
        looks = 0
        while True:
            await asyncio.sleep(_LOOK_S)
            is_stopping = self._is_stopping.is_set()
            # To open a folder may take long: much of a log may have to be read.
            is_due = self._ingest.waiting_puts > 0 if link.opened.done() else is_stopping
            before, seen = seen, (link.reports, is_stopping)
            looks = looks + 1 if seen == before and (is_due or self._has_all) else 0
            if looks * _LOOK_S >= (_STOP_S if is_stopping else _HUNG_S):
                logger.error("the committing process hangs, and is killed")
                link.hangs = True
                link.close()
                return

    async def _reap(self, process: subprocess.Popen[bytes], *, kill: bool) -> int:
        """Wait for the end of a process whose link is closed; kill it, now or if it does not go.

        Another one must not be started before: what this one still commits, that one would not
        know. Where a disk does not answer, even a killed process stays; a server that stops leaves
        it behind, and the next server on the folder waits for it.
        """
        kill_s = time.monotonic() + (0 if kill else _EXIT_S)
        is_killed = False
        while (status := process.poll()) is None:
            now_s = time.monotonic()
            if not is_killed and now_s >= kill_s:
                process.kill()
                is_killed = True
            if self._is_stopping.is_set() and now_s > kill_s + _KILLED_S:
                return -signal.SIGKILL
            await asyncio.sleep(_REAP_LOOK_S)
        return status


class _Link(asyncio.Protocol):
    """The worker's end of the socket."""

    def __init__(self, ingest: Ingest) -> None:
        """Be about to get a connection."""
        loop = asyncio.get_running_loop()
        #: Done once the store is open, or not.
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        #: How many reports have come: it gets on.
        self.reports = 0
        #: It does not get on, and was given up.
        self.hangs = False
        self._ingest = ingest
        self._splitter = Splitter()
        self._has_ended = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass reports on."""
        for content in self._splitter.feed(data):
            if self.opened.done():
                self.reports += 1
                self._ingest.take(decode_report(content))
                continue
            opened = decode_opened(content)
            if opened.failure:
                self.opened.set_exception(failure(opened.failure, opened.message))
            else:
                self.opened.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell that the process has ended, or is about to."""
        if not self.opened.done():
            what = (
                "did not open the data folder"
                if self.hangs
                else "ended before it had opened the data folder"
            )
            msg = f"the process that commits puts {what}"
            self.opened.set_exception(StoreUnavailableError(msg))
        # Where the server stops and does not wait any longer it is cancelled.
        if not self.closed.done():
            self.closed.set_result(None)

    def send(self, data: bytes) -> None:
        """Send frames."""
        if self._transport is not None and not (self._has_ended or self._transport.is_closing()):
            self._transport.write(data)

    def end(self) -> None:
        """Say that no more comes; reports of what was sent still do."""
        if self._transport is not None and not (self._has_ended or self._transport.is_closing()):
            self._has_ended = True
            self._transport.write_eof()

    def close(self) -> None:
        """Close."""
        if self._transport is not None:
            self._transport.abort()


def _start() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the process; give our end of the link and the process."""
    ours, theirs = socket.socketpair()
    try:
        # Our own program, and no shell. A copy of the environment: the new process reads it while
        # another thread may change it. Signals, which all processes may get, are held back until
        # it ignores them.
        with theirs, interrupts_held(signal.SIGTERM, signal.SIGHUP):
            return ours, subprocess.Popen(  # noqa: S603
                COMMAND, stdin=theirs.fileno(), env=dict(os.environ)
            )
    except BaseException:
        ours.close()
        raise


def _defect(error: Exception) -> StoreUnavailableError:
    logger.error("unexpected error of the committing process", exc_info=error)
    return StoreUnavailableError("the process that commits puts cannot be used; see the log")


def main() -> None:
    """Commit what comes through standard input until that ends."""
    # A terminal or a service manager signals every process. This one ends after its worker.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as link:
        told = receive(link)
        if not told:
            # The worker was killed meanwhile.
            return
        settings = Settings.decode(told)
        configure_logging(settings.log_level)
        sync_seconds: list[float] = []
        try:
            store = _open(settings, sync_seconds)
        except StoreError as error:
            link.sendall(encode_opened(error))
            return
        with contextlib.closing(store):
            # What is there now stays: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            link.sendall(encode_opened())
            Committer(store, settings.limits(), sync_seconds).serve(link)


def _open(settings: Settings, sync_seconds: list[float]) -> EmbeddedStore:
    """Open the store. Whatever it raises is a StoreError: the server says it in one line."""
    try:
        return EmbeddedStore(
            settings.data,
            settings.limits(),
            is_shared=settings.workers > 1,
            forget_interval_s=settings.compaction_interval_s,
            on_sync=sync_seconds.append,
        )
    except (sqlite3.Error, OSError) as error:
        msg = f"data folder {settings.data}: {error}"
        raise StoreUnavailableError(msg) from error
    except StoreError:
        raise
    except Exception as error:
        logger.exception("unexpected error")
        msg = f"data folder {settings.data}: it cannot be opened; the reason stands above"
        raise StoreDefectError(msg) from error


if __name__ == "__main__":
    main()
