"""Admission: what is taken in, who waits for the commit, and who is told.

It bounds the bytes and puts that wait, so that memory stays flat when the disk is slower than the
clients. Puts go to the committer, which is another process (see `committing`), as they come: what
comes in one turn of the loop goes in one piece. Its reports come back in the same order.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from stepwell.ingest.frames import Answer, Report, encode_put
from stepwell.model.errors import StoreError, StoreUnavailableError, ThrottledError
from stepwell.model.limits import Limits
from stepwell.model.points import Put

logger = logging.getLogger(__name__)

#: Told a put's answer.
Tell = Callable[[Answer], None]


class Observer(Protocol):
    """Is told what happened, for /metrics."""

    def committed(self, report: Report) -> None:
        """Note one group."""

    def unavailable(self, count: int) -> None:
        """Note puts that no committer has answered."""


class Ingest:
    """The way in. For one thread, the server's loop."""

    def __init__(
        self,
        limits: Limits,
        call_soon: Callable[[Callable[[], None]], object],
        observer: Observer | None = None,
    ) -> None:
        """Have no committer yet: puts are refused until one is attached.

        Args:
            limits: those on what waits.
            call_soon: the loop's.
            observer: is told about every group.
        """
        self._call_soon = call_soon
        self._limits = limits
        self._observer = observer
        self._send: Callable[[bytes], None] | None = None
        #: Why there is no committer, for clients.
        self._reason = "the process that commits puts is about to start"
        self._unsent: list[bytes] = []
        self._is_sending_soon = False
        self._unanswered: deque[tuple[int, Tell]] = deque()
        self._bytes = 0

    @property
    def waiting_puts(self) -> int:
        """Count the puts that are not answered yet."""
        return len(self._unanswered)

    @property
    def waiting_bytes(self) -> int:
        """Count the bytes of their requests."""
        return self._bytes

    @property
    def not_ready(self) -> str:
        """Say why there is no committer; empty where there is one."""
        return "" if self._send is not None else self._reason

    def submit(self, put: Put, wire_bytes: int, tell: Tell) -> None:
        """Hand a put over to the committer.

        Args:
            put: what is to be committed.
            wire_bytes: the size of its request, which is held until it is answered.
            tell: is called later, once the put is durable or not.

        Raises:
            ThrottledError: too much is waiting. Nothing is held then.
            StoreUnavailableError: there is no committer. Nothing is held then.
        """
        if self._send is None:
            if self._observer is not None:
                self._observer.unavailable(1)
            msg = f"Nothing was stored: {self._reason}. Try again."
            raise StoreUnavailableError(msg)
        if (
            self._bytes + wire_bytes > self._limits.waiting_bytes_max
            or len(self._unanswered) >= self._limits.waiting_puts_max
        ):
            msg = "Rate exceeded: too much is waiting to be committed. Try again."
            raise ThrottledError(msg)
        self._unsent.append(encode_put(put))
        self._unanswered.append((wire_bytes, tell))
        self._bytes += wire_bytes
        if not self._is_sending_soon:
            self._is_sending_soon = True
            self._call_soon(self._send_unsent)

    def attach(self, send: Callable[[bytes], None]) -> None:
        """Send puts to a committer from now on."""
        self._send = send

    def detach(self, reason: str, error: StoreError) -> None:
        """Refuse puts until there is a committer again, and fail those that wait.

        Args:
            reason: why there is none, for clients.
            error: is told to those who wait. Their puts may have been committed or not; who tries
                again with the same id finds out.
        """
        self._send = None
        self._reason = reason
        self._unsent.clear()
        if self._unanswered:
            if self._observer is not None:
                self._observer.unavailable(len(self._unanswered))
            self._tell([error] * len(self._unanswered))

    def take(self, report: Report) -> None:
        """Tell those whose puts a report is about."""
        if self._observer is not None:
            self._observer.committed(report)
        self._tell(report.answers)

    def _send_unsent(self) -> None:
        self._is_sending_soon = False
        if self._send is not None and self._unsent:
            unsent, self._unsent = self._unsent, []
            self._send(b"".join(unsent))

    def _tell(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            wire_bytes, tell = self._unanswered.popleft()
            self._bytes -= wire_bytes
            try:
                tell(answer)
            except Exception:
                logger.exception("a put's answer could not be sent")
