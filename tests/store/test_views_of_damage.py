"""Charts of a folder that is damaged: what cannot be read says so, and nothing else is touched."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from stepwell.model.errors import DamagedSeriesError
from stepwell.model.names import Component
from stepwell.query.digests import Digests
from stepwell.query.frames import Charts, SeriesFrame
from stepwell.query.grids import XAxis
from stepwell.query.plans import FrameQuery, RunSeries
from stepwell.query.smoothing import Smoothing
from stepwell.store.protocol import SeriesKey
from stepwell.store.sqlite.maintenance import compact_folder
from stepwell.store.sqlite.store import EmbeddedStore
from stepwell.testing.doors import RUN, put_of

METRICS = ["damaged", "whole", "large", "large-damaged"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """Give a store with compacted series, short and long."""
    with contextlib.closing(EmbeddedStore(tmp_path / "data")) as opened:
        for metric in METRICS:
            count = 5000 if metric.startswith("large") else 50
            points = [(metric, step, 1000 * step, step / 7) for step in range(count)]
            opened.append([put_of(*points)])
        compact_folder(tmp_path / "data")
        yield opened


def change(tmp_path: Path, statement: str, metric: str) -> None:
    """Change the chunk file behind the store's back."""
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "registry.db")) as registry:
        (number,) = registry.execute("SELECT id FROM series WHERE name = ?", (metric,)).fetchone()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "chunks.db")) as chunks:
        assert chunks.execute(f"{statement} WHERE series = ?", (number,)).rowcount == 1
        chunks.commit()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chunk SET vals = zeroblob(length(vals))",
        "UPDATE chunk SET crc = crc + 1",
        "UPDATE chunk SET count = count - 1",
        "DELETE FROM chunk",
        "UPDATE series_total SET points = points + 1",
    ],
)
@pytest.mark.parametrize("smoothing", [None, Smoothing.by_weight(0.5)])
@pytest.mark.parametrize("axis", list(XAxis))
def test_damage_is_an_error_of_its_series(
    tmp_path: Path, store: EmbeddedStore, statement: str, smoothing: Smoothing | None, axis: XAxis
) -> None:
    """A chunk that is damaged, or missing, is never a shorter curve."""
    for metric in ("damaged", "large-damaged"):
        change(tmp_path, statement, metric)
    charts = Charts(Digests(1 << 20))
    for _ in range(2):
        with store.view([SeriesKey(RUN, metric) for metric in METRICS]) as view:
            query = FrameQuery(axis, 10, smoothing=smoothing)
            chart = charts.chart(view, [RunSeries(each) for each in view.outlines], query)
        for metric, frame in zip(METRICS, chart.series, strict=True):
            if "damaged" in metric:
                assert isinstance(frame, DamagedSeriesError)
            else:
                assert isinstance(frame, SeriesFrame)
                assert frame.in_range == frame.points


def test_an_overview_of_damage(tmp_path: Path, store: EmbeddedStore) -> None:
    """A list of runs does not end where one of them is damaged."""
    store.append([put_of(("other", 1, 1, 1.0), component=Component(RUN.account, "other"))])
    change(tmp_path, "UPDATE chunk SET vals = zeroblob(length(vals))", "damaged")
    found = store.overviews([RUN, Component(RUN.account, "other")])
    assert [each is not None and each.points for each in found] == [10_100, 1]
