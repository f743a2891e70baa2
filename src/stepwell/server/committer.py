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
import subprocess
import sys
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
from stepwell.model.errors import StoreError, StoreUnavailableError
from stepwell.server.interrupts import interrupts_held
from stepwell.server.logs import configure_logging
from stepwell.server.settings import Settings
from stepwell.store.sqlite.store import EmbeddedStore

logger = logging.getLogger(__name__)

#: What is run, with a safe path: no file of the current folder stands in for a module. Tests put
#: programs here that break in some way and then run `main`.
COMMAND = (sys.executable, "-P", "-m", "stepwell.server.committer")

_STOP_S = 10
_RESTART_S = 1
_ENDED = (
    "The process that commits puts has ended; whether this one was committed is not known. Try"
    " again with the same amz-sdk-invocation-id or Idempotency-Key."
)


class CommitterProcess:
    """A child process, started again when it dies. On the loop."""

    def __init__(self, settings: Settings, ingest: Ingest) -> None:
        """Start it. What it does not open is told by `wait_until_open`."""
        self._settings = settings
        self._ingest = ingest
        self._is_stopping = False
        self._link: _Link | None = None
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep_alive())

    async def wait_until_open(self) -> None:
        """Wait until puts can be committed.

        Raises:
            StoreError: the process could not open the store.
        """
        await self._opened

    async def stop(self) -> None:
        """Let it commit what it has, and wait for its end."""
        self._is_stopping = True
        if self._link is not None:
            self._link.end()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._task), _STOP_S)
        self._task.cancel()
        self._opened.cancel()
        await asyncio.gather(self._task, self._opened, return_exceptions=True)
        self._ingest.fail(StoreUnavailableError(_ENDED))

    async def _keep_alive(self) -> None:
        while not self._is_stopping:
            try:
                await self._live()
            except Exception as cause:  # noqa: BLE001 - whatever it was, puts must be answered
                error = cause if isinstance(cause, StoreError) else _defect(cause)
                if not self._opened.done():
                    self._opened.set_exception(error)
                    return
                logger.error("puts cannot be committed: %s", error)  # noqa: TRY400 - it says all
                self._ingest.fail(StoreUnavailableError(str(error)))
                await asyncio.sleep(_RESTART_S)

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
        try:
            await loop.create_unix_connection(lambda: link, sock=ours)
            link.send(frame(self._settings.encode()))
            await link.opened
            self._ingest.attach(link.send)
            if not self._opened.done():
                self._opened.set_result(None)
            if self._is_stopping:
                link.end()
            await link.closed
        except asyncio.CancelledError:
            process.kill()
            raise
        finally:
            self._ingest.detach()
            link.close()
            status = await asyncio.to_thread(_reap, process)
        if not self._is_stopping:
            logger.warning("the committing process ended with status %d", status)
        # Where it was told to end, nobody is left who waits.
        self._ingest.fail(StoreUnavailableError(_ENDED))


class _Link(asyncio.Protocol):
    """The worker's end of the socket."""

    def __init__(self, ingest: Ingest) -> None:
        """Be about to get a connection."""
        loop = asyncio.get_running_loop()
        #: Done once the store is open, or not.
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
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
            msg = "the process that commits puts ended before it had opened the data folder"
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
        # another thread may change it.
        with theirs, interrupts_held():
            return ours, subprocess.Popen(  # noqa: S603
                COMMAND, stdin=theirs.fileno(), env=dict(os.environ)
            )
    except BaseException:
        ours.close()
        raise


def _defect(error: Exception) -> StoreUnavailableError:
    logger.error("unexpected error of the committing process", exc_info=error)
    return StoreUnavailableError("the process that commits puts cannot be used; see the log")


def _reap(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process whose link is closed."""
    try:
        return process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


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
            store = EmbeddedStore(
                settings.data,
                settings.limits(),
                is_shared=settings.workers > 1,
                forget_interval_s=settings.compaction_interval_s,
                on_sync=sync_seconds.append,
            )
        except StoreError as error:
            link.sendall(encode_opened(error))
            return
        with contextlib.closing(store):
            # What is there now stays: the collector need not look at it again.
            gc.collect()
            gc.freeze()
            link.sendall(encode_opened())
            Committer(store, settings.limits(), sync_seconds).serve(link)


if __name__ == "__main__":
    main()
