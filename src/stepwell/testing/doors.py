"""How the contract suite opens a store, and how its tests put and read."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

import pytest

from stepwell.model.limits import Limits
from stepwell.model.names import Component
from stepwell.model.points import Put
from stepwell.store.protocol import Series, SeriesKey, StepRange, Store, TimeRange

RUN = Component("000000000000", "run")
OTHER_RUN = Component("000000000000", "other-run")
NOW_US = 1_700_000_000_000_000


class Door(Protocol):
    """How the suite opens a store. All stores that one door opens share one set of data."""

    def open(self, limits: Limits | None = None) -> Store:
        """Open the data once more, as another process would. The door closes what it opened."""

    def reopen(self, limits: Limits | None = None) -> Store:
        """Close everything that is open, then open the data."""

    def settle(self) -> None:
        """Bring stored points into their final form (compaction, merges), if there is one."""

    def advance(self, seconds: float) -> None:
        """Move the stores' clock forward."""


def put_of(
    *points: tuple[str, int, int, float],
    component: Component = RUN,
    put_id: str | None = None,
    **members: object,
) -> Put:
    """Make a put from points (metric, step, timestamp_us, value)."""
    metrics, steps, timestamps_us, values = ([*column] for column in zip(*points, strict=True))
    put = Put(component, metrics, steps, timestamps_us, values, len(points), put_id=put_id)
    for name, value in members.items():
        setattr(put, name, value)
    return put


def losses(*values: float, component: Component = RUN, put_id: str | None = None) -> Put:
    """Make a put of one metric, `loss`, at steps 0, 1, ..."""
    points = [("loss", step, NOW_US + step, value) for step, value in enumerate(values)]
    return put_of(*points, component=component, put_id=put_id)


def series_of(
    store: Store,
    metric: str = "loss",
    component: Component = RUN,
    within: TimeRange | StepRange | None = None,
) -> Series:
    """Read one series; an error that stands in its place is raised."""
    (series,) = store.read([SeriesKey(component, metric)], within)
    if isinstance(series, Exception):
        raise series
    return series


def values_of(
    store: Store,
    metric: str = "loss",
    component: Component = RUN,
    within: TimeRange | StepRange | None = None,
) -> list[float]:
    """Read one series' values."""
    values: list[float] = series_of(store, metric, component, within).points().values.tolist()
    return values


def bits(values: Sequence[float]) -> list[bytes]:
    """Give what distinguishes NaN from NaN and 0.0 from -0.0."""
    return [struct.pack("<d", value) for value in values]


class BehindDoor:
    """What every part of the suite works with. Subclasses give the fixture `door`."""

    @pytest.fixture
    def store(self, door: Door) -> Store:
        """Give an open store without data."""
        return door.open()

    @pytest.fixture(params=["fresh", "settled"])
    def settle(self, request: pytest.FixtureRequest, door: Door) -> Door | None:
        """Run a test with points as they came and with points in their final form."""
        return door if request.param == "settled" else None
