"""What tags cost does not grow with the tags of others: SQLite's plans are held to the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from stepwell.catalog import experiments, tags
from stepwell.catalog.database import Database, sqlite_url
from stepwell.catalog.entities import Work
from stepwell.model.experiments import Author, Kind, Tag
from stepwell.model.limits import Limits

TAGS = [Tag("team", "vision"), Tag("era", "1")]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Give a catalog with one experiment, which has tags."""
    path: Path = tmp_path_factory.mktemp("catalog") / "catalog.db"
    opened = Database(sqlite_url(path))
    with opened.write() as connection:
        experiments.create(Work(connection, Author("0" * 12), 0, Limits()), "E", with_tags=TAGS)
    yield opened
    opened.close()


def _plans(database: Database, act: Callable[[sa.Connection], object]) -> list[str]:
    """Do something and give the steps of SQLite's plans for all of its statements."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    with database.write() as connection:
        sa.event.listen(connection, "before_cursor_execute", note)
        act(connection)
        sa.event.remove(connection, "before_cursor_execute", note)
        return [
            row[3]
            for statement, values in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]


@pytest.mark.parametrize(
    "act",
    [
        lambda connection: tags.of_entity(connection, Kind.EXPERIMENT, 1),
        lambda connection: tags.of_entities(connection, Kind.EXPERIMENT, [*range(1, 101)]),
        lambda connection: tags.add(connection, Kind.EXPERIMENT, 1, [*TAGS, Tag("new", "")]),
        lambda connection: tags.remove(connection, Kind.EXPERIMENT, 1, ["era", "none"]),
        lambda connection: tags.forget(connection, Kind.EXPERIMENT, 1),
    ],
    ids=["list", "list several", "add", "remove", "forget"],
)
def test_only_the_entities_own_tags_are_read(
    database: Database, act: Callable[[sa.Connection], object]
) -> None:
    """Every way to an entity's tags begins at the entity."""
    steps = [each for each in _plans(database, act) if each.startswith(("SCAN", "SEARCH"))]
    assert steps
    for each in steps:
        assert "entity_kind=? AND entity_id=?" in each


def test_no_tags_ask_for_nothing(database: Database) -> None:
    """Whatever is created without tags does not look any up."""
    assert _plans(database, lambda connection: tags.add(connection, Kind.EXPERIMENT, 1, [])) == []
