"""A folder into one tar archive and back.

It is a copy as of one instant. Compaction is held up, so that no point moves from one file to
another and the chunks stay as they are; puts go on. A snapshot of every other file is taken while
nothing can be committed to the catalog, which takes as long as opening them does: hot files first,
then names, so that each number in the rows has its name, then the catalog. So what the catalog says
of the store (its components, its summaries, the marks up to which it has followed) is never ahead
of the store's own files. They are then copied at leisure. Every put that was answered and all that
was created before the backup began is in it.

The catalog is just a database here: its tables are not the store's business.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stepwell.model.errors import FormatError, StoreUnavailableError
from stepwell.store.sqlite.compaction import Compactor
from stepwell.store.sqlite.folder import (
    CATALOG_FILE,
    CHUNKS_FILE,
    FORMAT_FILE,
    REGISTRY_FILE,
    Folder,
    hot_file,
    transaction,
)
from stepwell.store.sqlite.maintenance import start_compacting
from stepwell.store.sqlite.reader import unavailable_on_error
from stepwell.store.sqlite.registry import Registry


def backup_folder(path: Path, file: Path) -> int:
    """Write a copy of a folder into a tar archive; returns its bytes. A server may be using it.

    The archive appears under its name only when it is whole and on disk.

    Raises:
        FormatError: the folder is not one of ours.
        StoreUnavailableError: the archive exists already, or cannot be written.
    """
    folder = Folder(path, create=False)
    if file.exists():
        msg = f"{file} exists already; nothing was written"
        raise StoreUnavailableError(msg)
    if not file.parent.is_dir():
        msg = f"{file} cannot be written: there is no folder {file.parent}"
        raise StoreUnavailableError(msg)
    with (
        unavailable_on_error(),
        contextlib.closing(Compactor(folder)) as compactor,
        tempfile.TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as temporary,
    ):
        start_compacting(compactor, path)
        copies = Path(temporary)
        (copies / FORMAT_FILE).write_bytes((path / FORMAT_FILE).read_bytes())
        names = _copy_databases(folder, copies)
        compactor.pause()
        unfinished = copies / "archive"
        _pack(copies, (FORMAT_FILE, *names), unfinished)
        unfinished.replace(file)
    return file.stat().st_size


def restore_folder(file: Path, path: Path) -> None:
    """Unpack a backup into a folder that is empty or missing.

    Raises:
        FormatError: the file is not a backup, is of a newer format, or the folder has files.
        StoreUnavailableError: it cannot be read or written.
    """
    if path.exists() and not path.is_dir():
        msg = f"data folder {path} is a file; nothing was changed"
        raise FormatError(msg)
    if path.exists() and any(path.iterdir()):
        msg = f"data folder {path} is not empty; nothing was changed"
        raise FormatError(msg)
    if not file.exists():
        msg = f"{file} does not exist"
        raise StoreUnavailableError(msg)
    with unavailable_on_error():
        try:
            with tarfile.open(file) as archive:
                members = archive.getmembers()
                _check_members(file, [member.name for member in members])
                path.mkdir(parents=True, exist_ok=True)
                # FORMAT comes last: a folder without it is refused, so half a restore is no data.
                members.sort(key=lambda member: member.name == FORMAT_FILE)
                archive.extractall(path, members, filter="data")
        except tarfile.TarError as error:
            reason = str(error).splitlines()[0]
            msg = f"{file} is not a backup of Stepwell: {reason}"
            raise FormatError(msg) from error
    Folder(path, create=False)


def _check_members(file: Path, names: list[str]) -> None:
    needed = {FORMAT_FILE, CHUNKS_FILE, REGISTRY_FILE}
    strange = [
        name
        for name in names
        # A folder that no server ever had has no catalog.
        if name not in {*needed, CATALOG_FILE}
        and not (name.startswith("hot-") and name.endswith(".db") and "/" not in name)
    ]
    if strange or not needed <= set(names):
        msg = f"{file} is not a backup of Stepwell"
        raise FormatError(msg)


def _copy_databases(folder: Folder, copies: Path) -> list[str]:
    """Copy every database as of one instant, while compaction is held up; return their names."""
    has_catalog = (folder.path / CATALOG_FILE).exists()
    with contextlib.ExitStack() as stack:
        snapshots: dict[str, sqlite3.Connection] = {}
        with _no_commits(folder, CATALOG_FILE) if has_catalog else contextlib.nullcontext():
            with contextlib.closing(Registry(folder)) as registry:
                slots = registry.slots()
            names = [*map(hot_file, slots), REGISTRY_FILE, *([CATALOG_FILE] if has_catalog else [])]
            for name in names:
                snapshots[name] = stack.enter_context(contextlib.closing(_snapshot(folder, name)))
        for name, snapshot in snapshots.items():
            _copy(snapshot, copies / name)
            # SQLite's log can be overwritten from here on.
            snapshot.close()
    # Last, because it is the large one: nobody but who compacts writes it.
    with contextlib.closing(_snapshot(folder, CHUNKS_FILE)) as chunks:
        _copy(chunks, copies / CHUNKS_FILE)
    # A worker that has come meanwhile may be in the names already.
    with contextlib.closing(Registry(Folder(copies, create=False))) as registry:
        registry.keep_slots(slots)
    return [*names, CHUNKS_FILE]


@contextmanager
def _no_commits(folder: Folder, name: str) -> Iterator[None]:
    """Keep everyone from committing to a database, once who is at it has ended."""
    with contextlib.closing(folder.connect(name)) as connection, transaction(connection):
        yield


def _snapshot(folder: Folder, name: str) -> sqlite3.Connection:
    """Open a database and hold it as it is now, whatever is committed afterwards."""
    connection = folder.connect(name)
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _copy(snapshot: sqlite3.Connection, target: Path) -> None:
    with contextlib.closing(sqlite3.connect(target)) as copy:
        snapshot.backup(copy)


def _pack(folder: Path, names: Iterable[str], file: Path) -> None:
    """Write files into an archive that is on disk when this returns."""
    with file.open("wb") as output:
        with tarfile.open(fileobj=output, mode="w") as archive:
            for name in names:
                archive.add(folder / name, name)
        output.flush()
        os.fsync(output.fileno())
