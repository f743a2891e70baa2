"""The small pieces of many series at once: brought into buckets together, then taken apart.

A chart of 300 short series costs what its points cost, not 300 times what a call costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from stepwell.model.errors import StepwellError
from stepwell.model.points import NO_STEP, Float64Array, Int64Array
from stepwell.query.digests import (
    NO_LANDMARKS,
    RESTARTS_MAX,
    Landmarks,
    Part,
    Steps,
    bucket_of,
    landmarks_of,
)
from stepwell.query.grids import Grid, Place, XAxis
from stepwell.query.rows import rows_of_points, starts_of
from stepwell.query.smoothing import Smoothing, partials_of
from stepwell.store.protocol import Loaded, Piece, View

_NO_RESTARTS = np.empty(0, np.int64)


class Small(NamedTuple):
    """The small pieces of one series: its number in the chart, and how it stands along x."""

    number: int
    pieces: Sequence[Piece]
    place: Place


class _Columns(NamedTuple):
    """Points of several series, one series after another, each in order of arrival."""

    owner: Int64Array
    x: Int64Array
    steps: Int64Array
    values: Float64Array


class _Decoded(NamedTuple):
    """One series: x, steps and values of its points, and where NaN and infinities begin."""

    x: list[Int64Array]
    steps: list[Int64Array]
    values: list[Float64Array]
    landmarks: Landmarks


def small_parts(
    view: View, small: Sequence[Small], grid: Grid, smoothing: Smoothing | None
) -> Iterator[tuple[int, Part | StepwellError]]:
    """Give each series' part by its number, or its error; nothing for one off the axis."""
    loaded = iter(view.load([piece for each in small for piece in each.pieces]))
    whole: list[tuple[Small, _Decoded]] = []
    for each in small:
        some = [next(loaded) for _ in each.pieces]
        try:
            decoded = _decode(each, some)
        except StepwellError as error:
            yield each.number, error
            continue
        whole.append((each, decoded))
    if not whole:
        return
    columns = _joined([decoded for _, decoded in whole])
    if not len(columns.x):
        return
    restarts = _restarts(columns)
    first_steps = _first_steps(columns)
    owner, x, values = _sorted(columns)
    bucket = bucket_of(x, grid)
    # One number for series and bucket: -1 to `grid.buckets` become 0 to `grid.buckets` + 1.
    stride = grid.buckets + 2
    key = owner * stride + bucket + 1
    rows = rows_of_points(key, x, values)
    partials = None
    if smoothing is not None:
        partials = partials_of(smoothing, starts_of(key), x, values)
    bounds = np.searchsorted(rows.bucket, np.arange(len(whole) + 1) * stride).tolist()
    rows = rows.with_bucket(rows.bucket % stride - 1)
    for place, (each, decoded) in enumerate(whole):
        first, stop = bounds[place], bounds[place + 1]
        if first == stop:
            continue
        chosen = slice(first, stop)
        steps = first_steps.get(place, _NO_STEPS)
        back = restarts.get(place)
        if back is not None:
            steps = steps._replace(restarts=back)
        yield (
            each.number,
            Part(
                rows.take(chosen),
                None if partials is None else partials.take(chosen),
                decoded.landmarks,
                steps,
            ),
        )


_NO_STEPS = Steps(NO_STEP, 0, NO_STEP, _NO_RESTARTS)


def _decode(small: Small, loaded: Sequence[Loaded | StepwellError]) -> _Decoded:
    place = small.place
    x, steps, values, landmarks = [], [], [], NO_LANDMARKS
    for piece, each in zip(small.pieces, loaded, strict=True):
        if isinstance(each, StepwellError):
            raise each
        step = each.column("steps")
        column = step if place.axis is XAxis.STEP else each.column("timestamps_us")
        value = each.column("values")
        if place.axis is XAxis.STEP and piece.extent.without_step:
            chosen = np.flatnonzero(step != NO_STEP)
            step, column, value = step[chosen], column[chosen], value[chosen]
        x.append(column + place.offset if place.offset else column)
        steps.append(step)
        values.append(value)
        landmarks = landmarks.joined(landmarks_of(each, piece.extent, place))
    return _Decoded(x, steps, values, landmarks)  # type: ignore[arg-type] # steps and x are whole


def _joined(series: Sequence[_Decoded]) -> _Columns:
    counts = [sum(map(len, each.x)) for each in series]
    return _Columns(
        np.repeat(np.arange(len(series)), counts),
        np.concatenate([part for each in series for part in each.x]),
        np.concatenate([part for each in series for part in each.steps]),
        np.concatenate([part for each in series for part in each.values]),
    )


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


def _restarts(columns: _Columns) -> dict[int, Int64Array]:
    """Find where steps went back, by series; most have no such place."""
    owner, x, steps, _ = _stepped(columns)
    back = np.flatnonzero((steps[1:] < steps[:-1]) & (owner[1:] == owner[:-1])) + 1
    found: dict[int, Int64Array] = {}
    for each in np.unique(owner[back]).tolist():
        found[each] = x[back[owner[back] == each]][:RESTARTS_MAX]
    return found


def _first_steps(columns: _Columns) -> dict[int, Steps]:
    """Give each series' first and last step, of those that have any."""
    owner, x, steps, _ = _stepped(columns)
    if not len(owner):
        return {}
    starts = starts_of(owner)
    stops = np.append(starts[1:], len(owner)) - 1
    return {
        each: Steps(first, first_x, last, _NO_RESTARTS)
        for each, first, first_x, last in zip(
            owner[starts].tolist(),
            steps[starts].tolist(),
            x[starts].tolist(),
            steps[stops].tolist(),
            strict=True,
        )
    }
