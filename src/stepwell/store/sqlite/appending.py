"""Appending: a group of puts into one durable transaction, each id exactly once.

A group goes through these steps, all in one call of `Appender.append`:
ids are claimed and looked up; names become numbers, new ones are registered (within the limits);
points are packed and committed with their ids. For one thread.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from stepwell.model.limits import Limits
from stepwell.model.names import Component
from stepwell.model.points import ItemError, ItemErrorCode, Outcome, Put
from stepwell.store.sqlite.chunk_file import ChunkFile
from stepwell.store.sqlite.folder import Folder, hot_file
from stepwell.store.sqlite.hot import HotReader, HotWriter, pack_points
from stepwell.store.sqlite.idempotency import (
    Claims,
    Committed,
    IdIndex,
    fingerprint,
    pack_ids,
)
from stepwell.store.sqlite.registry import Known, NameCache, Registry
from stepwell.store.sqlite.slots import settle_free_slot

logger = logging.getLogger(__name__)

#: Clocks of machines are corrected by less than this.
_AHEAD_S_MAX = 60


@dataclass(slots=True)
class _Group:
    """A group on its way: outcomes by place, rows and ids to be committed."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    rows: list[tuple[int, int, bytes]] = field(default_factory=list)
    ids: dict[int, Committed] = field(default_factory=dict)


