"""One connection pool to the catalog's database, migrated to the newest schema when it is opened.

All that depends on the dialect stands here: how a transaction begins and what its settings are.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from stepwell.model.errors import FormatError, StoreUnavailableError

#: The newest migration in `migrations/versions`.
SCHEMA_VERSION = "0002"

_BUSY_S = 10
_TRY_AGAIN_S = 0.01
#: What SQLite calls the mode in which free pages are returned when asked for.
_INCREMENTAL = 2
_IS_WRITE = "stepwell_is_write"
_IS_DERIVED = "stepwell_is_derived"


def sqlite_url(path: Path) -> str:
    """Give the URL of an SQLite file."""
    return sa.URL.create("sqlite", database=str(path.absolute())).render_as_string(
        hide_password=False
    )


class _DamagedError(StoreUnavailableError):
    """What is read is no database. Whoever opens it is told so; to requests it is away."""


class AsciiLower(FunctionElement[str]):
    """A text with its ASCII letters in lower case, and all others as they are."""

    name = "ascii_lower"
    type = sa.Text()
    inherit_cache = True


@compiles(AsciiLower)
def _lower(element: AsciiLower, compiler: SQLCompiler, **options: Any) -> str:
    """SQLite's own function knows ASCII only."""
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(AsciiLower, "postgresql")
def _lower_on_postgresql(element: AsciiLower, compiler: SQLCompiler, **options: Any) -> str:
    """What a letter is, is the collation's business there."""
    return f'lower(({compiler.process(element.clauses, **options)}) COLLATE "C")'


class Database:
    """The catalog's database. Safe for threads; each transaction is one thread's."""

    def __init__(self, url: str, *, migrates: bool = True) -> None:
        """Open it, and make or migrate its tables, unless told not to.

        Raises:
            FormatError: it was migrated by a newer Stepwell, or is none. Nothing is changed.
            StoreUnavailableError: it cannot be opened.
        """
        parsed = sa.make_url(url)
        self._is_sqlite = parsed.get_backend_name() == "sqlite"
        arguments: dict[str, Any] = {"timeout": _BUSY_S} if self._is_sqlite else {}
        self._engine = sa.create_engine(parsed, connect_args=arguments)
        if self._is_sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        self._watching: list[sa.PoolProxiedConnection] = []
        try:
            with _unavailable_on_error():
                version = self._checked_version()
                if migrates and version != SCHEMA_VERSION:
                    self._migrate()
        except _DamagedError as error:
            self.close()
            raise FormatError(str(error)) from error
        except BaseException:
            self.close()
            raise

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
    def write(self, *, is_derived: bool = False) -> Iterator[sa.Connection]:
        """Run a block in one transaction: durable at its end, or undone by an exception.

        What is derived need not be durable: it can be made again, if nothing that is written later
        remains either.

        Raises:
            StoreUnavailableError: the database is away, full, or locked for too long.
        """
        with _unavailable_on_error(), self._engine.connect() as connection:
            connection.execution_options(**{_IS_WRITE: True, _IS_DERIVED: is_derived})
            with connection.begin():
                yield connection

    def watch(self) -> Callable[[], object]:
        """Give a function that tells cheaply, on this thread, whether anything was committed.

        As long as its values are equal nothing was. It raises StoreUnavailableError.
        """
        if not self._is_sqlite:
            return object
        # A bare connection that never commits; SQLAlchemy would take fifty times as long.
        with _unavailable_on_error():
            watching = self._engine.raw_connection()
        watching.detach()
        self._watching.append(watching)
        cursor = watching.cursor()

        def version() -> object:
            try:
                return cursor.execute("PRAGMA data_version").fetchone()
            except sqlite3.Error as error:
                msg = f"the catalog is not available: {error}"
                raise StoreUnavailableError(msg) from error

        return version

    def damage(self) -> list[str]:
        """Let SQLite look at every page, index and rule of its file; give what is wrong."""
        if not self._is_sqlite:
            return []
        with _unavailable_on_error(), self._engine.connect() as connection:
            rows = connection.exec_driver_sql("PRAGMA integrity_check(10)").scalars().all()
        return [f"catalog: {row}" for row in rows if row != "ok"]

    def give_space_back(self) -> None:
        """Return free pages to the file system. A file made before they could be is made anew.

        Raises:
            StoreUnavailableError: it is locked for too long, or there is no room.
        """
        if not self._is_sqlite:
            return
        with _unavailable_on_error(), contextlib.closing(self._engine.raw_connection()) as pooled:
            connection: Any = pooled.driver_connection
            if connection.execute("PRAGMA freelist_count").fetchone()[0]:
                if connection.execute("PRAGMA auto_vacuum").fetchone()[0] == _INCREMENTAL:
                    connection.executescript("PRAGMA incremental_vacuum")
                else:
                    connection.executescript("PRAGMA auto_vacuum=INCREMENTAL; VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def is_current(self) -> bool:
        """Say whether its tables are the ones that this Stepwell knows."""
        with _unavailable_on_error():
            return self._version() == SCHEMA_VERSION

    def close(self) -> None:
        """Close all connections."""
        for each in self._watching:
            each.close()
        self._engine.dispose()

    def _checked_version(self) -> str | None:
        version = self._version()
        if version is not None and version > SCHEMA_VERSION:
            msg = (
                f"the catalog has schema {version}; this Stepwell knows up to {SCHEMA_VERSION}."
                " Nothing was changed: open it with a newer Stepwell."
            )
            raise FormatError(msg)
        return version

    def _migrate(self) -> None:
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
    # It only counts before the first table is there, and would write to a file that has some.
    if not connection.execute("PRAGMA page_count").fetchone()[0]:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    _use_wal(connection)
    for pragma in (
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "secure_delete=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Keep a log beside the file. SQLite does not wait where two processes change that at once."""
    deadline = time.monotonic() + _BUSY_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_TRY_AGAIN_S)


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that begins as a reader and writes later may not wait for another writer.
    options = connection.get_execution_options()
    is_write = options.get(_IS_WRITE, False)
    if is_write:
        level = "NORMAL" if options.get(_IS_DERIVED, False) else "FULL"
        connection.exec_driver_sql(f"PRAGMA synchronous={level}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


@contextlib.contextmanager
def _unavailable_on_error() -> Iterator[None]:
    """Turn the database's absence and damage into the store's error; a broken rule stays as it is.

    SQLAlchemy does not wrap what comes out of the settings of a new connection.
    """
    try:
        yield
    except (
        OperationalError,
        sa.exc.InterfaceError,
        sa.exc.TimeoutError,
        sqlite3.OperationalError,
    ) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        msg = f"the catalog is not available: {cause}"
        raise StoreUnavailableError(msg) from error
    except (DBAPIError, sqlite3.DatabaseError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        # Its subclasses are for broken rules.
        if type(cause) is not sqlite3.DatabaseError:
            raise
        msg = f"the catalog is damaged: {cause}"
        raise _DamagedError(msg) from error
