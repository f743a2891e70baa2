"""Axes and grids: where a point stands along x, and which bucket that is.

All of it is exact: x is a whole number, of steps or of microseconds, and so are a grid's start and
width. Widths are 1, 2, 3, or 4 to 7 times a power of two, so that a grid that grows with its series
stays the same for long, and the buckets of coarse grids are made of whole finer ones.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from stepwell.model.points import NO_STEP, Float64Array, Int64Array
from stepwell.store.protocol import ColumnName, Extent

#: No x is beyond this, whatever is added to it: sums of two fit into int64.
X_MAX = 2**61


class XAxis(StrEnum):
    """What x is."""

    STEP = "step"
    RELATIVE = "relative"
    WALL = "wall"

    @property
    def column(self) -> ColumnName:
        """Name the column that x is made of."""
        return "steps" if self is XAxis.STEP else "timestamps_us"

    @property
    def units(self) -> int:
        """Say how many whole x make one of what people are shown: steps, or milliseconds."""
        return 1 if self is XAxis.STEP else 1000


class Place(NamedTuple):
    """How a run's points stand along x: which axis, and what is added to its column."""

    axis: XAxis
    offset: int = 0

    def span(self, extent: Extent) -> Span | None:
        """Give where points begin and end; None where none of them is on the axis."""
        if self.axis is XAxis.STEP:
            if extent.without_step == extent.points:
                return None
            return Span(extent.step_min + self.offset, extent.step_max + self.offset)
        return Span(extent.timestamp_min_us + self.offset, extent.timestamp_max_us + self.offset)


class Span(NamedTuple):
    """The first and the last x of some points, both of them taken."""

    first: int
    last: int


class Grid(NamedTuple):
    """Buckets of one width: bucket i is [start + i * width, start + (i + 1) * width)."""

    start: int
    width: int
    buckets: int

    @property
    def stop(self) -> int:
        """Give the end of the last bucket."""
        return self.start + self.width * self.buckets

    @property
    def level(self) -> int:
        """Give the greatest k for which every bucket is made of whole blocks of 2**k."""
        return (self.width & -self.width).bit_length() - 1

    def covers(self, span: Span) -> bool:
        """Say whether points are all within it."""
        return self.start <= span.first and span.last < self.stop

    def misses(self, span: Span) -> bool:
        """Say whether points are all outside of it."""
        return span.last < self.start or span.first >= self.stop


def grid_over(start: int, stop: int, buckets: int) -> Grid:
    """Lay a grid over [start, stop). Its start is a multiple of its width.

    It has as many buckets as wanted, or fewer (three quarters at least; half where they are one or
    two wide), and one more where the range does not begin at a bucket's border.
    """
    width = round_width(-(-(stop - start) // buckets))
    first = start // width * width
    return Grid(first, width, -(-(stop - first) // width))


def round_width(width: int) -> int:
    """Give the next width, not less than one, that is 1, 2, 3, or 4 to 7 times a power of two."""
    if width <= 1:
        return 1
    shift = max(width.bit_length() - 3, 0)
    return -(-width >> shift) << shift


def has_x(steps: Int64Array | Float64Array, place: Place, extent: Extent) -> slice | Int64Array:
    """Say which points are on the axis: an index of their columns."""
    if place.axis is not XAxis.STEP or not extent.without_step:
        return slice(None)
    return np.flatnonzero(steps != NO_STEP)
