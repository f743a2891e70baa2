"""What large chunks have for charts: there when it should be, never believed when it is wrong."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from stepwell.store.protocol import Blocks, Outline, SeriesKey
from stepwell.store.sqlite.checking import check_folder
from stepwell.store.sqlite.maintenance import compact_folder
from stepwell.store.sqlite.store import EmbeddedStore
from stepwell.testing.doors import NOW_US, RUN, put_of

KEY = SeriesKey(RUN, "loss")
#: Enough for blocks.
COUNT = 20_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with one series of one chunk."""
    with contextlib.closing(EmbeddedStore(tmp_path / "data")) as store:
        put(store, 0)
    compact_folder(tmp_path / "data")
    return tmp_path / "data"


def put(store: EmbeddedStore, first: int) -> None:
    """Put so many points that they are worth blocks."""
    points = [("loss", i, NOW_US + i, i / 7) for i in range(first, first + COUNT)]
    store.append([put_of(*points)])


def blocks_in(path: Path) -> list[Blocks | None]:
    """Open a folder and give what its chunks have."""
    with contextlib.closing(EmbeddedStore(path)) as store, store.view([KEY]) as view:
        (outline,) = view.outlines
        assert isinstance(outline, Outline)
        return view.blocks(outline.pieces, "steps")


def change(path: Path, statement: str) -> None:
    """Change chunks.db, as nobody should."""
    with contextlib.closing(sqlite3.connect(path / "chunks.db")) as chunks:
        chunks.execute(statement)
        chunks.commit()


def rows_in(path: Path) -> int:
    """Count the rows of the table."""
    with contextlib.closing(sqlite3.connect(path / "chunks.db")) as chunks:
        (count,) = chunks.execute("SELECT count(*) FROM blocks").fetchone()
        return int(count)


def test_a_large_chunk_has_blocks(folder: Path) -> None:
    """All its points are in them, and what they cost is little."""
    (blocks,) = blocks_in(folder)
    assert blocks is not None
    assert blocks.rows.count.sum() == COUNT
    assert len(blocks.rows) <= 65
    assert check_folder(folder).problems == []


def test_blocks_go_with_their_chunk(folder: Path) -> None:
    """When chunks are merged there is one row for the new one; none when they are deleted."""
    with contextlib.closing(EmbeddedStore(folder)) as store:
        put(store, COUNT)
    compact_folder(folder)
    assert rows_in(folder) == 1
    (blocks,) = blocks_in(folder)
    assert blocks is not None
    assert blocks.rows.count.sum() == 2 * COUNT
    with contextlib.closing(EmbeddedStore(folder)) as store:
        store.delete(RUN)
    compact_folder(folder)
    assert rows_in(folder) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE blocks SET steps = zeroblob(length(steps))",
        "UPDATE blocks SET steps = substr(steps, 1, length(steps) - 8)",
        "UPDATE blocks SET steps = x''",
    ],
)
def test_damaged_blocks(folder: Path, statement: str) -> None:
    """They are not used, and `check` names them."""
    change(folder, statement)
    assert blocks_in(folder) == [None]
    (problem,) = check_folder(folder).problems
    assert "'loss' of trial component 'run'" in problem
    assert "blocks of steps are wrong" in problem


def test_blocks_of_another_chunk(folder: Path) -> None:
    """What an older Stepwell left behind of a chunk that it replaced is not used, and no damage."""
    change(folder, "UPDATE blocks SET chunk_crc = chunk_crc + 1")
    assert blocks_in(folder) == [None]
    assert check_folder(folder).problems == []


def test_blocks_of_other_points(folder: Path) -> None:
    """`check` finds blocks that are whole and of this chunk, but not of its points."""
    change(folder, "UPDATE blocks SET steps = timestamps")
    (problem,) = check_folder(folder).problems
    assert "blocks of steps are wrong" in problem


def test_a_folder_without_blocks(folder: Path) -> None:
    """A folder made before there were any gets the table; only new chunks get blocks."""
    change(folder, "DROP TABLE blocks")
    assert blocks_in(folder) == [None]
    assert check_folder(folder).problems == []
    with contextlib.closing(EmbeddedStore(folder)) as store:
        put(store, COUNT)
    compact_folder(folder)
    (blocks,) = blocks_in(folder)
    assert blocks is not None
