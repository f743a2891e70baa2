"""A folder into one tar archive and back.

Compaction is held up while the files are copied, so that no point moves from one file to another
in between; puts go on. The order of copying makes it whole: the catalog first, which follows what
the store tells it and so catches up, then hot files, then chunks, then names. Every put and every
change of the catalog that was answered before the backup began is in it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tarfile
import tempfile
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
)
from stepwell.store.sqlite.maintenance import start_compacting
from stepwell.store.sqlite.registry import Registry
from stepwell.store.sqlite.store import unavailable_on_error


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
        with contextlib.closing(Registry(folder)) as registry:
            slots = registry.slots()
        hot_files = [hot_file(slot) for slot in slots]
        # A folder that no server has had yet has no catalog.
        catalog = [CATALOG_FILE] if (path / CATALOG_FILE).exists() else []
        for name in (*catalog, *hot_files, CHUNKS_FILE, REGISTRY_FILE):
            _copy(folder, name, copies / name)
        compactor.pause()
        # A worker that has come meanwhile is in the names already.
        with contextlib.closing(Registry(Folder(copies, create=False))) as registry:
            registry.keep_slots(slots)
        unfinished = copies / "archive"
        with unfinished.open("wb") as output:
            with tarfile.open(fileobj=output, mode="w") as archive:
                for each in (FORMAT_FILE, *catalog, *hot_files, CHUNKS_FILE, REGISTRY_FILE):
                    archive.add(copies / each, each)
            output.flush()
            os.fsync(output.fileno())
        unfinished.replace(file)
    return file.stat().st_size


def restore_folder(file: Path, path: Path) -> None:
    """Unpack a backup into a folder that is empty or missing.

    Raises:
        FormatError: the file is not a backup, is of a newer format, or the folder has files.
        StoreUnavailableError: it cannot be read or written.
    """
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
    known = {FORMAT_FILE, CHUNKS_FILE, REGISTRY_FILE}
    strange = [
        name
        for name in names
        if name not in {*known, CATALOG_FILE}
        and not (name.startswith("hot-") and name.endswith(".db") and "/" not in name)
    ]
    if strange or not known <= set(names):
        msg = f"{file} is not a backup of Stepwell"
        raise FormatError(msg)


def _copy(folder: Folder, name: str, target: Path) -> None:
    source = folder.connect(name)
    copy = sqlite3.connect(target)
    with contextlib.closing(source), contextlib.closing(copy):
        source.backup(copy)
