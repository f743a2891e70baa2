"""One connection pool to the catalog's database, migrated to the newest schema when it is opened.

All that depends on the dialect stands here: how a transaction begins and what its settings are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError

from stepwell.model.errors import FormatError, StoreUnavailableError

#: The newest migration in `migrations/versions`.
SCHEMA_VERSION = "0002"

_BUSY_S = 10
_IS_WRITE = "stepwell_is_write"


def sqlite_url(path: Path) -> str:
    """Give the URL of an SQLite file."""
    return sa.URL.create("sqlite", database=str(path.absolute())).render_as_string(
        hide_password=False
    )


class Database:
    """The catalog's database. Safe for threads; each transaction is one thread's."""

    def __init__(self, url: str) -> None:
        """Open it, and make or migrate its tables.

        Raises:
            FormatError: it was migrated by a newer Stepwell. Nothing is changed.
            StoreUnavailableError: it cannot be opened.
        """
        parsed = sa.make_url(url)
        self._is_sqlite = parsed.get_backend_name() == "sqlite"
        arguments: dict[str, Any] = {"timeout": _BUSY_S} if self._is_sqlite else {}
        self._engine = sa.create_engine(parsed, connect_args=arguments)
        if self._is_sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        with _unavailable_on_error():
            self._migrate()

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Run a block on one snapshot.

        Raises:
            StoreUnavailableError: the database is away.
        """
        with _unavailable_on_error(), self._engine.connect() as connection:
            if not self._is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Run a block in one transaction: durable at its end, or undone by an exception.

        Raises:
            StoreUnavailableError: the database is away, full, or locked for too long.
        """
        with _unavailable_on_error(), self._engine.connect() as connection:
            connection.execution_options(**{_IS_WRITE: True})
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _migrate(self) -> None:
        version = self._version()
        if version == SCHEMA_VERSION:
            return
        if version is not None and version > SCHEMA_VERSION:
            msg = (
                f"the catalog has schema {version}; this Stepwell knows up to {SCHEMA_VERSION}."
                " Nothing was changed: open it with a newer Stepwell."
            )
            raise FormatError(msg)
        # Alembic takes a while to import, and is needed once only.
        from stepwell.catalog.migrating import migrate  # noqa: PLC0415

        with self.write() as connection:
            migrate(connection)

    def _version(self) -> str | None:
        with self._engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            version: str | None = connection.scalar(
                sa.text("SELECT version_num FROM alembic_version")
            )
            return version


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # sqlite3 would begin transactions at moments of its own.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "secure_delete=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that begins as a reader and writes later may not wait for another writer.
    is_write = connection.get_execution_options().get(_IS_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


@contextlib.contextmanager
def _unavailable_on_error() -> Iterator[None]:
    """Turn the database's absence into the store's error; a broken rule stays what it is."""
    try:
        yield
    except (OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        msg = f"the catalog is not available: {cause}"
        raise StoreUnavailableError(msg) from error
