"""Charts as bytes: a binary frame, JSON or CSV. Knows no HTTP.

A binary frame is a length (uint32, little-endian), a JSON head padded with blanks so that both
together are a multiple of 8, and float64 columns, little-endian.
"""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import orjson

from stepwell.model.errors import StepwellError
from stepwell.model.points import Float64Array
from stepwell.query.chart_rows import Table
from stepwell.query.digests import Event
from stepwell.query.frames import ChartFrame, SeriesFrame
from stepwell.query.grids import Grid, XAxis
from stepwell.query.robust import Robust
from stepwell.server.studio.requests import ColumnName
from stepwell.wire.numbers import doubles_for_json

FRAME_TYPE = "application/vnd.stepwell.frame"
#: Columns of a series, in the order that they are sent in.
COLUMNS: tuple[str, ...] = get_args(ColumnName)
_OF_ROWS = {"pos_inf": "plus", "neg_inf": "minus"}
_ALL = slice(None)
#: Bytes of CSV that are put together before they are sent.
_CSV_PIECE_CHARS = 1 << 18


@dataclass(frozen=True, slots=True)
class AnsweredChart:
    """A chart and the names that it was asked by, and its robust axis if that was asked for."""

    metric: str
    runs: Sequence[str]
    frame: ChartFrame
    robust: Robust | None = None


def binary(
    axis: XAxis, charts: Sequence[AnsweredChart], columns: Sequence[str]
) -> list[memoryview]:
    """Encode charts as a binary frame: its head, and its columns."""
    numbers = []
    offset = 0
    documents = []
    for each in charts:
        described = []
        for run, series in zip(each.runs, each.frame.series, strict=True):
            document = _series_document(run, series, axis, columns)
            if isinstance(series, SeriesFrame):
                document["offset"] = offset + series.place.start * len(columns)
            described.append(document)
        documents.append(_chart_document(each, axis, described))
        numbers.append(_laid_out(each.frame.table, axis, columns))
        offset += len(numbers[-1])
    head = orjson.dumps({"x": axis.value, "charts": documents})
    head += b" " * (-(len(head) + 4) % 8)
    start = memoryview(struct.pack("<I", len(head)) + head)
    return [start, *(each.data.cast("B") for each in numbers if len(each))]


def _laid_out(table: Table, axis: XAxis, columns: Sequence[str]) -> Float64Array:
    """Put the columns of the first series one after another, then those of the next."""
    numbers = np.empty(len(table.rows) * len(columns), "<f8")
    rows_of_series = np.diff(table.bounds)
    rows = np.repeat(rows_of_series, rows_of_series)
    before = np.repeat(table.bounds[:-1], rows_of_series)
    # A row's place in the first column of its series.
    place = before * (len(columns) - 1) + np.arange(len(rows))
    for name in columns:
        numbers[place] = _column(table, name, axis, _ALL)
        place += rows
    return numbers


def as_json(axis: XAxis, charts: Sequence[AnsweredChart], columns: Sequence[str]) -> bytes:
    """Encode charts as JSON: as a binary frame's head, with each series' columns in place."""
    documents = []
    for each in charts:
        described = []
        for run, series in zip(each.runs, each.frame.series, strict=True):
            document = _series_document(run, series, axis, columns)
            if isinstance(series, SeriesFrame):
                document["columns"] = {
                    name: doubles_for_json(_column(series.table, name, axis, series.place))
                    for name in columns
                }
            described.append(document)
        documents.append(_chart_document(each, axis, described))
    return orjson.dumps({"x": axis.value, "charts": documents}, option=orjson.OPT_SERIALIZE_NUMPY)


