"""Compacting again and again, as rounds become due. `server.compaction` runs it as a process."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable

from stepwell.model.errors import StoreError
from stepwell.store.sqlite.compaction import Compactor
from stepwell.store.sqlite.folder import Folder

logger = logging.getLogger(__name__)


def compact_until(
    is_over: Callable[[float], bool],
    folder: Folder,
    interval_s: float,
    on_settled: Callable[[], None] = lambda: None,
) -> None:
    """Compact a folder as rounds become due, where no other process does.

    Args:
        is_over: waits for so many seconds and says whether to stop.
        folder: what to compact.
        interval_s: seconds between two looks.
        on_settled: called after every look, when no rounds are due any more.
    """
    with contextlib.closing(Compactor(folder)) as compactor:
        while not is_over(interval_s):
            try:
                if compactor.try_start():
                    while compactor.is_due(time.time_ns()):
                        compactor.run_round(time.time_ns())
                        if is_over(0):
                            return
                    on_settled()
            except (sqlite3.Error, OSError, StoreError) as error:
                # The disk is full, say: nothing was changed, and the next look comes.
                logger.warning("compaction failed and will be tried again: %s", error)
            finally:
                compactor.pause()
