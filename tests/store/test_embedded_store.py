"""The embedded store keeps the store contract, and what only it promises."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stepwell.model.errors import DamagedSeriesError
from stepwell.model.limits import Limits
from stepwell.store.sqlite.checking import check_folder
from stepwell.store.sqlite.compaction import Compactor
from stepwell.store.sqlite.folder import Folder
from stepwell.store.sqlite.maintenance import compact_folder, folder_size
from stepwell.store.sqlite.store import EmbeddedStore
from stepwell.testing.doors import OTHER_RUN, RUN, losses, series_of, values_of
from stepwell.testing.store_contract import StoreContract
from stepwell.testing.store_machine import run_machine


class EmbeddedDoor:
    """Opens a folder as often as is asked for, each time as another worker would."""

    def __init__(self, path: Path) -> None:
        """Open nothing yet."""
        self.path = path
        self._open: list[EmbeddedStore] = []
        self._ahead_ns = 0

    def now_ns(self) -> int:
        """Tell the time as the stores see it."""
        return time.time_ns() + self._ahead_ns

    def open(self, limits: Limits | None = None) -> EmbeddedStore:
        """Open the folder once more."""
        store = EmbeddedStore(self.path, limits, is_shared=True, now_ns=self.now_ns)
        self._open.append(store)
        return store

    def reopen(self, limits: Limits | None = None) -> EmbeddedStore:
        """Close everything, then open the folder."""
        self.close()
        return self.open(limits)

    def settle(self) -> None:
        """Compact everything."""
        with contextlib.closing(Compactor(Folder(self.path))) as compactor:
            assert compactor.try_start(wait=True)
            compactor.run_fully(self.now_ns())

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._ahead_ns += int(seconds * 1e9)

    def close(self) -> None:
        """Close every store."""
        while self._open:
            self._open.pop().close()


@contextlib.contextmanager
def temporary_door() -> Iterator[EmbeddedDoor]:
    """Give a door to a folder that is deleted in the end."""
    with tempfile.TemporaryDirectory() as path:
        door = EmbeddedDoor(Path(path))
        try:
            yield door
        finally:
            door.close()


@pytest.fixture
def door() -> Iterator[EmbeddedDoor]:
    """Give a door to an empty folder."""
    with temporary_door() as opened:
        yield opened


class TestEmbeddedStore(StoreContract):
    """The contract."""


def test_against_a_dictionary() -> None:
    """Any sequence of puts, retries, compactions, restarts and deletes gives what a dict would."""
    run_machine(temporary_door)


def test_chunks_are_merged_in_tiers(door: EmbeddedDoor) -> None:
    """A thousand small rounds leave few chunks, and every point in its order."""
    store = door.open()
    with contextlib.closing(Compactor(Folder(door.path))) as compactor:
        assert compactor.try_start()
        for index in range(400):
            store.append([losses(float(index))])
            compactor.run_round(door.now_ns())
    assert folder_size(door.path).chunks <= 4 * 3
    assert values_of(store) == [float(index) for index in range(400)]
    assert check_folder(door.path).problems == []


def test_deleting_gives_space_back(door: EmbeddedDoor) -> None:
    """After delete and compact the folder is as small as before the points came."""
    store = door.open()
    door.reopen().append([losses(0.0)])
    door.close()
    compact_folder(door.path)
    before = folder_size(door.path).bytes
    store = door.open()
    for start in range(0, 200_000, 10_000):
        store.append([losses(*(value * 0.1234567 for value in range(start, start + 10_000)))])
    door.settle()
    assert folder_size(door.path).bytes > before + 200_000
    store.delete(RUN)
    door.close()
    compact_folder(door.path)
    assert folder_size(door.path).bytes < before + 100_000
    assert check_folder(door.path).problems == []


def test_the_point_limit_holds_across_processes(door: EmbeddedDoor) -> None:
    """Two processes together store no more points than the limit allows."""
    limits = Limits.of("stepwell", {"points_per_component": 25})
    stores = [door.open(limits), door.open(limits)]
    outcomes = [stores[index % 2].append([losses(1.0, 2.0, 3.0)])[0] for index in range(12)]
    assert sum(outcome.stored for outcome in outcomes) == 25
    assert len(values_of(stores[0])) == 25


def test_hot_rows_of_a_dead_worker_are_compacted(door: EmbeddedDoor) -> None:
    """What a worker that is gone left in its hot file moves to chunks, and its file empties."""
    first, second = door.open(), door.open()
    first.append([losses(1.0)])
    second.append([losses(2.0)])
    assert folder_size(door.path).hot_rows == 2
    second.close()
    door.settle()
    assert folder_size(door.path).hot_rows == 0
    assert values_of(first) == [1.0, 2.0]


def test_a_folder_that_never_noted_changes(door: EmbeddedDoor) -> None:
    """Of a folder made before there was a table of changes, all is told once, then what changes."""
    store = door.open()
    store.append([losses(1.0), losses(1.0, component=OTHER_RUN)])
    door.settle()
    door.close()
    with contextlib.closing(sqlite3.connect(door.path / "chunks.db")) as chunks:
        chunks.execute("DROP TABLE touched")
    store = door.open()
    changes, mark = store.changed_since(0)
    assert {change.component for change in changes} == {RUN, OTHER_RUN}
    assert store.changed_since(mark) == ([], mark)
    store.append([losses(2.0)])
    door.settle()
    assert [change.component for change in store.changed_since(mark)[0]] == [RUN]


def test_a_folder_that_never_noted_what_is_single(door: EmbeddedDoor) -> None:
    """Of chunks made before that was noted, values have the wide type; later ones tell."""
    store = door.open()
    store.append([losses(1.0)])
    door.settle()
    assert series_of(store).types.values == np.float32
    door.close()
    with contextlib.closing(sqlite3.connect(door.path / "chunks.db")) as chunks:
        chunks.execute("ALTER TABLE chunk DROP COLUMN is_single")
    store = door.open()
    assert series_of(store).types.values == np.float64
    assert check_folder(door.path).problems == []
    store.append([losses(2.0)])
    door.settle()
    # The two chunks became one.
    assert series_of(store).types.values == np.float32
    assert values_of(store) == [1.0, 2.0]


@pytest.mark.parametrize(
    "change",
    [
        "step_max = step_max + 1",
        "timestamp_min = timestamp_min - 1",
        "first = 7",
        "nan_count = 1",
        "finite_max = NULL",
        "mean = mean + 1",
        "m2 = 0",
        "is_single = 1",
    ],
)
def test_check_finds_a_wrong_summary(door: EmbeddedDoor, change: str) -> None:
    """Whatever a summary says that its points do not is named, with the series."""
    store = door.open()
    store.append([losses(0.1, 0.2, 0.3)])
    door.settle()
    assert check_folder(door.path).problems == []
    with contextlib.closing(sqlite3.connect(door.path / "chunks.db")) as chunks:
        chunks.execute(f"UPDATE chunk SET {change}")
        chunks.commit()
    (problem,) = check_folder(door.path).problems
    assert "'loss' of trial component 'run'" in problem
    assert f"{change.split(maxsplit=1)[0]} is " in problem


def test_summaries_of_a_damaged_series(door: EmbeddedDoor) -> None:
    """A component whose chunk is missing gets an error that names the metric; others go on."""
    store = door.open()
    store.append([losses(1.0), losses(2.0, component=OTHER_RUN)])
    door.settle()
    with contextlib.closing(sqlite3.connect(door.path / "chunks.db")) as chunks:
        chunks.execute("DELETE FROM chunk WHERE first = 1.0")
        chunks.commit()
    damaged, whole = store.summaries([RUN, OTHER_RUN])
    assert isinstance(damaged, DamagedSeriesError)
    assert "'loss' of trial component 'run' is damaged" in str(damaged)
    assert isinstance(whole, list)
    assert [each.last for each in whole] == [2.0]


def test_summaries_decode_no_chunk(door: EmbeddedDoor) -> None:
    """Summaries come from what is kept beside the points: their bytes are not looked at."""
    store = door.open()
    store.append([losses(1.0, 2.0, math.nan)])
    door.settle()
    before = store.summaries([RUN])
    with contextlib.closing(sqlite3.connect(door.path / "chunks.db")) as chunks:
        chunks.execute("UPDATE chunk SET vals = x''")
        chunks.commit()
    # As text, for NaN is not equal to itself.
    assert repr(store.summaries([RUN])) == repr(before)
