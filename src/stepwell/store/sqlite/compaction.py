"""Compaction: hot rows into chunks, small chunks into larger ones, deleted components' space back.

One process at a time compacts (a lock). A round reads hot rows up to an instant that lies before
the first read, so that rows of several files are taken in their order of arrival; encodes the
chunks; and commits them together with how far each hot file is compacted. Only after that do the
writers delete the rows. A crash before the commit has changed nothing; after it, the rows are
already ignored.

Chunks are merged by size tiers: when a series has `_TIER_CHUNKS` chunks of a tier (a power of
`_TIER_FACTOR` points) at its end, they become one of the next. So a point is rewritten at most
once a tier, eight times on its way from 1 to 65,536.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from stepwell.model.errors import DamagedSeriesError
from stepwell.model.points import Points
from stepwell.store.sqlite.blocks import POINTS_MIN as BLOCKS_POINTS_MIN
from stepwell.store.sqlite.blocks import encode_blocks
from stepwell.store.sqlite.chunk_file import BlocksRow, ChunkFile
from stepwell.store.sqlite.chunks import CHUNK_POINTS_MAX, Chunk, decode_chunk, encode_chunk
from stepwell.store.sqlite.folder import COMPACTION_LOCK, Folder, give_all_space_back, vacuum
from stepwell.store.sqlite.hot import (
    HotReader,
    HotRow,
    clear_free_slots,
    unpack_points,
)
from stepwell.store.sqlite.hot_points import by_series
from stepwell.store.sqlite.registry import Registry

_TIER_FACTOR = 4
_TIER_CHUNKS = 4
#: 9 tiers of 3 chunks, and one full chunk to stop at.
_TAIL_CHUNKS = 32
#: Points read in one round: about 60 MB while they are sorted.
_ROUND_POINTS_MAX = 524_288
#: A round is due when this much is hot, or the oldest row is this old. The more points a chunk gets
#: the cheaper each is; but a read of one component goes through all of its hot rows.
_DUE_POINTS = 524_288
_DUE_ROWS = 65_536
_DUE_ROWS_PER_COMPONENT = 2048
_DUE_AGE_NS = 60_000_000_000
_VACUUM_PAGES = 512

#: Called with the name of each step as it begins; tests make processes die there.
StepHook = Callable[[str], None]


def _no_hook(_step: str) -> None:
    pass


class Progress(NamedTuple):
    """What one round did."""

    points: int
    chunks_written: int
    is_complete: bool


class _Ahead(NamedTuple):
    """A row that the clock has not come to yet, and when it was seen first."""

    seq: int
    seen_ns: int


@dataclass
class _Plan:
    """The chunks that a round takes away and those that it writes."""

    removed: list[tuple[int, int]] = field(default_factory=list)
    added: list[Chunk] = field(default_factory=list)
    blocks: list[BlocksRow] = field(default_factory=list)

    def add(self, series: int, first_index: int, points: Points) -> None:
        """Plan points as chunks of at most `CHUNK_POINTS_MAX`."""
        for start in range(0, len(points), CHUNK_POINTS_MAX):
            stop = start + CHUNK_POINTS_MAX
            part = Points(
                points.steps[start:stop],
                points.timestamps_us[start:stop],
                points.values[start:stop],
            )
            chunk = encode_chunk(series, first_index + start, part)
            self.added.append(chunk)
            blocks = encode_blocks(part) if len(part) >= BLOCKS_POINTS_MIN else None
            if blocks is not None:
                self.blocks.append(BlocksRow(series, chunk.first_index, chunk.crc, *blocks))


class Compactor:
    """Compacts one folder. For one thread; `try_start` must have returned True."""

    def __init__(self, folder: Folder, hook: StepHook = _no_hook) -> None:
        """Prepare; nothing is opened or locked yet."""
        self._folder = folder
        self._hook = hook
        self._lock = folder.lock(COMPACTION_LOCK)
        self._hot: dict[int, HotReader] = {}
        self._files: tuple[Registry, ChunkFile] | None = None
        self._ahead: _Ahead | None = None

    def try_start(self, *, wait: bool = False) -> bool:
        """Become the one that compacts this folder; False if another is. May be repeated."""
        if not self._lock.acquire(wait=wait):
            return False
        if self._files is None:
            self._files = (Registry(self._folder), ChunkFile(self._folder))
        return True

    def pause(self) -> None:
        """Let another process compact; `try_start` comes first again."""
        self._lock.give_back()

    def is_due(self, now_ns: int) -> bool:
        """Say whether enough has gathered for a round, or something was deleted."""
        registry, chunks = self._opened()
        if registry.unpurged():
            return True
        compacted = chunks.compacted()
        waiting = [
            each
            for each in (
                reader.waiting(compacted.get(reader.slot, 0)) for reader in self._readers()
            )
            if each.rows
        ]
        rows = sum(each.rows for each in waiting)
        components = max((each.components for each in waiting), default=0)
        return bool(waiting) and (
            sum(each.points for each in waiting) >= _DUE_POINTS
            or rows >= min(_DUE_ROWS, components * _DUE_ROWS_PER_COMPONENT)
            or self._age_ns(min(each.oldest_seq for each in waiting), now_ns) >= _DUE_AGE_NS
        )

    def _age_ns(self, seq: int, now_ns: int) -> int:
        """Say how old a row is; if it is of a time to come, for how long it has been known."""
        if seq <= now_ns:
            return now_ns - seq
        if self._ahead is None or self._ahead.seq != seq:
            self._ahead = _Ahead(seq, time.monotonic_ns())
        return time.monotonic_ns() - self._ahead.seen_ns

    def run_round(self, now_ns: int) -> Progress:
        """Compact what was answered before `now_ns`, up to a round's bound of points.

        Raises:
            sqlite3.Error: the disk is full, say. Nothing was changed; try again later.
        """
        registry, chunks = self._opened()
        self._hook("read")
        rows, marks, is_complete = self._read_rows(chunks.compacted(), now_ns)
        plan, count = _Plan(), 0
        if rows:
            live = registry.live_components({row.component_id for row in rows})
            self._hook("encode")
            count = sum(row.count for row in rows)
            points = unpack_points(row.points for row in rows if row.component_id in live)
            del rows
            for series, part in by_series(points):
                self._plan_series(plan, series, part)
            self._hook("write")
            chunks.replace(plan.removed, plan.added, plan.blocks, marks, live)
            self._hook("written")
        self._purge()
        clear_free_slots(self._folder, chunks.compacted())
        return Progress(count, len(plan.added), is_complete)

    def run_fully(self, now_ns: int) -> Progress:
        """Compact everything, and merge every series into as few chunks as there can be."""
        registry, chunks = self._opened()
        points = written = 0
        is_complete = False
        while not is_complete:
            progress = self.run_round(now_ns)
            points, written = (
                points + progress.points,
                written + progress.chunks_written,
            )
            is_complete = progress.is_complete
        for series in chunks.series():
            plan = _Plan()
            with contextlib.suppress(DamagedSeriesError):
                self._merge_all(plan, series)
            if plan.added:
                chunks.replace(plan.removed, plan.added, plan.blocks)
                written += len(plan.added)
        chunks.give_all_space_back()
        give_all_space_back(registry.db)
        return Progress(points, written, is_complete)

    def close(self) -> None:
        """Close the files and let another process compact."""
        for reader in self._hot.values():
            reader.close()
        self._hot.clear()
        if self._files is not None:
            for file in self._files:
                file.close()
            self._files = None
        self._lock.release()

    def _opened(self) -> tuple[Registry, ChunkFile]:
        if self._files is None:
            msg = "try_start() comes first"
            raise RuntimeError(msg)
        return self._files

    def _readers(self) -> list[HotReader]:
        registry, _ = self._opened()
        for slot in registry.slots():
            if slot not in self._hot:
                self._hot[slot] = HotReader(self._folder, slot)
        return list(self._hot.values())

    def _read_rows(
        self, compacted: dict[int, int], now_ns: int
    ) -> tuple[list[HotRow], dict[int, int], bool]:
        """Read a round's rows of all files in order of arrival, and how far that is in each."""
        parts: dict[int, list[HotRow]] = {}
        readers = self._readers()
        # Rows of a time when the clock was ahead must not wait until it comes.
        last_seq = max([now_ns, *(reader.newest_seq() for reader in readers)])
        is_complete = True
        for reader in readers:
            # What another file held back is held back here too.
            rows, is_all = reader.rows_after(
                compacted.get(reader.slot, 0), last_seq, _ROUND_POINTS_MAX
            )
            parts[reader.slot] = rows
            if not is_all:
                last_seq, is_complete = rows[-1].seq, False
        marks = {}
        for slot, rows in parts.items():
            kept = [row for row in rows if row.seq <= last_seq]
            parts[slot] = kept
            if kept:
                marks[slot] = kept[-1].seq
        together = [row for rows in parts.values() for row in rows]
        if len(marks) > 1:
            together.sort(key=lambda row: row.seq)
        return together, marks, is_complete

    def _plan_series(self, plan: _Plan, series: int, points: Points) -> None:
        """Plan the chunks for a series' new points, and which of its last chunks they take in."""
        _, chunks = self._opened()
        total = chunks.total(series)
        # A damaged chunk is left as it is, for `check` and for whoever can mend it.
        with contextlib.suppress(DamagedSeriesError):
            tail = _unbroken(chunks.tail_of(series, _TAIL_CHUNKS), total)
            merged = _merge_count([count for _, count in tail], len(points))
            if merged:
                old = chunks.chunks_from(series, tail[merged - 1][0], tail[0][0])
                points = _concatenate([*map(decode_chunk, old), points])
                plan.removed += [(series, first) for first, _ in tail[:merged]]
                total = tail[merged - 1][0]
        plan.add(series, total, points)

    def _merge_all(self, plan: _Plan, series: int) -> None:
        """Plan the merging of every run of chunks that are not full."""
        _, chunks = self._opened()
        run: list[tuple[int, int]] = []
        for first, count in [*chunks.places_of(series), (0, CHUNK_POINTS_MAX)]:
            is_next = not run or first == sum(run[-1])
            if count < CHUNK_POINTS_MAX and is_next:
                run.append((first, count))
                continue
            if len(run) > 1:
                old = chunks.chunks_from(series, run[0][0], run[-1][0])
                with contextlib.suppress(DamagedSeriesError):
                    points = _concatenate([decode_chunk(each) for each in old])
                    plan.removed += [(series, first) for first, _ in run]
                    plan.add(series, run[0][0], points)
            run = [(first, count)] if count < CHUNK_POINTS_MAX else []

    def _purge(self) -> None:
        """Delete the chunks of deleted components, and give some free space back."""
        registry, chunks = self._opened()
        for component_id in registry.unpurged():
            self._hook("purge")
            chunks.delete_component(component_id, registry.series_of(component_id).values())
            registry.purge(component_id)
        chunks.give_space_back(_VACUUM_PAGES)
        vacuum(registry.db, _VACUUM_PAGES)


