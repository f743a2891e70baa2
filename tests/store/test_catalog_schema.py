"""The catalog's database: its migrations, its version, and processes that open it at once."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import sqlite3
from multiprocessing.context import SpawnContext
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from stepwell.catalog import migrating
from stepwell.catalog.database import SCHEMA_VERSION, Database, sqlite_url
from stepwell.catalog.tables import metadata
from stepwell.model.errors import FormatError, StoreUnavailableError

VERSIONS = Path(migrating.__file__).parent / "migrations" / "versions"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of a catalog that is not there yet."""
    return tmp_path / "catalog.db"


def open_catalog(path: Path) -> str | None:
    """Open a catalog, write to it, close it; give the class of the error, if there is one."""
    try:
        with contextlib.closing(Database(sqlite_url(path))) as database:
            with database.write() as connection:
                connection.execute(sa.text("DELETE FROM meta"))
            with database.read() as connection:
                connection.execute(sa.text("SELECT name FROM experiment")).all()
    except Exception as error:  # noqa: BLE001 - the test shows it, whatever it is
        return repr(error)
    return None


def structure(path: Path) -> list[tuple[str, ...]]:
    """List what the database says of its tables and indexes."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name")
        return [tuple(" ".join(str(each).split()) for each in row) for row in rows]


def test_migrations_make_the_tables(path: Path) -> None:
    """What the migrations make differs in nothing from what `tables` says."""
    assert open_catalog(path) is None
    engine = sa.create_engine(sqlite_url(path))
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        found = sa.inspect(connection)
        made = {
            name: {index["name"] for index in found.get_indexes(name)} for name in metadata.tables
        }
        unique = {
            name: {each["name"] for each in found.get_unique_constraints(name)}
            for name in metadata.tables
        }
    engine.dispose()
    for name, table in metadata.tables.items():
        assert made[name] == {index.name for index in table.indexes}
        wanted = {each.name for each in table.constraints if isinstance(each, sa.UniqueConstraint)}
        assert unique[name] == wanted


def test_migrations_and_tables_spell_the_same(path: Path, tmp_path: Path) -> None:
    """A migrated database and one that `tables` makes are the same, down to defaults and keys."""
    assert open_catalog(path) is None
    other = tmp_path / "other.db"
    engine = sa.create_engine(sqlite_url(other))
    metadata.create_all(engine)
    engine.dispose()
    migrated = [row for row in structure(path) if "alembic_version" not in row[1]]
    shown, wanted = (
        [(kind, name, "".join(sorted(sql.replace(",", " ").split()))) for kind, name, sql in rows]
        for rows in (migrated, structure(other))
    )
    assert shown == wanted


def test_the_newest_migration_is_known() -> None:
    """The version that the code expects is that of the newest file."""
    newest = max(path.stem for path in VERSIONS.glob("[0-9]*.py"))
    assert newest.split("_")[0] == SCHEMA_VERSION


def test_opening_again_changes_nothing(path: Path) -> None:
    """A catalog of the newest schema is opened as it is."""
    assert open_catalog(path) is None
    before = structure(path)
    assert open_catalog(path) is None
    assert structure(path) == before


@pytest.mark.parametrize("version", [f"{int(SCHEMA_VERSION) + 1:04}", "9999"])
def test_a_newer_schema_is_left_alone(path: Path, version: str) -> None:
    """What a newer Stepwell has migrated is refused, and not a byte of it changes."""
    assert open_catalog(path) is None
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
        connection.execute("CREATE TABLE of_the_future (a TEXT)")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = path.read_bytes()
    with pytest.raises(FormatError, match=f"schema {version}.*knows up to {SCHEMA_VERSION}"):
        Database(sqlite_url(path))
    assert path.read_bytes() == before


def test_what_is_no_database(path: Path) -> None:
    """A file that is no database is refused and left as it is."""
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(FormatError, match="not a database"):
        Database(sqlite_url(path))
    assert path.read_bytes() == b"this is no database" * 100


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A catalog that cannot be made is not available, which is no crash."""
    with pytest.raises(StoreUnavailableError, match="unable to open"):
        Database(sqlite_url(tmp_path / "nowhere" / "catalog.db"))


def test_a_migration_that_fails_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are made in one transaction: after a failure the next attempt begins anew."""

    def fail(connection: sa.Connection, revision: str = "head") -> None:
        migrate(connection, revision)
        message = "no space"
        raise OSError(message)

    migrate = migrating.migrate
    monkeypatch.setattr(migrating, "migrate", fail)
    with pytest.raises(OSError, match="no space"):
        Database(sqlite_url(path))
    assert structure(path) == []
    monkeypatch.undo()
    assert open_catalog(path) is None


def test_processes_that_open_a_new_folder_at_once(tmp_path: Path) -> None:
    """Of several processes that find no catalog each makes it or finds it made; none fails."""
    context: SpawnContext = multiprocessing.get_context("spawn")
    paths = [tmp_path / f"catalog-{number}.db" for number in range(2)]
    with concurrent.futures.ProcessPoolExecutor(4, mp_context=context) as pool:
        for path in paths:
            errors = [*pool.map(open_catalog, [path] * 4)]
            assert errors == [None] * 4
            with contextlib.closing(sqlite3.connect(path)) as connection:
                rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
            assert rows == [(SCHEMA_VERSION,)]


def test_threads_that_open_a_new_folder_at_once(tmp_path: Path) -> None:
    """Threads that open one new catalog at the same moment all get it."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number in range(3):
            path = tmp_path / f"catalog-{number}.db"
            assert [*pool.map(open_catalog, [path] * 8)] == [None] * 8


@pytest.mark.parametrize("name", metadata.tables)
def test_postgresql_takes_the_tables(name: str) -> None:
    """Every table and index can be said in PostgreSQL's words, with names that it does not cut."""
    table, dialect = metadata.tables[name], postgresql.dialect()
    text = str(CreateTable(table).compile(dialect=dialect))
    assert text.strip().startswith(f"CREATE TABLE {name}")
    for index in table.indexes:
        assert str(CreateIndex(index).compile(dialect=dialect)).startswith("CREATE INDEX")
        assert len(str(index.name)) < 64


def test_space_is_given_back(path: Path) -> None:
    """A new file can return its free pages; one of a time when it could not is made anew."""
    for mode in ("INCREMENTAL", "NONE"):
        path.unlink(missing_ok=True)
        assert open_catalog(path) is None
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
            if mode == "NONE":
                connection.executescript("PRAGMA journal_mode=DELETE; PRAGMA auto_vacuum=0; VACUUM")
                assert connection.execute("PRAGMA auto_vacuum").fetchone() == (0,)
            connection.executescript(
                "CREATE TABLE filler (a BLOB); INSERT INTO filler VALUES (zeroblob(3000000));"
                " DROP TABLE filler; PRAGMA wal_checkpoint(TRUNCATE)"
            )
        assert path.stat().st_size > 3_000_000
        with contextlib.closing(Database(sqlite_url(path), migrates=False)) as database:
            database.give_space_back()
            assert database.damage() == []
        assert path.stat().st_size < 1_000_000
