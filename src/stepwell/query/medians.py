"""Smoothing by a rolling median over a series' whole history.

At a point it is the median of the last finite points up to it, in order of x, then of arrival: as
many as the window has, or all where there are fewer. A spike moves it no more than any other point
does. Like the moving average it does not depend on buckets or on what is looked at, and is given at
each bucket's last point. Unlike it, it cannot be put together of parts, so points are read again.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from stepwell.model.errors import QueryError, StepwellError
from stepwell.model.points import Float64Array, Int64Array
from stepwell.model.rows import starts_of
from stepwell.query.digests import OnAxis, bucket_of
from stepwell.query.frames import ChartFrame, SeriesFrame, Spread
from stepwell.query.grids import Grid, Place, XAxis
from stepwell.query.loading import Wanted, load
from stepwell.query.plans import SORTED_POINTS_MAX, RunSeries
from stepwell.store.protocol import Piece, View

#: Values of windows that are sorted at a time: 16 MB.
_SORTED_AT_ONCE = 2_000_000


def with_medians(
    view: View,
    series: Sequence[RunSeries],
    chart: ChartFrame,
    axis: XAxis,
    window: int,
    spread: Spread = map,
) -> ChartFrame:
    """Give a chart that was made of `series` rolling medians for its averages."""
    grid = chart.grid
    if grid is None:
        return _smoothed(chart, {})
    found: dict[int, _Rolling | StepwellError] = {}
    wanted: list[Wanted] = []
    for number, (each, frame) in enumerate(zip(series, chart.series, strict=True)):
        if isinstance(frame, StepwellError) or isinstance(each.outline, StepwellError):
            continue
        pieces = each.outline.pieces
        place = Place(axis, each.offset)
        needed, in_order = _needed(pieces, place, grid, window)
        if not in_order and each.outline.points > SORTED_POINTS_MAX:
            found[number] = QueryError(
                f"A series of {each.outline.points} points that are not in order of x cannot be"
                f" smoothed; at most {SORTED_POINTS_MAX} can."
            )
            continue
        found[number] = _Rolling(frame, grid, window, in_order=in_order)
        wanted += [Wanted(number, piece, place) for piece in needed]
    for number, points in load(view, wanted, spread):
        rolling = found[number]
        if isinstance(points, StepwellError):
            found[number] = points
        elif isinstance(rolling, _Rolling):
            rolling.add(points)
    return _smoothed(chart, found)


def _smoothed(chart: ChartFrame, found: dict[int, _Rolling | StepwellError]) -> ChartFrame:
    """Put medians in the place of a chart's averages, and errors in that of their series."""
    smooth = np.full(len(chart.table.rows), np.nan)
    table = chart.table._replace(smooth=smooth)
    series: list[SeriesFrame | StepwellError] = []
    for number, frame in enumerate(chart.series):
        rolling = found.get(number)
        if isinstance(frame, StepwellError):
            series.append(frame)
        elif isinstance(rolling, StepwellError):
            series.append(rolling)
        else:
            if rolling is not None:
                smooth[frame.place] = rolling.end()
            series.append(replace(frame, table=table))
    return ChartFrame(chart.grid, series, table)


def _needed(
    pieces: Sequence[Piece], place: Place, grid: Grid, window: int
) -> tuple[list[Piece], bool]:
    """Choose the pieces that medians in a grid need, and say whether they are in order of x."""
    known = [(piece, span) for piece in pieces if (span := place.span(piece.extent)) is not None]
    if any(later.first < span.last for (_, span), (_, later) in itertools.pairwise(known)):
        return [piece for piece, _ in known], False
    needed: list[Piece] = []
    before = 0
    for piece, span in reversed(known):
        if span.first >= grid.stop:
            continue
        if before >= window:
            break
        needed.append(piece)
        if span.last < grid.start:
            # Of those without a step some may be the ones that are not finite.
            extent = piece.extent
            known_finite = extent.points - extent.nan - extent.plus - extent.minus
            before += max(known_finite - extent.without_step, 0)
    return needed[::-1], True


class _Rolling:
    """The medians of one series. Pieces come in order of x; else all are sorted at the end."""

    def __init__(self, frame: SeriesFrame, grid: Grid, window: int, *, in_order: bool) -> None:
        self._buckets = frame.rows.bucket
        self._grid = grid
        self._window = window
        self._in_order = in_order
        self._waiting: list[OnAxis] = []
        self._last: Float64Array = np.empty(0)
        self._medians: Float64Array = np.full(len(frame.rows), np.nan)

    def add(self, points: OnAxis) -> None:
        """Take the next points."""
        if self._in_order:
            self._roll(points)
        else:
            self._waiting.append(points)

    def end(self) -> Float64Array:
        """Give the median at each row's last point."""
        if self._waiting:
            x = np.concatenate([each.x for each in self._waiting])
            values = np.concatenate([each.values for each in self._waiting])
            order = np.argsort(x, kind="stable")
            self._roll(OnAxis(x[order], values[order]))
        return self._medians

    def _roll(self, points: OnAxis) -> None:
        if not len(points.x):
            return
        is_finite = np.isfinite(points.values)
        values = np.concatenate((self._last, points.values[is_finite]))
        bucket = bucket_of(points.x, self._grid)
        ends = np.append(starts_of(bucket)[1:], len(bucket)) - 1
        # How many finite values there are up to the last point of each bucket.
        stops = len(self._last) + np.cumsum(is_finite)[ends]
        buckets = bucket[ends]
        inside = (buckets >= 0) & (buckets < self._grid.buckets)
        rows = np.searchsorted(self._buckets, buckets[inside])
        self._medians[rows] = rolling_medians(values, stops[inside], self._window)
        # A whole window: the next piece may have points of this bucket, none of them finite.
        self._last = values[max(len(values) - self._window, 0) :]


def rolling_medians(values: Float64Array, stops: Int64Array, window: int) -> Float64Array:
    """Give the median of the last `window` of `values[:stop]` for each stop; NaN of none."""
    window = min(window, max(len(values), 1))
    # Infinities in front: the first ones have as many values as there are, and they sort last.
    padded = np.concatenate((np.full(window, np.inf), values))
    windows = sliding_window_view(padded, window)
    counts = np.minimum(stops, window)
    found = np.full(len(stops), np.nan)
    step = max(_SORTED_AT_ONCE // window, 1)
    for first in range(0, len(stops), step):
        some = slice(first, first + step)
        count = counts[some]
        chosen = np.sort(windows[stops[some]], axis=1)
        row = np.arange(len(chosen))
        low = chosen[row, np.maximum(count - 1, 0) // 2]
        high = chosen[row, count // 2]
        # Halves: the sum of two values may be none.
        middle = np.where(low == high, low, low / 2 + high / 2)
        found[some] = np.where(count > 0, middle, np.nan)
    return found
