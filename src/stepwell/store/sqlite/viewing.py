"""Series as pieces: what is known of each chunk, and its points only where someone asks for them.

A chart over millions of points needs few of them again and again; whoever draws it remembers what
it made of a piece, by the piece's identity. All of a view is one instant's: it is made, and its
pieces are read, within one transaction on the chunk file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from stepwell.model.errors import (
    DamagedSeriesError,
    QueryError,
    StoreError,
    StoreUnavailableError,
)
from stepwell.model.points import NO_STEP, Float64Array, Int64Array, Points
from stepwell.store.protocol import Blocks, ColumnName, Extent, Loaded, Outline, Piece
from stepwell.store.sqlite.blocks import decode_blocks
from stepwell.store.sqlite.chunk_file import ChunkFile, check_sequence, is_damage
from stepwell.store.sqlite.chunks import decode_column, verify_columns

#: Pieces read by one statement.
_LOADED_AT_ONCE = 500
_INT64_LAST = 2**63 - 1
#: A chunk's `ChunkPlace` and its `Extent`.
_PLACES = (
    "SELECT rowid, series, first_index, crc, count, without_step, step_min, step_max,"
    " timestamp_min, timestamp_max, nan_count, inf_count, inf_negative_count FROM chunk"
    " WHERE series IN ({}) ORDER BY series, first_index"
)
_COLUMNS = "SELECT rowid, steps, timestamps, vals FROM chunk WHERE rowid IN ({})"


class ChunkPlace(NamedTuple):
    """Where a chunk is: its row in the file, its series, its first point; and its checksum."""

    row: int
    series: int
    first_index: int
    crc: int


class StoredColumns(NamedTuple):
    """A chunk's encoded columns."""

    steps: bytes
    timestamps: bytes
    values: bytes


@dataclass(frozen=True, slots=True)
class ChunkPiece:
    """A chunk that was not read. See `protocol.Piece`."""

    place: ChunkPlace
    extent: Extent

    @property
    def identity(self) -> Hashable:
        """Numbers of series are never given twice, and a chunk is never changed."""
        return self.place.series, self.place.first_index, self.extent.points, self.place.crc


@dataclass(frozen=True, slots=True)
class HotPiece:
    """Points that no chunk holds yet. See `protocol.Piece` and `protocol.Loaded`."""

    points: Points
    extent: Extent
    identity: None = None

    def column(self, name: ColumnName) -> Int64Array | Float64Array:
        """Give one column: there is nothing to decode."""
        column: Int64Array | Float64Array = getattr(self.points, name)
        return column


class LoadedChunk:
    """A chunk's encoded columns. See `protocol.Loaded`."""

    def __init__(self, piece: ChunkPiece, columns: StoredColumns) -> None:
        """Hold the bytes; they are verified when the first column is decoded."""
        self._piece = piece
        self._columns = columns
        self._is_verified = False
        self._decoded: dict[ColumnName, Int64Array | Float64Array] = {}

    def column(self, name: ColumnName) -> Int64Array | Float64Array:
        """Decode one column, once. Raises `DamagedSeriesError`."""
        known = self._decoded.get(name)
        if known is not None:
            return known
        first_index, count = self._piece.place.first_index, self._piece.extent.points
        if not self._is_verified:
            verify_columns(self._columns, self._piece.place.crc, first_index)
            self._is_verified = True
        if name == "values":
            out: Int64Array | Float64Array = np.empty(count, np.float64)
            decode_column(self._columns.values, out, first_index)
        else:
            out = np.empty(count, np.int64)
            encoded = self._columns.steps if name == "steps" else self._columns.timestamps
            decode_column(encoded, out, first_index)
        self._decoded[name] = out
        return out


