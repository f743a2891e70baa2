"""What the native API answers, as types, of which the OpenAPI document is made too."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

#: A double as JSON has it.
Number = float | Literal["NaN", "Infinity", "-Infinity"]


def number(value: float) -> Number:
    """Give a double as JSON can have it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


class EventDocument(msgspec.Struct):
    """A point that is no finite number."""

    x: float
    step: int | None
    timestamp_ms: float


class SeriesDocument(msgspec.Struct):
    """A series of a chart. In JSON `columns` has the columns, in a binary frame their names."""

    run: str
    points: int
    in_range: int
    without_x: int
    widest: int
    nan: int
    inf: int
    first_nan: EventDocument | None
    first_inf: EventDocument | None
    last_ms: float | None
    error: str | None
    rows: int
    offset: int
    columns: dict[str, list[Number]] | list[str]
    restarts: list[float]


class RobustDocument(msgspec.Struct):
    """A robust y-axis, how many finite points are below and above it, and the extremes of all."""

    low: float
    high: float
    below: int
    above: int
    least: float
    greatest: float


class ChartDocument(msgspec.Struct):
    """A chart: bucket i is [start + i * width, start + (i + 1) * width)."""

    metric: str
    start: float
    stop: float
    width: float
    buckets: int
    robust: RobustDocument | None
    series: list[SeriesDocument]


class FrameDocument(msgspec.Struct):
    """All charts of a request."""

    x: Literal["step", "relative", "wall"]
    charts: list[ChartDocument]


class PointsDocument(msgspec.Struct):
    """Raw points as [step, timestamp_ms, value], in order of arrival."""

    points: list[tuple[int | None, float, Number]]
    total: int
    next: str | None


class MetricDocument(msgspec.Struct):
    """A metric, and how many of the runs have it."""

    name: str
    runs: int


class MetricsDocument(msgspec.Struct):
    """Metrics by name."""

    metrics: list[MetricDocument]


class RankedDocument(msgspec.Struct):
    """A metric and how much it is worth a look."""

    name: str
    score: Number
    last_ms: float | None
    nan: int
    inf: int


class RankDocument(msgspec.Struct):
    """Metrics, the one most worth a look first."""

    metrics: list[RankedDocument]


class ColumnDocument(msgspec.Struct):
    """One metric's values, one a run in the order asked for; null where the run has no points."""

    last: list[Number | None]
    min: list[Number | None]
    max: list[Number | None]
    count: list[int]


class SummariesDocument(msgspec.Struct):
    """Columns of a table of runs, by metric."""

    columns: dict[str, ColumnDocument]


class TargetDocument(msgspec.Struct):
    """The first point that is beyond a target; `elapsed_ms` since the run's first of any metric."""

    step: int | None
    timestamp_ms: float
    elapsed_ms: float
    value: Number


class TargetsDocument(msgspec.Struct):
    """When runs got to a target, one a run in the order asked for; null: not yet."""

    targets: list[TargetDocument | None]


class ExperimentDocument(msgspec.Struct):
    """An experiment, and how many runs are in its trials."""

    name: str
    display_name: str
    created_ms: float
    runs: int


class ExperimentsDocument(msgspec.Struct):
    """A page of the experiments."""

    experiments: list[ExperimentDocument]
    next: str | None


class RunDocument(msgspec.Struct, kw_only=True):
    """A run: a trial component, where it belongs, what it was told, and how far it is.

    `ordinal` is the run's own for as long as it is there, and next to its neighbours'.
    """

    ordinal: int
    name: str
    display_name: str
    experiments: list[str]
    trials: list[str]
    status: str | None
    status_message: str | None
    created_ms: float
    modified_ms: float
    start_ms: float | None
    end_ms: float | None
    first_point_ms: float | None
    last_point_ms: float | None
    points: int
    metrics: int
    nan: int
    inf: int
    parameters: dict[str, str | Number]
    tags: dict[str, str]


class RunsDocument(msgspec.Struct):
    """A page of runs. Of very many, `total` is the number that was counted to."""

    runs: list[RunDocument]
    next: str | None
    total: int
    total_is_exact: bool


class MetricSummaryDocument(msgspec.Struct):
    """Statistics of all points of one metric of a run."""

    name: str
    count: int
    min: Number
    max: Number
    last: Number
    avg: Number
    std_dev: Number
    last_ms: float


class NoteDocument(msgspec.Struct):
    """A note at a step of a run; of one metric, or of all of them."""

    id: str
    metric: str | None
    step: int
    text: str
    created_ms: float
    created_by: str


class PlacedNoteDocument(NoteDocument, kw_only=True):
    """A note, and where it stands on the axis that was asked for; null: no point got so far."""

    x: float | None


class NotedDocument(msgspec.Struct):
    """Notes by step, by run; runs without any are left out."""

    notes: dict[str, list[PlacedNoteDocument]]


class RunDetailDocument(RunDocument, kw_only=True):
    """A run with all there is to say about it."""

    metric_summaries: list[MetricSummaryDocument]
    notes: list[NoteDocument]


class SessionDocument(msgspec.Struct):
    """Who is signed in, and what a page needs to know of this server."""

    auth: Literal["off", "keys"]
    signed_in: bool
    account: str | None
    key_id: str | None
    role: str | None
    csrf: str | None
    region: str
    endpoint: str
    version: str


class ErrorDocument(msgspec.Struct, rename={"type": "__type"}):
    """Why a request was refused."""

    type: str
    message: str
