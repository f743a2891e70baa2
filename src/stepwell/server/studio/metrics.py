"""Metrics of runs: their names, and raw points."""

from __future__ import annotations

import csv
import io
import math
from typing import Any, NamedTuple

import numpy as np

from stepwell.model.errors import StepwellError, ValidationError
from stepwell.model.points import NO_STEP, Points
from stepwell.query.grids import Place, XAxis
from stepwell.server.studio.answers import (
    MetricDocument,
    MetricsDocument,
    PointsDocument,
    number,
)
from stepwell.server.studio.frames import whole
from stepwell.server.studio.requests import (
    MetricsRequest,
    PointsRequest,
    check_range,
    decode,
    decode_query,
)
from stepwell.server.studio.service import Answer, Asked, Endpoint, Studio, answer
from stepwell.store.protocol import ColumnName, Extent, Loaded, SeriesKey


def _metrics(studio: Studio, asked: Asked) -> Answer:
    request = decode(asked.body, MetricsRequest)
    counts = studio.store.count_metrics([asked.component(run) for run in set(request.runs)])
    return answer(MetricsDocument([MetricDocument(*each) for each in counts.items()]))


def _points_json(studio: Studio, asked: Asked) -> Answer:
    points, total, following = _points(studio, asked)
    rows = zip(
        points.steps.tolist(), points.timestamps_us.tolist(), points.values.tolist(), strict=True
    )
    document = [
        (None if step == NO_STEP else step, time_us / 1000, number(value))
        for step, time_us, value in rows
    ]
    return answer(PointsDocument(document, total, following))


def _points_csv(studio: Studio, asked: Asked) -> Answer:
    points, _, _ = _points(studio, asked)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(["step", "timestamp_ms", "value"])
    for step, time_us, value in zip(
        points.steps.tolist(), points.timestamps_us.tolist(), points.values.tolist(), strict=True
    ):
        writer.writerow(["" if step == NO_STEP else step, time_us / 1000, value])
    headers = {"content-disposition": 'attachment; filename="points.csv"'}
    return Answer([text.getvalue().encode()], "text/csv; charset=utf-8", headers)


class _Wanted(NamedTuple):
    """Which points: a range of whole x (None: all points, those off the axis too)."""

    place: Place
    start: int | None
    stop: int | None

    @property
    def is_all(self) -> bool:
        """Say whether there is no range."""
        return self.start is None and self.stop is None

    def misses(self, extent: Extent) -> bool:
        """Say whether a piece has no such points."""
        if self.is_all:
            return False
        span = self.place.span(extent)
        return (
            span is None
            or (self.start is not None and span.last < self.start)
            or (self.stop is not None and span.first >= self.stop)
        )

    def of(self, loaded: Loaded) -> list[Any]:
        """Decode a piece's columns and keep what is wanted. Raises `DamagedSeriesError`."""
        columns: list[Any] = [loaded.column(name) for name in _COLUMNS]
        if self.is_all:
            return columns
        is_step = self.place.axis is XAxis.STEP
        x = (columns[0] if is_step else columns[1]) + self.place.offset
        kept = np.ones(len(x), np.bool_) if not is_step else columns[0] != NO_STEP
        if self.start is not None:
            kept &= x >= self.start
        if self.stop is not None:
            kept &= x < self.stop
        return [column[kept] for column in columns]


_COLUMNS: tuple[ColumnName, ...] = ("steps", "timestamps_us", "values")


def _points(studio: Studio, asked: Asked) -> tuple[Points, int, str | None]:
    """Read a page of the points within a range, how many there are, and where to go on."""
    request = decode_query(asked.query, PointsRequest)
    check_range(request.start, request.stop)
    skipped = _skipped(request.cursor)
    key = SeriesKey(asked.component(request.run), request.metric)
    offset = 0
    if request.x is XAxis.RELATIVE:
        (overview,) = studio.store.overviews([key.component])
        offset = 0 if overview is None else -overview.first_us
    wanted = _Wanted(
        Place(request.x, offset),
        whole(request.start, request.x, math.ceil),
        whole(request.stop, request.x, math.ceil),
    )
    page: list[list[Any]] = [[np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)]]
    total = 0
    with studio.store.view([key]) as view:
        (outline,) = view.outlines
        if isinstance(outline, StepwellError):
            raise outline
        for piece in outline.pieces:
            first, stop = skipped - total, skipped + request.limit - total
            if wanted.misses(piece.extent):
                continue
            if wanted.is_all and (first >= piece.extent.points or stop <= 0):
                total += piece.extent.points
                continue
            (loaded,) = view.load([piece])
            if isinstance(loaded, StepwellError):
                raise loaded
            columns = wanted.of(loaded)
            total += len(columns[0])
            page.append([column[max(first, 0) : max(stop, 0)] for column in columns])
    points = Points(*map(np.concatenate, zip(*page, strict=True)))
    end = skipped + len(points)
    return points, total, str(end) if end < total else None


def _skipped(cursor: str | None) -> int:
    """Read where to go on: how many points came before."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _CURSOR_CHARS_MAX):
        raise ValidationError(["Value at 'cursor' must be one that this very listing has returned"])
    return int(cursor)


_CURSOR_CHARS_MAX = 15

ENDPOINTS = [
    Endpoint(
        "POST",
        "metrics",
        "QueryMetrics",
        "List the metrics of some runs by name.",
        _metrics,
        MetricsRequest,
        MetricsDocument,
    ),
    Endpoint(
        "GET",
        "points.json",
        "GetPointsJson",
        "List raw points of a series, or of a range of it, in order of arrival.",
        _points_json,
        PointsRequest,
        PointsDocument,
    ),
    Endpoint(
        "GET",
        "points.csv",
        "GetPointsCsv",
        "List raw points of a series, or of a range of it, in order of arrival.",
        _points_csv,
        PointsRequest,
        None,
        "text/csv",
    ),
]
