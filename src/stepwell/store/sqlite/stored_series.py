"""One series as it was read: encoded chunks and hot points, decoded when someone asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

import numpy as np

from stepwell.model.errors import DamagedSeriesError
from stepwell.model.points import NO_STEP, Float64Array, Int64Array, Points, is_single
from stepwell.store.protocol import ColumnName, ColumnTypes, SeriesKey, StepRange, TimeRange
from stepwell.store.sqlite.chunks import Chunk, decode_chunk, decode_column, verify_chunk

_ENCODED: dict[ColumnName, Callable[[Chunk], bytes]] = {
    "steps": attrgetter("steps"),
    "timestamps_us": attrgetter("timestamps"),
    "values": attrgetter("values"),
}
_INT32_LAST = 2**31 - 1


class StoredSeries:
    """A series as read: its encoded chunks and its hot points. See `protocol.Series`."""

    def __init__(
        self,
        key: SeriesKey,
        chunks: Sequence[Chunk],
        hot: Points,
        within: TimeRange | StepRange | None,
    ) -> None:
        """Hold what was read; nothing is decoded yet."""
        self._key = key
        self._chunks = chunks
        self._hot = hot
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

    @property
    def types(self) -> ColumnTypes:
        """Give the narrowest types that are known to hold the whole series."""
        summaries = [chunk.summary for chunk in self._chunks]
        steps_fit = all(each.step_max <= _INT32_LAST for each in summaries)
        steps_fit = steps_fit and bool((self._hot.steps <= _INT32_LAST).all())
        are_single = all(each.is_single for each in summaries) and is_single(self._hot.values)
        return ColumnTypes(
            np.dtype(np.int32) if steps_fit else np.dtype(np.int64),
            np.dtype(np.int64),
            np.dtype(np.float32) if are_single else np.dtype(np.float64),
        )

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


def damaged(key: SeriesKey, error: Exception) -> DamagedSeriesError:
    """Say which series is damaged, and how."""
    component, metric = key
    msg = f"Metric {metric!r} of trial component {component.name!r} is damaged: {error}."
    return DamagedSeriesError(msg)


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
