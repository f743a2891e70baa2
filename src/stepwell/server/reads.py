"""Bounds the answers of points at one time: each holds memory until it is sent.

Where there are too many, a client that has stopped reading makes room for one that asks: clients
that do not read cannot keep the others out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stepwell.model.errors import ThrottledError
from stepwell.server.peer import Peer

#: A client that has not read for less than this is not disturbed.
_UNREAD_S = 2.0


class Reads:
    """Those that are being answered now. On the loop."""

    def __init__(self, reads_max: int) -> None:
        """Answer none yet, and at most so many at one time."""
        self._max = reads_max
        self._peers: list[Peer] = []

    @contextmanager
    def admit(self, peer: Peer) -> Iterator[None]:
        """Count one more as long as the block runs.

        Raises:
            ThrottledError: there are too many, and all of their clients read.
        """
        if len(self._peers) >= self._max:
            self._make_room()
        self._peers.append(peer)
        try:
            yield
        finally:
            if peer in self._peers:
                self._peers.remove(peer)

    def _make_room(self) -> None:
        slowest = max(self._peers, key=Peer.unread_s)
        if slowest.unread_s() < _UNREAD_S:
            msg = "Rate exceeded: too many answers are being sent. Try again."
            raise ThrottledError(msg)
        slowest.let_go()
        self._peers.remove(slowest)
