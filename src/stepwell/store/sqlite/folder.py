"""A data folder: what its files are called, its format's version, its locks, its connections.

The only module that opens files. Locks are the kernel's (they die with their process) and are held
on files of their own, never on a database.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from stepwell.model.errors import FormatError, StoreUnavailableError

FORMAT_NAME = "stepwell"
#: Raised whenever an older Stepwell could misread what a newer one writes.
FORMAT_VERSION = 1

FORMAT_FILE = "FORMAT"
REGISTRY_FILE = "registry.db"
CHUNKS_FILE = "chunks.db"
#: Not the store's: the catalog's, which lives in the same folder.
CATALOG_FILE = "catalog.db"
SERVER_LOCK = "server.lock"
COMPACTION_LOCK = "compaction.lock"
CLAIMS_LOCK = "claims.lock"
MAKING_LOCK = "making.lock"

#: Below SQLite's bound on the variables of one statement.
VARIABLES_MAX = 30_000
#: SQLite's bound on a file's path is 512, with the longest name of ours and its "-journal".
_PATH_BYTES_MAX = 480
_PAGE_BYTES = 8192
_BUSY_MS = 10_000
#: The log is written back after this many pages (8 MiB), by the commit that reaches it. From then
#: on it is overwritten, and an fsync of bytes that a file already has is four times as fast.
_WAL_PAGES_MAX = 1024


def hot_file(slot: int) -> str:
    """Name the hot file of a worker's slot."""
    return f"hot-{slot}.db"


def hot_lock(slot: int) -> str:
    """Name the lock that says which live process owns a slot."""
    return f"hot-{slot}.lock"


class Lock:
    """An exclusive lock on a file of its own. Held until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        """Open the lock file; nothing is locked yet.

        Raises:
            StoreUnavailableError: it cannot be written.
        """
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = f"{path}: {error.strerror}"
            raise StoreUnavailableError(msg) from error

    def acquire(self, *, wait: bool = False) -> bool:
        """Take the lock. Without `wait`, return False where another process has it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def note(self, text: str) -> None:
        """Leave a note in the file, for others to read. It stays when the lock does not."""
        # On a full disk a server goes on; only who looks for the note does without.
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, text.encode(), 0)

    def give_back(self) -> None:
        """Let others have the lock; it can be taken again."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def release(self) -> None:
        """Give the lock back and close its file. May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        """Use as a context: released at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release."""
        self.release()


