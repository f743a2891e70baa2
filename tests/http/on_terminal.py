"""`stepwell`, but its standard error is a terminal, of which everything is copied to the old one.

Run as a program by `test_logs`.
"""

from __future__ import annotations

import os
import pty
import threading

from stepwell.cli.main import main


def _copy(source: int, target: int) -> None:
    while data := os.read(source, 65_536):
        os.write(target, data)


if __name__ == "__main__":
    master, slave = pty.openpty()
    threading.Thread(target=_copy, args=(master, os.dup(2)), daemon=True).start()
    os.dup2(slave, 2)
    main()
