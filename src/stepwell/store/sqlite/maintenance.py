"""What tools do to a folder from outside: compact it wholly, count what it holds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from stepwell.model.errors import FolderInUseError
from stepwell.store.sqlite.compaction import Compactor
from stepwell.store.sqlite.folder import Folder
from stepwell.store.sqlite.reader import StoreSize, unavailable_on_error
from stepwell.store.sqlite.reading import Snapshots

_LOCK_WAIT_S = 60


class CompactionReport(NamedTuple):
    """What a full compaction did."""

    points: int
    chunks_written: int


def compact_folder(path: Path) -> CompactionReport:
    """Compact everything in a folder, and give free space back. A server may be using it.

    Raises:
        FormatError: it is not one of ours.
        FolderInUseError: another process has been compacting it for a minute.
        StoreUnavailableError: the disk is full, say.
    """
    folder = Folder(path, create=False)
    with unavailable_on_error():
        compactor = Compactor(folder)
        try:
            start_compacting(compactor, path)
            progress = compactor.run_fully(time.time_ns())
        finally:
            compactor.close()
    return CompactionReport(progress.points, progress.chunks_written)


def folder_bytes(path: Path) -> int:
    """Add up the bytes of a folder's files, the catalog's too.

    Raises:
        FormatError: it is not one of ours.
    """
    return Folder(path, create=False).file_bytes()


def folder_size(path: Path) -> StoreSize:
    """Count what a folder holds. A server may be using it.

    Raises:
        FormatError: it is not one of ours.
        StoreUnavailableError: it cannot be read.
    """
    folder = Folder(path, create=False)
    with unavailable_on_error():
        snapshots = Snapshots(folder)
        try:
            return StoreSize(*snapshots.counts(), folder.file_bytes())
        finally:
            snapshots.close()


def start_compacting(compactor: Compactor, path: Path) -> None:
    """Take the compaction's lock, waiting for another process' rounds to end.

    Raises:
        FolderInUseError: it was not to be had for a minute.
    """
    deadline = time.monotonic() + _LOCK_WAIT_S
    while not compactor.try_start():
        if time.monotonic() > deadline:
            msg = f"data folder {path}: another process is compacting it all the time"
            raise FolderInUseError(msg)
        time.sleep(0.2)
