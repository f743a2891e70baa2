"""The small pieces of many series at once: brought into buckets together.

A chart of 300 short series costs what its points cost, not 300 times what a call costs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from stepwell.model.errors import StepwellError
from stepwell.model.points import NO_STEP, Float64Array, Int64Array
from stepwell.model.rows import NO_ROWS, rows_of_points, starts_of
from stepwell.query.chart_rows import Block, key_of
from stepwell.query.digests import (
    NO_LANDMARKS,
    RESTARTS_MAX,
    Landmarks,
    Steps,
    bucket_of,
    landmarks_of,
)
from stepwell.query.grids import Grid, Place, XAxis
from stepwell.query.smoothing import Smoothing, partials_of
from stepwell.store.protocol import Loaded, Piece, View

_NO_RESTARTS = np.empty(0, np.int64)


class Small(NamedTuple):
    """The small pieces of one series: its number in the chart, and how it stands along x.

    `follows`: other pieces of the series, which are looked at one by one, come before them.
    """

    number: int
    pieces: Sequence[Piece]
    place: Place
    follows: bool = False


class Together(NamedTuple):
    """What small pieces come to, by the numbers of their series.

    Attributes:
        block: the rows of all series that can be read.
        landmarks: of those that have values that are not finite.
        steps: of those whose steps went back, or that follow other pieces.
        errors: of those that cannot be read.
    """

    block: Block
    landmarks: dict[int, Landmarks]
    steps: dict[int, Steps]
    errors: dict[int, StepwellError]


class _Columns(NamedTuple):
    """Points of several series, one series after another, each in order of arrival."""

    owner: Int64Array
    x: Int64Array
    steps: Int64Array
    values: Float64Array


class _Decoded:
    """Pieces as they are decoded: columns, and of each piece its series, offset and count."""

    def __init__(self, axis: XAxis) -> None:
        self._axis = axis
        self._owners: list[int] = []
        self._offsets: list[int] = []
        self._counts: list[int] = []
        self._x: list[Int64Array] = []
        self._steps: list[Int64Array] = []
        self._values: list[Float64Array] = []
        self.landmarks: dict[int, Landmarks] = {}

    def add(self, small: Small, loaded: Sequence[Loaded | StepwellError]) -> None:
        """Decode one series. Raises `StepwellError`, and then has nothing of it."""
        number, pieces, place, _ = small
        is_step = self._axis is XAxis.STEP
        found = []
        landmarks = NO_LANDMARKS
        for piece, each in zip(pieces, loaded, strict=True):
            if isinstance(each, StepwellError):
                raise each
            extent = piece.extent
            steps, values = each.column("steps"), each.column("values")
            x = steps if is_step else each.column("timestamps_us")
            if is_step and extent.without_step:
                chosen = np.flatnonzero(steps != NO_STEP)
                x = steps = steps[chosen]
                values = values[chosen]
            found.append((x, steps, values))
            landmarks = landmarks.joined(landmarks_of(each, extent, place))
        for x, steps, values in found:
            self._owners.append(number)
            self._offsets.append(place.offset)
            self._counts.append(len(x))
            self._x.append(x)  # type: ignore[arg-type] # steps and times are whole
            self._steps.append(steps)  # type: ignore[arg-type]
            self._values.append(values)  # type: ignore[arg-type]
        if landmarks is not NO_LANDMARKS:
            self.landmarks[number] = landmarks

    def joined(self) -> _Columns | None:
        """Put all columns together; None where there are no points."""
        if not any(self._counts):
            return None
        counts = np.array(self._counts)
        steps = np.concatenate(self._steps)
        x = steps if self._axis is XAxis.STEP else np.concatenate(self._x)
        if any(self._offsets):
            x = x + np.repeat(np.array(self._offsets), counts)
        owner = np.repeat(np.array(self._owners), counts)
        return _Columns(owner, x, steps, np.concatenate(self._values))


def small_parts(
    view: View, small: Sequence[Small], grid: Grid, smoothing: Smoothing | None
) -> Together:
    """Bring the pieces of one or more series, in order of their numbers, into buckets."""
    loaded = iter(view.load([piece for each in small for piece in each.pieces]))
    decoded = _Decoded(small[0].place.axis)
    errors: dict[int, StepwellError] = {}
    for each in small:
        some = [next(loaded) for _ in each.pieces]
        try:
            decoded.add(each, some)
        except StepwellError as error:
            errors[each.number] = error
    columns = decoded.joined()
    if columns is None:
        return Together(Block(NO_ROWS, None), decoded.landmarks, {}, errors)
    steps = _steps(columns, {each.number for each in small if each.follows})
    owner, x, values = _sorted(columns)
    key = key_of(owner, bucket_of(x, grid), grid)
    partials = None
    if smoothing is not None:
        partials = partials_of(smoothing, starts_of(key), x, values)
    block = Block(rows_of_points(key, x, values), partials)
    return Together(block, decoded.landmarks, steps, errors)


def _sorted(columns: _Columns) -> tuple[Int64Array, Int64Array, Float64Array]:
    """Bring each series into order of x, then of arrival. Most are in it."""
    owner, x, values = columns.owner, columns.x, columns.values
    back = (x[1:] < x[:-1]) & (owner[1:] == owner[:-1])
    if back.any():
        x, values = x.copy(), values.copy()
        for each in np.unique(owner[1:][back]).tolist():
            first, stop = np.searchsorted(owner, (each, each + 1)).tolist()
            order = np.argsort(x[first:stop], kind="stable")
            x[first:stop], values[first:stop] = x[first:stop][order], values[first:stop][order]
    return owner, x, values


def _stepped(columns: _Columns) -> _Columns:
    has_step = columns.steps != NO_STEP
    if has_step.all():
        return columns
    return _Columns(*(column[has_step] for column in columns))


def _steps(columns: _Columns, wanted: Collection[int]) -> dict[int, Steps]:
    """Say how steps went, of series whose steps went back somewhere and of those wanted."""
    owner, x, steps, _ = _stepped(columns)
    back = np.flatnonzero((steps[1:] < steps[:-1]) & (owner[1:] == owner[:-1])) + 1
    restarts = {
        each: x[back[owner[back] == each]][:RESTARTS_MAX]
        for each in np.unique(owner[back]).tolist()
    }
    found: dict[int, Steps] = {}
    for each in {*restarts, *wanted}:
        first, stop = np.searchsorted(owner, (each, each + 1)).tolist()
        if first < stop:
            found[each] = Steps(
                int(steps[first]),
                int(x[first]),
                int(steps[stop - 1]),
                restarts.get(each, _NO_RESTARTS),
            )
    return found