def _tier(count: int) -> int:
    return (count.bit_length() - 1) // (_TIER_FACTOR.bit_length() - 1)


def _unbroken(tail: list[tuple[int, int]], total: int) -> list[tuple[int, int]]:
    """Keep a series' last chunks (first_index, count), the last one first, up to a gap.

    Where a chunk is missing, new ones go to where they belong: the gap stays, and is noticed.
    """
    stop = total
    for index, (first, count) in enumerate(tail):
        if first + count != stop:
            return tail[:index]
        stop = first
    return tail


def _merge_count(tail_counts: list[int], new_count: int) -> int:
    """Say how many of a series' last chunks, the last one first, a new chunk takes in."""
    merged, count = 0, new_count
    while True:
        run, run_count = 0, 0
        for each in tail_counts[merged:]:
            if _tier(each) > _tier(count) or count + run_count + each > CHUNK_POINTS_MAX:
                break
            run, run_count = run + 1, run_count + each
        if run < _TIER_CHUNKS - 1:
            return merged
        merged, count = merged + run, count + run_count


def _concatenate(parts: list[Points]) -> Points:
    return Points(
        np.concatenate([part.steps for part in parts]),
        np.concatenate([part.timestamps_us for part in parts]),
        np.concatenate([part.values for part in parts]),
    )
