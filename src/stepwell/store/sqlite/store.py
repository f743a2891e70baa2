"""The embedded store: puts into this process' hot file, reads over all files of the folder.

Thread safety: one lock around everything that writes; `reader` has its own rules.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from stepwell.model.errors import StoreUnavailableError, UnknownComponentError
from stepwell.model.limits import Limits
from stepwell.model.names import Component
from stepwell.model.points import Outcome, Put
from stepwell.store.sqlite.appending import Appender
from stepwell.store.sqlite.reader import EmbeddedReader, unavailable_on_error

logger = logging.getLogger(__name__)

#: Rows forgotten under one hold of the lock: a put waits for no longer than a commit.
_FORGET_ROWS = 500


class EmbeddedStore(EmbeddedReader):
    """A data folder, opened by a process that puts. See `protocol.Store` for its rules."""

    def __init__(
        self,
        path: Path,
        limits: Limits | None = None,
        *,
        is_shared: bool = False,
        forget_interval_s: float | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        on_sync: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """Open a folder, and make it where it is missing.

        Args:
            path: the data folder.
            limits: those on components and ids hold here.
            is_shared: other processes put to the folder at the same time.
            forget_interval_s: seconds between two looks at which rows were compacted and can be
                deleted; None: never look.
            now_ns: the clock.
            on_sync: told the seconds that each put group's write and fsync took.

        Raises:
            FormatError: the folder is not ours, or of a newer version.
            StoreUnavailableError: it cannot be opened.
        """
        super().__init__(path, now_ns=now_ns)
        self._is_closed = False
        self._lock = threading.Lock()
        with unavailable_on_error():
            self._appender = Appender(
                self._folder,
                limits or Limits(),
                self._count_points,
                is_shared=is_shared,
                now_ns=now_ns,
                on_sync=on_sync,
            )
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._keep_forgetting, args=(forget_interval_s,), name="forget", daemon=True
        )
        if forget_interval_s is not None:
            self._thread.start()

    def append(self, puts: Sequence[Put]) -> list[Outcome]:
        """Commit puts. See `protocol.Store.append`."""
        with self._lock, unavailable_on_error():
            return self._appender.append(puts)

    def close(self) -> None:
        """Close files and threads. Once closed, the store stays closed."""
        if self._is_closed:
            return
        self._is_closed = True
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._appender.close()
        super().close()

    def _count_points(self, component: Component) -> int:
        try:
            return sum(info.count for info in self.list_series(component))
        except UnknownComponentError:
            return 0

    def _keep_forgetting(self, interval_s: float) -> None:
        """Delete this worker's rows that are compacted, a few at a time, again and again."""
        while not self._stop.wait(interval_s):
            try:
                while self._forget_some() and not self._stop.is_set():
                    pass
            except StoreUnavailableError as error:
                # The disk is full, say. Nobody waits for this; the next look comes.
                logger.warning("compacted rows cannot be deleted yet: %s", error)

    def _forget_some(self) -> int:
        with self._lock, unavailable_on_error():
            return self._appender.forget(_FORGET_ROWS)
