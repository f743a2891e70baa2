"""What a chart needs of one piece of a series, made once and remembered.

A digest has rows of blocks of a power of two of x; every grid whose buckets are made of whole such
blocks is answered out of it without looking at the points again. It is exact: rows merge. Beside
them stand the landmarks: where NaN and the infinities begin, and where steps went back.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stepwell.model.points import NO_STEP, Float64Array, Int64Array
from stepwell.model.rows import Rows, rows_of_points, starts_of
from stepwell.query.grids import Grid, Place, Span, has_x
from stepwell.query.smoothing import Partials, Smoothing, partials_of
from stepwell.store.protocol import Blocks, Extent, Loaded

#: Blocks that a piece is divided into: 22 KiB of rows for a piece of up to 65,536 points.
_BLOCKS_BITS = 8
#: Places where steps went back that are told of one series.
RESTARTS_MAX = 100
_ROW_BYTES = 8 * 15
_DIGEST_BYTES = 1000


class Event(NamedTuple):
    """A point that is not a finite number: where it stands."""

    x: int
    step: int | None
    timestamp_us: int


class Landmarks(NamedTuple):
    """The first NaN and the first infinity along x."""

    nan: Event | None = None
    infinite: Event | None = None

    def joined(self, other: Landmarks) -> Landmarks:
        """Give the first ones of two pieces of which the other one arrived later."""
        if other is NO_LANDMARKS:
            return self
        return Landmarks(_earlier(self.nan, other.nan), _earlier(self.infinite, other.infinite))


NO_LANDMARKS = Landmarks()


class Steps(NamedTuple):
    """How steps went in order of arrival.

    Attributes:
        first: the first step; `NO_STEP` where no point has one.
        first_x: that point's x.
        last: the last step.
        restarts: int64[n]; x of the points whose step is less than the one before it.
    """

    first: int
    first_x: int
    last: int
    restarts: Int64Array


class Part(NamedTuple):
    """What one or more consecutive pieces of a series come to on a grid.

    Attributes:
        rows: by bucket, in order of x; -1 and the one after the last are outside of the grid.
        partials: of the same rows, if smoothing was asked for.
        landmarks: of all their points that are on the axis.
        steps: of their points, in order of arrival.
    """

    rows: Rows
    partials: Partials | None
    landmarks: Landmarks
    steps: Steps


class OnAxis(NamedTuple):
    """The points of a piece that are on the axis, in order of x, then of arrival."""

    x: Int64Array
    values: Float64Array


@dataclass(frozen=True, slots=True)
class Digest:
    """What is remembered of a piece.

    Attributes:
        level: blocks are 2**level wide.
        rows: by block, whose number is their `bucket`.
        partials: of the same blocks, for the smoothing that was asked for.
        landmarks: of all its points that are on the axis.
        steps: of its points, in order of arrival.
    """

    level: int
    rows: Rows
    partials: Partials | None
    landmarks: Landmarks
    steps: Steps

    @property
    def bytes(self) -> int:
        """Say about how much memory it holds."""
        return _DIGEST_BYTES + len(self.rows) * _ROW_BYTES


class Digests:
    """Digests by what they are of, as many as fit into some bytes. Safe for threads."""

    def __init__(self, bytes_max: int) -> None:
        """Remember nothing yet."""
        self._bytes_max = bytes_max
        self._bytes = 0
        self._known: OrderedDict[Hashable, Digest] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Digest | None:
        """Recall a digest."""
        with self._lock:
            digest = self._known.get(key)
            if digest is not None:
                self._known.move_to_end(key)
            return digest

    def add(self, key: Hashable, digest: Digest) -> None:
        """Remember a digest, the finest of several, and forget those not asked for the longest."""
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                if known.level <= digest.level:
                    return
                self._bytes -= known.bytes
            self._known[key] = digest
            self._bytes += digest.bytes
            while self._bytes > self._bytes_max:
                _, oldest = self._known.popitem(last=False)
                self._bytes -= oldest.bytes


def level_for(span: Span) -> int:
    """Choose the width of blocks, as a power of two, for points that span so much."""
    return max((span.last - span.first).bit_length() - _BLOCKS_BITS, 0)


def span_of(points: OnAxis) -> Span:
    """Say from where to where one or more points go."""
    return Span(int(points.x[0]), int(points.x[-1]))


def on_axis(loaded: Loaded, extent: Extent, place: Place) -> OnAxis:
    """Decode what is on the axis, in order. Raises `DamagedSeriesError`."""
    column = loaded.column(place.axis.column)
    values = loaded.column("values")
    chosen = has_x(column, place, extent)
    x = column[chosen] + place.offset if place.offset else column[chosen]
    values = values[chosen]
    if (x[1:] < x[:-1]).any():
        order = np.argsort(x, kind="stable")
        x, values = x[order], values[order]
    return OnAxis(x, values)  # type: ignore[arg-type]


def digest_of(
    loaded: Loaded, extent: Extent, place: Place, points: OnAxis, smoothing: Smoothing | None
) -> Digest:
    """Make a digest of a piece that has points on the axis. Raises `DamagedSeriesError`."""
    level = level_for(span_of(points))
    block = points.x >> level
    partials = None
    if smoothing is not None:
        partials = partials_of(smoothing, starts_of(block), points.x, points.values)
    return Digest(
        level,
        rows_of_points(block, points.x, points.values),
        partials,
        landmarks_of(loaded, extent, place),
        steps_of(loaded, extent, place),
    )


def digest_of_blocks(blocks: Blocks, extent: Extent) -> Digest:
    """Take over what the store has made of a piece: see there why there are no landmarks."""
    first_x = int(blocks.rows.first_x[0])
    steps = Steps(extent.step_min, first_x, extent.step_max, np.empty(0, np.int64))
    return Digest(blocks.level, blocks.rows, None, NO_LANDMARKS, steps)


def landmarks_of(loaded: Loaded, extent: Extent, place: Place) -> Landmarks:
    """Find where what is not finite begins. Raises `DamagedSeriesError`."""
    if not extent.nan and not extent.plus and not extent.minus:
        return NO_LANDMARKS
    columns = [loaded.column("steps"), loaded.column("timestamps_us"), loaded.column("values")]
    chosen = has_x(columns[0], place, extent)
    steps, times, values = (column[chosen] for column in columns)
    x = steps if place.axis.column == "steps" else times
    found: list[Event | None] = []
    for is_one in (np.isnan(values), np.isinf(values)):
        indexes = np.flatnonzero(is_one)
        if not len(indexes):
            found.append(None)
            continue
        index = int(indexes[np.argmin(x[indexes])])
        step = int(steps[index])
        found.append(
            Event(
                int(x[index]) + place.offset, None if step == NO_STEP else step, int(times[index])
            )
        )
    return Landmarks(*found)


def steps_of(loaded: Loaded, extent: Extent, place: Place) -> Steps:
    """Look how steps go in order of arrival. Raises `DamagedSeriesError`."""
    steps = loaded.column("steps")
    x = steps if place.axis.column == "steps" else loaded.column("timestamps_us")
    if extent.without_step:
        chosen = np.flatnonzero(steps != NO_STEP)
        steps, x = steps[chosen], x[chosen]
    if not len(steps):
        return Steps(NO_STEP, 0, NO_STEP, np.empty(0, np.int64))
    back = np.flatnonzero(steps[1:] < steps[:-1])[:RESTARTS_MAX] + 1
    restarts: Int64Array = x[back].astype(np.int64) + place.offset
    return Steps(int(steps[0]), int(x[0]) + place.offset, int(steps[-1]), restarts)


def rows_on_grid(
    points: OnAxis, grid: Grid, smoothing: Smoothing | None
) -> tuple[Rows, Partials | None]:
    """Make rows of points by a grid's buckets.

    Without smoothing, of those within it. With it of all: bucket -1 is what comes before the grid,
    and what comes after it is in the bucket after the last.
    """
    x, values = points
    if smoothing is None:
        first, stop = np.searchsorted(x, (grid.start, grid.stop))
        x, values = x[first:stop], values[first:stop]
    bucket = bucket_of(x, grid)
    rows = rows_of_points(bucket, x, values)
    if smoothing is None or not len(x):
        return rows, None
    return rows, partials_of(smoothing, starts_of(bucket), x, values)


def bucket_of(x: Int64Array, grid: Grid) -> Int64Array:
    """Give the bucket of each x: -1 before the grid, `grid.buckets` after it."""
    bucket = x - grid.start
    if grid.width > 1:
        bucket //= grid.width
    return np.clip(bucket, -1, grid.buckets)


def _earlier(one: Event | None, other: Event | None) -> Event | None:
    if one is None or other is None:
        return one or other
    return other if other.x < one.x else one
