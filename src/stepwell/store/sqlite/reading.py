"""Reading: one instant's view of hot rows and chunks together.

The order is what makes it exact. First the names, then the hot files, then the chunk file: a row
that is not in a hot file any more was compacted before we looked, so the chunk file, which we read
later, has it; and a row that both have is told by the chunk file's mark. Nothing is missed or read
twice.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from stepwell.model.errors import (
    DamagedSeriesError,
    QueryError,
    StoreError,
    StoreUnavailableError,
    UnknownComponentError,
)
from stepwell.model.names import Component
from stepwell.model.points import Points
from stepwell.model.summaries import MetricSummary
from stepwell.store.protocol import (
    Change,
    NewComponent,
    Outline,
    Overview,
    Series,
    SeriesInfo,
    SeriesKey,
    StepRange,
    TimeRange,
)
from stepwell.store.sqlite.chunk_file import ChunkFile
from stepwell.store.sqlite.folder import CHUNKS_FILE, Folder, transaction
from stepwell.store.sqlite.hot import (
    POINT,
    HotReader,
    HotRow,
)
from stepwell.store.sqlite.hot_points import columns_of, not_compacted, picked
from stepwell.store.sqlite.lookups import component_numbers, count_names, series_numbers
from stepwell.store.sqlite.overviewing import KnownOverviews, overviews_of
from stepwell.store.sqlite.registry import Registry
from stepwell.store.sqlite.stored_series import StoredSeries, damaged
from stepwell.store.sqlite.summarising import summarise_component
from stepwell.store.sqlite.viewing import ChunkView, outlines_of

#: Of chunks.db, for each thread that reads.
_CACHE_KIB = 8000
_EMPTY = columns_of(np.empty(0, POINT))
#: Followers look every second or so: for this long they are told of a deletion.
_DELETIONS_TOLD_US = 60_000_000
#: Rows of components, by slot.
_HotRows = dict[int, list[tuple[int, list[HotRow]]]]


class Snapshots:
    """One thread's connections for reading. Close it, or use it again and again."""

    def __init__(self, folder: Folder) -> None:
        """Open the files."""
        self._folder = folder
        self._registry = Registry(folder)
        self._chunks = ChunkFile(folder)
        # A series that is asked for again and again, as live ones are, comes out of memory then.
        self._chunks.db.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        self._hot: dict[int, HotReader] = {}

    def read(
        self, keys: Sequence[SeriesKey], within: TimeRange | StepRange | None
    ) -> list[Series | QueryError | StoreError]:
        """Read series as of one instant. See `protocol.Reader.read`."""
        numbers = {key: self._numbers(key) for key in keys}
        hot = self._hot_rows({component for component, _ in numbers.values() if component})
        with transaction(self._chunks.db, write=False):
            points = self._points_of(hot, numbers.values())
            return [self._read_one(key, *numbers[key], points, within) for key in keys]

    @contextmanager
    def view(self, keys: Sequence[SeriesKey]) -> Iterator[ChunkView]:
        """Look at series as of one instant. See `protocol.Reader.view`."""
        numbers = series_numbers(self._registry, keys)
        hot = self._hot_rows({each[0] for each in numbers if each is not None})
        with transaction(self._chunks.db, write=False):
            series = [each[1] for each in numbers if each is not None and each[1] is not None]
            points = self._points_of(hot, filter(None, numbers))
            found = outlines_of(self._chunks, series, points)
            outlines: list[Outline | QueryError | StoreError] = []
            for key, number in zip(keys, numbers, strict=True):
                if number is None:
                    outlines.append(unknown(key.component))
                    continue
                outline = Outline(()) if number[1] is None else found[number[1]]
                if isinstance(outline, DamagedSeriesError):
                    outline = damaged(key, outline)
                outlines.append(outline)
            yield ChunkView(self._chunks, outlines)

    def overviews(
        self, components: Sequence[Component], known: KnownOverviews
    ) -> list[Overview | None]:
        """Sum components up as of one instant. See `protocol.Reader.overviews`."""
        numbers = component_numbers(self._registry, components)
        hot = self._hot_rows(set(numbers.values()))
        with transaction(self._chunks.db, write=False):
            compacted = self._compacted()
            waiting = {each: not_compacted(rows, compacted) for each, rows in hot.items()}
            found = overviews_of(self._chunks, self._registry, known, waiting)
        return [found.get(numbers.get(each, 0)) for each in components]

    def count_metrics(self, components: Sequence[Component]) -> dict[str, int]:
        """Count how many components have a metric. See `protocol.Reader.count_metrics`."""
        numbers = component_numbers(self._registry, components)
        return count_names(self._registry, list(numbers.values()))

    def list_series(self, component: Component) -> list[SeriesInfo]:
        """List a component's series that have points. See `protocol.Reader.list_series`."""
        component_id = self._registry.component_id(component)
        if component_id is None:
            raise unknown(component)
        series = self._registry.series_of(component_id)
        hot = self._hot_rows({component_id})
        with transaction(self._chunks.db, write=False):
            points = not_compacted(hot[component_id], self._compacted())
            numbers, counts = np.unique(points["series"], return_counts=True)
            hot_counts = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
            infos = [
                SeriesInfo(name, self._chunks.total(number) + hot_counts.get(number, 0))
                for name, number in series.items()
            ]
        # A name can be registered by a put that then failed.
        return [info for info in infos if info.count]

    def summaries(
        self, components: Sequence[Component], metrics: Sequence[str] | None = None
    ) -> list[list[MetricSummary] | StoreError]:
        """Summarise components as of one instant. See `protocol.Reader.summaries`."""
        known = component_numbers(self._registry, components)
        numbers = [known.get(component) for component in components]
        series = [
            {} if each is None else self._registry.series_of(each, metrics) for each in numbers
        ]
        hot = self._hot_rows({each for each in numbers if each is not None})
        with transaction(self._chunks.db, write=False):
            compacted = self._compacted()
            return [
                []
                if number is None
                else summarise_component(
                    component, names, self._chunks, not_compacted(hot[number], compacted)
                )
                for component, number, names in zip(components, numbers, series, strict=True)
            ]

    def components_since(self, mark: int) -> tuple[list[NewComponent], int]:
        """List components registered after a mark. See `protocol.Reader.components_since`."""
        return self._registry.components_after(mark)

    def changed_since(self, mark: int) -> tuple[list[Change], int]:
        """List components that got points after a mark. See `protocol.Reader.changed_since`."""
        readers = self._hot_readers().values()
        for reader in readers:
            reader.look()
        with transaction(self._chunks.db, write=False):
            # Forgets what has left the hot rows: that is among the touched then.
            self._compacted()
            newest = self._chunks.newest_version()
            touched = self._chunks.touched_since(mark)
        stamps: dict[int, int] = {}
        for reader in readers:
            for number, seq in reader.last_rows().items():
                # Numbers of rows only grow, so their sum tells any new row in any file.
                stamps[number] = stamps.get(number, 0) + seq
        for number in touched:
            stamps[number] = stamps.get(number, 0) - newest
        # 0 means all: a folder may have chunks of a time when nobody noted what they touched.
        names = self._registry.names_of(stamps) if mark else self._registry.names()
        changes = [Change(name, stamps.get(number, -newest)) for number, name in names.items()]
        return changes, newest

    def deletions(self) -> dict[Component, int]:
        """List components that were deleted lately. See `protocol.Reader.deletions`."""
        return self._registry.deleted_since(time.time_ns() // 1000 - _DELETIONS_TOLD_US)

    def has_component(self, component: Component) -> bool:
        """Say whether there is such a component."""
        return self._registry.component_id(component) is not None

    def counts(self) -> tuple[int, int, int, int, int, int]:
        """Count components, series, points, hot rows, hot points and chunks."""
        components, series = self._registry.counts()
        hot = self._hot_readers()
        with transaction(self._chunks.db, write=False):
            compacted = self._chunks.compacted()
            chunks, points = self._chunks.counts()
            waiting = [reader.waiting(compacted.get(slot, 0)) for slot, reader in hot.items()]
        hot_rows, hot_points = (
            sum(each.rows for each in waiting),
            sum(each.points for each in waiting),
        )
        return components, series, points + hot_points, hot_rows, hot_points, chunks

    def close(self) -> None:
        """Close the files."""
        self._registry.close()
        self._chunks.close()
        for reader in self._hot.values():
            reader.close()

    def _numbers(self, key: SeriesKey) -> tuple[int | None, int | None]:
        component_id = self._registry.component_id(key.component)
        if component_id is None:
            return None, None
        return component_id, self._registry.series_id(component_id, key.metric)

    def _hot_rows(self, component_ids: set[int]) -> _HotRows:
        """Read components' rows of every hot file, each file as of one instant."""
        readers = self._hot_readers()
        return {
            component_id: [(slot, reader.rows_of(component_id)) for slot, reader in readers.items()]
            for component_id in component_ids
        }

    def _hot_readers(self) -> dict[int, HotReader]:
        for slot in self._registry.slots():
            if slot not in self._hot:
                reader = self._hot[slot] = HotReader(self._folder, slot)
                # What chunks have by now they have whenever we look: it need not be read here.
                reader.note_compacted(self._chunks.compacted().get(slot, 0))
        return self._hot

    def _compacted(self) -> dict[int, int]:
        compacted = self._chunks.compacted()
        for slot, reader in self._hot.items():
            reader.note_compacted(compacted.get(slot, 0))
        return compacted

    def _points_of(
        self, hot: _HotRows, numbers: Iterable[tuple[int | None, int | None]]
    ) -> dict[int, Points]:
        """Pick the points of some series that are hot and in no chunk, within a transaction."""
        wanted: dict[int, set[int]] = {}
        for component_id, series_id in numbers:
            if component_id is not None and series_id is not None:
                wanted.setdefault(component_id, set()).add(series_id)
        compacted = self._compacted()
        found: dict[int, Points] = {}
        for component_id, series in wanted.items():
            found |= picked(not_compacted(hot[component_id], compacted), series)
        return found

    def _read_one(
        self,
        key: SeriesKey,
        component_id: int | None,
        series_id: int | None,
        hot: dict[int, Points],
        within: TimeRange | StepRange | None,
    ) -> Series | QueryError | StoreError:
        if component_id is None:
            return unknown(key.component)
        if series_id is None:
            return StoredSeries(key, (), _EMPTY, within)
        try:
            chunks = self._chunks.chunks_of(series_id)
        except DamagedSeriesError as error:
            return damaged(key, error)
        except sqlite3.Error as error:
            return StoreUnavailableError(f"{CHUNKS_FILE}: {error}")
        return StoredSeries(key, chunks, hot.get(series_id, _EMPTY), within)


def unknown(component: Component) -> UnknownComponentError:
    """Say that a trial component does not exist."""
    return UnknownComponentError(f"Trial component {component.name!r} does not exist.")