def as_csv(axis: XAxis, charts: Sequence[AnsweredChart], columns: Sequence[str]) -> Iterator[bytes]:
    """Encode charts as CSV, a row a bucket, in pieces. A series that has an error has no rows."""
    names = [name for name in columns if name != "bucket"]
    by_x = [each.frame.half_life for each in charts if each.frame.half_life is not None]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    more = ["half_life"] if by_x else []
    writer.writerow(["metric", "run", "bucket_start", "bucket_stop", *names, *more])
    for each in charts:
        grid = each.frame.grid
        halves = [_half_life(each, axis)] if by_x else []
        for run, series in zip(each.runs, each.frame.series, strict=True):
            if not isinstance(series, SeriesFrame) or grid is None:
                continue
            starts = grid.start + series.rows.bucket * grid.width
            cells = [_shown(starts, axis), _shown(starts + grid.width, axis)]
            cells += [_numbers(series, name, axis) for name in names]
            for row in zip(*cells, strict=True):
                writer.writerow([_harmless(each.metric), _harmless(run), *row, *halves])
            if text.tell() >= _CSV_PIECE_CHARS:
                yield text.getvalue().encode()
                text.seek(0)
                text.truncate()
    yield text.getvalue().encode()


def _harmless(name: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{name}" if name[:1] in "=+-@\t\r" else name


def _shown(x: Any, axis: XAxis) -> list[Any]:
    """Give whole x as people are shown them: steps, or milliseconds."""
    shown: list[Any] = (x if axis is XAxis.STEP else x / axis.units).tolist()
    return shown


def _numbers(series: SeriesFrame, name: str, axis: XAxis) -> list[Any]:
    column = _column(series.table, name, axis, series.place)
    if name in {"count", "nan", "pos_inf", "neg_inf"}:
        column = column.astype(np.int64)
    numbers: list[Any] = column.tolist()
    return numbers


def _chart_document(
    chart: AnsweredChart, axis: XAxis, series: list[dict[str, Any]]
) -> dict[str, Any]:
    grid = chart.frame.grid or Grid(0, 1, 0)
    return {
        "metric": chart.metric,
        "start": x_shown(grid.start, axis),
        "stop": x_shown(grid.stop, axis),
        "width": x_shown(grid.width, axis),
        "buckets": grid.buckets,
        "half_life": _half_life(chart, axis),
        "robust": None if chart.robust is None else chart.robust._asdict(),
        "series": series,
    }


def _half_life(chart: AnsweredChart, axis: XAxis) -> float | None:
    half_life = chart.frame.half_life
    return None if half_life is None else half_life / axis.units


def _series_document(
    run: str, series: SeriesFrame | StepwellError, axis: XAxis, columns: Sequence[str]
) -> dict[str, Any]:
    if not isinstance(series, SeriesFrame):
        return {
            "run": run,
            "points": 0,
            "in_range": 0,
            "without_x": 0,
            "widest": 0,
            "nan": 0,
            "inf": 0,
            "first_nan": None,
            "first_inf": None,
            "last_ms": None,
            "error": str(series),
            "rows": 0,
            "offset": 0,
            "columns": columns,
            "restarts": [],
        }
    return {
        "run": run,
        "points": series.points,
        "in_range": series.in_range,
        "without_x": series.without_x,
        "widest": series.widest,
        "nan": series.nan,
        "inf": series.infinite,
        "first_nan": _event(series.landmarks.nan, axis),
        "first_inf": _event(series.landmarks.infinite, axis),
        "last_ms": None if series.last_us is None else series.last_us / 1000,
        "error": None,
        "rows": series.place.stop - series.place.start,
        "offset": 0,
        "columns": columns,
        "restarts": [x_shown(x, axis) for x in series.restarts],
    }


def _event(event: Event | None, axis: XAxis) -> dict[str, Any] | None:
    if event is None:
        return None
    return {
        "x": x_shown(event.x, axis),
        "step": event.step,
        "timestamp_ms": event.timestamp_us / 1000,
    }


def x_shown(x: int, axis: XAxis) -> float:
    """Give a whole x as people are shown it: a step, or milliseconds."""
    return x if axis is XAxis.STEP else x / axis.units


def _column(table: Table, name: str, axis: XAxis, place: slice) -> Float64Array:
    if name == "smooth":
        smooth = table.smooth
        return np.full(len(table.rows), np.nan)[place] if smooth is None else smooth[place]
    column: Float64Array = getattr(table.rows, _OF_ROWS.get(name, name))[place]
    if name == "first_x" and axis is not XAxis.STEP:
        return column / axis.units
    return column
