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

from stepwell.model.errors import StepwellError
from stepwell.model.points import Float64Array
from stepwell.model.rows import Rows
from stepwell.query.chart_rows import Block, Table, key_of, table_of
from stepwell.query.digests import (
    NO_LANDMARKS,
    RESTARTS_MAX,
    Digest,
    Digests,
    Landmarks,
    Part,
    Steps,
    bucket_of,
    digest_of,
    digest_of_blocks,
    level_for,
    on_axis,
    rows_on_grid,
    span_of,
)
from stepwell.query.grids import Grid, Place, Span, XAxis
from stepwell.query.plans import (
    FrameQuery,
    RunSeries,
    apart_of,
    grid_of,
    plan_of,
    spans_of,
    total_of,
)
from stepwell.query.small_pieces import Small, Together, small_parts
from stepwell.query.smoothing import Smoothing
from stepwell.store.protocol import Loaded, Piece, View

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
        widest: the points of the bucket that has most.
        nan: how many of all are NaN.
        infinite: how many of all are infinite.
        landmarks: the first of these along x.
        last_us: the latest timestamp of all; None without points.
        table: the rows of all series of the chart.
        place: which of them are this one's.
        restarts: x of points in the range whose step went back, in order of arrival.
    """

    points: int
    without_x: int
    in_range: int
    widest: int
    nan: int
    infinite: int
    landmarks: Landmarks
    last_us: int | None
    table: Table
    place: slice
    restarts: Sequence[int]

    @property
    def rows(self) -> Rows:
        """Give its rows by bucket; only buckets that have points."""
        return self.table.rows.take(self.place)

    @property
    def smooth(self) -> Float64Array | None:
        """Give the average at each row's last point; None: not asked for."""
        smooth = self.table.smooth
        return None if smooth is None else smooth[self.place]


class ChartFrame(NamedTuple):
    """A chart: its grid (None: nothing is on the axis), every series or its error, all rows."""

    grid: Grid | None
    series: Sequence[SeriesFrame | StepwellError]
    table: Table
    #: Of the average, in whole x; None: it has none.
    half_life: float | None = None


class _Gathered:
    """What the pieces of a chart's series came to, by the numbers of the series."""

    def __init__(self) -> None:
        self.alone: dict[int, list[Part]] = {}
        self.together: list[Together] = []
        self.errors: dict[int, StepwellError] = {}

    def blocks(self, grid: Grid) -> list[Block]:
        """Give all rows: of one series, those of pieces by themselves came first."""
        alone = [
            Block(part.rows.with_bucket(key_of(number, part.rows.bucket, grid)), part.partials)
            for number, parts in self.alone.items()
            if number not in self.errors
            for part in parts
        ]
        return alone + [each.block for each in self.together]

    def landmarks(self, number: int) -> Landmarks:
        """Give the first NaN and infinity of a series."""
        found = NO_LANDMARKS
        for part in self.alone.get(number, ()):
            found = found.joined(part.landmarks)
        for each in self.together:
            found = found.joined(each.landmarks.get(number, NO_LANDMARKS))
        return found

    def steps(self, number: int) -> Iterator[Steps]:
        """Say how a series' steps went, part after part."""
        for part in self.alone.get(number, ()):
            yield part.steps
        for each in self.together:
            if number in each.steps:
                yield each.steps[number]


