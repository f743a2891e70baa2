"""A compaction of a folder that dies by SIGKILL when it begins a certain step.

Run as a program: `dying_compaction.py FOLDER STEP full|round`. STEP is one of the compaction's own,
or the number of a statement to chunks.db from its first write on, or empty for none. It says
`ready` when it is about to begin, and then each of those statements.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from stepwell.store.sqlite.compaction import Compactor
from stepwell.store.sqlite.folder import Folder


class Death:
    """Counts what happens, and comes when it is time."""

    def __init__(self, step: str) -> None:
        """Know when."""
        self._step = step
        self._statements = 0

    def at_step(self, step: str) -> None:
        """Die if it is this step."""
        if step == self._step:
            os.kill(os.getpid(), signal.SIGKILL)

    def at_statement(self, sql: str) -> None:
        """Die if it is this statement."""
        if self._statements or sql == "BEGIN IMMEDIATE":
            self._statements += 1
            _say(" ".join(sql.split()[:5]))
            self.at_step(str(self._statements))


def compact(data: Path, dies_at: str, *, is_full: bool) -> None:
    """Compact, and die at a step."""
    death = Death(dies_at)
    compactor = Compactor(Folder(data, create=False), death.at_step)
    with contextlib.closing(compactor):
        if not compactor.try_start():
            sys.exit("someone else is compacting")
        assert compactor._files is not None
        compactor._files[1].db.set_trace_callback(death.at_statement)
        _say("ready")
        (compactor.run_fully if is_full else compactor.run_round)(time.time_ns())


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    compact(Path(sys.argv[1]), sys.argv[2], is_full=sys.argv[3] == "full")
