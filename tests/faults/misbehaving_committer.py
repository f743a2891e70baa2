"""`stepwell`, but what commits for it misbehaves as a variable says.

Run as a program by `test_committer`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from stepwell.cli.main import main
from stepwell.ingest import committing
from stepwell.model.errors import StoreUnavailableError
from stepwell.server import committer

#: The variable that says how.
HOW = "STEPWELL_TEST_COMMITTER"
#: It cannot open the folder.
FAILS = "fails"
#: It never opens the folder.
WAITS = "waits"
#: It dies once it has opened the folder, as long as there is a certain file: `dies:<file>`.
DIES = "dies:"
#: It cannot decode the puts of one component, `bad`.
STUMBLES = "stumbles"
REASON = "hot-0.db: disk I/O error"
#: The argument with which this program is the process that commits.
COMMIT = "commit"


def misbehave(how: str) -> None:
    """Put the behaviour into this process."""

    def fail(*_arguments: Any, **_options: Any) -> Any:
        raise StoreUnavailableError(REASON)

    def wait(*_arguments: Any, **_options: Any) -> Any:
        # Nobody writes to it: as a disk that does not answer.
        os.read(os.pipe()[0], 1)

    decode = committing.decode_put

    def stumble(content: memoryview) -> Any:
        put = decode(content)
        if put.component.name == "bad":
            raise ZeroDivisionError
        return put

    if how == FAILS:
        committer.EmbeddedStore = fail  # type: ignore[assignment, misc]
    elif how == WAITS:
        committer.EmbeddedStore = wait  # type: ignore[assignment, misc]
    elif how == STUMBLES:
        committing.decode_put = stumble
    else:
        serve = committing.Committer.serve

        def die_or_serve(self: committing.Committer, link: Any) -> None:
            if Path(how.removeprefix(DIES)).exists():
                os._exit(1)
            serve(self, link)

        committing.Committer.serve = die_or_serve  # type: ignore[method-assign]


# In workers too, which import this file under another name.
committer.COMMAND = (sys.executable, __file__, COMMIT)

if __name__ == "__main__":
    if sys.argv[1:] == [COMMIT]:
        misbehave(os.environ[HOW])
        committer.main()
    else:
        main()