class Charts:
    """Makes charts out of a view of a store. Remembers digests for the next ones."""

    def __init__(self, digests: Digests, spread: Spread = map) -> None:
        """Hold on to where digests are remembered, and to what decodes pieces."""
        self._digests = digests
        self._spread = spread

    def chart(self, view: View, series: Sequence[RunSeries], query: FrameQuery) -> ChartFrame:
        """Make one chart. Its series' pieces are of `view`."""
        spans = spans_of(series, query)
        if query.weight_by_x is not None:
            counts = [
                0 if isinstance(outline, StepwellError) else outline.points for outline, _ in series
            ]
            apart = apart_of(spans, counts) or query.axis.units
            query = query._replace(smoothing=Smoothing.by_x(query.weight_by_x, apart))
        grid = grid_of(spans, query)
        gathered = _Gathered()
        blocks: list[Block] = []
        if grid is not None:
            self._gather(gathered, view, series, spans, grid, query)
            blocks = gathered.blocks(grid)
        table = table_of(blocks, len(series), grid or Grid(0, 1, 0), query.smoothing)
        half_life = None if query.smoothing is None else query.smoothing.half_life
        frames = _series_frames(series, query, grid, gathered, table)
        return ChartFrame(grid, frames, table, half_life)

    def _gather(
        self,
        gathered: _Gathered,
        view: View,
        series: Sequence[RunSeries],
        spans: Sequence[Sequence[Span | None]],
        grid: Grid,
        query: FrameQuery,
    ) -> None:
        small: list[Small] = []
        for number, (outline, offset) in enumerate(series):
            if isinstance(outline, StepwellError):
                continue
            plan = plan_of(outline, spans[number], grid, query)
            if isinstance(plan, StepwellError):
                gathered.errors[number] = plan
                continue
            place = Place(query.axis, offset)
            if plan.alone:
                parts = self._alone(view, plan.alone, place, grid, query)
                if isinstance(parts, StepwellError):
                    gathered.errors[number] = parts
                    continue
                gathered.alone[number] = parts
            if plan.together:
                small.append(Small(number, plan.together, place, follows=bool(plan.alone)))
        for some in _batches(small):
            together = small_parts(view, some, grid, query.smoothing)
            gathered.together.append(together)
            gathered.errors |= together.errors

    def _alone(
        self, view: View, pieces: Sequence[Piece], place: Place, grid: Grid, query: FrameQuery
    ) -> list[Part] | StepwellError:
        """Look at pieces one by one, out of their digests where there are any."""
        parts: list[Part | None] = [None] * len(pieces)
        missing = []
        digests = self._recall(view, pieces, place, query)
        for index, (piece, digest) in enumerate(zip(pieces, digests, strict=True)):
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

    def _recall(
        self, view: View, pieces: Sequence[Piece], place: Place, query: FrameQuery
    ) -> list[Digest | None]:
        """Give what is remembered of pieces, or what the store has made of them."""
        found = [
            None
            if piece.identity is None
            else self._digests.get((piece.identity, place, query.smoothing))
            for piece in pieces
        ]
        if query.smoothing is not None or place.offset:
            return found
        new = [index for index, digest in enumerate(found) if digest is None]
        made = view.blocks([pieces[index] for index in new], place.axis.column)
        for index, blocks in zip(new, made, strict=True):
            if blocks is not None:
                piece = pieces[index]
                digest = found[index] = digest_of_blocks(blocks, piece.extent)
                self._digests.add((piece.identity, place, None), digest)
        return found

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
        if digest is None or digest.level > level_for(span_of(points)):
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


def _series_frames(
    series: Sequence[RunSeries],
    query: FrameQuery,
    grid: Grid | None,
    gathered: _Gathered,
    table: Table,
) -> list[SeriesFrame | StepwellError]:
    in_range, widest = table.count_points()
    bounds = table.bounds.tolist()
    # Hundreds of series: only those that something was told of are asked for it.
    told = set(gathered.alone)
    for each in gathered.together:
        told |= each.landmarks.keys() | each.steps.keys()
    frames: list[SeriesFrame | StepwellError] = []
    for number, (outline, _) in enumerate(series):
        if isinstance(outline, StepwellError):
            frames.append(outline)
            continue
        error = gathered.errors.get(number)
        if error is not None:
            frames.append(error)
            continue
        whole = total_of(outline)
        landmarks, restarts = NO_LANDMARKS, list[int]()
        if number in told and grid is not None:
            landmarks = gathered.landmarks(number)
            restarts = _restarts(gathered.steps(number), grid)
        frames.append(
            SeriesFrame(
                points=whole.points,
                without_x=whole.without_step if query.axis is XAxis.STEP else 0,
                in_range=in_range[number],
                widest=widest[number],
                nan=whole.nan,
                infinite=whole.plus + whole.minus,
                landmarks=landmarks,
                last_us=whole.timestamp_max_us if whole.points else None,
                table=table,
                place=slice(bounds[number], bounds[number + 1]),
                restarts=restarts,
            )
        )
    return frames


def _restarts(steps: Iterable[Steps], grid: Grid) -> list[int]:
    """Collect where steps went back: within the parts, and from one to the next."""
    found: list[int] = []
    last = None
    for each in steps:
        if each.first < 0:
            continue
        if last is not None and each.first < last:
            found.append(each.first_x)
        found += each.restarts.tolist()
        last = each.last
    return [x for x in found if grid.start <= x < grid.stop][:RESTARTS_MAX]
