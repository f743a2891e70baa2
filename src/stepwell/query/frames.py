"""Charts: one metric of many runs, in buckets of a grid that they share.

Nothing is hidden: every point of a series is in exactly one bucket, or is counted as lying outside
of the range or off the axis. A series is looked at piece by piece: what is outside of the grid is
not read, a large piece is answered out of its digest where there is one, and the small ones of all
series are brought into buckets together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from stepwell.model.errors import StepwellError
from stepwell.model.points import Float64Array
from stepwell.query.digests import (
    NO_LANDMARKS,
    RESTARTS_MAX,
    Digest,
    Digests,
    Landmarks,
    Part,
    bucket_of,
    digest_of,
    on_axis,
    rows_on_grid,
)
from stepwell.query.grids import Grid, Place, XAxis
from stepwell.query.plans import FrameQuery, Plan, RunSeries, grid_of, plan_of
from stepwell.query.rows import NO_ROWS, Rows, merged, starts_of
from stepwell.query.small_pieces import Small, small_parts
from stepwell.query.smoothing import Partials, Smoothing, chained
from stepwell.store.protocol import Loaded, Outline, Piece, View

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Spread(Protocol):
    """Applies a function to items, in order; on several threads if it likes."""

    def __call__(
        self, fn: Callable[[_Item], _Result], items: Iterable[_Item], /
    ) -> Iterable[_Result]:
        """Give the results, in the order of the items."""


#: Points that are brought into buckets together: about 160 MB with all that is made of them.
_TOGETHER_POINTS_MAX = 4_000_000
#: Large pieces that are in memory at a time, encoded, twice: some decoded while others are read.
_LOADED_AT_ONCE = 24


@dataclass(frozen=True, slots=True)
class SeriesFrame:
    """A series on the grid.

    Attributes:
        points: all points of the series.
        without_x: those that are not on the axis.
        in_range: those in the grid's buckets.
        nan: how many of all are NaN.
        infinite: how many of all are infinite.
        landmarks: the first of these along x.
        last_us: the latest timestamp of all; None without points.
        rows: by bucket; only buckets that have points.
        smooth: float64[rows], the average at each bucket's last point; None: not asked for.
        restarts: x of points in the range whose step went back, in order of arrival.
    """

    points: int
    without_x: int
    in_range: int
    nan: int
    infinite: int
    landmarks: Landmarks
    last_us: int | None
    rows: Rows
    smooth: Float64Array | None
    restarts: Sequence[int]

    @property
    def widest(self) -> int:
        """Count the points of the bucket that has most."""
        return int(self.rows.count.max()) if len(self.rows) else 0


class ChartFrame(NamedTuple):
    """A chart: its grid (None: nothing is on the axis), and every series or its error."""

    grid: Grid | None
    series: Sequence[SeriesFrame | StepwellError]


class Charts:
    """Makes charts out of a view of a store. Remembers digests for the next ones."""

    def __init__(self, digests: Digests, spread: Spread = map) -> None:
        """Hold on to where digests are remembered, and to what decodes pieces."""
        self._digests = digests
        self._spread = spread

    def chart(self, view: View, series: Sequence[RunSeries], query: FrameQuery) -> ChartFrame:
        """Make one chart. Its series' pieces are of `view`."""
        grid = grid_of(series, query)
        if grid is None:
            return ChartFrame(
                None,
                [
                    each.outline
                    if isinstance(each.outline, StepwellError)
                    else _frame(each.outline, query, NO_ROWS, None, [])
                    for each in series
                ],
            )
        plans: dict[int, Plan] = {}
        found: dict[int, list[Part] | StepwellError] = {}
        for index, each in enumerate(series):
            plan = plan_of(each, grid, query)
            if isinstance(plan, StepwellError):
                found[index] = plan
            else:
                plans[index] = plan
        for index, plan in plans.items():
            if plan.alone:
                place = Place(query.axis, series[index].offset)
                found[index] = self._alone(view, plan.alone, place, grid, query)
        small = [
            Small(index, plan.together, Place(query.axis, series[index].offset))
            for index, plan in plans.items()
            if plan.together and not isinstance(found.get(index), StepwellError)
        ]
        for some in _batches(small):
            for index, part in small_parts(view, some, grid, query.smoothing):
                parts = found.setdefault(index, [])
                if isinstance(part, StepwellError):
                    found[index] = part
                elif not isinstance(parts, StepwellError):
                    parts.append(part)
        return ChartFrame(
            grid,
            [_series_frame(each, found.get(i, []), grid, query) for i, each in enumerate(series)],
        )

    def _alone(
        self, view: View, pieces: Sequence[Piece], place: Place, grid: Grid, query: FrameQuery
    ) -> list[Part] | StepwellError:
        """Look at pieces one by one, out of their digests where there are any."""
        parts: list[Part | None] = [None] * len(pieces)
        missing = []
        for index, piece in enumerate(pieces):
            digest = self._recall(piece, place, query)
            if digest is not None and _suits(piece, digest.level, place, grid):
                parts[index] = _part_of_digest(digest, grid)
            else:
                missing.append((index, piece, digest))

        def work(
            item: tuple[tuple[int, Piece, Digest | None], Loaded | StepwellError],
        ) -> tuple[int, Part | StepwellError]:
            (index, piece, digest), loaded = item
            if isinstance(loaded, StepwellError):
                return index, loaded
            try:
                return index, self._decoded(piece, digest, loaded, place, grid, query)
            except StepwellError as error:
                return index, error

        waiting: Iterable[tuple[int, Part | StepwellError]] = ()
        for first in range(0, len(missing) + _LOADED_AT_ONCE, _LOADED_AT_ONCE):
            some = missing[first : first + _LOADED_AT_ONCE]
            loaded = view.load([piece for _, piece, _ in some])
            started = self._spread(work, zip(some, loaded, strict=True))
            for index, part in waiting:
                if isinstance(part, StepwellError):
                    return part
                parts[index] = part
            waiting = started
        return [part for part in parts if part is not None]

    def _recall(self, piece: Piece, place: Place, query: FrameQuery) -> Digest | None:
        if piece.identity is None:
            return None
        return self._digests.get((piece.identity, place, query.smoothing))

    def _decoded(
        self,
        piece: Piece,
        digest: Digest | None,
        loaded: Loaded,
        place: Place,
        grid: Grid,
        query: FrameQuery,
    ) -> Part:
        points = on_axis(loaded, piece.extent, place)
        if digest is None:
            digest = digest_of(loaded, piece.extent, place, points, query.smoothing)
            if piece.identity is not None:
                self._digests.add((piece.identity, place, query.smoothing), digest)
        if _suits(piece, digest.level, place, grid):
            return _part_of_digest(digest, grid)
        rows, partials = rows_on_grid(points, grid, query.smoothing)
        return Part(rows, partials, digest.landmarks, digest.steps)


