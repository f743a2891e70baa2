"""The catalog's table of summaries, brought up to now by processes that share their work."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from stepwell.catalog.database import Database, sqlite_url
from stepwell.catalog.tables import component, metric_summary
from stepwell.components import Following
from stepwell.model.errors import StoreError
from stepwell.model.names import Component
from stepwell.model.points import Put
from stepwell.model.summaries import MetricSummary
from stepwell.store.protocol import Change, NewComponent
from stepwell.store.sqlite.compacting import compact_until
from stepwell.store.sqlite.folder import Folder
from stepwell.store.sqlite.store import EmbeddedStore

ACCOUNT = "0" * 12


class Feed:
    """A store's feed that notes what was summed up, and lets others act in between."""

    def __init__(self, store: EmbeddedStore) -> None:
        """Note nothing yet."""
        self._store = store
        self.summed_up: list[str] = []
        self.in_between: Callable[[], None] | None = None

    def components_since(self, mark: int) -> tuple[list[NewComponent], int]:
        """Pass the question on."""
        return self._store.components_since(mark)

    def changed_since(self, mark: int) -> tuple[list[Change], int]:
        """Pass the question on."""
        return self._store.changed_since(mark)

    def summaries(self, components: Sequence[Component]) -> list[list[MetricSummary] | StoreError]:
        """Sum up, then let others act, once."""
        self.summed_up += [each.name for each in components]
        found = self._store.summaries(components)
        act, self.in_between = self.in_between, None
        if act is not None:
            act()
        return found


class Process:
    """What a process has of its own: a feed, connections, what it remembers."""

    def __init__(self, store: EmbeddedStore, path: Path) -> None:
        """Open the catalog."""
        self.feed = Feed(store)
        self.database = Database(sqlite_url(path))
        self._following = Following(self.feed, self.database)

    def refresh(self) -> list[str]:
        """Bring the table up to now; give what had to be summed up for that."""
        self.feed.summed_up = []
        self._following.refresh_summaries()
        return sorted(self.feed.summed_up)

    def last_values(self) -> dict[str, float]:
        """Read the table."""
        query = sa.select(component.c.name, metric_summary.c.last).join(metric_summary)
        with self.database.read() as connection:
            return {row.name: row.last for row in connection.execute(query)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """Give a store with two components."""
    opened = EmbeddedStore(tmp_path / "data")
    put(opened, "a", 1.0)
    put(opened, "b", 2.0)
    yield opened
    opened.close()


@pytest.fixture
def processes(store: EmbeddedStore, tmp_path: Path) -> Iterator[tuple[Process, Process]]:
    """Give two processes on one catalog."""
    one, other = (Process(store, tmp_path / "catalog.db") for _ in range(2))
    yield one, other
    one.database.close()
    other.database.close()


def put(store: EmbeddedStore, name: str, value: float) -> None:
    """Put one point."""
    store.append([Put(Component(ACCOUNT, name), ["m"], [0], [0], [value], item_count=1)])


def test_what_one_has_summed_up_the_other_has_not_to(
    store: EmbeddedStore, processes: tuple[Process, Process]
) -> None:
    """A component is summed up once for all processes, and again when it got points."""
    one, other = processes
    assert one.refresh() == ["a", "b"]
    assert other.refresh() == []
    put(store, "b", 3.0)
    assert other.refresh() == ["b"]
    assert one.refresh() == []
    assert one.last_values() == {"a": 1.0, "b": 3.0}
    put(store, "c", 4.0)
    assert one.refresh() == ["c"]
    assert other.refresh() == []


def test_an_older_summary_does_not_replace_a_newer_one(
    store: EmbeddedStore, processes: tuple[Process, Process]
) -> None:
    """Of two processes that sum one component up at once, the newer result stays."""
    one, other = processes

    def act() -> None:
        put(store, "a", 5.0)
        assert other.refresh() == ["a", "b"]

    one.feed.in_between = act
    one.refresh()
    assert one.last_values() == other.last_values() == {"a": 5.0, "b": 2.0}
    other.refresh()
    assert other.last_values() == {"a": 5.0, "b": 2.0}


def test_nobody_waits_for_summing_up(processes: tuple[Process, Process]) -> None:
    """While one process sums up, another one writes to the catalog."""
    one, other = processes
    one.refresh()

    def act() -> None:
        with other.database.write() as connection:
            connection.execute(sa.delete(metric_summary))

    put(one.feed._store, "a", 6.0)
    one.feed.in_between = act
    one.refresh()
    assert one.last_values() == {"a": 6.0}


def test_one_that_is_deleted_meanwhile(
    store: EmbeddedStore, processes: tuple[Process, Process]
) -> None:
    """A component that goes while it is summed up is not written, and nothing fails."""
    one, other = processes
    one.refresh()

    def act() -> None:
        with other.database.write() as connection:
            for table in sa.inspect(connection).get_table_names():
                if table in {"metric_summary", "summary_stamp"}:
                    connection.execute(sa.text(f"DELETE FROM {table}"))
            connection.execute(sa.delete(component).where(component.c.name == "a"))
        store.delete(Component(ACCOUNT, "a"))

    put(store, "a", 7.0)
    one.feed.in_between = act
    one.refresh()
    assert one.last_values() == {}


def test_refreshing_does_not_wait_for_compaction(store: EmbeddedStore, tmp_path: Path) -> None:
    """Who compacts is called after every look, whether there was something to compact or not."""
    looks = iter([False, False, False, True])
    called: list[None] = []
    with contextlib.closing(store):
        compact_until(
            lambda _seconds: next(looks),
            Folder(tmp_path / "data", create=False),
            0.0,
            lambda: called.append(None),
        )
    assert len(called) == 3
