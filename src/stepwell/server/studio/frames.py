"""Frames: many charts in one answer, as bytes, JSON or CSV."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from stepwell.model.errors import StoreError, ValidationError
from stepwell.query.grids import X_MAX, XAxis
from stepwell.query.medians import with_medians
from stepwell.query.plans import FrameQuery, RunSeries
from stepwell.query.robust import robust_of
from stepwell.query.smoothing import Smoothing
from stepwell.server.studio import framing
from stepwell.server.studio.answers import FrameDocument
from stepwell.server.studio.framing import COLUMNS, FRAME_TYPE, AnsweredChart
from stepwell.server.studio.requests import (
    SERIES_MAX,
    FrameRequest,
    Smooth,
    check_range,
    decode,
)
from stepwell.server.studio.service import Answer, Asked, Endpoint, Studio
from stepwell.store.protocol import SeriesKey

logger = logging.getLogger(__name__)

#: Rows of one answer, each of at most 88 bytes.
_ROWS_MAX = 2_000_000
#: Values in the windows of all medians of one answer: they take about 5 s.
_MEDIAN_CELLS_MAX = 500_000_000


def _binary(studio: Studio, asked: Asked) -> Answer:
    request = read_request(asked)
    charts = answered(studio, asked, request)
    return Answer(framing.binary(request.x, charts, columns_of(request)), FRAME_TYPE)


def _json(studio: Studio, asked: Asked) -> Answer:
    request = read_request(asked)
    charts = answered(studio, asked, request)
    return Answer([framing.as_json(request.x, charts, columns_of(request))])


def _csv(studio: Studio, asked: Asked) -> Answer:
    request = read_request(asked)
    charts = answered(studio, asked, request)
    pieces = framing.as_csv(request.x, charts, columns_of(request))
    headers = {"content-disposition": 'attachment; filename="stepwell.csv"'}
    return Answer(pieces, "text/csv; charset=utf-8", headers)


def read_request(asked: Asked) -> FrameRequest:
    """Read a request, from its body or, for links, from its query string.

    Raises:
        SerializationError: it is not JSON.
        ValidationError: a member does not fit.
    """
    body = asked.body or asked.query.get("q", "").encode()
    if not body:
        raise ValidationError(["Value at 'q' must be a request as JSON"])
    request = decode(body, FrameRequest)
    check_range(request.start, request.stop)
    columns_of(request)
    count = sum(len(chart.runs) for chart in request.charts)
    if count > SERIES_MAX:
        problem = f"Value at 'charts' must have at most {SERIES_MAX} series in all; it has {count}"
        raise ValidationError([problem])
    return request


def columns_of(request: FrameRequest) -> Sequence[str]:
    """Give the columns that are sent."""
    wanted = [
        name
        for name in COLUMNS
        if (request.columns is None or name in request.columns)
        and (name != "smooth" or request.smooth is not None)
    ]
    if not wanted:
        raise ValidationError(["Value at 'columns' must have a column that there is"])
    return wanted


def answered(studio: Studio, asked: Asked, request: FrameRequest) -> list[AnsweredChart]:
    """Answer a request's charts, as of one instant.

    Raises:
        ValidationError: the answer would be too large.
        StoreUnavailableError: nothing can be read.
    """
    query = FrameQuery(
        request.x,
        request.buckets,
        whole(request.start, request.x, math.floor),
        whole(request.stop, request.x, math.ceil),
        smoothing_of(request.smooth, request.x),
        weight_by_x(request.smooth),
    )
    window = None if request.smooth is None else request.smooth.window
    offsets = offsets_of(studio, asked, request)
    components = {run: asked.component(run) for chart in request.charts for run in chart.runs}
    keys = [
        SeriesKey(components[run], chart.metric) for chart in request.charts for run in chart.runs
    ]
    charts = []
    with studio.store.view(keys) as view:
        _check_size(request, [getattr(each, "points", 0) for each in view.outlines])
        first = 0
        for chart in request.charts:
            outlines = view.outlines[first : first + len(chart.runs)]
            first += len(chart.runs)
            series = [
                RunSeries(outline, offsets.get(run, 0))
                for run, outline in zip(chart.runs, outlines, strict=True)
            ]
            frame = studio.charts.chart(view, series, query)
            if window is not None:
                frame = with_medians(view, series, frame, request.x, window, studio.spread)
            robust = None
            if request.robust and frame.grid is not None:
                robust = robust_of(view, series, frame.grid, request.x, studio.spread)
            charts.append(AnsweredChart(chart.metric, chart.runs, frame, robust))
    for each in charts:
        _log_damage(each)
    return charts


def _log_damage(chart: AnsweredChart) -> None:
    for run, series in zip(chart.runs, chart.frame.series, strict=True):
        if isinstance(series, StoreError):
            logger.error(
                "a series cannot be drawn: metric %r of run %r: %s", chart.metric, run, series
            )


def _check_size(request: FrameRequest, counts: Sequence[int]) -> None:
    rows = sum(min(request.buckets + 1, count) for count in counts)
    if rows > _ROWS_MAX:
        problem = (
            f"Value at 'charts' would be answered by {rows} rows; at most {_ROWS_MAX}: ask for"
            " fewer charts, runs or buckets"
        )
        raise ValidationError([problem])
    window = 0 if request.smooth is None else request.smooth.window or 0
    cells = sum(min(request.buckets + 1, count) * min(window, count) for count in counts)
    if cells > _MEDIAN_CELLS_MAX:
        problem = (
            f"Value at 'smooth.window' would take medians of {cells} values in all; at most"
            f" {_MEDIAN_CELLS_MAX}: ask for a smaller window, or fewer charts, runs or buckets"
        )
        raise ValidationError([problem])


def offsets_of(studio: Studio, asked: Asked, request: FrameRequest) -> dict[str, int]:
    """Say what is added to each run's x: its own beginning where x is relative, and `align`."""
    runs = list(dict.fromkeys(run for chart in request.charts for run in chart.runs))
    offsets = dict.fromkeys(runs, 0)
    if request.x is XAxis.RELATIVE:
        found = studio.store.overviews([asked.component(run) for run in runs])
        for run, overview in zip(runs, found, strict=True):
            offsets[run] = 0 if overview is None else -overview.first_us
    for run, offset in (request.align or {}).items():
        if run in offsets:
            offsets[run] += round(offset * request.x.units)
    return offsets


