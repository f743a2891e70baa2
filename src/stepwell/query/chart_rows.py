"""The rows of all series of a chart, as one table: joined, merged, averaged and cut together.

A chart of hundreds of series costs what its rows cost, not hundreds of times what a call costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stepwell.model.points import Float64Array, Int64Array
from stepwell.model.rows import NO_ROWS, Rows, merged, starts_of
from stepwell.query.grids import Grid
from stepwell.query.smoothing import Partials, Smoothing, chained


class Block(NamedTuple):
    """Rows of some series of a chart. What is their `bucket` elsewhere is their key here.

    Of one series, rows of a later block arrived later. With smoothing they are in order of x.
    """

    rows: Rows
    partials: Partials | None


class Table(NamedTuple):
    """A chart's rows: those of the first series, of the next, and so on.

    Attributes:
        rows: in ascending order of buckets within a series; only those within the grid.
        smooth: float64[rows], the average at each bucket's last point; None: not asked for.
        bounds: int64[series + 1]; where each series' rows begin, and where the last one's end.
    """

    rows: Rows
    smooth: Float64Array | None
    bounds: Int64Array

    def count_points(self) -> tuple[list[int], list[int]]:
        """Count each series' points in the grid, and those of its widest bucket."""
        sums = np.concatenate(([0], np.cumsum(self.rows.count)))
        starts, stops = self.bounds[:-1], self.bounds[1:]
        widest = np.zeros(len(starts), np.int64)
        some = starts < stops
        if some.any():
            widest[some] = np.maximum.reduceat(self.rows.count, starts[some])
        return (sums[stops] - sums[starts]).tolist(), widest.tolist()


def key_of(number: int | Int64Array, bucket: Int64Array, grid: Grid) -> Int64Array:
    """Make one number of a series' number and a bucket, from -1 to `grid.buckets`."""
    return number * (grid.buckets + 2) + bucket + 1


def table_of(
    blocks: Sequence[Block], series_count: int, grid: Grid, smoothing: Smoothing | None
) -> Table:
    """Make one table of all blocks of a chart, with one row a bucket."""
    blocks = [each for each in blocks if len(each.rows)]
    if not blocks:
        smooth = None if smoothing is None else np.empty(0)
        return Table(NO_ROWS, smooth, np.zeros(series_count + 1, np.int64))
    stride = grid.buckets + 2
    rows = Rows.joined([each.rows for each in blocks])
    smooth = None
    if smoothing is not None:
        partials = Partials.joined([each.partials for each in blocks if each.partials is not None])
        owner = rows.bucket // stride
        if (owner[1:] < owner[:-1]).any():
            order = np.argsort(owner, kind="stable")
            rows, partials, owner = rows.take(order), partials.take(order), owner[order]
        averages = chained(smoothing, partials, np.append(True, owner[1:] != owner[:-1]))
        # A series' rows are in order of x: the last of a bucket's has the bucket's last point.
        smooth = averages[np.append(starts_of(rows.bucket)[1:], len(rows)) - 1]
    # One part's rows by themselves may be blocks: several of them in one bucket.
    rows = merged(rows)
    owner, bucket = np.divmod(rows.bucket, stride)
    bucket -= 1
    inside = (bucket >= 0) & (bucket < grid.buckets)
    if inside.all():
        rows = rows.with_bucket(bucket)
    else:
        chosen = np.flatnonzero(inside)
        rows, owner = rows.with_bucket(bucket).take(chosen), owner[chosen]
        smooth = None if smooth is None else smooth[chosen]
    return Table(rows, smooth, np.searchsorted(owner, np.arange(series_count + 1)))