class Folder:
    """A data folder of a format that we can read."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open a folder, and make it where it is missing.

        Raises:
            FormatError: the folder is not empty and not ours, is missing (and `create` is False),
                or is of a newer format. It is not touched then.
            StoreUnavailableError: the folder cannot be written.
        """
        self.path = path
        self._check_length()
        try:
            self._check_format(create=create)
            self._check_files()
            self._check_access()
        except OSError as error:
            msg = f"data folder {path}: {error.strerror}"
            raise StoreUnavailableError(msg) from error

    def _check_format(self, *, create: bool) -> None:
        marker = self.path / FORMAT_FILE
        if marker.is_file():
            name, _, version = marker.read_text().strip().partition(" ")
            if name != FORMAT_NAME or not version.isdecimal():
                msg = f"data folder {self.path}: its file {FORMAT_FILE} is not Stepwell's"
                raise FormatError(msg)
            if int(version) > FORMAT_VERSION:
                msg = (
                    f"data folder {self.path} has format {version}; this Stepwell reads up to"
                    f" {FORMAT_VERSION}. Nothing was changed: open it with a newer Stepwell."
                )
                raise FormatError(msg)
            return
        if not create:
            msg = f"data folder {self.path}: there is no Stepwell data"
            raise FormatError(msg)
        self.path.mkdir(parents=True, exist_ok=True)
        # A crash in here leaves FORMAT.<pid> in an otherwise empty folder: start again.
        ours = (FORMAT_FILE, SERVER_LOCK)
        others = sorted(each.name for each in self.path.iterdir() if not each.name.startswith(ours))
        if others:
            msg = (
                f"data folder {self.path}: it has files, but none of Stepwell's ({others[0]}, ...)"
            )
            raise FormatError(msg)
        unfinished = self.path / f"{FORMAT_FILE}.{os.getpid()}"
        with unfinished.open("w") as file:
            file.write(f"{FORMAT_NAME} {FORMAT_VERSION}\n")
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(marker)

    def _check_length(self) -> None:
        """Refuse a path of which SQLite cannot name the files."""
        length = len(os.fsencode(self.path.absolute()))
        if length > _PATH_BYTES_MAX:
            msg = (
                f"data folder {self.path}: its path has {length} bytes; SQLite opens files of"
                f" folders of up to {_PATH_BYTES_MAX} bytes"
            )
            raise FormatError(msg)

    def _check_files(self) -> None:
        """Refuse a folder that has lost a file that was made before others that are there.

        With a new registry, numbers that points bear would be given to others. Files are made in
        this order: the registry, the chunk file, hot files.
        """
        has_chunks = (self.path / CHUNKS_FILE).exists()
        has_hot = bool(self.hot_slots())
        for name, is_needed in ((REGISTRY_FILE, has_chunks or has_hot), (CHUNKS_FILE, has_hot)):
            if is_needed and not (self.path / name).exists():
                msg = (
                    f"data folder {self.path}: {name} is missing, without which points that others"
                    " of its files hold are lost or mixed up. Put it back, or restore a backup;"
                    " nothing was changed"
                )
                raise FormatError(msg)

    def _check_access(self) -> None:
        """Refuse a folder with something in it that we may not write: even readers have to.

        SQLite's readers share memory in a file of their own, beside the database.
        """
        ours = (".db", "-wal", "-shm", ".lock")
        for each in (
            self.path,
            *(each for each in self.path.iterdir() if each.name.endswith(ours)),
        ):
            if not os.access(each, os.R_OK | os.W_OK) and each.exists():
                msg = (
                    f"data folder {self.path}: {each} cannot be written by this user, which every"
                    " command has to. Run it as the folder's owner, or on a copy"
                )
                raise StoreUnavailableError(msg)

    def lock(self, name: str) -> Lock:
        """Open one of the folder's locks."""
        return Lock(self.path / name)

    def hot_slots(self) -> list[int]:
        """List the slots that have a hot file."""
        names = (each.name for each in self.path.glob("hot-*.db"))
        numbers = (name.removeprefix("hot-").removesuffix(".db") for name in names)
        return sorted(int(number) for number in numbers if number.isdecimal())

    def file_bytes(self) -> int:
        """Add up the bytes that the folder's files hold."""
        total = 0
        for each in self.path.iterdir():
            try:
                total += each.stat().st_size
            except FileNotFoundError:
                continue
        return total

    def connect(self, name: str, *, schema: str | None = None) -> sqlite3.Connection:
        """Open one of the folder's databases; with a schema, make it where it is missing.

        Every connection may be handed from thread to thread but used by one at a time. Commits are
        durable when they return (WAL, synchronous=FULL).

        Raises:
            StoreUnavailableError: it cannot be opened.
        """
        try:
            return self._connect(self.path / name, schema)
        except sqlite3.DatabaseError as error:
            msg = f"data folder {self.path}: {name}: {error}"
            raise StoreUnavailableError(msg) from error

    def _connect(self, path: Path, schema: str | None) -> sqlite3.Connection:
        mode = "rw" if schema is None else "rwc"
        connection = sqlite3.connect(
            f"file:{_uri_path(path)}?mode={mode}",
            uri=True,
            timeout=_BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        if schema is not None and not _has_tables(connection):
            # One process at a time: SQLite does not wait where two change the journal's mode.
            with self.lock(MAKING_LOCK) as lock:
                lock.acquire(wait=True)
                _make_tables(connection, schema)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES_MAX}")
        connection.execute("PRAGMA temp_store=MEMORY")
        # Debian builds SQLite to overwrite with zeros what is deleted: ten times the work.
        connection.execute("PRAGMA secure_delete=OFF")
        return connection


@contextmanager
def transaction(connection: sqlite3.Connection, *, write: bool = True) -> Iterator[None]:
    """Run a block in one transaction: committed (durable) at its end, or not at all."""
    connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    try:
        yield
        # Of a read there is nothing to commit, and a COMMIT fails if a page was damaged.
        connection.execute("COMMIT" if write else "ROLLBACK")
    except BaseException:
        # A commit that failed may have rolled back on its own.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def vacuum(connection: sqlite3.Connection, pages_max: int | None = None) -> None:
    """Return free pages to the file system, all of them or so many. Not within a transaction."""
    # One step of this statement frees one page: `execute` would stop after that.
    connection.executescript(f"PRAGMA incremental_vacuum({pages_max or 0})")


def give_all_space_back(connection: sqlite3.Connection) -> None:
    """Return every free page to the file system, and write the log back."""
    vacuum(connection)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _make_tables(connection: sqlite3.Connection, schema: str) -> None:
    if _has_tables(connection):
        return
    # These two only count before the first table is there.
    connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    # All tables or none: who finds one need not look further, and so waits for no writer.
    connection.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is not None


def _uri_path(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
