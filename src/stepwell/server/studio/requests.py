"""What the native API is asked, as types. What does not fit is refused with every member's name.

Members that are not known are passed over, so that older servers take newer pages' requests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import msgspec

from stepwell.model.errors import SerializationError, ValidationError
from stepwell.query.grids import XAxis

BUCKETS_MAX = 4000
CHARTS_MAX = 100
RUNS_PER_CHART_MAX = 300
SERIES_MAX = 10_000
RUNS_MAX = 1000
METRICS_MAX = 10_000
SUMMARY_METRICS_MAX = 50
POINTS_MAX = 100_000
MEDIAN_POINTS_MAX = 1001
PAGE_MAX = 1000

_Request = TypeVar("_Request", bound=msgspec.Struct)
#: A trial component's name. One that no component can have is not refused: it is unknown.
Run = Annotated[str, msgspec.Meta(min_length=1, max_length=120, description="a run's name")]
Metric = Annotated[str, msgspec.Meta(min_length=1, max_length=255, description="a metric's name")]
Runs = Annotated[list[Run], msgspec.Meta(max_length=RUNS_MAX)]


class Chart(msgspec.Struct):
    """One metric of some runs."""

    metric: Metric
    runs: Annotated[list[Run], msgspec.Meta(max_length=RUNS_PER_CHART_MAX)]


class Smooth(msgspec.Struct):
    """A moving average or a rolling median.

    `ema`, an exponential moving average: of one weight a point, or of a half-life in units of x. By
    x, a weight stands for the half-life that it has for points as far apart as the chart's are.
    `median`: of a window of so many points.
    """

    kind: Literal["ema", "median"]
    weight: Annotated[float, msgspec.Meta(ge=0, le=0.999999)] | None = None
    half_life: Annotated[float, msgspec.Meta(gt=0, le=1e15)] | None = None
    window: Annotated[int, msgspec.Meta(ge=1, le=MEDIAN_POINTS_MAX)] | None = None
    by: Literal["points", "x"] = "points"


ColumnName = Literal[
    "bucket",
    "first_x",
    "min",
    "max",
    "mean",
    "last",
    "count",
    "nan",
    "pos_inf",
    "neg_inf",
    "smooth",
]


class FrameRequest(msgspec.Struct):
    """Charts, in buckets of a grid that each chart's series share."""

    charts: Annotated[list[Chart], msgspec.Meta(max_length=CHARTS_MAX)]
    x: XAxis = XAxis.STEP
    buckets: Annotated[int, msgspec.Meta(ge=1, le=BUCKETS_MAX)] = 400
    start: float | None = None
    stop: float | None = None
    smooth: Smooth | None = None
    align: dict[str, Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]] | None = None
    columns: Annotated[list[ColumnName], msgspec.Meta(min_length=1)] | None = None
    robust: bool = False


class PointsRequest(msgspec.Struct):
    """Raw points of one series, in order of arrival."""

    run: Run
    metric: Metric
    x: XAxis = XAxis.STEP
    start: float | None = None
    stop: float | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=POINTS_MAX)] = 1000
    cursor: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class MetricsRequest(msgspec.Struct):
    """Which metrics some runs have."""

    runs: Runs


class RankRequest(msgspec.Struct):
    """Metrics of some runs, the one that is most worth looking at first."""

    runs: Runs
    metrics: Annotated[list[Metric], msgspec.Meta(max_length=METRICS_MAX)] | None = None
    by: Literal["difference", "change", "nan", "spike"] = "difference"


class SummariesRequest(msgspec.Struct):
    """Summaries of some metrics of some runs, for a table."""

    runs: Runs
    metrics: Annotated[list[Metric], msgspec.Meta(max_length=SUMMARY_METRICS_MAX)]


class TargetsRequest(msgspec.Struct):
    """Runs, and the value of a metric that they are to get below or above."""

    runs: Runs
    metric: Metric
    below: float | None = None
    above: float | None = None


class RunsRequest(msgspec.Struct):
    """A page of the runs."""

    experiment: Annotated[str, msgspec.Meta(max_length=120)] = ""
    text: Annotated[str, msgspec.Meta(max_length=256)] = ""
    status: Literal["", "InProgress", "Completed", "Failed", "Stopping", "Stopped"] = ""
    sort: Annotated[str, msgspec.Meta(max_length=400)] = "created"
    order: Literal["asc", "desc"] = "desc"
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = 100
    cursor: Annotated[str, msgspec.Meta(max_length=2000)] | None = None


class ExperimentsRequest(msgspec.Struct):
    """A page of the experiments."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = 100
    cursor: Annotated[str, msgspec.Meta(max_length=2000)] | None = None


class SignInRequest(msgspec.Struct):
    """An access key and its secret, to sign in with."""

    access_key_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    secret_access_key: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class ColumnsRequest(msgspec.Struct):
    """One series, all of it."""

    component: Run
    metric: Metric


class LiveRequest(msgspec.Struct):
    """Which runs' changes are told of, separated by commas; empty: all."""

    runs: Annotated[str, msgspec.Meta(max_length=200_000)] = ""


class RunPatch(msgspec.Struct):
    """What of a run is changed. A tag of null is removed."""

    display_name: Annotated[str, msgspec.Meta(min_length=1, max_length=120)] | None = None
    tags: dict[
        Annotated[str, msgspec.Meta(min_length=1, max_length=128)],
        Annotated[str, msgspec.Meta(max_length=256)] | None,
    ] = {}


class NoteRequest(msgspec.Struct):
    """A note at a step: of one metric, or of the whole run."""

    step: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    metric: Metric | None = None


class NotesRequest(msgspec.Struct):
    """Whose notes, and the axis on which they are to stand."""

    runs: Annotated[list[Run], msgspec.Meta(max_length=RUNS_PER_CHART_MAX)]
    x: XAxis = XAxis.STEP


def decode(body: bytes, kind: type[_Request]) -> _Request:
    """Read a request's JSON body.

    Raises:
        SerializationError: it is not JSON.
        ValidationError: a member does not fit.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise ValidationError([_problem(error)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        msg = f"The request body is not JSON: {error}."
        raise SerializationError(msg) from error


def decode_query(members: Mapping[str, str], kind: type[_Request]) -> _Request:
    """Read a request out of a query string. An empty member is one that is not there.

    Raises:
        ValidationError: a member does not fit.
    """
    given = {name: value for name, value in members.items() if value}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ValidationError([_problem(error)]) from error


def check_range(start: float | None, stop: float | None) -> None:
    """Refuse a range that is none.

    Raises:
        ValidationError: it ends before it begins, or is no range of numbers.
    """
    for name, value in (("start", start), ("stop", stop)):
        if value is not None and not abs(value) < float("inf"):
            raise ValidationError([f"Value at '{name}' must be a finite number"])
    if start is not None and stop is not None and start >= stop:
        raise ValidationError(["Value at 'start' must be less than the value at 'stop'"])


def _problem(error: msgspec.ValidationError) -> str:
    """Word a problem as the other planes do: the member first."""
    text = str(error)
    found = re.fullmatch(r"(.*?) - at `(?:key in )?\$(.*)`", text, re.DOTALL)
    if found is None:
        return text
    what, path = found.groups()
    return f"Value at '{path.removeprefix('.') or 'body'}': {what}"
