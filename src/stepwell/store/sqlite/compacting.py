"""The process that compacts beside a server: `python -m stepwell.store.sqlite.compacting FOLDER`.

A process of its own, because compaction is a quarter of the work of taking points in, and in the
server's process each Python line of it would hold up a put. It ends when its standard input does,
so it never outlives the server that started it; a crash of it costs nothing but time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

from stepwell.model.errors import DamagedSeriesError
from stepwell.store.sqlite.compaction import Compactor
from stepwell.store.sqlite.folder import Folder

logger = logging.getLogger(__name__)

#: Puts come first when both want the same core.
_NICENESS = 5


def compact_until(is_over: Callable[[float], bool], folder: Folder, interval_s: float) -> None:
    """Compact a folder as rounds become due, where no other process does.

    Args:
        is_over: waits for so many seconds and says whether to stop.
        folder: what to compact.
        interval_s: seconds between two looks.
    """
    with contextlib.closing(Compactor(folder)) as compactor:
        while not is_over(interval_s):
            try:
                while compactor.try_start() and compactor.is_due(time.time_ns()):
                    compactor.run_round(time.time_ns())
                    if is_over(0):
                        return
            except (sqlite3.Error, OSError, DamagedSeriesError) as error:
                # The disk is full, say: nothing was changed, and the next look comes.
                logger.warning("compaction failed and will be tried again: %s", error)
            finally:
                compactor.pause()


def main(path: str, interval_s: str) -> None:
    """Compact until standard input ends."""
    logging.basicConfig(format="stepwell compaction: %(message)s")
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    stdin = sys.stdin.fileno()
    compact_until(
        lambda seconds: bool(select.select([stdin], [], [], seconds)[0]),
        Folder(Path(path), create=False),
        float(interval_s),
    )


if __name__ == "__main__":
    # Ctrl-C goes to the whole group of processes; the server says when to stop.
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
