"""`stepwell serve` as some daemons start it: with standard files that are closed."""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_WAIT_S = 60
_CLOSINGS = [
    closed for count in (1, 2, 3) for closed in itertools.combinations(("<", ">", "2>"), count)
]


@pytest.mark.parametrize("closed", _CLOSINGS, ids=" ".join)
def test_standard_files_that_are_closed(tmp_path: Path, closed: tuple[str, ...]) -> None:
    """It serves, and none of its files and sockets gets a standard file's number."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "stepwell.cli.main", "serve", "--data", str(tmp_path / "data")]
    redirections = " ".join(f"{each}&-" for each in closed)
    shell = ["sh", "-c", f'exec "$@" {redirections}', "sh"]
    with _ended(subprocess.Popen([*shell, *command, "--port", str(port)])) as process:
        _wait_until(lambda: _is_ready(port), process)
        for pid in _with_children(process.pid):
            for number in range(3):
                target = str(Path(f"/proc/{pid}/fd/{number}").readlink())
                assert str(tmp_path) not in target, (pid, number)
        process.send_signal(signal.SIGTERM)
        assert process.wait(_WAIT_S) == 0


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _is_ready(port: int) -> bool:
    with contextlib.suppress(OSError):
        request = f"http://127.0.0.1:{port}/readyz"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as answer:
            return bool(answer.status == 200)
    return False


def _wait_until(is_true: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not is_true():
        assert process.poll() is None, process.returncode
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _with_children(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    return [parent, *map(int, children.read_text().split())]
