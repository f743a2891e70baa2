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
    _open_standard_files()
    try:
        # Nothing is open yet, so the process may end where it stands. An exception would not do:
        # what is imported may turn it into another one.
        previous = signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
        from stepwell.cli import commands  # noqa: PLC0415 - see above

        signal.signal(signal.SIGINT, previous)
        commands.run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _open_standard_files() -> None:
    """Stand /dev/null in for standard files that are closed, as daemons start programs.

    Otherwise the next files to be opened, databases among them, would get their numbers, and what
    any library writes to standard error would go into them. Python has None in their places.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is given. Child processes are to have it, too.
            opened = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(opened, True)  # noqa: FBT003 - positional only
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - for good


if __name__ == "__main__":
    main()
