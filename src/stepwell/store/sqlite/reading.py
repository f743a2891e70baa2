"""Reading: one instant's view of hot rows and chunks together.

The order is what makes it exact. First the names, then the hot files, then the chunk file: a row
that is not in a hot file any more was compacted before we looked, so the chunk file, which we read
later, has it; and a row that both have is told by the chunk file's mark. Nothing is missed or read
twice.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter

import numpy as np

from stepwell.model.errors import (
    DamagedSeriesError,
    QueryError,
    StoreError,
    StoreUnavailableError,
    UnknownComponentError,
)
from stepwell.model.names import Component
from stepwell.model.points import NO_STEP, Float64Array, Int64Array, Points
from stepwell.model.summaries import MetricSummary
from stepwell.store.protocol import (
    Change,
    ColumnName,
    NewComponent,
    Outline,
    Overview,
    Series,
    SeriesInfo,
    SeriesKey,
    StepRange,
    TimeRange,
)
from stepwell.store.sqlite.chunks import (
    Chunk,
    ChunkFile,
    decode_chunk,
    decode_column,
    verify_chunk,
)
from stepwell.store.sqlite.compaction import columns_of
from stepwell.store.sqlite.folder import Folder, transaction
from stepwell.store.sqlite.hot import (
    POINT,
    HotReader,
    HotRow,
    PointArray,
    unpack_points,
)
from stepwell.store.sqlite.lookups import component_numbers, count_names, series_numbers
from stepwell.store.sqlite.overviewing import KnownOverviews, overviews_of
from stepwell.store.sqlite.registry import Registry
from stepwell.store.sqlite.summarising import summarise_component
from stepwell.store.sqlite.viewing import ChunkView, outlines_of

_EMPTY = np.empty(0, POINT)
#: Followers look every second or so: for this long they are told of a deletion.
_DELETIONS_TOLD_US = 60_000_000
_ENCODED: dict[ColumnName, Callable[[Chunk], bytes]] = {
    "steps": attrgetter("steps"),
    "timestamps_us": attrgetter("timestamps"),
    "values": attrgetter("values"),
}


class StoredSeries:
    """A series as read: its encoded chunks and its hot points. See `protocol.Series`."""

    def __init__(
        self,
        key: SeriesKey,
        chunks: Sequence[Chunk],
        hot: PointArray,
        within: TimeRange | StepRange | None,
    ) -> None:
        """Hold what was read; nothing is decoded yet."""
        self._key = key
        self._chunks = chunks
        self._hot = columns_of(hot)
        self._within = within
        self._verified: set[int] = set()

    @property
    def count(self) -> int:
        """Count the whole series' points."""
        return sum(chunk.summary.count for chunk in self._chunks) + len(self._hot)

    @property
    def count_without_step(self) -> int:
        """Count the whole series' points that have no step."""
        hot = int(np.count_nonzero(self._hot.steps == NO_STEP))
        return sum(chunk.summary.without_step for chunk in self._chunks) + hot

    def points(self) -> Points:
        """Decode the points within the range. Raises `DamagedSeriesError`."""
        if self._within is not None:
            return self._points_within(self._within)
        count = self.count
        points = Points(
            np.empty(count, np.int64),
            np.empty(count, np.int64),
            np.empty(count, np.float64),
        )
        start = 0
        for chunk in self._chunks:
            stop = start + chunk.summary.count
            self._verify(chunk)
            for encoded, out in (
                (chunk.steps, points.steps),
                (chunk.timestamps, points.timestamps_us),
                (chunk.values, points.values),
            ):
                self._decode(encoded, out[start:stop], chunk)
            start = stop
        points.steps[start:] = self._hot.steps
        points.timestamps_us[start:] = self._hot.timestamps_us
        points.values[start:] = self._hot.values
        return points

    def column(self, name: ColumnName) -> Iterator[Int64Array | Float64Array]:
        """Decode one column of the whole series piece by piece. Raises `DamagedSeriesError`."""
        encoded_of = _ENCODED[name]
        for chunk in self._chunks:
            count = chunk.summary.count
            out: Int64Array | Float64Array = (
                np.empty(count, np.float64) if name == "values" else np.empty(count, np.int64)
            )
            self._verify(chunk)
            self._decode(encoded_of(chunk), out, chunk)
            yield out
            # The next piece then comes in the same memory, if the caller has let go of this one.
            del out
        if len(self._hot):
            yield getattr(self._hot, name)

    def _points_within(self, within: TimeRange | StepRange) -> Points:
        parts = []
        for chunk in self._chunks:
            if _may_overlap(chunk, within):
                try:
                    parts.append(_cut(decode_chunk(chunk), within))
                except DamagedSeriesError as error:
                    raise self._named(error) from error
        parts.append(_cut(self._hot, within))
        return Points(
            np.concatenate([part.steps for part in parts]),
            np.concatenate([part.timestamps_us for part in parts]),
            np.concatenate([part.values for part in parts]),
        )

    def _verify(self, chunk: Chunk) -> None:
        if chunk.first_index in self._verified:
            return
        try:
            verify_chunk(chunk)
            self._verified.add(chunk.first_index)
        except DamagedSeriesError as error:
            raise self._named(error) from error

    def _decode(self, encoded: bytes, out: Int64Array | Float64Array, chunk: Chunk) -> None:
        try:
            decode_column(encoded, out, chunk.first_index)
        except DamagedSeriesError as error:
            raise self._named(error) from error

    def _named(self, error: Exception) -> DamagedSeriesError:
        return damaged(self._key, error)