class ChunkView:
    """Series as of one instant. See `protocol.View`."""

    def __init__(
        self, chunks: ChunkFile, outlines: Sequence[Outline | QueryError | StoreError]
    ) -> None:
        """Hold what was found; the chunk file must stay within its transaction."""
        self._chunks = chunks
        self.outlines = outlines

    def load(self, pieces: Sequence[Piece]) -> list[Loaded | StoreError]:
        """Read pieces. See `protocol.View.load`."""
        loaded: dict[int, Loaded | StoreError] = {}
        stored = [piece for piece in pieces if isinstance(piece, ChunkPiece)]
        for first in range(0, len(stored), _LOADED_AT_ONCE):
            loaded |= self._load_some(stored[first : first + _LOADED_AT_ONCE])
        return [
            loaded[piece.place.row] if isinstance(piece, ChunkPiece) else _as_loaded(piece)
            for piece in pieces
        ]

    def blocks(self, pieces: Sequence[Piece], column: ColumnName) -> list[Blocks | None]:
        """Give pieces of one series by blocks. See `protocol.View.blocks`."""
        places = [piece.place for piece in pieces if isinstance(piece, ChunkPiece)]
        if not places or column == "values":
            return [None] * len(pieces)
        indexes = [place.first_index for place in places]
        try:
            found = self._chunks.blocks_of(
                places[0].series,
                min(indexes),
                max(indexes),
                "steps" if column == "steps" else "timestamps",
            )
        except (sqlite3.Error, DamagedSeriesError):
            # Whoever decodes the points instead is told what is wrong with the file.
            return [None] * len(pieces)
        return [
            decode_blocks(found.get((piece.place.first_index, piece.place.crc), b""))
            if isinstance(piece, ChunkPiece)
            else None
            for piece in pieces
        ]

    def _load_some(self, pieces: Sequence[ChunkPiece]) -> dict[int, Loaded | StoreError]:
        try:
            rows = [piece.place.row for piece in pieces]
            found = {
                row[0]: StoredColumns._make(row[1:])
                for some in self._chunks.rows_of_many(_COLUMNS, rows)
                for row in some
            }
        except DamagedSeriesError as error:
            if len(pieces) > 1:
                # One damaged page must not take the others along.
                loaded: dict[int, Loaded | StoreError] = {}
                for piece in pieces:
                    loaded |= self._load_some([piece])
                return loaded
            return {pieces[0].place.row: error}
        except sqlite3.Error as error:
            unavailable = StoreUnavailableError(str(error))
            return dict.fromkeys((piece.place.row for piece in pieces), unavailable)
        return {piece.place.row: LoadedChunk(piece, found[piece.place.row]) for piece in pieces}


def outlines_of(
    chunks: ChunkFile, series: Sequence[int], hot: dict[int, Points]
) -> dict[int, Outline | StoreError]:
    """Outline series: their chunks, all of which must be there, then their hot points.

    Args:
        chunks: the chunk file, in a read transaction.
        series: their numbers.
        hot: the points that no chunk holds, by series; none empty.
    """
    places: dict[int, list[tuple[ChunkPlace, Extent]]] = {}
    try:
        for rows in chunks.rows_of_many(_PLACES, series):
            for row in rows:
                place = ChunkPlace._make(row[:4])
                places.setdefault(place.series, []).append((place, Extent._make(row[4:])))
        totals = chunks.totals(series)
    except DamagedSeriesError as error:
        if len(series) == 1:
            return {series[0]: error}
        found: dict[int, Outline | StoreError] = {}
        for number in series:
            found |= outlines_of(chunks, [number], hot)
        return found
    except sqlite3.Error as error:
        if is_damage(error):
            raise
        return dict.fromkeys(series, StoreUnavailableError(str(error)))
    return {
        number: _outline(places.get(number, []), totals.get(number, 0), hot.get(number))
        for number in series
    }


def _outline(
    rows: Sequence[tuple[ChunkPlace, Extent]], total: int, hot: Points | None
) -> Outline | StoreError:
    try:
        check_sequence([(place.first_index, extent.points) for place, extent in rows], total)
    except DamagedSeriesError as error:
        return error
    pieces: list[Piece] = [ChunkPiece(place, extent) for place, extent in rows]
    if hot is not None:
        pieces.append(HotPiece(hot, extent_of(hot)))
    return Outline(pieces)


def extent_of(points: Points) -> Extent:
    """Look at one or more points."""
    steps, values = points.steps, points.values
    without_step = int(np.count_nonzero(steps == NO_STEP))
    step_min = int(steps.min())
    if without_step:
        stepped = steps[steps != NO_STEP]
        step_min = int(stepped.min()) if len(stepped) else _INT64_LAST
    nan = plus = minus = 0
    if not np.isfinite(values).all():
        nan = int(np.count_nonzero(np.isnan(values)))
        plus = int(np.count_nonzero(np.isposinf(values)))
        minus = int(np.count_nonzero(np.isneginf(values)))
    return Extent(
        len(points),
        without_step,
        step_min,
        int(steps.max()),
        int(points.timestamps_us.min()),
        int(points.timestamps_us.max()),
        nan,
        plus,
        minus,
    )


def _as_loaded(piece: Any) -> Loaded:
    hot: HotPiece = piece
    return hot