def _batches(small: Sequence[Small]) -> Iterator[list[Small]]:
    """Give as many series at a time as memory should hold."""
    batch: list[Small] = []
    points = 0
    for each in small:
        count = sum(piece.extent.points for piece in each.pieces)
        if batch and points + count > _TOGETHER_POINTS_MAX:
            yield batch
            batch, points = [], 0
        batch.append(each)
        points += count
    if batch:
        yield batch


def _suits(piece: Piece, level: int, place: Place, grid: Grid) -> bool:
    """Say whether blocks of a level can be brought into the grid's buckets."""
    span = place.span(piece.extent)
    return level <= grid.level or span is None or grid.misses(span)


def _part_of_digest(digest: Digest, grid: Grid) -> Part:
    bucket = bucket_of(digest.rows.first_x, grid)
    return Part(digest.rows.with_bucket(bucket), digest.partials, digest.landmarks, digest.steps)


def _series_frame(
    series: RunSeries, parts: list[Part] | StepwellError, grid: Grid, query: FrameQuery
) -> SeriesFrame | StepwellError:
    if isinstance(series.outline, StepwellError):
        return series.outline
    if isinstance(parts, StepwellError):
        return parts
    rows, smooth = _joined([part for part in parts if len(part.rows)], query.smoothing)
    if len(rows) and (rows.bucket[0] < 0 or rows.bucket[-1] >= grid.buckets):
        first, stop = np.searchsorted(rows.bucket, (0, grid.buckets))
        rows = rows.take(slice(first, stop))
        smooth = None if smooth is None else smooth[first:stop]
    return _frame(series.outline, query, rows, smooth, parts, grid)


def _joined(parts: Sequence[Part], smoothing: Smoothing | None) -> tuple[Rows, Float64Array | None]:
    """Merge a series' parts into one row a bucket."""
    if not parts:
        return NO_ROWS, None if smoothing is None else np.empty(0)
    if smoothing is None:
        # One part's rows by themselves may be blocks: several of them in one bucket.
        return merged(Rows.joined([part.rows for part in parts])), None
    rows = Rows.joined([part.rows for part in parts])
    partials = [part.partials for part in parts if part.partials is not None]
    begins = np.zeros(len(rows), np.bool_)
    begins[0] = True
    averages = chained(smoothing, Partials.joined(partials), begins)
    # Parts are in order of x here: the end of a run of equal buckets is the bucket's last point.
    ends = np.append(starts_of(rows.bucket)[1:], len(rows)) - 1
    return merged(rows), averages[ends]


def _frame(
    outline: Outline,
    query: FrameQuery,
    rows: Rows,
    smooth: Float64Array | None,
    parts: Sequence[Part],
    grid: Grid | None = None,
) -> SeriesFrame:
    landmarks = NO_LANDMARKS
    for part in parts:
        landmarks = landmarks.joined(part.landmarks)
    points = without_step = nan = infinite = 0
    last_us = None
    for piece in outline.pieces:
        extent = piece.extent
        points += extent.points
        without_step += extent.without_step
        nan += extent.nan
        infinite += extent.plus + extent.minus
        if last_us is None or extent.timestamp_max_us > last_us:
            last_us = extent.timestamp_max_us
    if smooth is None and query.smoothing is not None:
        smooth = np.empty(0)
    return SeriesFrame(
        points=points,
        without_x=without_step if query.axis is XAxis.STEP else 0,
        in_range=int(rows.count.sum()),
        nan=nan,
        infinite=infinite,
        landmarks=landmarks,
        last_us=last_us,
        rows=rows,
        smooth=smooth,
        restarts=[] if grid is None else _restarts(parts, grid),
    )


def _restarts(parts: Sequence[Part], grid: Grid) -> list[int]:
    """Collect where steps went back: within the parts, and from one to the next."""
    found: list[int] = []
    last = None
    for part in parts:
        steps = part.steps
        if steps is None or steps.first < 0:
            continue
        if last is not None and steps.first < last:
            found.append(steps.first_x)
        found += steps.restarts.tolist()
        last = steps.last
    return [x for x in found if grid.start <= x < grid.stop][:RESTARTS_MAX]
