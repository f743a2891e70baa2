"""What a summary costs: what the number of metrics and chunks costs, whatever the points are."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stepwell.catalog.database import Database, sqlite_url
from stepwell.components import Components
from stepwell.model.experiments import Author
from stepwell.model.limits import Limits
from stepwell.model.names import Component
from stepwell.model.points import Put
from stepwell.server.control.components import HANDLERS
from stepwell.server.control.service import Control
from stepwell.store.protocol import SeriesKey
from stepwell.store.sqlite import chunks
from stepwell.store.sqlite.maintenance import compact_folder
from stepwell.store.sqlite.store import EmbeddedStore

ACCOUNT = "000000000000"
METRICS = 1_000
POINTS = 10_000


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect the sizes of all columns that are decoded, by whoever decodes them."""
    seen: list[int] = []

    def counting(encoded: bytes, out: Any) -> Any:
        seen.append(len(encoded))
        return decode(encoded, out)

    decode = chunks.standalone.simple_decompress_into
    monkeypatch.setattr(chunks.standalone, "simple_decompress_into", counting)
    return seen


def put(metric: int, first: int, count: int) -> Put:
    """Make a put of many points of one metric."""
    steps = np.arange(first, first + count)
    return Put(
        Component(ACCOUNT, "large"),
        [f"m{metric:04}"] * count,
        steps,
        steps * 1_000_000,
        np.sin(steps + metric),
        item_count=count,
    )


def test_a_large_component_is_described_without_its_points(
    tmp_path: Path, decoded: list[int]
) -> None:
    """1,000 metrics of 10,000 points: not one chunk is decoded to describe or to find them."""
    folder = tmp_path / "data"
    with contextlib.closing(EmbeddedStore(folder)) as store:
        for metric in range(METRICS):
            store.append([put(metric, 0, POINTS - 1)])
    compact_folder(folder)
    with (
        contextlib.closing(EmbeddedStore(folder)) as store,
        contextlib.closing(Database(sqlite_url(folder / "catalog.db"))) as database,
    ):
        # The last points are hot, so that both kinds are merged.
        store.append([put(metric, POINTS - 1, 1) for metric in range(METRICS)])
        control = Control(database, store, Limits())
        decoded.clear()
        name = {"TrialComponentName": "large"}
        found = HANDLERS["DescribeTrialComponent"](control, Author(ACCOUNT), name)["Metrics"]
        Components(store, database).refresh_summaries()
        assert decoded == []
        values = [np.sin(np.arange(POINTS) + metric) for metric in range(METRICS)]
        assert [each["MetricName"] for each in found] == [f"m{each:04}" for each in range(METRICS)]
        for each, column in zip(found, values, strict=True):
            assert each["Count"] == POINTS
            assert (each["Min"], each["Max"]) == (column.min(), column.max())
            assert each["Last"] == column[-1]
            assert each["Avg"] == pytest.approx(column.mean(), rel=1e-9, abs=1e-15)
            assert each["StdDev"] == pytest.approx(column.std(), rel=1e-12)
        # The counting itself counts.
        (series,) = store.read([SeriesKey(Component(ACCOUNT, "large"), "m0000")])
        assert not isinstance(series, Exception)
        assert len(series.points()) == POINTS
        assert decoded