class Snapshots:
    """One thread's connections for reading. Close it, or use it again and again."""

    def __init__(self, folder: Folder) -> None:
        """Open the files."""
        self._folder = folder
        self._registry = Registry(folder)
        self._chunks = ChunkFile(folder)
        self._hot: dict[int, HotReader] = {}

    def read(
        self, keys: Sequence[SeriesKey], within: TimeRange | StepRange | None
    ) -> list[Series | QueryError | StoreError]:
        """Read series as of one instant. See `protocol.Reader.read`."""
        numbers = {key: self._numbers(key) for key in keys}
        hot = self._hot_rows({component for component, _ in numbers.values() if component})
        with transaction(self._chunks.db, write=False):
            compacted = self._compacted()
            points = {
                component_id: _not_compacted(rows, compacted) for component_id, rows in hot.items()
            }
            return [self._read_one(key, *numbers[key], points, within) for key in keys]

    @contextmanager
    def view(self, keys: Sequence[SeriesKey]) -> Iterator[ChunkView]:
        """Look at series as of one instant. See `protocol.Reader.view`."""
        numbers = series_numbers(self._registry, keys)
        hot = self._hot_rows({each[0] for each in numbers if each is not None})
        with transaction(self._chunks.db, write=False):
            compacted = self._compacted()
            waiting = {each: _not_compacted(rows, compacted) for each, rows in hot.items()}
            series = [each[1] for each in numbers if each is not None and each[1] is not None]
            points = {
                series_id: columns_of(rows[chosen])
                for component_id, series_id in filter(None, numbers)
                if series_id is not None
                and len(rows := waiting[component_id])
                and (chosen := rows["series"] == series_id).any()
            }
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
            waiting = {each: _not_compacted(rows, compacted) for each, rows in hot.items()}
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
            points = _not_compacted(hot[component_id], self._compacted())
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
                    component, names, self._chunks, _not_compacted(hot[number], compacted)
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

    def _hot_rows(self, component_ids: set[int]) -> dict[int, list[tuple[int, list[HotRow]]]]:
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

    def _read_one(
        self,
        key: SeriesKey,
        component_id: int | None,
        series_id: int | None,
        hot: dict[int, PointArray],
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
            return StoreUnavailableError(str(error))
        points = hot[component_id]
        return StoredSeries(key, chunks, points[points["series"] == series_id], within)


def unknown(component: Component) -> UnknownComponentError:
    """Say that a trial component does not exist."""
    return UnknownComponentError(f"Trial component {component.name!r} does not exist.")


def damaged(key: SeriesKey, error: Exception) -> DamagedSeriesError:
    """Say which series is damaged, and how."""
    component, metric = key
    msg = f"Metric {metric!r} of trial component {component.name!r} is damaged: {error}."
    return DamagedSeriesError(msg)


def _not_compacted(
    files: Sequence[tuple[int, list[HotRow]]], compacted: dict[int, int]
) -> PointArray:
    """Keep the rows that no chunk holds, in order of arrival."""
    rows = [row for slot, part in files for row in part if row.seq > compacted.get(slot, 0)]
    if len(files) > 1:
        rows.sort(key=lambda row: row.seq)
    return unpack_points(row.points for row in rows)


def _may_overlap(chunk: Chunk, within: TimeRange | StepRange) -> bool:
    summary = chunk.summary
    if isinstance(within, TimeRange):
        first, last = summary.timestamp_min, summary.timestamp_max
    else:
        first, last = summary.step_min, summary.step_max
    return first < within[1] and last >= within[0]


def _cut(points: Points, within: TimeRange | StepRange) -> Points:
    column = points.timestamps_us if isinstance(within, TimeRange) else points.steps
    kept = (column >= within[0]) & (column < within[1])
    if isinstance(within, StepRange):
        kept &= column != NO_STEP
    return Points(points.steps[kept], points.timestamps_us[kept], points.values[kept])
