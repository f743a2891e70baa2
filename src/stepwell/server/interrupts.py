"""Signals: holding them back from a process that has not begun yet, and noting those to stop.

A terminal sends SIGINT to every process of its group, and a service manager SIGTERM. What the
server starts is for the server to stop; a new interpreter that gets one while it still imports dies
of it, or says so at length.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

_STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def interrupts_held(*others: signal.Signals) -> Iterator[None]:
    """Hold SIGINT back for the block, and for as long as they live in processes that it starts.

    Args:
        others: signals that are held back as well.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, *others])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def stop_noted(note: Callable[[], object]) -> Iterator[None]:
    """Call a function as well when a handled signal tells this process to stop, for the block.

    Only the main thread hears of signals; on others this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def on_signal(number: int, frame: object) -> None:
        note()
        before[number](number, frame)

    for number in _STOPPING:
        handler = signal.getsignal(number)
        if callable(handler):
            before[number] = handler
            signal.signal(number, on_signal)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
