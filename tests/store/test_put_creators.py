"""A component that a put made has the put's access key as its creator, as one of the API has."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stepwell.catalog import components
from stepwell.catalog.database import Database, sqlite_url
from stepwell.catalog.entities import Work
from stepwell.catalog.paging import Paging
from stepwell.catalog.search.expressions import Expression, Filter, Operator
from stepwell.catalog.search.searching import search
from stepwell.components import Components
from stepwell.model.experiments import Author, Kind, Stamp
from stepwell.model.limits import Limits
from stepwell.model.names import Component
from stepwell.model.points import Put
from stepwell.store.sqlite.folder import REGISTRY_FILE
from stepwell.store.sqlite.store import EmbeddedStore

ACCOUNT = "123456789012"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """Give an empty store."""
    opened = EmbeddedStore(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Give an empty catalog."""
    opened = Database(sqlite_url(tmp_path / "catalog.db"))
    yield opened
    opened.close()


@pytest.fixture
def stamp_of(store: EmbeddedStore, database: Database) -> Callable[[str], Stamp]:
    """Give a function that looks a component's stamp up."""
    both = Components(store, database)

    def look_up(name: str) -> Stamp:
        both.follow()
        with database.read() as connection:
            return components.get(Work(connection, Author(ACCOUNT), 0, Limits()), name).stamp

    return look_up


def put(store: EmbeddedStore, name: str, owner: str, metric: str = "m") -> None:
    """Put one point, signed with a key."""
    component = Component(ACCOUNT, name)
    store.append([Put(component, [metric], [0], [0], [1.0], item_count=1, owner=owner)])


def test_the_first_put_makes_it(
    store: EmbeddedStore, database: Database, stamp_of: Callable[[str], Stamp]
) -> None:
    """The key of the first put is whose it is, whoever puts later; and it is found by that key."""
    put(store, "a", "SWAK1")
    put(store, "a", "SWAK2", "other")
    put(store, "b", "SWAK2")
    put(store, "c", "")
    assert [stamp_of(name).created_by for name in "abc"] == ["SWAK1", "SWAK2", ""]
    assert [stamp_of(name).modified_by for name in "abc"] == ["SWAK1", "SWAK2", ""]
    asked = Filter("CreatedBy.IamIdentity.PrincipalId", Operator.EQUALS, "SWAK2")
    with database.read() as connection:
        work = Work(connection, Author(ACCOUNT), 0, Limits())
        page, _, _ = search(work, Kind.COMPONENT, Expression((asked,)), "CreationTime", Paging(10))
    assert [row.name for row in page.rows] == ["b"]


def test_made_again(store: EmbeddedStore) -> None:
    """What is deleted and made again is its new maker's."""
    put(store, "a", "SWAK1")
    store.delete(Component(ACCOUNT, "a"))
    put(store, "a", "SWAK2")
    (made,), _ = store.components_since(0)
    assert made.created_by == "SWAK2"
    store.delete(Component(ACCOUNT, "a"))
    store.create(Component(ACCOUNT, "a"))
    (made,), _ = store.components_since(0)
    assert made.created_by == ""


def test_a_folder_of_before(tmp_path: Path) -> None:
    """A folder that knows no creators is opened as it is; its components have none."""
    folder = tmp_path / "old"
    old = EmbeddedStore(folder)
    put(old, "a", "SWAK1")
    old.close()
    connection = sqlite3.connect(folder / REGISTRY_FILE)
    connection.execute("DROP TABLE creator")
    connection.close()
    again = EmbeddedStore(folder)
    put(again, "b", "SWAK1")
    found, _ = again.components_since(0)
    again.close()
    assert [(each.component.name, each.created_by) for each in found] == [
        ("a", ""),
        ("b", "SWAK1"),
    ]
