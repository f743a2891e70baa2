"""What a chart asks for, and which pieces of its series must be looked at to answer it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from stepwell.model.errors import QueryError, StepwellError
from stepwell.query.grids import X_MAX, Grid, Place, Span, XAxis, grid_over
from stepwell.query.smoothing import Smoothing
from stepwell.store.protocol import Extent, Outline, Piece

#: From so many points on, a piece is worth a digest of its own.
LARGE_POINTS_MIN = 4096
#: Points of one series that can be sorted along x to be smoothed, where they are not in its order.
SORTED_POINTS_MAX = 20_000_000


class FrameQuery(NamedTuple):
    """What is asked of every chart: the axis, how many buckets, a range of whole x, smoothing."""

    axis: XAxis
    buckets: int
    start: int | None = None
    stop: int | None = None
    smoothing: Smoothing | None = None
    #: Instead: the weight of a point for the next one, were they as far apart as the chart's are.
    weight_by_x: float | None = None


class RunSeries(NamedTuple):
    """A series of a chart: as it lies in the store, and how its run stands along x."""

    outline: Outline | StepwellError
    offset: int = 0


class Plan(NamedTuple):
    """How a series' pieces are looked at: one by one, and the last, small ones together."""

    alone: list[Piece]
    together: list[Piece]


def total_of(outline: Outline) -> Extent:
    """Sum up what is known of a series' pieces."""
    pieces = outline.pieces
    if len(pieces) == 1:
        return pieces[0].extent
    if not pieces:
        return Extent(0, 0, 0, 0, 0, 0, 0, 0, 0)
    columns = list(zip(*(piece.extent for piece in pieces), strict=True))
    points, without_step, step_min, step_max, first_us, last_us, nan, plus, minus = columns
    return Extent(
        sum(points),
        sum(without_step),
        min(step_min),
        max(step_max),
        min(first_us),
        max(last_us),
        sum(nan),
        sum(plus),
        sum(minus),
    )


def spans_of(series: Iterable[RunSeries], query: FrameQuery) -> list[Sequence[Span | None]]:
    """Say from where to where each piece of each series reaches; of an error nothing."""
    found: list[Sequence[Span | None]] = []
    for outline, offset in series:
        if isinstance(outline, StepwellError):
            found.append(())
        else:
            span = Place(query.axis, offset).span
            found.append([span(piece.extent) for piece in outline.pieces])
    return found


def grid_of(spans: Iterable[Sequence[Span | None]], query: FrameQuery) -> Grid | None:
    """Lay the grid of a chart: over the range that is asked for, or over all of its points."""
    start, stop = query.start, query.stop
    if start is None or stop is None:
        known = [span for some in spans for span in some if span is not None]
        if not known:
            return None
        start = min(span.first for span in known) if start is None else start
        stop = max(span.last for span in known) + 1 if stop is None else stop
    start = max(min(start, X_MAX), -X_MAX)
    # Everything may lie on the other side of the one bound that was given.
    return grid_over(start, max(min(stop, X_MAX + 1), start + 1), query.buckets)


def apart_of(spans: Iterable[Sequence[Span | None]], counts: Iterable[int]) -> float | None:
    """Say how far apart the points of a chart's series are, whatever range is looked at.

    The median over the series of their mean distances, rounded down to 1, 2 or 5 times a power of
    ten, so that it stays the same while runs go on. None: no series has points at two x.
    """
    found = []
    for some, count in zip(spans, counts, strict=True):
        known = [span for span in some if span is not None]
        length = (
            max(each.last for each in known) - min(each.first for each in known) if known else 0
        )
        if count > 1 and length > 0:
            found.append(length / (count - 1))
    if not found:
        return None
    middle = sorted(found)[(len(found) - 1) // 2]
    power = 10.0 ** math.floor(math.log10(middle))
    return power * max(each for each in (1, 2, 5) if each <= middle / power or each == 1)


def plan_of(
    outline: Outline, spans: Sequence[Span | None], grid: Grid, query: FrameQuery
) -> Plan | StepwellError:
    """Say which of a series' pieces a chart must look at, and how; or why it cannot."""
    needed = None
    if query.smoothing is not None:
        known = [span for span in spans if span is not None]
        if any(later.first < span.last for span, later in itertools.pairwise(known)):
            # Its history goes back and forth along x: it is sorted as a whole.
            if outline.points > SORTED_POINTS_MAX:
                return QueryError(
                    f"A series of {outline.points} points that are not in order of x cannot be"
                    f" smoothed; at most {SORTED_POINTS_MAX} can."
                )
            return Plan([], list(outline.pieces))
        needed = _needed_to_smooth(outline, spans, grid, query.smoothing)
    last_large = 0
    for number, piece in enumerate(outline.pieces, 1):
        if piece.extent.points >= LARGE_POINTS_MIN:
            last_large = number
    plan: Plan = Plan([], [])
    for number, (piece, span) in enumerate(zip(outline.pieces, spans, strict=True)):
        if span is None:
            continue
        extent = piece.extent
        if (
            extent.nan + extent.plus + extent.minus > 0
            or (needed is not None and needed[number])
            or not grid.misses(span)
        ):
            (plan.alone if number < last_large else plan.together).append(piece)
    return plan


def _needed_to_smooth(
    outline: Outline, spans: Sequence[Span | None], grid: Grid, smoothing: Smoothing
) -> list[bool]:
    """Say which pieces before a grid weigh anything in it. They are in order of x.

    A weight that float64 cannot tell from zero is zero: what is so far back is forgotten, if there
    are finite points after it.
    """
    needed = [False] * len(spans)
    # How many finite points come after a piece and before the grid, and where the last ones begin.
    finite, first = 0, None
    for number in range(len(spans) - 1, -1, -1):
        span, extent = spans[number], outline.pieces[number].extent
        if span is None or span.first >= grid.stop:
            continue
        distance = finite if smoothing.by_points else 0 if first is None else first - span.last
        needed[number] = not (finite and smoothing.forgets(distance))
        if span.last < grid.start:
            # Of those without a step some may be the ones that are not finite.
            known = extent.points - extent.without_step - extent.nan - extent.plus - extent.minus
            if known > 0:
                finite += known
                first = span.first if first is None else first
    return needed
