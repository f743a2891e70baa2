"""`stepwell`, but it is killed between a commit and its answers once a certain file exists.

Run as a program by `test_retries`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from stepwell.cli.main import main
from stepwell.model.points import Outcome, Put
from stepwell.server import committer
from stepwell.store.sqlite.store import EmbeddedStore

#: The variable that names the file.
FLAG = "STEPWELL_TEST_DIE_FILE"
#: The argument with which this program is the process that commits.
COMMIT = "commit"


def install(flag: Path) -> None:
    """Put the death behind the store's commit."""
    append = EmbeddedStore.append

    def append_and_die(self: EmbeddedStore, puts: Sequence[Put]) -> list[Outcome]:
        outcomes = append(self, puts)
        if flag.exists():
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return outcomes

    EmbeddedStore.append = append_and_die  # type: ignore[method-assign]


if __name__ == "__main__":
    install(Path(os.environ[FLAG]))
    if sys.argv[1:] == [COMMIT]:
        committer.main()
    else:
        committer.COMMAND = (sys.executable, __file__, COMMIT)
        main()
