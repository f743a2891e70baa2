"""The embedded store: puts into this process' hot file, reads over all files of the folder.

Thread safety: one lock around everything that writes; a pool of connections for those that read.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stepwell.model.errors import (
    QueryError,
    StoreError,
    StoreUnavailableError,
    UnknownComponentError,
)
from stepwell.model.limits import Limits
from stepwell.model.names import Component
from stepwell.model.points import Outcome, Put
from stepwell.model.summaries import MetricSummary
from stepwell.store.protocol import (
    Change,
    NewComponent,
    Overview,
    Series,
    SeriesInfo,
    SeriesKey,
    StepRange,
    TimeRange,
    View,
)
from stepwell.store.sqlite.appending import Appender
from stepwell.store.sqlite.chunks import is_damage
from stepwell.store.sqlite.folder import Folder
from stepwell.store.sqlite.overviewing import KnownOverviews
from stepwell.store.sqlite.reading import Snapshots, unknown
from stepwell.store.sqlite.registry import Registry

logger = logging.getLogger(__name__)

#: Rows forgotten under one hold of the lock: a put waits for no longer than a commit.
_FORGET_ROWS = 500


@dataclass(frozen=True, slots=True)
class StoreSize:
    """What `stepwell info` and /metrics tell."""

    components: int
    series: int
    points: int
    hot_rows: int
    hot_points: int
    chunks: int
    bytes: int


class EmbeddedStore:
    """A data folder, opened by one worker process. See `protocol.Store` for the methods' rules."""

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
        self._now_ns = now_ns
        self._is_closed = False
        self._folder = Folder(path)
        self._lock = threading.Lock()
        self._idle: queue.SimpleQueue[Snapshots] = queue.SimpleQueue()
        self._overviews: KnownOverviews = {}
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

    def read(
        self, keys: Sequence[SeriesKey], within: TimeRange | StepRange | None = None
    ) -> list[Series | QueryError | StoreError]:
        """Read series. See `protocol.Store.read`."""
        with self._snapshots() as snapshots:
            return snapshots.read(keys, within)

    @contextmanager
    def view(self, keys: Sequence[SeriesKey]) -> Iterator[View]:
        """Look at series as of one instant. See `protocol.Store.view`."""
        with self._snapshots() as snapshots, snapshots.view(keys) as found:
            yield found

    def overviews(self, components: Sequence[Component]) -> list[Overview | None]:
        """Sum components up. See `protocol.Store.overviews`."""
        with self._snapshots() as snapshots:
            return snapshots.overviews(components, self._overviews)

    def count_metrics(self, components: Sequence[Component]) -> dict[str, int]:
        """Count how many components have a metric. See `protocol.Store.count_metrics`."""
        with self._snapshots() as snapshots:
            return snapshots.count_metrics(components)

    def list_series(self, component: Component) -> list[SeriesInfo]:
        """List a component's series. See `protocol.Store.list_series`."""
        with self._snapshots() as snapshots:
            return snapshots.list_series(component)

    def has_component(self, component: Component) -> bool:
        """Say whether there is such a component. See `protocol.Store.has_component`."""
        with self._snapshots() as snapshots:
            return snapshots.has_component(component)

    def create(self, component: Component) -> None:
        """Make a component known. See `protocol.Store.create`."""
        with unavailable_on_error(), contextlib.closing(Registry(self._folder)) as registry:
            registry.create(component, self._now_ns() // 1000)

    def components_since(self, mark: int) -> tuple[list[NewComponent], int]:
        """List new components. See `protocol.Store.components_since`."""
        with self._snapshots() as snapshots:
            return snapshots.components_since(mark)

    def changed_since(self, mark: int) -> tuple[list[Change], int]:
        """List components that got points. See `protocol.Store.changed_since`."""
        with self._snapshots() as snapshots:
            return snapshots.changed_since(mark)

    def deletions(self) -> dict[Component, int]:
        """List components deleted lately. See `protocol.Store.deletions`."""
        with self._snapshots() as snapshots:
            return snapshots.deletions()

    def summaries(
        self, components: Sequence[Component], metrics: Sequence[str] | None = None
    ) -> list[list[MetricSummary] | StoreError]:
        """Summarise components. See `protocol.Store.summaries`."""
        with self._snapshots() as snapshots:
            return snapshots.summaries(components, metrics)

    def delete(self, component: Component) -> None:
        """Delete a component's points. See `protocol.Store.delete`."""
        with unavailable_on_error(), contextlib.closing(Registry(self._folder)) as registry:
            is_deleted = registry.delete(component, self._now_ns() // 1000)
        if not is_deleted:
            raise unknown(component)

    def size(self) -> StoreSize:
        """Count what the folder holds."""
        with self._snapshots() as snapshots:
            components, series, points, hot_rows, hot_points, chunks = snapshots.counts()
        return StoreSize(
            components,
            series,
            points,
            hot_rows,
            hot_points,
            chunks,
            self._folder.file_bytes(),
        )

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
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

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

    @contextmanager
    def _snapshots(self) -> Iterator[Snapshots]:
        with unavailable_on_error():
            try:
                snapshots = self._idle.get_nowait()
            except queue.Empty:
                snapshots = Snapshots(self._folder)
            try:
                yield snapshots
            except (sqlite3.Error, OSError):
                snapshots.close()
                raise
            except BaseException:
                self._idle.put(snapshots)
                raise
            self._idle.put(snapshots)


@contextmanager
def unavailable_on_error() -> Iterator[None]:
    """Turn the file's errors into the store's."""
    try:
        yield
    except sqlite3.Error as error:
        kind = "is damaged" if is_damage(error) else "is not available"
        msg = f"the store {kind}: {error}"
        raise StoreUnavailableError(msg) from error
    except OSError as error:
        msg = f"the store is not available: {error.strerror or error}"
        raise StoreUnavailableError(msg) from error
