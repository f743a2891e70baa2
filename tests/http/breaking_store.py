"""`stepwell`, but its store breaks in the way that a file names, while that file is there.

Run as a program by `test_operations` and `test_logs`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stepwell.cli.main import main
from stepwell.model.errors import StoreUnavailableError
from stepwell.server import committer
from stepwell.store.sqlite.reader import EmbeddedReader
from stepwell.store.sqlite.store import EmbeddedStore

#: The variable that names the file.
FLAG = "STEPWELL_TEST_BREAK_FILE"
#: What the file may say: the disk is away, or there is a defect in our code.
AWAY = "away"
DEFECT = "defect"
#: The argument with which this program is the process that commits.
COMMIT = "commit"


def install(flag: Path) -> None:
    """Put the break in front of the store's methods."""
    for owner, name in (
        (EmbeddedStore, "append"),
        (EmbeddedReader, "read"),
        (EmbeddedReader, "size"),
    ):
        setattr(owner, name, _breaking(getattr(owner, name), flag))


def _breaking(method: Callable[..., Any], flag: Path) -> Callable[..., Any]:
    def break_or_call(*arguments: Any) -> Any:
        kind = flag.read_text() if flag.exists() else ""
        if kind == AWAY:
            msg = "the store is not available: the disk is away"
            raise StoreUnavailableError(msg)
        if kind == DEFECT:
            msg = "a defect on purpose"
            raise RuntimeError(msg)
        return method(*arguments)

    return break_or_call


if __name__ == "__main__":
    install(Path(os.environ[FLAG]))
    if sys.argv[1:] == [COMMIT]:
        committer.main()
    else:
        committer.COMMAND = (sys.executable, __file__, COMMIT)
        main()
