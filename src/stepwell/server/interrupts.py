"""Holding Ctrl-C back where it would hit a process that has not begun yet.

A terminal sends SIGINT to every process of its group. What the server starts is for the server to
stop; a new interpreter that gets it while it still imports says so at length.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold SIGINT back for the block, and for as long as they live in processes that it starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
