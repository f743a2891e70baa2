"""Ingest: what is taken in, who waits for the commit, and who is told.

Admission bounds the bytes and puts that wait, so that memory stays flat when the disk is slower
than the clients. One thread, the committer, gathers every waiting put into one transaction of the
store and tells all of them at once: the fsync is shared by all who wait.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from stepwell.model.errors import StoreDefectError, StoreError, ThrottledError
from stepwell.model.limits import Limits
from stepwell.model.points import ItemError, ItemErrorCode, Outcome, Put
from stepwell.store.protocol import Store

logger = logging.getLogger(__name__)

#: Bounds on one transaction, so that it stays short.
_GROUP_PUTS_MAX = 1024
_GROUP_POINTS_MAX = 200_000

Answer = Outcome | StoreError
#: Told about a whole group at once, on the committer's thread.
Deliver = Callable[[Sequence[tuple["Ticket", Answer]]], None]


class Ticket(NamedTuple):
    """A put that waits, its bytes on the wire, and whatever its caller needs to find it again."""

    put: Put
    wire_bytes: int
    caller: object


class Observer(Protocol):
    """Is told what happened, for /metrics. Called on the committer's thread."""

    def committed(
        self, tickets: Sequence[Ticket], answers: Sequence[Answer], seconds: float
    ) -> None:
        """Note one group and the seconds that its commit took."""


class Ingest:
    """The way in. `admit` and `submit` are for one thread (the server's loop)."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        deliver: Deliver,
        observer: Observer | None = None,
    ) -> None:
        """Start the committer.

        Args:
            store: where puts go.
            limits: those on what waits, and whether a put may create its component.
            deliver: is handed every group with its answers.
            observer: is told about every group.
        """
        self._store = store
        self._limits = limits
        self._deliver = deliver
        self._observer = observer
        self._waiting: deque[Ticket] = deque()
        self._wake = threading.Event()
        self._is_closing = False
        self._bytes = 0
        self._puts = 0
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    @property
    def waiting_puts(self) -> int:
        """Count the puts that were admitted and not yet answered."""
        return self._puts

    @property
    def waiting_bytes(self) -> int:
        """Count the bytes that are held for bodies being received and puts not yet answered."""
        return self._bytes

    def admit(self, wire_bytes: int) -> None:
        """Make room for a request's bytes. `release` gives it back.

        Raises:
            ThrottledError: too much is waiting. Nothing is held then.
        """
        if (
            self._bytes + wire_bytes > self._limits.waiting_bytes_max
            or self._puts >= self._limits.waiting_puts_max
        ):
            msg = "Rate exceeded: too much is waiting to be committed. Try again."
            raise ThrottledError(msg)
        self._bytes += wire_bytes
        self._puts += 1

    def release(self, wire_bytes: int) -> None:
        """Give back what `admit` held, once the request is answered."""
        self._bytes -= wire_bytes
        self._puts -= 1

    def submit(self, ticket: Ticket) -> None:
        """Hand a put over to the committer. Its answer comes through `deliver`."""
        self._waiting.append(ticket)
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Commit what is waiting, then stop."""
        self._is_closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            # Cleared before looking: what comes after the look sets it again.
            self._wake.clear()
            while self._waiting:
                self._commit(self._gather())
            if self._is_closing and not self._waiting:
                return

    def _gather(self) -> list[Ticket]:
        tickets: list[Ticket] = []
        points = 0
        while self._waiting and len(tickets) < _GROUP_PUTS_MAX and points < _GROUP_POINTS_MAX:
            ticket = self._waiting.popleft()
            tickets.append(ticket)
            points += ticket.put.item_count
        return tickets

    def _commit(self, tickets: list[Ticket]) -> None:
        started = time.perf_counter()
        answers = self._append(tickets)
        if self._observer is not None:
            self._observer.committed(tickets, answers, time.perf_counter() - started)
        self._deliver(list(zip(tickets, answers, strict=True)))

    def _append(self, tickets: Sequence[Ticket]) -> list[Answer]:
        try:
            answers = self._append_known([ticket.put for ticket in tickets])
        except StoreError as error:
            self._note_failing(error)
            return [error] * len(tickets)
        except Exception as error:  # noqa: BLE001 - Puts logs it, with the id of its request
            if len(tickets) == 1:
                defect = StoreDefectError("an unexpected error; see the server's log")
                defect.__cause__ = error
                return [defect]
            # One bad put must not take the others along.
            return [self._append([ticket])[0] for ticket in tickets]
        self._note_failing(None)
        return answers

    def _note_failing(self, error: StoreError | None) -> None:
        """Log when commits begin to fail and when they succeed again, not every put."""
        if error is not None and not self._is_failing:
            logger.error("puts cannot be committed, and are refused until they can: %s", error)
        elif error is None and self._is_failing:
            logger.warning("puts are committed again")
        self._is_failing = error is not None

    def _append_known(self, puts: list[Put]) -> list[Answer]:
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


def _unknown_component(put: Put) -> Outcome:
    return Outcome(
        [ItemError(index, ItemErrorCode.VALIDATION_ERROR) for index in range(put.item_count)]
    )
