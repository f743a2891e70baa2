"""Checking a folder: every chunk, summary and count against its points. Changes nothing."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from stepwell.model.errors import DamagedSeriesError
from stepwell.model.points import Points
from stepwell.model.rows import Rows
from stepwell.store.protocol import Blocks
from stepwell.store.sqlite.blocks import decode_blocks, encode_blocks
from stepwell.store.sqlite.chunk_file import BlocksAxis, ChunkFile, check_sequence
from stepwell.store.sqlite.chunks import Chunk, Summary, decode_chunk, summarise
from stepwell.store.sqlite.folder import Folder, transaction
from stepwell.store.sqlite.hot import HotReader, unpack_points
from stepwell.store.sqlite.reader import unavailable_on_error
from stepwell.store.sqlite.registry import Registry

_SEQ_LAST = 2**63 - 1
_HOT_POINTS_AT_ONCE = 100_000


@dataclass
class CheckReport:
    """What was looked at, and every problem as one line."""

    chunks: int = 0
    series: int = 0
    points: int = 0
    problems: list[str] = field(default_factory=list)


def check_folder(path: Path) -> CheckReport:
    """Verify a folder. A server may be using it.

    Raises:
        FormatError: it is not one of ours.
        StoreUnavailableError: it cannot be read at all.
    """
    folder = Folder(path, create=False)
    report = CheckReport()
    with unavailable_on_error(), contextlib.ExitStack() as stack:
        registry = stack.enter_context(contextlib.closing(Registry(folder)))
        chunks = stack.enter_context(contextlib.closing(ChunkFile(folder)))
        _check_pages("registry.db", registry.db, report)
        if report.problems:
            # Nothing else can be named then.
            return report
        hot = _check_hot_files(folder, registry, report)
        _check_pages("chunks.db", chunks.db, report)
        with transaction(chunks.db, write=False):
            numbers = _series_numbers(chunks, report)
            for series in numbers:
                _check_series(registry, chunks, series, report)
            waiting = _check_owners(folder, registry, chunks, numbers, hot, report)
    report.points += sum(sum(row.series.values()) for row in waiting)
    report.series += len({number for row in waiting for number in row.series} - set(numbers))
    return report


class _HotPoints(NamedTuple):
    """A row of a hot file: where it is, whose it is, how many points of each series it has."""

    slot: int
    seq: int
    component_id: int
    series: dict[int, int]


def _check_hot_files(folder: Folder, registry: Registry, report: CheckReport) -> list[_HotPoints]:
    """Check the hot files, and give their rows, those that are in chunks too."""
    found = []
    for slot in registry.slots():
        with contextlib.closing(HotReader(folder, slot)) as reader:
            try:
                problems = reader.integrity_problems()
                found += [] if problems else list(_hot_points(reader, slot))
            except sqlite3.DatabaseError as error:
                problems = [str(error)]
        report.problems += [f"hot-{slot}.db: {problem}" for problem in problems]
    return found


def _hot_points(reader: HotReader, slot: int) -> Iterator[_HotPoints]:
    seq, is_all = 0, False
    while not is_all:
        rows, is_all = reader.rows_after(seq, _SEQ_LAST, _HOT_POINTS_AT_ONCE)
        for row in rows:
            series, counts = np.unique(unpack_points([row.points])["series"], return_counts=True)
            by_series = dict(zip(series.tolist(), counts.tolist(), strict=True))
            yield _HotPoints(slot, row.seq, row.component_id, by_series)
            seq = row.seq


def _check_owners(
    folder: Folder,
    registry: Registry,
    chunks: ChunkFile,
    numbers: Sequence[int],
    hot: Sequence[_HotPoints],
    report: CheckReport,
) -> list[_HotPoints]:
    """Check that all points belong to a component, live or deleted, and are where readers look.

    Returns the rows of live components that no chunk holds yet.
    """
    try:
        query = "SELECT id FROM component UNION SELECT component FROM tombstone"
        owners = {row[0] for row in registry.db.execute(query)}
        of_series = dict(registry.db.execute("SELECT id, component FROM series").fetchall())
        compacted = chunks.compacted()
        slots = set(registry.slots())
        live = registry.live_components({row.component_id for row in hot})
    except sqlite3.DatabaseError:
        # What is wrong with these files was told already.
        return []
    report.problems += [
        f"series {number}: its chunks belong to no metric of registry.db"
        for number in numbers
        if of_series.get(number) not in owners
    ]
    waiting = [row for row in hot if row.seq > compacted.get(row.slot, 0)]
    for row in waiting:
        where = f"hot-{row.slot}.db: row {row.seq}"
        if row.component_id not in owners:
            report.problems.append(f"{where}: its component is not in registry.db")
        # The series of a deleted component are forgotten before its hot rows are.
        elif row.component_id in live and any(
            of_series.get(number) != row.component_id for number in row.series
        ):
            report.problems.append(f"{where}: it has a metric that is not in registry.db")
    for slot in set(folder.hot_slots()) - slots:
        with (
            contextlib.closing(HotReader(folder, slot)) as reader,
            contextlib.suppress(sqlite3.DatabaseError),
        ):
            rows = reader.waiting(compacted.get(slot, 0)).rows
            if rows:
                report.problems.append(
                    f"hot-{slot}.db: {rows} rows that nobody reads: registry.db has no such slot"
                )
    return [row for row in waiting if row.component_id in live]


def _check_pages(name: str, db: sqlite3.Connection, report: CheckReport) -> None:
    try:
        rows = [row[0] for row in db.execute("PRAGMA integrity_check(10)")]
    except sqlite3.DatabaseError as error:
        rows = [str(error)]
    report.problems += [f"{name}: {row}" for row in rows if row != "ok"]


def _series_numbers(chunks: ChunkFile, report: CheckReport) -> list[int]:
    """List every series that has chunks or should have."""
    numbers: set[int] = set()
    for table in ("series_total", "chunk"):
        try:
            rows = chunks.db.execute(f"SELECT DISTINCT series FROM {table}").fetchall()
        except sqlite3.DatabaseError as error:
            report.problems.append(f"chunks.db: table {table}: {error}")
        else:
            numbers.update(row[0] for row in rows)
    return sorted(numbers)


def _check_series(registry: Registry, chunks: ChunkFile, series: int, report: CheckReport) -> None:
    report.series += 1
    name = _name(registry, series)
    try:
        places = chunks.places_of(series)
        check_sequence(places, chunks.total(series))
    except (DamagedSeriesError, sqlite3.DatabaseError) as error:
        report.problems.append(f"{name}: {error}")
    for first_index, _ in _places(chunks, series):
        try:
            found = chunks.chunks_from(series, first_index, first_index)
            for chunk in found:
                points = _check_chunk(chunk, report, name)
                _check_blocks(chunks, chunk, points, report, name)
        except (DamagedSeriesError, sqlite3.DatabaseError) as error:
            report.problems.append(f"{name}: {error}")


def _places(chunks: ChunkFile, series: int) -> list[tuple[int, int]]:
    try:
        return chunks.places_of(series)
    except (DamagedSeriesError, sqlite3.DatabaseError):
        return []


def _check_chunk(chunk: Chunk, report: CheckReport, name: str) -> Points:
    report.chunks += 1
    points = decode_chunk(chunk)
    report.points += len(points)
    expected = summarise(points)
    for member in (each.name for each in fields(Summary)):
        stored, right = getattr(chunk.summary, member), getattr(expected, member)
        # Chunks of a time when nobody noted it may lack it; nothing else may be missing.
        is_unknown = member == "is_single" and stored is None
        is_rounded = member in {"mean", "m2"}
        if not is_unknown and not _is_same(stored, right, is_rounded=is_rounded):
            report.problems.append(
                f"{name}: chunk at point {chunk.first_index}: {member} is {stored}, not {right}"
            )
    return points


def _check_blocks(
    chunks: ChunkFile, chunk: Chunk, points: Points, report: CheckReport, name: str
) -> None:
    """Compare what charts are made of with the points. A chunk may have none."""
    expected = encode_blocks(points)
    for axis in get_args(BlocksAxis):
        found = chunks.blocks_of(chunk.series, chunk.first_index, chunk.first_index, axis)
        # Those of another checksum are of a chunk that is no more: nobody uses them.
        stored = found.get((chunk.first_index, chunk.crc))
        if stored is None:
            continue
        right = decode_blocks((expected and getattr(expected, axis)) or b"")
        blocks = decode_blocks(stored)
        if right is None or blocks is None or not _are_same(blocks, right):
            report.problems.append(
                f"{name}: chunk at point {chunk.first_index}: its blocks of {axis} are wrong"
            )


def _are_same(one: Blocks, other: Blocks) -> bool:
    if one.level != other.level or len(one.rows) != len(other.rows):
        return False
    names = [each.name for each in fields(Rows) if each.name != "mean"]
    return np.allclose(one.rows.mean, other.rows.mean, rtol=1e-12, atol=0) and all(
        np.array_equal(getattr(one.rows, column), getattr(other.rows, column)) for column in names
    )


def _is_same(stored: float | None, right: float | None, *, is_rounded: bool) -> bool:
    if stored is None or right is None:
        return stored is right
    return stored == right or (is_rounded and math.isclose(stored, right, rel_tol=1e-12))


def _name(registry: Registry, series: int) -> str:
    row = registry.describe_series(series)
    if row is None:
        return f"series {series} (of a deleted component)"
    return f"metric {row.metric!r} of trial component {row.component.name!r}"
