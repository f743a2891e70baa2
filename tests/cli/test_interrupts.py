"""Ctrl-C while the service starts, which is when people see that they have mistyped something."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.faults.server import STEPWELL

#: From the interpreter's own start to a server that is up, on a machine that is not too busy.
_MOMENTS_S = [0.15 * number for number in range(1, 15)]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_at_any_moment_of_the_start(tmp_path: Path, workers: str) -> None:
    """It ends the server quietly, whatever that was at, and all of its processes."""
    statuses = set()
    for number, moment_s in enumerate(_MOMENTS_S):
        command = [*STEPWELL, "serve", "--data", str(tmp_path / str(number)), "--port", "0"]
        with subprocess.Popen(
            [*command, "--workers", workers],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            # No sooner than the interpreter itself is up, which takes SIGINT badly.
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