def smoothing_of(smooth: Smooth | None, axis: XAxis) -> Smoothing | None:
    """Read how to average. None: not at all, by medians, or as each chart says.

    Raises:
        ValidationError: it says neither how, or both.
    """
    if smooth is None:
        return None
    if smooth.by == "x" and smooth.weight is None:
        raise ValidationError(["Value at 'smooth.by' is for a 'weight' only"])
    if smooth.kind == "median":
        if smooth.window is None or (smooth.weight, smooth.half_life) != (None, None):
            problem = "must have 'window' and nothing else where its kind is 'median'"
            raise ValidationError([f"Value at 'smooth' {problem}"])
        return None
    if (smooth.weight is None) == (smooth.half_life is None) or smooth.window is not None:
        problem = "must have either 'weight' or 'half_life', and no 'window', for its kind 'ema'"
        raise ValidationError([f"Value at 'smooth' {problem}"])
    if smooth.by == "x":
        return None
    if smooth.weight is not None:
        return Smoothing.by_weight(smooth.weight)
    return Smoothing.by_half_life((smooth.half_life or 1.0) * axis.units)


def weight_by_x(smooth: Smooth | None) -> float | None:
    """Give the weight that stands for a half-life, which each chart has by itself."""
    return None if smooth is None or smooth.by == "points" else smooth.weight


def whole(x: float | None, axis: XAxis, rounded: object) -> int | None:
    """Give a bound as whole x, rounded outwards, within what any point can have."""
    if x is None:
        return None
    limit = float(X_MAX)
    scaled = max(min(x * axis.units, limit), -limit)
    return math.floor(scaled) if rounded is math.floor else math.ceil(scaled)


_SUMMARY = "Bring many series into buckets that each chart's series share; nothing is left out."
_JSON = (FrameRequest, FrameDocument)
_CSV = (FrameRequest, None, "text/csv")

ENDPOINTS = [
    Endpoint("POST", "frames", "QueryFrames", _SUMMARY, _binary, FrameRequest, None, FRAME_TYPE),
    Endpoint("GET", "frames", "GetFrames", _SUMMARY, _binary, FrameRequest, None, FRAME_TYPE),
    Endpoint(
        "POST", "frames.json", "QueryFramesJson", _SUMMARY, _json, FrameRequest, FrameDocument
    ),
    Endpoint("GET", "frames.json", "GetFramesJson", _SUMMARY, _json, *_JSON),
    Endpoint(
        "POST", "frames.csv", "QueryFramesCsv", _SUMMARY, _csv, FrameRequest, None, "text/csv"
    ),
    Endpoint("GET", "frames.csv", "GetFramesCsv", _SUMMARY, _csv, *_CSV),
]
