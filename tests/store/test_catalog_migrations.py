"""The catalog's migrations lead to the tables that the code has, from every version."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from stepwell.catalog import database
from stepwell.catalog.database import SCHEMA_VERSION, Database, sqlite_url
from stepwell.catalog.migrating import migrate
from stepwell.catalog.tables import metadata
from stepwell.model.errors import FormatError

VERSIONS = ("0001", "0002")


def test_migrations_lead_to_the_tables(tmp_path: Path) -> None:
    """A new database has every table, column and index of the code, and no other."""
    with (
        contextlib.closing(Database(sqlite_url(tmp_path / "catalog.db"))) as opened,
        opened.read() as connection,
    ):
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_older_databases_are_migrated(tmp_path: Path, version: str) -> None:
    """What an older Stepwell has left is there afterwards, with the tables that came since."""
    url = sqlite_url(tmp_path / "catalog.db")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        migrate(connection, version)
        connection.execute(
            sa.text(
                "INSERT INTO component (account, name, name_key, metadata, created_us, created_by,"
                " modified_us, modified_by) VALUES ('0', 'a', 'a', '{}', 1, '', 1, '')"
            )
        )
    engine.dispose()
    with contextlib.closing(Database(url)) as opened, opened.read() as connection:
        assert connection.scalar(sa.text("SELECT name FROM component")) == "a"
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        assert found == SCHEMA_VERSION == VERSIONS[-1]


def test_newer_databases_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of a newer Stepwell is refused, and not changed."""
    url = sqlite_url(tmp_path / "catalog.db")
    Database(url).close()
    monkeypatch.setattr(database, "SCHEMA_VERSION", "0001")
    with pytest.raises(FormatError, match=SCHEMA_VERSION):
        Database(url)
