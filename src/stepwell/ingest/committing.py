"""Committing: every put that waits into one transaction of the store, and a report of it back.

It runs in a process of its own, one beside each worker: under one GIL, a thread that commits and a
loop that talks HTTP wake each other up for every put, which costs as much as either one's work.
"""

from __future__ import annotations

import logging
import socket
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence

from stepwell.ingest.frames import Answer, Report, Splitter, decode_put, encode_report
from stepwell.model.errors import StoreDefectError, StoreError
from stepwell.model.limits import Limits
from stepwell.model.points import ItemError, ItemErrorCode, Outcome, Put
from stepwell.store.protocol import Store

logger = logging.getLogger(__name__)

#: Bounds on one transaction, so that it stays short.
_GROUP_PUTS_MAX = 1024
_GROUP_POINTS_MAX = 200_000
_RECEIVE_BYTES = 1024 * 1024

#: A put, or why it could not be decoded.
_Received = Put | StoreDefectError


class Committer:
    """Commits groups of puts. For one thread."""

    def __init__(self, store: Store, limits: Limits, sync_seconds: list[float]) -> None:
        """Hold the store.

        Args:
            store: where puts go.
            limits: say whether a put may create its component.
            sync_seconds: to this the store appends what each write and fsync took.
        """
        self._store = store
        self._limits = limits
        self._sync_seconds = sync_seconds
        self._is_failing = False

    def serve(self, link: socket.socket) -> None:
        """Commit what comes through a link until its other end is closed, or gone."""
        waiting = _Waiting(link)
        while group := waiting.gather():
            for report in self._commit(group):
                try:
                    link.sendall(encode_report(report))
                except OSError:
                    # The worker was killed. Whoever waited for the answer asks another one.
                    return

    def _commit(self, group: Sequence[_Received]) -> Iterator[Report]:
        """Commit a group. Where that fails in an unexpected way, put by put, and so reported."""
        started = time.perf_counter()
        self._sync_seconds.clear()
        puts = [each for each in group if isinstance(each, Put)]
        try:
            stored = iter(self._append(puts) if puts else ())
            answers = [each if isinstance(each, StoreError) else next(stored) for each in group]
        except Exception as error:  # noqa: BLE001 - Puts logs it, with the id of its request
            if len(group) > 1:
                # One bad put must not take the others along.
                for each in group:
                    yield from self._commit([each])
                return
            answers = [_defect(error)]
        yield Report(answers, time.perf_counter() - started, self._sync_seconds)

    def _append(self, puts: Sequence[Put]) -> list[Answer]:
        try:
            answers = self._append_known(puts)
        except StoreError as error:
            self._note_failing(error)
            return [error] * len(puts)
        self._note_failing(None)
        return answers

    def _note_failing(self, error: StoreError | None) -> None:
        """Log when commits begin to fail and when they succeed again, not every put."""
        if error is not None and not self._is_failing:
            logger.error("puts cannot be committed, and are refused until they can: %s", error)
        elif error is None and self._is_failing:
            logger.warning("puts are committed again")
        self._is_failing = error is not None

    def _append_known(self, puts: Sequence[Put]) -> list[Answer]:
        if self._limits.creates_components:
            return list(self._store.append(puts))
        known = [self._store.has_component(put.component) for put in puts]
        stored = iter(
            self._store.append([put for put, is_known in zip(puts, known, strict=True) if is_known])
        )
        return [
            next(stored) if is_known else _unknown_component(put)
            for put, is_known in zip(puts, known, strict=True)
        ]


class _Waiting:
    """The puts that have come through a link and are not committed yet."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._puts: deque[_Received] = deque()
        self._points = 0
        self._splitter = Splitter()
        self._has_ended = False

    def gather(self) -> list[_Received]:
        """Wait for a put; give it and those that came with it. Empty once the link has ended."""
        while not self._puts and not self._has_ended:
            self._receive(0)
        while not self._is_full() and not self._has_ended:
            try:
                self._receive(socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
        group: list[_Received] = []
        points = 0
        while self._puts and len(group) < _GROUP_PUTS_MAX and points < _GROUP_POINTS_MAX:
            put = self._puts.popleft()
            group.append(put)
            points += put.item_count if isinstance(put, Put) else 0
        self._points -= points
        return group

    def _is_full(self) -> bool:
        return len(self._puts) >= _GROUP_PUTS_MAX or self._points >= _GROUP_POINTS_MAX

    def _receive(self, flags: int) -> None:
        try:
            data = self._link.recv(_RECEIVE_BYTES, flags)
        except ConnectionError:
            data = b""
        if not data:
            self._has_ended = True
            return
        for content in self._splitter.feed(data):
            try:
                put = decode_put(content)
            except Exception as error:  # noqa: BLE001 - that put's answer, in its place
                self._puts.append(_defect(error))
                continue
            self._puts.append(put)
            self._points += put.item_count


def _defect(error: Exception) -> StoreDefectError:
    defect = StoreDefectError("an unexpected error; see the server's log")
    defect.add_note("".join(traceback.format_exception(error)))
    return defect


def _unknown_component(put: Put) -> Outcome:
    return Outcome(
        [ItemError(index, ItemErrorCode.VALIDATION_ERROR) for index in range(put.item_count)]
    )
