"""The process that compacts beside a server, and what keeps it alive.

A process of its own, because compaction is a quarter of the work of taking points in, and in the
server's process each Python line of it would hold up a put. For the same reason it brings the
catalog's summaries up to now, every few seconds: a search then sums up newer points only. It ends
when its standard input does, so it never outlives the server that started it; a crash of it costs
nothing but time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from stepwell.server.interrupts import interrupts_held
from stepwell.server.logs import configure_logging
from stepwell.server.settings import Settings
from stepwell.store.sqlite.compacting import compact_until
from stepwell.store.sqlite.folder import CATALOG_FILE, Folder
from stepwell.store.sqlite.reading import Snapshots

if TYPE_CHECKING:
    from stepwell.components import Following

logger = logging.getLogger(__name__)

_STOP_S = 10
_RESTART_S = 5
#: Puts come first when both want the same core.
_NICENESS = 5
#: A search that compares metrics sums up what is newer than this itself.
_REFRESH_INTERVAL_S = 2
#: Summing up takes at most one part in so many of this process's time, however many components are
#: in training.
_REFRESH_SHARE = 20
#: A server that starts has better use for the time that this takes to import.
_REFRESH_DELAY_S = 10


class CompactionProcess:
    """A child process, started again when it dies. Use as a context."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; the process starts with the context."""
        self._command = [
            sys.executable,
            # Safe path: a file in the current folder must not stand in for a module.
            "-P",
            "-m",
            "stepwell.server.compaction",
            str(settings.data),
            str(settings.compaction_interval_s),
            settings.log_level,
        ]
        self._is_stopping = threading.Event()
        self._ending = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_alive, name="compaction", daemon=True)

    def __enter__(self) -> Self:
        """Start the process."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the process end its round, and wait for that."""
        self._is_stopping.set()
        process = self._process
        if process is not None:
            self._end(process)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
        self._thread.join()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Close the process's standard input, at which it ends."""
        # One at a time: a file that two threads close at once may complain.
        with self._ending:
            if process.stdin is not None:
                process.stdin.close()

    def _keep_alive(self) -> None:
        while not self._is_stopping.is_set():
            try:
                process = self._process = self._start()
            except OSError as error:
                # No memory or no process is left, say.
                logger.warning("the compacting process cannot be started yet: %s", error)
            else:
                if self._is_stopping.is_set():
                    self._end(process)
                status = process.wait()
                self._end(process)
                if not self._is_stopping.is_set():
                    logger.warning("the compacting process ended with status %d", status)
            self._is_stopping.wait(_RESTART_S)

    def _start(self) -> subprocess.Popen[bytes]:
        # Our own interpreter and module; the folder is an argument, not a shell's text.
        # In a group of its own: Ctrl-C is for the server, which says when to stop.
        # A copy of the environment: the new process reads it while another thread may change it.
        with interrupts_held():
            return subprocess.Popen(  # noqa: S603
                self._command, stdin=subprocess.PIPE, process_group=0, env=dict(os.environ)
            )


class _Refresher:
    """Refreshes the catalog's summaries now and then."""

    def __init__(self, folder: Folder) -> None:
        """Hold the folder; what this needs is opened once there is something."""
        self._folder = folder
        self._next_s = time.monotonic() + _REFRESH_DELAY_S
        self._following: Following | None = None

    def refresh(self) -> None:
        """Refresh, unless that was done a moment ago."""
        started = time.monotonic()
        if started < self._next_s:
            return
        if self._following is None:
            from stepwell.catalog.database import Database, sqlite_url  # noqa: PLC0415
            from stepwell.components import Following  # noqa: PLC0415

            database = Database(sqlite_url(self._folder.path / CATALOG_FILE))
            self._following = Following(Snapshots(self._folder), database)
        self._following.refresh_summaries()
        ended = time.monotonic()
        self._next_s = ended + max(_REFRESH_INTERVAL_S, _REFRESH_SHARE * (ended - started))


def main(path: str, interval_s: str, log_level: str) -> None:
    """Compact until standard input ends."""
    configure_logging(log_level)
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    stdin = sys.stdin.fileno()
    folder = Folder(Path(path), create=False)
    refresher = _Refresher(folder)
    compact_until(
        lambda seconds: bool(select.select([stdin], [], [], seconds)[0]),
        folder,
        float(interval_s),
        refresher.refresh,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