class Appender:
    """The writing side of one worker process."""

    def __init__(
        self,
        folder: Folder,
        limits: Limits,
        count_points: Callable[[Component], int],
        *,
        is_shared: bool,
        now_ns: Callable[[], int],
        on_sync: Callable[[float], None],
    ) -> None:
        """Take a slot and read the ids that are still kept.

        Args:
            folder: the data folder.
            limits: those on components and ids.
            count_points: counts a component's points, for the limit on them.
            is_shared: other processes append at the same time.
            now_ns: the clock.
            on_sync: told the seconds of every durable write.
        """
        self._folder = folder
        self._on_sync = on_sync
        self._limits = limits
        self._count_points = count_points
        self._is_shared = is_shared
        self._now_ns = now_ns
        self._registry = Registry(folder)
        self._names = NameCache(self._registry, limits.metrics_per_component)
        self._chunks = ChunkFile(folder)
        self._claims = Claims(folder)
        self._writer = self._take_slot()
        self._ids = IdIndex(limits.idempotency_s, limits.idempotency_ids_max)
        self._others: dict[int, tuple[HotReader, int]] = {}
        #: Slots of dead owners: how often their files were settled when we last saw to it.
        self._settled: dict[int, int] = {}
        self._read_ids(every_slot=True)

    def append(self, puts: Sequence[Put]) -> list[Outcome]:
        """Commit puts. Raises sqlite3.Error or OSError: nothing was committed, or only whole puts.

        A put whose id another process is committing right now waits for that.
        """
        now_ns = self._now_ns()
        if self._names.refresh(now_ns // 1000) and self._is_shared:
            self._find_slots()
        keys = [None if put.put_id is None else fingerprint(put) for put in puts]
        waiting: list[int] = []
        try:
            if self._is_shared:
                waiting = [
                    index
                    for index, key in enumerate(keys)
                    if key is not None and not self._claims.take(key)
                ]
                self._read_ids(every_slot=False)
            outcomes = self._append_claimed(puts, keys, set(waiting), now_ns)
        finally:
            if self._is_shared:
                self._claims.release_all()
        for index in waiting:
            outcomes[index] = self._append_waiting(puts[index], keys[index] or 0)
        return [outcomes[index] for index in range(len(puts))]

    def forget(self, rows_max: int) -> int:
        """Delete own rows that are compacted and ids that are too old, at most so many of each."""
        compacted = self._chunks.compacted().get(self._writer.slot, 0)
        ids_before = self._ids.oldest_kept_ns(self._now_ns())
        return self._writer.forget(compacted, ids_before, rows_max)

    def close(self) -> None:
        """Close the files and give the slot back."""
        for reader, _ in self._others.values():
            reader.close()
        for file in (self._writer, self._claims, self._chunks, self._registry):
            file.close()

    def _take_slot(self) -> HotWriter:
        """Take a free slot. One with rows of a time to come would number all others after them.

        Then their age, and that of their ids, would not be known until that time has come.
        """
        first = 0
        while True:
            writer = HotWriter(self._folder, self._on_sync, first)
            writer.start_after(self._chunks.compacted().get(writer.slot, 0))
            ahead_s = (writer.last_seq - self._now_ns()) / 1e9
            if ahead_s <= _AHEAD_S_MAX:
                break
            logger.warning(
                "%s was written when the clock was %.0f s ahead of now: another file is used",
                hot_file(writer.slot),
                ahead_s,
            )
            first = writer.slot + 1
            writer.close()
        self._registry.add_slot(writer.slot)
        self._claims.own(writer.slot)
        return writer

    def _append_waiting(self, put: Put, key: int) -> Outcome:
        """Append one put whose id another process had claimed, once that is done with it."""
        try:
            self._claims.take(key, wait=True)
            self._names.refresh(self._now_ns() // 1000)
            self._find_slots()
            self._read_ids(every_slot=False)
            return self._append_claimed([put], [key], set(), self._now_ns())[0]
        finally:
            self._claims.release_all()

    def _append_claimed(
        self,
        puts: Sequence[Put],
        keys: Sequence[int | None],
        skipped: set[int],
        now_ns: int,
    ) -> dict[int, Outcome]:
        group = _Group()
        found = self._ids.find([key for key in keys if key is not None], now_ns)
        fresh: list[int] = []
        again: list[int] = []
        claimed: set[int | None] = set()
        for index, (put, key) in enumerate(zip(puts, keys, strict=True)):
            if index in skipped:
                continue
            if key is not None and key in found:
                group.outcomes[index] = _retry(put, found[key])
            elif self._names.was_deleted_since(put.component, put.received_us):
                group.outcomes[index] = Outcome(_conflicts(put))
            elif key is not None and key in claimed:
                again.append(index)
            else:
                fresh.append(index)
                claimed.add(key)
        self._pack(group, puts, keys, fresh)
        for index in again:
            key = keys[index]
            committed = None if key is None else group.ids.get(key)
            if committed is None:
                # The first attempt stored nothing and left no id: this one stands for itself.
                self._pack(group, puts, keys, [index])
            else:
                group.outcomes[index] = _retry(puts[index], committed)
        if group.rows:
            self._writer.commit(group.rows, pack_ids(group.ids) if group.ids else None, now_ns)
            self._ids.add(group.ids, now_ns)
        return group.outcomes

    def _pack(
        self,
        group: _Group,
        puts: Sequence[Put],
        keys: Sequence[int | None],
        fresh: Sequence[int],
    ) -> None:
        """Turn fresh puts into rows and ids."""
        is_limited = self._limits.points_per_component is not None
        numbers: dict[int, tuple[int, list[int]]] = {}
        wanted: dict[Component, dict[str, None]] = {}
        owners: dict[Component, str] = {}
        for index in fresh:
            put = puts[index]
            found = None if is_limited else self._names.numbers(put.component, put.metrics)
            if found is not None:
                numbers[index] = found
            elif put.metrics:
                wanted.setdefault(put.component, {}).update(dict.fromkeys(put.metrics))
                owners.setdefault(put.component, put.owner)
        known = self._names.resolve(wanted, self._now_ns() // 1000, owners) if wanted else {}
        room = self._room(wanted)
        for index in fresh:
            put = puts[index]
            over: list[ItemError] = []
            if not put.metrics:
                stored = 0
            elif index in numbers:
                component_id, series = numbers[index]
                stored = len(series)
                group.rows.append((component_id, stored, pack_points(series, put)))
            else:
                stored, over = _pack_chosen(group, put, known[put.component], room)
            outcome = Outcome(sorted((*put.refused, *over)) if over else put.refused, stored)
            group.outcomes[index] = outcome
            key = keys[index]
            if key is not None and stored:
                group.ids[key] = Committed(put.content_crc, outcome.errors)

    def _room(self, components: Iterable[Component]) -> dict[Component, int]:
        """Say how many more points each component takes, where there is a limit."""
        limit = self._limits.points_per_component
        if limit is None:
            return {}
        if self._is_shared:
            # Nobody else may put to these until our transaction is done. In one order: no deadlock.
            for component in sorted(components):
                self._claims.take(_hash_of(component), wait=True)
        return {component: limit - self._count_points(component) for component in components}

    def _find_slots(self) -> None:
        """Open the hot files of workers that have come since."""
        for slot in self._registry.slots():
            if slot != self._writer.slot and slot not in self._others:
                self._others[slot] = (HotReader(self._folder, slot), 0)

    def _settle_dead(self) -> None:
        """Settle the files of dead owners, so that their ids can be relied on."""
        for slot, (reader, _) in self._others.items():
            if self._claims.is_owned(slot):
                continue
            # A new owner that came and died since has settled it too.
            if self._settled.get(slot) == reader.settled_count():
                continue
            is_owned = functools.partial(self._claims.is_owned, slot)
            count = settle_free_slot(self._folder, slot, is_owned)
            if count is not None:
                self._settled[slot] = count

    def _read_ids(self, *, every_slot: bool) -> None:
        """Read the ids that others (with `every_slot`, also we in an earlier life) committed."""
        self._find_slots()
        self._settle_dead()
        oldest_ns = self._ids.oldest_kept_ns(self._now_ns())
        for slot, (reader, last) in self._others.items():
            groups = reader.id_groups_after(max(last, oldest_ns))
            for group in groups:
                self._ids.add_group(group.ids, group.answers, group.seq)
            if groups:
                self._others[slot] = (reader, groups[-1].seq)
        if every_slot:
            own = HotReader(self._folder, self._writer.slot)
            for group in own.id_groups_after(oldest_ns):
                self._ids.add_group(group.ids, group.answers, group.seq)
            own.close()


def _hash_of(component: Component) -> int:
    """Hash a component to the byte that is locked while its points are counted."""
    empty = Put(component, [], [], [], [], 0, owner="\0component")
    return fingerprint(empty)


def _pack_chosen(
    group: _Group, put: Put, known: Known, room: dict[Component, int]
) -> tuple[int, list[ItemError]]:
    """Add a put's row, without the points that are past a limit. Returns (stored, those)."""
    component_id, series = known.component_id, known.series
    if component_id is None:
        msg = f"component {put.component} was not registered"
        raise RuntimeError(msg)
    count = len(put.metrics)
    with_series = (index for index, metric in enumerate(put.metrics) if metric in series)
    chosen = list(itertools.islice(with_series, max(0, room.get(put.component, count))))
    if chosen:
        numbers = [series[put.metrics[index]] for index in chosen]
        group.rows.append((component_id, len(chosen), pack_points(numbers, put, chosen)))
    if room:
        room[put.component] -= len(chosen)
    kept = set(chosen)
    over = [
        ItemError(put.position(index), ItemErrorCode.METRIC_LIMIT_EXCEEDED)
        for index in range(count)
        if index not in kept
    ]
    return len(chosen), over


def _retry(put: Put, committed: Committed) -> Outcome:
    """Answer a put whose id was committed: the first answer, or a conflict if it is another put."""
    if committed.crc == put.content_crc:
        return Outcome(committed.errors, is_retry=True)
    return Outcome(_conflicts(put))


def _conflicts(put: Put) -> list[ItemError]:
    return [ItemError(index, ItemErrorCode.CONFLICT_ERROR) for index in range(put.item_count)]
