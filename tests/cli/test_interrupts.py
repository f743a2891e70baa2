"""Ctrl-C while the service starts, which is when people see that they have mistyped something."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

#: `stepwell`, which says on a file that the interpreter is up: until then it takes SIGINT badly.
#: In the background of a script SIGINT is ignored, and this would inherit that.
_PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
os.write({file}, b"up")
from stepwell.cli.main import main
sys.argv[0] = "stepwell"
main()
"""
#: From there to a server that is up, on a machine that is not too busy.
_MOMENTS_S = [0.05 + 0.15 * number for number in range(14)]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_at_any_moment_of_the_start(tmp_path: Path, workers: str) -> None:
    """It ends the server quietly, whatever that was at, and all of its processes."""
    statuses = set()
    for number, moment_s in enumerate(_MOMENTS_S):
        reading, writing = os.pipe()
        program = [sys.executable, "-c", _PROGRAM.format(file=writing)]
        command = ["serve", "--data", str(tmp_path / str(number)), "--port", "0"]
        with subprocess.Popen(
            [*program, *command, "--workers", workers],
            pass_fds=(writing,),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            os.close(writing)
            assert os.read(reading, 2) == b"up"
            os.close(reading)
            time.sleep(moment_s)
            # As a terminal does: to all of the group.
            os.killpg(process.pid, signal.SIGINT)
            try:
                # That pipes end says that workers are gone, too.
                _, error = process.communicate(timeout=40)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        assert error == "", moment_s
        statuses.add(process.returncode)
    # 0 is for a server that had begun and stopped in order.
    assert statuses <= {0, 130}
    assert 130 in statuses
