"""The file of chunks, chunks.db: what is read of it, and the transactions that change it.

A series' chunks follow each other without a gap from point 0 on, and `series_total` says how many
points they hold, so that a chunk that is missing is noticed as surely as one that is damaged.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from stepwell.model.errors import DamagedSeriesError
from stepwell.store.sqlite.chunks import Chunk, Summary
from stepwell.store.sqlite.folder import (
    CHUNKS_FILE,
    VARIABLES_MAX,
    Folder,
    give_all_space_back,
    transaction,
    vacuum,
)

SCHEMA = """
CREATE TABLE IF NOT EXISTS chunk (
    series INTEGER NOT NULL,
    first_index INTEGER NOT NULL,
    count INTEGER NOT NULL,
    without_step INTEGER NOT NULL,
    step_min INTEGER NOT NULL,
    step_max INTEGER NOT NULL,
    timestamp_min INTEGER NOT NULL,
    timestamp_max INTEGER NOT NULL,
    first REAL,
    last REAL,
    nan_count INTEGER NOT NULL,
    inf_count INTEGER NOT NULL,
    inf_negative_count INTEGER NOT NULL,
    finite_min REAL,
    finite_max REAL,
    mean REAL,
    m2 REAL,
    is_single INTEGER,
    crc INTEGER NOT NULL,
    steps BLOB NOT NULL,
    timestamps BLOB NOT NULL,
    vals BLOB NOT NULL,
    PRIMARY KEY (series, first_index)
);
CREATE TABLE IF NOT EXISTS series_total (
    series INTEGER PRIMARY KEY,
    points INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS compacted (
    slot INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL
);
"""
#: What charts are made of without decoding chunks. An older Stepwell that replaces a chunk leaves
#: its blocks behind, so they say by its checksum whose they are.
_BLOCKS = """
CREATE TABLE IF NOT EXISTS blocks (
    series INTEGER NOT NULL,
    first_index INTEGER NOT NULL,
    chunk_crc INTEGER NOT NULL,
    steps BLOB NOT NULL,
    timestamps BLOB,
    PRIMARY KEY (series, first_index)
);
"""
#: No component has this number: its row counts the rounds of compaction. It is never taken away, so
#: that a version is never given twice, whatever is deleted.
_ROUNDS = 0
#: Which components got chunks in which round of compaction. Folders made before it was there get it
#: when they are opened: version 1 is what came before that.
_TOUCHED = f"""
CREATE TABLE IF NOT EXISTS touched (
    component INTEGER PRIMARY KEY,
    version INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS touched_version ON touched (version);
INSERT OR IGNORE INTO touched VALUES ({_ROUNDS}, 1);
"""

_SUMMARY_COLUMNS = (
    "count, without_step, step_min, step_max, timestamp_min, timestamp_max, first, last,"
    " nan_count, inf_count, inf_negative_count, finite_min, finite_max, mean, m2, is_single"
)
_CHUNK_COLUMNS = f"series, first_index, {_SUMMARY_COLUMNS}, crc, steps, timestamps, vals"
_INSERT = f"INSERT INTO chunk ({_CHUNK_COLUMNS}) VALUES ({','.join('?' * 22)})"
_INT64_LAST = 2**63 - 1
_summary_values = attrgetter(*(each.name for each in fields(Summary)))


BlocksAxis = Literal["steps", "timestamps"]


class BlocksRow(NamedTuple):
    """A chunk's blocks as stored, and which chunk that is."""

    series: int
    first_index: int
    chunk_crc: int
    steps: bytes
    timestamps: bytes | None


class ChunkFile:
    """One connection to chunks.db, for one thread at a time. Only the compaction writes."""

    def __init__(self, folder: Folder) -> None:
        """Open the file and make it where it is missing."""
        self.db = folder.connect(CHUNKS_FILE, schema=SCHEMA + _TOUCHED + _BLOCKS)
        for table, schema in (("touched", _TOUCHED), ("blocks", _BLOCKS)):
            query = "SELECT 1 FROM sqlite_schema WHERE name = ?"
            if not self.db.execute(query, (table,)).fetchone():
                self.db.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
        if not self._has_is_single():
            with transaction(self.db):
                if not self._has_is_single():
                    self.db.execute("ALTER TABLE chunk ADD COLUMN is_single INTEGER")

    def _has_is_single(self) -> bool:
        """Say whether chunks have the column: folders made before it get it when opened."""
        query = "SELECT 1 FROM pragma_table_info('chunk') WHERE name = 'is_single'"
        return self.db.execute(query).fetchone() is not None

    def compacted(self) -> dict[int, int]:
        """Say up to which row each slot's hot file is compacted."""
        return dict(self.db.execute("SELECT slot, seq FROM compacted"))

    def total(self, series: int) -> int:
        """Count the points in a series' chunks, as the compaction did.

        Raises:
            DamagedSeriesError: that cannot be read.
        """
        rows = self._rows("SELECT points FROM series_total WHERE series = ?", (series,))
        return rows[0][0] if rows else 0

    def chunks_of(self, series: int) -> list[Chunk]:
        """Read a series' chunks, in order.

        Raises:
            DamagedSeriesError: they cannot be read, do not follow each other, or one is missing.
        """
        chunks = self.chunks_from(series, 0, _INT64_LAST)
        check_sequence(
            [(each.first_index, each.summary.count) for each in chunks],
            self.total(series),
        )
        return chunks

    def tail_of(self, series: int, limit: int) -> list[tuple[int, int]]:
        """List (first_index, count) of a series' last chunks, the last one first.

        Raises:
            DamagedSeriesError: they cannot be read.
        """
        return self._rows(
            "SELECT first_index, count FROM chunk WHERE series = ?"
            " ORDER BY first_index DESC LIMIT ?",
            (series, limit),
        )

    def places_of(self, series: int) -> list[tuple[int, int]]:
        """List (first_index, count) of a series' chunks, in order.

        Raises:
            DamagedSeriesError: they cannot be read.
        """
        return self._rows(
            "SELECT first_index, count FROM chunk WHERE series = ? ORDER BY first_index", (series,)
        )

    def chunks_from(self, series: int, first_index: int, last_index: int) -> list[Chunk]:
        """Read a series' chunks from one to another, both taken.

        Raises:
            DamagedSeriesError: they cannot be read.
        """
        rows = self._rows(
            f"SELECT {_CHUNK_COLUMNS} FROM chunk"
            " WHERE series = ? AND first_index BETWEEN ? AND ? ORDER BY first_index",
            (series, first_index, last_index),
        )
        return [_chunk(row) for row in rows]

    def blocks_of(
        self, series: int, first_index: int, last_index: int, axis: BlocksAxis
    ) -> dict[tuple[int, int], bytes]:
        """Read one axis' blocks of a series' chunks, by their first index and their checksum.

        Raises:
            DamagedSeriesError: they cannot be read.
        """
        rows = self._rows(
            f"SELECT first_index, chunk_crc, {axis} FROM blocks"
            f" WHERE series = ? AND first_index BETWEEN ? AND ? AND {axis} IS NOT NULL",
            (series, first_index, last_index),
        )
        return {(row[0], row[1]): row[2] for row in rows}

    def totals(self, series: Sequence[int]) -> dict[int, int]:
        """Count the points in the chunks of many series. Those without chunks are not in it.

        Raises:
            DamagedSeriesError: they cannot be read.
        """
        query = "SELECT series, points FROM series_total WHERE series IN ({})"
        return {row[0]: row[1] for rows in self.rows_of_many(query, series) for row in rows}

    def newest_version(self) -> int:
        """Give the version of the last round that brought points into chunks; 1 before any did."""
        row = self.db.execute("SELECT version FROM touched WHERE component = ?", (_ROUNDS,))
        version: int = row.fetchone()[0]
        return version

    def touched_since(self, version: int) -> list[int]:
        """List the components that got chunks after a version."""
        rows = self.db.execute(
            "SELECT component FROM touched WHERE version > ? AND component != ?",
            (version, _ROUNDS),
        )
        return [row[0] for row in rows]

    def replace(
        self,
        removed: Sequence[tuple[int, int]],
        added: Sequence[Chunk],
        blocks: Sequence[BlocksRow] = (),
        compacted: dict[int, int] | None = None,
        components: Collection[int] = (),
    ) -> None:
        """Write chunks in place of others and note how far hot files are compacted. All or nothing.

        Args:
            removed: (series, first_index) of the chunks that `added` takes in.
            added: the new chunks.
            blocks: of those of them that have any.
            compacted: slot to the last row that they hold.
            components: whose points come into chunks, in a round of compaction.
        """
        with transaction(self.db):
            self.db.executemany("DELETE FROM chunk WHERE series = ? AND first_index = ?", removed)
            self.db.executemany("DELETE FROM blocks WHERE series = ? AND first_index = ?", removed)
            self.db.executemany(_INSERT, map(_row, added))
            self.db.executemany("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?)", blocks)
            totals = {each.series: each.first_index + each.summary.count for each in added}
            # Merged chunks may lie before others: the total is the furthest end ever written.
            self.db.executemany(
                "INSERT INTO series_total VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET points = max(points, excluded.points)",
                totals.items(),
            )
            if compacted:
                self.db.executemany(
                    "INSERT OR REPLACE INTO compacted VALUES (?, ?)", compacted.items()
                )
            if components:
                version = self.newest_version() + 1
                self.db.executemany(
                    "INSERT OR REPLACE INTO touched VALUES (?, ?)",
                    [(component, version) for component in (_ROUNDS, *components)],
                )

    def delete_component(self, component: int, series: Iterable[int]) -> None:
        """Delete all chunks of a component's series, and forget the component."""
        with transaction(self.db):
            for each in series:
                self.db.execute("DELETE FROM chunk WHERE series = ?", (each,))
                self.db.execute("DELETE FROM blocks WHERE series = ?", (each,))
                self.db.execute("DELETE FROM series_total WHERE series = ?", (each,))
            self.db.execute("DELETE FROM touched WHERE component = ?", (component,))

    def give_space_back(self, pages_max: int) -> None:
        """Return free pages to the file system, some at a time."""
        vacuum(self.db, pages_max)

    def give_all_space_back(self) -> None:
        """Return every free page and write the log back."""
        give_all_space_back(self.db)

    def series(self) -> list[int]:
        """List the series that have chunks."""
        return [row[0] for row in self.db.execute("SELECT series FROM series_total")]

    def counts(self) -> tuple[int, int]:
        """Count chunks, and the points in them."""
        chunks, points = self.db.execute(
            "SELECT (SELECT count(*) FROM chunk),"
            " (SELECT coalesce(sum(points), 0) FROM series_total)"
        ).fetchone()
        return chunks, points

    def close(self) -> None:
        """Close the connection."""
        self.db.close()

    def rows_of_many(self, query: str, series: Sequence[int]) -> Iterator[list[Any]]:
        """Run a query with `IN ({})` over many numbers, some at a time.

        Raises:
            DamagedSeriesError: the rows cannot be read.
        """
        for first in range(0, len(series), VARIABLES_MAX):
            some = series[first : first + VARIABLES_MAX]
            yield self._rows(query.format(",".join("?" * len(some))), some)

    def _rows(self, query: str, parameters: Sequence[int]) -> list[Any]:
        try:
            return self.db.execute(query, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                msg = f"{CHUNKS_FILE}: {error}"
                raise DamagedSeriesError(msg) from error
            raise


def check_sequence(places: Iterable[tuple[int, int]], total: int) -> None:
    """Check that chunks (first_index, count) follow each other and hold `total` points.

    Raises:
        DamagedSeriesError: one is missing, or one too many.
    """
    expected = 0
    for first_index, count in places:
        if first_index != expected:
            msg = f"there is no chunk for point {expected}, the next is for point {first_index}"
            raise DamagedSeriesError(msg)
        expected += count
    if expected != total:
        msg = f"its chunks hold {expected} points, not {total}"
        raise DamagedSeriesError(msg)


def is_damage(error: sqlite3.Error) -> bool:
    """Tell a damaged file from one that is merely busy, full or away."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError
    )


def _chunk(row: tuple[Any, ...]) -> Chunk:
    # What SQLite keeps of a bool is an integer.
    is_single = None if row[17] is None else bool(row[17])
    return Chunk(row[0], row[1], Summary(*(*row[2:17], is_single)), *row[18:])


def _row(chunk: Chunk) -> tuple[object, ...]:
    return (
        chunk.series,
        chunk.first_index,
        *_summary_values(chunk.summary),
        chunk.crc,
        chunk.steps,
        chunk.timestamps,
        chunk.values,
    )
