"""Slots: which worker process owns which hot file, and what an owner that was killed leaves.

SQLite writes a commit to a file's log, syncs it, and only then shows it to others in shared memory.
A worker that is killed in between leaves a commit that nobody sees, and that comes to light when
nobody has the file open any more and the log is read anew. A retry that another worker has stored
meanwhile would then be there twice. So a file whose owner is dead is settled before its ids are
relied on: another durable commit is written, over what was left.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable

from stepwell.model.errors import FolderInUseError
from stepwell.store.sqlite.folder import Folder, Lock, hot_file, hot_lock, transaction

_SLOTS_MAX = 1024
_TRY_AGAIN_S = 0.001
_COUNT_MAX = 2**31 - 1


def take_slot(folder: Folder, first: int = 0) -> tuple[int, Lock]:
    """Take the first slot, from one on, that no live process has.

    Raises:
        FolderInUseError: every slot is taken.
    """
    for slot in range(first, _SLOTS_MAX):
        lock = folder.lock(hot_lock(slot))
        if lock.acquire():
            return slot, lock
        lock.release()
    msg = f"data folder {folder.path}: all {_SLOTS_MAX} worker slots are taken"
    raise FolderInUseError(msg)


def settle(db: sqlite3.Connection) -> int:
    """Decide for good what is in a hot file, and count that. For who holds its slot's lock."""
    with transaction(db):
        count = (settled_count(db) + 1) & _COUNT_MAX
        # A number of the application's own in the file's head. It needs no table.
        db.execute(f"PRAGMA user_version={count}")
    return count


def settled_count(db: sqlite3.Connection) -> int:
    """Count how often a hot file was settled: each new owner does, before anything else."""
    count: int = db.execute("PRAGMA user_version").fetchone()[0]
    return count


def settle_free_slot(folder: Folder, slot: int, is_owned: Callable[[], bool]) -> int | None:
    """Settle the file of a slot whose owner is dead; None where a new owner has come meanwhile.

    Args:
        folder: the data folder.
        slot: which slot.
        is_owned: says whether an owner that has settled its file is alive.
    """
    while not is_owned():
        with folder.lock(hot_lock(slot)) as lock:
            if lock.acquire():
                with contextlib.closing(folder.connect(hot_file(slot))) as db:
                    return settle(db)
        # A new owner is about to settle it, or a compaction clears it.
        time.sleep(_TRY_AGAIN_S)
    return None
