"""A robust axis: the range that holds nearly all points of a chart, and how many lie outside.

The range is for looking at and may be of a part of very many points; the counts are of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from stepwell.model.errors import StepwellError
from stepwell.model.points import Float64Array
from stepwell.query.frames import Spread
from stepwell.query.grids import Grid, Place, XAxis
from stepwell.query.loading import Wanted, load
from stepwell.query.plans import RunSeries
from stepwell.store.protocol import View

QUANTILES = (0.01, 0.99)
#: Part of the quantiles' distance that the axis has beyond each of them.
PAD = 0.05
#: With fewer points no quantile says anything: all of them are on the axis.
POINTS_MIN = 20
#: Points that quantiles are taken of; of more, every second, third, ... one. 32 MB.
SAMPLED_MAX = 4_000_000
#: No axis goes farther: its span is still a float64.
_LIMIT = 8e307


class Robust(NamedTuple):
    """An axis and what lies beyond it. Of finite points in a grid; all of it exact but the choice.

    Attributes:
        low: where the axis begins.
        high: where it ends; equal to `low` where all points are equal.
        below: how many points are less than `low`.
        above: how many are greater than `high`.
        least: the least of all.
        greatest: the greatest.
    """

    low: float
    high: float
    below: int
    above: int
    least: float
    greatest: float


def robust_of(
    view: View, series: Sequence[RunSeries], grid: Grid, axis: XAxis, spread: Spread = map
) -> Robust | None:
    """Fit an axis to the points of a chart's grid. None: there are no finite ones.

    Series that cannot be read are left out, as they are in the chart.
    """
    wanted = _wanted(series, grid, axis)
    total = sum(each.piece.extent.points for each in wanted)
    stride = -(-total // SAMPLED_MAX) or 1
    parts: list[tuple[int, Float64Array]] = []
    extremes: list[tuple[int, float, float]] = []
    broken: set[int] = set()
    for number, values in _values(view, wanted, grid, spread):
        if isinstance(values, StepwellError):
            broken.add(number)
        elif len(values):
            parts.append((number, values[::stride]))
            extremes.append((number, float(values.min()), float(values.max())))
    some = [each for number, each in parts if number not in broken]
    if not some:
        return None
    sampled = np.concatenate(some)
    least = min(low for number, low, _ in extremes if number not in broken)
    greatest = max(high for number, _, high in extremes if number not in broken)
    low, high = np.quantile(sampled, QUANTILES, method="nearest").tolist()
    if len(sampled) < POINTS_MIN or not low < high:
        low, high = least, greatest
    low, high = _padded(low, high)
    below = above = 0
    if stride > 1:
        kept = [each for each in wanted if each.number not in broken]
        again = _values(view, kept, grid, spread)
    else:
        again = iter([(0, sampled)])
    for _, values in again:
        if not isinstance(values, StepwellError):
            below += int(np.count_nonzero(values < low))
            above += int(np.count_nonzero(values > high))
    return Robust(low, high, below, above, least, greatest)


def _padded(low: float, high: float) -> tuple[float, float]:
    # Halves first: the distance of two float64 may be none.
    pad = (high / 2 - low / 2) * 2 * PAD if high / 2 - low / 2 < _LIMIT / 2 else 0.0
    return max(low - pad, -_LIMIT), min(high + pad, _LIMIT)


def _wanted(series: Sequence[RunSeries], grid: Grid, axis: XAxis) -> list[Wanted]:
    found = []
    for number, each in enumerate(series):
        if isinstance(each.outline, StepwellError):
            continue
        place = Place(axis, each.offset)
        for piece in each.outline.pieces:
            span = place.span(piece.extent)
            if span is not None and not grid.misses(span):
                found.append(Wanted(number, piece, place))
    return found


def _values(
    view: View, wanted: Sequence[Wanted], grid: Grid, spread: Spread
) -> Iterator[tuple[int, Float64Array | StepwellError]]:
    """Give the finite values in the grid, piece by piece, with the number of their series."""
    for number, points in load(view, wanted, spread):
        if isinstance(points, StepwellError):
            yield number, points
            continue
        first, stop = np.searchsorted(points.x, (grid.start, grid.stop))
        inside = points.values[first:stop]
        yield number, inside[np.isfinite(inside)]
