"""Charts once more, in plain Python: one point after another, as the definitions say."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from stepwell.query.grids import Grid, XAxis
from stepwell.query.smoothing import Smoothing
from stepwell.testing.reference import ReferencePoint


@dataclass
class ModelRow:
    """One bucket of one series."""

    first_x: int
    last: float
    finite: list[float] = field(default_factory=list)
    count: int = 0
    nan: int = 0
    plus: int = 0
    minus: int = 0
    smooth: float = math.nan


@dataclass
class ModelSeries:
    """One series on a grid."""

    rows: dict[int, ModelRow]
    without_x: int
    outside: int
    first_nan: int | None
    first_inf: int | None
    restarts: list[int]


def x_of(point: ReferencePoint, axis: XAxis, offset: int) -> int | None:
    """Say where a point stands."""
    if axis is XAxis.STEP:
        return None if point.step is None else point.step + offset
    return point.timestamp_us + offset


def model_series(
    points: Sequence[ReferencePoint],
    axis: XAxis,
    offset: int,
    grid: Grid,
    smoothing: Smoothing | None,
) -> ModelSeries:
    """Bring points into buckets."""
    placed = [(x_of(point, axis, offset), point) for point in points]
    known = [(x, point) for x, point in placed if x is not None]
    found = ModelSeries({}, len(points) - len(known), 0, None, None, _restarts(known, grid))
    average, weights, place = 0.0, 0.0, 0
    for x, point in sorted(known, key=lambda each: each[0]):
        value = point.value
        if math.isnan(value) and found.first_nan is None:
            found.first_nan = x
        if math.isinf(value) and found.first_inf is None:
            found.first_inf = x
        if smoothing is not None and math.isfinite(value):
            distance = (1 if smoothing.by_points else x - place) if weights else 0
            place = x
            before = weights * 2.0 ** (distance * smoothing.rate)
            weights = before + 1
            average = average * (before / weights) + value / weights
        if not grid.start <= x < grid.stop:
            found.outside += 1
            continue
        bucket = (x - grid.start) // grid.width
        row = found.rows.setdefault(bucket, ModelRow(x, value))
        row.last = value
        row.count += 1
        row.nan += math.isnan(value)
        row.plus += value == math.inf
        row.minus += value == -math.inf
        row.smooth = average if weights else math.nan
        if math.isfinite(value):
            row.finite.append(value)
    return found


def mean(values: Sequence[float]) -> float:
    """Take an exact mean."""
    return float(sum(map(Fraction, values)) / len(values))


def _restarts(known: Sequence[tuple[int, ReferencePoint]], grid: Grid) -> list[int]:
    stepped = [(x, point.step) for x, point in known if point.step is not None]
    back = [x for (_, before), (x, step) in itertools.pairwise(stepped) if step < before]
    return [x for x in back if grid.start <= x < grid.stop]
