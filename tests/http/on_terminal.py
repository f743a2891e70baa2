"""`stepwell`, but what it says goes to a terminal, which is copied to where it would have gone.

Run as a program by `test_logs` and by the tests of the command line.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading

from stepwell.cli.main import main

#: The variable that lists the file descriptors: 1, 2 or both.
NUMBERS = "STEPWELL_TEST_TERMINALS"
LINES, COLUMNS = 24, 80


def _copy(source: int, target: int) -> None:
    while data := os.read(source, 65_536):
        os.write(target, data)


def _become_terminal(number: int) -> None:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    threading.Thread(target=_copy, args=(master, os.dup(number)), daemon=True).start()
    os.dup2(slave, number)


if __name__ == "__main__":
    for each in os.environ[NUMBERS].split():
        _become_terminal(int(each))
    main()
