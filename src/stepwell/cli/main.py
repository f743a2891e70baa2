"""Where the command `stepwell` begins. Imports nothing of ours until Ctrl-C can end it quietly.

The imports take most of a second, in which Ctrl-C would print where in them it came.
"""

from __future__ import annotations

import os
import signal
import sys

#: What shells give a command that Ctrl-C has ended: 128 and the signal's number.
INTERRUPTED = 130


def main() -> None:
    """Run the command line."""
    try:
        # Nothing is open yet, so the process may end where it stands. An exception would not do:
        # what is imported may turn it into another one.
        previous = signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
        from stepwell.cli import commands  # noqa: PLC0415 - see above

        signal.signal(signal.SIGINT, previous)
        commands.run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
