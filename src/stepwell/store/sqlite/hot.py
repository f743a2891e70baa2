"""Hot files: puts as committed, not yet compacted (hot-N.db), and the ids of recent puts.

Each worker process owns one slot N and is the only one that writes its file, so that no writer ever
waits for another. Everyone reads all of them. A row's `seq` is the nanosecond of its commit, made
unique and ascending within its file: it orders the rows of all files by arrival, and says in the
chunk file how far each hot file was compacted.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from stepwell.model.errors import StoreUnavailableError
from stepwell.model.points import Put
from stepwell.store.sqlite.folder import Folder, hot_file, hot_lock, transaction, vacuum
from stepwell.store.sqlite.slots import settle, settled_count, take_slot

SCHEMA = """
CREATE TABLE IF NOT EXISTS hot (
    seq INTEGER PRIMARY KEY,
    component INTEGER NOT NULL,
    count INTEGER NOT NULL,
    points BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS id_group (
    seq INTEGER PRIMARY KEY,
    ids BLOB NOT NULL,
    answers BLOB NOT NULL
);
"""

#: One point of a hot row, 32 bytes: little-endian, one after another.
POINT = np.dtype([("series", "<i8"), ("step", "<i8"), ("timestamp_us", "<i8"), ("value", "<f8")])
_SEQS_AT_ONCE = 10_000
#: Free pages that a file keeps for the next puts (16 MiB), and what it gives back at a time.
_FREE_PAGES_KEPT = 2048
_VACUUM_PAGES = 256
#: From this many points on, numpy packs faster than struct.
_NUMPY_POINTS_MIN = 48
_PACKERS = [struct.Struct("<" + "qqqd" * count) for count in range(_NUMPY_POINTS_MIN)]
#: Rows that one statement inserts: each execute lets go of the GIL, and must win it back.
_INSERT_ROWS_MAX = 128

PointArray = npt.NDArray[np.void]


class HotRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `hot`."""

    seq: int
    component_id: int
    count: int
    points: bytes


class Waiting(NamedTuple):
    """What is in a hot file and in no chunk yet. `oldest_seq` is 0 where there are no rows."""

    rows: int
    points: int
    oldest_seq: int
    components: int


class IdGroup(NamedTuple):
    """A row of `id_group`: the ids that one transaction committed. See `idempotency`."""

    seq: int
    ids: bytes
    answers: bytes


def pack_points(series: Sequence[int], put: Put, chosen: Sequence[int] | None = None) -> bytes:
    """Pack a put's points as `POINT` records; with `chosen`, only those at these places.

    Args:
        series: the series' number of each (chosen) point.
        put: whose columns are packed.
        chosen: indexes into the columns, or None for all.
    """
    columns = (put.steps, put.timestamps_us, put.values)
    if chosen is not None:
        columns = tuple([column[index] for index in chosen] for column in columns)  # type: ignore[assignment]
    count = len(series)
    if count < _NUMPY_POINTS_MIN:
        return _PACKERS[count].pack(*chain.from_iterable(zip(series, *columns, strict=True)))
    points = np.empty(count, POINT)
    # By way of struct, which is twice as fast as numpy for a list.
    points["series"] = np.frombuffer(struct.pack(f"<{count}q", *series), "<i8")
    points["step"], points["timestamp_us"], points["value"] = columns
    return points.tobytes()


@functools.cache
def _insert(rows: int) -> str:
    return f"INSERT INTO hot VALUES {','.join(['(?,?,?,?)'] * rows)}"


def unpack_points(blobs: Iterable[bytes]) -> PointArray:
    """Read rows' points, in the rows' order, as one read-only array of `POINT`."""
    return np.frombuffer(b"".join(blobs), POINT)


class HotWriter:
    """The one writer of one slot's file. For one thread."""

    def __init__(self, folder: Folder, on_sync: Callable[[float], None], first: int = 0) -> None:
        """Take the first slot that no live process has, and settle its file (see `slots`).

        Args:
            folder: the data folder.
            on_sync: told the seconds that each commit's write and fsync took.
            first: no slot before this one.

        Raises:
            FolderInUseError: every slot is taken.
        """
        self.slot, self._lock = take_slot(folder, first)
        self._on_sync = on_sync
        self._db = folder.connect(hot_file(self.slot), schema=SCHEMA)
        settle(self._db)
        self._last_seq: int = self._db.execute(
            "SELECT max(coalesce((SELECT max(seq) FROM hot), 0),"
            " coalesce((SELECT max(seq) FROM id_group), 0))"
        ).fetchone()[0]
        # Both are there now, and stay the same files as long as they are open.
        self._places = [folder.path / f"{hot_file(self.slot)}{end}" for end in ("", "-wal")]
        self._inodes = [place.stat().st_ino for place in self._places]

    @property
    def last_seq(self) -> int:
        """Give the number that the next row's is greater than."""
        return self._last_seq

    def start_after(self, seq: int) -> None:
        """Give no row a lower number than this: the compaction's mark may be ahead of the clock."""
        self._last_seq = max(self._last_seq, seq)

    def next_seq(self, now_ns: int) -> int:
        """Give the number that the next row gets at this time."""
        return max(self._last_seq + 1, now_ns)

    def commit(
        self,
        rows: Sequence[tuple[int, int, bytes]],
        ids: tuple[bytes, bytes] | None,
        now_ns: int,
    ) -> None:
        """Commit a group of rows (component, count, points) and its ids, durably, all or none.

        Raises:
            sqlite3.Error: nothing was committed.
            StoreUnavailableError: the file is not where it was: nobody would find what is in it.
        """
        first = self.next_seq(now_ns)
        parameters = [(first + index, *row) for index, row in enumerate(rows)]
        with transaction(self._db):
            for start in range(0, len(parameters), _INSERT_ROWS_MAX):
                part = parameters[start : start + _INSERT_ROWS_MAX]
                self._db.execute(_insert(len(part)), tuple(chain.from_iterable(part)))
            if ids is not None:
                self._db.execute("INSERT INTO id_group VALUES (?,?,?)", (first, *ids))
            started = time.perf_counter()
        self._on_sync(time.perf_counter() - started)
        self._last_seq = first + max(len(rows), 1) - 1
        self._check_places()

    def _check_places(self) -> None:
        """Make sure that the file was not taken away: SQLite writes on into what has no name."""
        for place, inode in zip(self._places, self._inodes, strict=True):
            try:
                is_there = place.stat().st_ino == inode
            except OSError:
                is_there = False
            if not is_there:
                msg = f"the store is not available: {place} was taken away. Start the server anew"
                raise StoreUnavailableError(msg)

    def forget(self, compacted_seq: int, ids_seq: int, rows_max: int) -> int:
        """Delete rows that are compacted, and ids older than `ids_seq`, at most `rows_max` of each.

        Returns how much there was to do, so that the caller can come again until it is 0.
        """
        old = (
            ("hot", compacted_seq),
            ("id_group", ids_seq),
        )
        if not any(
            self._db.execute(f"SELECT 1 FROM {table} WHERE seq <= ? LIMIT 1", (seq,)).fetchone()
            for table, seq in old
        ):
            return self._give_space_back()
        deleted = 0
        with transaction(self._db):
            for table, seq in old:
                cursor = self._db.execute(
                    f"DELETE FROM {table} WHERE seq IN"
                    f" (SELECT seq FROM {table} WHERE seq <= ? ORDER BY seq LIMIT ?)",
                    (seq, rows_max),
                )
                deleted += cursor.rowcount
        return deleted + self._give_space_back()

    def _give_space_back(self) -> int:
        """Return some free pages to the file system, if there are more than soon needed again."""
        free: int = self._db.execute("PRAGMA freelist_count").fetchone()[0]
        if free <= _FREE_PAGES_KEPT:
            return 0
        vacuum(self._db, _VACUUM_PAGES)
        return min(free - _FREE_PAGES_KEPT, _VACUUM_PAGES)

    def close(self) -> None:
        """Close the file and give the slot back."""
        with contextlib.suppress(sqlite3.Error):
            # Another process may be reading; then the log is written back later.
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._db.close()
        self._lock.release()


class HotReader:
    """A reader of one slot's file. For one thread at a time."""

    def __init__(self, folder: Folder, slot: int) -> None:
        """Open the file, which its writer has made."""
        self.slot = slot
        self._db = folder.connect(hot_file(slot))
        # Which rows are a component's. An index in the file would be one more page to write for
        # every component in every commit: half of what a small put costs.
        self._seqs: dict[int, list[int]] = {}
        self._seen_seq = self._compacted_seq = 0

    def rows_of(self, component_id: int) -> list[HotRow]:
        """Read a component's rows, without those that were compacted meanwhile."""
        self.look()
        seqs = self._seqs.get(component_id, ())
        rows: list[HotRow] = []
        for first in range(0, len(seqs), _SEQS_AT_ONCE):
            part = seqs[first : first + _SEQS_AT_ONCE]
            found = self._db.execute(
                "SELECT seq, component, count, points FROM hot"
                f" WHERE seq IN ({','.join('?' * len(part))}) ORDER BY seq",
                part,
            )
            rows += [HotRow(*row) for row in found]
        return rows

    def last_rows(self) -> dict[int, int]:
        """Give each component's last row, of those looked at and not known to be compacted."""
        return {component: seqs[-1] for component, seqs in self._seqs.items()}

    def look(self) -> None:
        """Note whose the rows are that came since the last look. Reads no points."""
        for seq, component in self._db.execute(
            "SELECT seq, component FROM hot WHERE seq > ? ORDER BY seq", (self._seen_seq,)
        ):
            self._seqs.setdefault(component, []).append(seq)
            self._seen_seq = seq

    def note_compacted(self, seq: int) -> None:
        """Forget where the rows up to `seq` are: chunks have them."""
        if seq == self._compacted_seq:
            return
        self._compacted_seq = seq
        self._seen_seq = max(self._seen_seq, seq)
        for component, seqs in list(self._seqs.items()):
            kept = [each for each in seqs if each > seq]
            if kept:
                self._seqs[component] = kept
            else:
                del self._seqs[component]

    def rows_after(self, seq: int, last_seq: int, points_max: int) -> tuple[list[HotRow], bool]:
        """Read rows with seq < row <= last_seq in order, up to about `points_max` points.

        Returns the rows, and whether that was all of them.
        """
        rows: list[HotRow] = []
        points = 0
        cursor = self._db.execute(
            "SELECT seq, component, count, points FROM hot WHERE seq > ? AND seq <= ? ORDER BY seq",
            (seq, last_seq),
        )
        with contextlib.closing(cursor):
            for row in cursor:
                if points >= points_max:
                    return rows, False
                rows.append(HotRow(*row))
                points += row[2]
        return rows, True

    def waiting(self, seq: int) -> Waiting:
        """Count what comes after a row."""
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(count), 0), coalesce(min(seq), 0),"
            " count(DISTINCT component) FROM hot WHERE seq > ?",
            (seq,),
        ).fetchone()
        return Waiting(*row)

    def newest_seq(self) -> int:
        """Give the last row's number; 0 where there is none."""
        newest: int = self._db.execute("SELECT coalesce(max(seq), 0) FROM hot").fetchone()[0]
        return newest

    def settled_count(self) -> int:
        """Count how often the file was settled. See `slots`."""
        return settled_count(self._db)

    def id_groups_after(self, seq: int) -> list[IdGroup]:
        """Read the ids committed after a group."""
        rows = self._db.execute(
            "SELECT seq, ids, answers FROM id_group WHERE seq > ? ORDER BY seq", (seq,)
        )
        return [IdGroup(*row) for row in rows]

    def integrity_problems(self) -> list[str]:
        """Let SQLite check the file and the rows' sizes."""
        problems = [
            row[0]
            for row in self._db.execute("PRAGMA integrity_check(10)").fetchall()
            if row[0] != "ok"
        ]
        bad = self._db.execute(
            "SELECT count(*) FROM hot WHERE length(points) != count * ?",
            (POINT.itemsize,),
        ).fetchone()[0]
        if bad:
            problems.append(f"{bad} rows whose size is not their count's")
        return problems

    def backup(self, target: sqlite3.Connection) -> None:
        """Copy the file as of one instant."""
        self._db.backup(target)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def clear_free_slots(folder: Folder, compacted: dict[int, int]) -> None:
    """Delete compacted rows where no worker lives that would do it, and give their space back."""
    for slot in folder.hot_slots():
        with folder.lock(hot_lock(slot)) as lock:
            if not lock.acquire():
                continue
            db = folder.connect(hot_file(slot), schema=SCHEMA)
            with contextlib.closing(db):
                db.execute("DELETE FROM hot WHERE seq <= ?", (compacted.get(slot, 0),))
                vacuum(db)
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
