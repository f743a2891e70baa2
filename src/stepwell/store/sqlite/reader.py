"""A data folder as those see it who put nothing into it: reads, and whole components.

Thread safety: a pool of connections, one for each read that runs.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stepwell.model.errors import QueryError, StoreError, StoreUnavailableError
from stepwell.model.names import Component
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
from stepwell.store.sqlite.chunk_file import is_damage
from stepwell.store.sqlite.folder import Folder
from stepwell.store.sqlite.overviewing import KnownOverviews
from stepwell.store.sqlite.reading import Snapshots, unknown
from stepwell.store.sqlite.registry import Registry


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


class EmbeddedReader:
    """A data folder, opened to read. See `protocol.Reader` for the methods' rules."""

    def __init__(self, path: Path, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        """Open a folder, and make it where it is missing.

        Args:
            path: the data folder.
            now_ns: the clock.

        Raises:
            FormatError: the folder is not ours, or of a newer version.
            StoreUnavailableError: it cannot be opened.
        """
        self._now_ns = now_ns
        self._folder = Folder(path)
        self._idle: queue.SimpleQueue[Snapshots] = queue.SimpleQueue()
        self._overviews: KnownOverviews = {}

    def read(
        self, keys: Sequence[SeriesKey], within: TimeRange | StepRange | None = None
    ) -> list[Series | QueryError | StoreError]:
        """Read series. See `protocol.Reader.read`."""
        with self._snapshots() as snapshots:
            return snapshots.read(keys, within)

    @contextmanager
    def view(self, keys: Sequence[SeriesKey]) -> Iterator[View]:
        """Look at series as of one instant. See `protocol.Reader.view`."""
        with self._snapshots() as snapshots, snapshots.view(keys) as found:
            yield found

    def overviews(self, components: Sequence[Component]) -> list[Overview | None]:
        """Sum components up. See `protocol.Reader.overviews`."""
        with self._snapshots() as snapshots:
            return snapshots.overviews(components, self._overviews)

    def count_metrics(self, components: Sequence[Component]) -> dict[str, int]:
        """Count how many components have a metric. See `protocol.Reader.count_metrics`."""
        with self._snapshots() as snapshots:
            return snapshots.count_metrics(components)

    def list_series(self, component: Component) -> list[SeriesInfo]:
        """List a component's series. See `protocol.Reader.list_series`."""
        with self._snapshots() as snapshots:
            return snapshots.list_series(component)

    def has_component(self, component: Component) -> bool:
        """Say whether there is such a component. See `protocol.Reader.has_component`."""
        with self._snapshots() as snapshots:
            return snapshots.has_component(component)

    def create(self, component: Component) -> None:
        """Make a component known. See `protocol.Reader.create`."""
        with unavailable_on_error(), contextlib.closing(Registry(self._folder)) as registry:
            registry.create(component, self._now_ns() // 1000)

    def components_since(self, mark: int) -> tuple[list[NewComponent], int]:
        """List new components. See `protocol.Reader.components_since`."""
        with self._snapshots() as snapshots:
            return snapshots.components_since(mark)

    def changed_since(self, mark: int) -> tuple[list[Change], int]:
        """List components that got points. See `protocol.Reader.changed_since`."""
        with self._snapshots() as snapshots:
            return snapshots.changed_since(mark)

    def deletions(self) -> dict[Component, int]:
        """List components deleted lately. See `protocol.Reader.deletions`."""
        with self._snapshots() as snapshots:
            return snapshots.deletions()

    def summaries(
        self, components: Sequence[Component], metrics: Sequence[str] | None = None
    ) -> list[list[MetricSummary] | StoreError]:
        """Summarise components. See `protocol.Reader.summaries`."""
        with self._snapshots() as snapshots:
            return snapshots.summaries(components, metrics)

    def delete(self, component: Component) -> None:
        """Delete a component's points. See `protocol.Reader.delete`."""
        with unavailable_on_error(), contextlib.closing(Registry(self._folder)) as registry:
            is_deleted = registry.delete(component, self._now_ns() // 1000)
        if not is_deleted:
            raise unknown(component)

    def size(self) -> StoreSize:
        """Count what the folder holds."""
        with self._snapshots() as snapshots:
            return StoreSize(*snapshots.counts(), self._folder.file_bytes())

    def close(self) -> None:
        """Close the files."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

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
        if is_damage(error):
            msg = f"the store is damaged: {error}; `stepwell check` says where"
        else:
            msg = f"the store is not available: {error}"
        raise StoreUnavailableError(msg) from error
    except OSError as error:
        msg = f"the store is not available: {error.strerror or error}"
        raise StoreUnavailableError(msg) from error
