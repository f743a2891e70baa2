"""What unit tests share: a series out of a list, real stores, and the way from words to a query."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from stepwell.model.errors import QueryError
from stepwell.model.limits import Limits
from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.points import NO_STEP, Float64Array, Int64Array, Points, Put
from stepwell.model.queries import MetricQuery
from stepwell.store.protocol import ColumnName, ColumnTypes, Series, SeriesKey, StepRange, TimeRange
from stepwell.store.sqlite.maintenance import compact_folder
from stepwell.store.sqlite.store import EmbeddedStore
from stepwell.testing.reference import ReferencePoint, ReferenceQuery
from stepwell.wire.get_metrics import decode_get

METRIC = "loss"

Range = TimeRange | StepRange | None
ReferencePoints = Sequence[ReferencePoint]
#: Reads a series that holds these points, within a range.
ReadSeries = Callable[[ReferencePoints, Range], Series]
AsQuery = Callable[[ReferenceQuery], MetricQuery | QueryError]


class ListSeries:
    """A series that is simply there. See `protocol.Series`."""

    def __init__(self, points: Points, within: Range) -> None:
        """Hold the points, as a store that cuts them to the range."""
        kept = np.ones(len(points), np.bool_)
        if within is not None:
            column = points.timestamps_us if isinstance(within, TimeRange) else points.steps
            kept = (column >= within[0]) & (column < within[1])
        if isinstance(within, StepRange):
            kept &= points.steps != NO_STEP
        self._points = Points(points.steps[kept], points.timestamps_us[kept], points.values[kept])
        self.count = len(points)
        self.count_without_step = int((points.steps == NO_STEP).sum())

    @property
    def types(self) -> ColumnTypes:
        """Give the types that they have."""
        return ColumnTypes(np.dtype(np.int64), np.dtype(np.int64), np.dtype(np.float64))

    def points(self) -> Points:
        """Give the points within the range."""
        return self._points

    def column(self, name: ColumnName) -> Iterator[Int64Array | Float64Array]:
        """Give one column, in one piece."""
        yield getattr(self._points, name)


def columns(points: ReferencePoints) -> Points:
    """Turn points into columns."""
    return Points(
        np.array([NO_STEP if p.step is None else p.step for p in points], np.int64),
        np.array([p.timestamp_us for p in points], np.int64),
        np.array([p.value for p in points], np.float64),
    )


@pytest.fixture(scope="session")
def list_series() -> ReadSeries:
    """Give a series that is simply there."""
    return lambda points, within: ListSeries(columns(points), within)


@pytest.fixture(scope="session")
def as_query() -> AsQuery:
    """Send a query in the words of the wire through the decoder of BatchGetMetrics."""

    def decode(asked: ReferenceQuery) -> MetricQuery | QueryError:
        document = {
            "ResourceArn": f"arn:aws:sagemaker:eu-west-1:{DEFAULT_ACCOUNT}:"
            "experiment-trial-component/a",
            "MetricName": METRIC,
            "MetricStat": asked.statistic,
            "Period": asked.period,
            "XAxisType": asked.axis,
            "Start": asked.start,
            "End": asked.end,
        }
        body = json.dumps({"MetricQueries": [document]}).encode()
        return decode_get(body, Limits(), account=DEFAULT_ACCOUNT)[0]

    return decode


@pytest.fixture(scope="module")
def stored_series(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[ReferencePoints, Sequence[int]], ReadSeries]]:
    """Give a function that stores points in a real folder, compacting it at some places.

    The second argument lists how many points are there at each compaction. Each series is a
    component of its own in one folder; what comes back reads it.
    """
    folder = tmp_path_factory.mktemp("stored")
    store = EmbeddedStore(folder)
    numbers = itertools.count()

    def keep(points: ReferencePoints, compact_at: Sequence[int]) -> ReadSeries:
        component = Component(DEFAULT_ACCOUNT, f"c{next(numbers)}")
        start = 0
        for stop in (*sorted(compact_at), len(points)):
            if start < stop:
                store.append([put_of(component, points[start:stop])])
            if stop in compact_at:
                compact_folder(folder)
            start = stop
        store.append([put_of(component, [ReferencePoint(0, 0, 0.0)], metric="other")])
        return lambda _points, within: read_one(store, component, within)

    yield keep
    store.close()


def put_of(component: Component, points: ReferencePoints, metric: str = METRIC) -> Put:
    """Make a put of points of one metric."""
    made = columns(points)
    return Put(
        component,
        [metric] * len(made),
        made.steps,
        made.timestamps_us,
        made.values,
        item_count=len(made),
    )


def read_one(store: EmbeddedStore, component: Component, within: Range) -> Series:
    """Read the one series that the tests put to."""
    series = store.read([SeriesKey(component, METRIC)], within)[0]
    assert not isinstance(series, Exception), series
    return series


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a data folder that is not there yet."""
    return tmp_path / "data"
