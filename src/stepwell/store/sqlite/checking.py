"""Checking a folder: every chunk, summary and count against its points. Changes nothing."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from dataclasses import dataclass, field, fields
from pathlib import Path

from stepwell.model.errors import DamagedSeriesError
from stepwell.store.sqlite.chunks import (
    Chunk,
    ChunkFile,
    Summary,
    check_sequence,
    decode_chunk,
    summarise,
)
from stepwell.store.sqlite.folder import Folder, transaction
from stepwell.store.sqlite.hot import HotReader
from stepwell.store.sqlite.registry import Registry
from stepwell.store.sqlite.store import unavailable_on_error


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
        _check_hot_files(folder, registry, report)
        _check_pages("chunks.db", chunks.db, report)
        _check_pages("registry.db", registry.db, report)
        with transaction(chunks.db, write=False):
            for series in _series_numbers(chunks, report):
                _check_series(registry, chunks, series, report)
    return report


def _check_hot_files(folder: Folder, registry: Registry, report: CheckReport) -> None:
    for slot in registry.slots():
        with contextlib.closing(HotReader(folder, slot)) as reader:
            try:
                problems = reader.integrity_problems()
            except sqlite3.DatabaseError as error:
                problems = [str(error)]
        report.problems += [f"hot-{slot}.db: {problem}" for problem in problems]


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
                _check_chunk(chunk, report, name)
        except (DamagedSeriesError, sqlite3.DatabaseError) as error:
            report.problems.append(f"{name}: {error}")


def _places(chunks: ChunkFile, series: int) -> list[tuple[int, int]]:
    try:
        return chunks.places_of(series)
    except sqlite3.DatabaseError:
        return []


def _check_chunk(chunk: Chunk, report: CheckReport, name: str) -> None:
    report.chunks += 1
    points = decode_chunk(chunk)
    report.points += len(points)
    expected = summarise(points)
    for member in (each.name for each in fields(Summary)):
        stored, right = getattr(chunk.summary, member), getattr(expected, member)
        if not _is_same(stored, right):
            report.problems.append(
                f"{name}: chunk at point {chunk.first_index}: {member} is {stored}, not {right}"
            )


def _is_same(stored: float | None, right: float | None) -> bool:
    if stored is None or right is None:
        return stored is right
    return stored == right or math.isclose(stored, right, rel_tol=1e-12)


def _name(registry: Registry, series: int) -> str:
    row = registry.describe_series(series)
    if row is None:
        return f"series {series} (of a deleted component)"
    return f"metric {row.metric!r} of trial component {row.component.name!r}"
