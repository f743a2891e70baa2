"""A server process under test: started, killed, stopped and started again on the same folder.

Owns processes and where their output goes. Each server is a process group of its own, so that
`kill` takes its workers along; nothing else is ever killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from .client import Broken, Client

STEPWELL = (sys.executable, "-m", "stepwell.cli.main")
_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 40.0
_POLL_S = 0.02
_ADDRESS = re.compile(r'endpoint_url="(https?://[^"]+)"')


class Server:
    """One `stepwell serve` on one data folder."""

    def __init__(
        self,
        data: Path,
        logs: Path,
        *,
        workers: int = 1,
        port: int = 0,
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = STEPWELL,
        options: Sequence[str] | None = None,
    ) -> None:
        """Prepare; `start` starts it.

        Args:
            data: the data folder.
            logs: a folder for the process' output and temporary files.
            workers: worker processes.
            port: the port; 0 takes a free one, and keeps to it.
            env: variables besides this process' own.
            program: what stands in for the command `stepwell`.
            options: those of `serve`, instead of the ones that follow from the arguments above.
        """
        self.data = data
        self.workers = workers
        self.port = port
        self.address = ""
        self._logs = logs
        self._env = dict(env or {})
        self._program = tuple(program)
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        logs.mkdir(parents=True, exist_ok=True)

    def start(self) -> Self:
        """Start, on the same port as before if there was one, and wait until it is ready."""
        self.launch()
        self.wait_ready()
        return self

    def launch(self) -> None:
        """Start the process and wait for its address."""
        with (
            (self._logs / "stdout").open("w") as stdout,
            (self._logs / "stderr").open("a") as stderr,
        ):
            self._process = subprocess.Popen(
                [*self._program, *self._arguments()],
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(self._logs), **self._env},
            )
        wait_until(self._has_said_address, "the server says where it listens", _START_TIMEOUT_S)
        self.port = int(self.address.rpartition(":")[2])

    def wait_ready(self) -> None:
        """Wait until it answers /readyz."""
        with Client(self.address) as client:

            def is_ready() -> bool:
                assert self.process.poll() is None, f"the server ended:\n{self.log()}"
                with contextlib.suppress(Broken):
                    return client.request("GET", "/readyz").status == 200
                return False

            wait_until(is_ready, "the server is ready", _START_TIMEOUT_S)

    def kill(self) -> None:
        """SIGKILL the whole process group, and wait for its end."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._reap()

    def kill_server_alone(self) -> None:
        """SIGKILL the server, not what commits for it and what compacts: they end by themselves."""
        self.process.kill()
        self.process.wait(_STOP_TIMEOUT_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and give its exit status."""
        self.process.send_signal(number)
        try:
            status = self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._reap()
        return status

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Give the process that was started."""
        assert self._process is not None
        return self._process

    def worker_pids(self) -> list[int]:
        """List the live worker processes; where there is one only, it is the server itself."""
        if self.workers == 1:
            return [self.process.pid]
        return [pid for pid in _children(self.process.pid) if b"spawn_main" in _command_line(pid)]

    def committer_pids(self) -> list[int]:
        """List the live processes that commit for the workers."""
        return [
            pid
            for worker in self.worker_pids()
            for pid in _children(worker)
            if b"\0stepwell.server.committer\0" in _command_line(pid)
            or b"\0commit\0" in _command_line(pid)
        ]

    def rss_bytes(self) -> int:
        """Add up the memory of the worker processes and of those that commit for them."""
        pids = self.worker_pids() + self.committer_pids()
        return sum(_status_kib(pid, "VmRSS") for pid in pids) * 1024

    def banner(self) -> str:
        """Give what it wrote to standard output; all of that, once it is ready."""
        return (self._logs / "stdout").read_text()

    def log(self) -> str:
        """Give what it wrote to standard error, over all its lives."""
        return (self._logs / "stderr").read_text()

    def __enter__(self) -> Self:
        """Use as a context: started if it was not, killed at the end."""
        return self if self._process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        """Kill."""
        self.kill()

    def _arguments(self) -> list[str]:
        if self._options is not None:
            return ["serve", *self._options]
        return [
            *("serve", "--data", str(self.data), "--host", "127.0.0.1"),
            *("--port", str(self.port), "--workers", str(self.workers)),
        ]

    def _has_said_address(self) -> bool:
        has_ended = self.process.poll() is not None
        found = _ADDRESS.search(self.banner())
        if found is not None:
            self.address = found[1]
        elif has_ended:
            status = self.process.wait()
            self._reap()
            raise ServerEndedError(status, self.log())
        return found is not None

    def _reap(self) -> None:
        process = self.process
        process.wait(_STOP_TIMEOUT_S)
        # Workers die with the group, but are not our children: the folder's locks go with them.
        wait_until(lambda: not _live_in_group(process.pid), "its workers are gone", _STOP_TIMEOUT_S)


class ServerEndedError(Exception):
    """The server ended before it listened."""

    def __init__(self, status: int, log: str) -> None:
        """Keep what it said."""
        super().__init__(f"exit status {status}: {log}")
        self.status = status
        self.log = log


def stepwell(
    *arguments: str | Path, env: Mapping[str, str] | None = None, timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a command of stepwell to its end, with these variables besides this process' own."""
    return subprocess.run(
        [*STEPWELL, *map(str, arguments)],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def assert_sound(data: Path) -> None:
    """Assert that `stepwell check` finds nothing wrong."""
    checked = stepwell("check", "--data", data)
    assert (checked.returncode, checked.stdout.rstrip()[-10:]) == (0, "0 problems"), checked


@contextlib.contextmanager
def clients_of_every_worker(server: Server, count: int) -> Iterator[list[Client]]:
    """Connect so many clients to each of two workers: to one while the other one is stopped."""
    with contextlib.ExitStack() as stack:
        clients: list[Client] = []
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGSTOP)
            try:
                for _ in range(count):
                    client = stack.enter_context(Client(server.address))
                    assert client.request("GET", "/healthz").status == 200
                    clients.append(client)
            finally:
                os.kill(pid, signal.SIGCONT)
        yield clients


def is_alive(pid: int) -> bool:
    """Say whether a process runs, or could if it was not stopped."""
    return any(each == pid and fields[0] != "Z" for each, fields in _stats())


def wait_until(is_true: Callable[[], bool], what: str, timeout_s: float = 20.0) -> None:
    """Look again and again until something is so."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain until {what}"
        time.sleep(_POLL_S)


def _children(parent: int) -> list[int]:
    return [pid for pid, fields in _stats() if int(fields[1]) == parent and fields[0] != "Z"]


def _live_in_group(group: int) -> list[int]:
    return [pid for pid, fields in _stats() if int(fields[2]) == group and fields[0] != "Z"]


def _stats() -> list[tuple[int, list[str]]]:
    """List every process with its fields from the state on: state, parent, group."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdecimal():
            with contextlib.suppress(OSError):
                text = (each / "stat").read_text()
                found.append((int(each.name), text.rpartition(")")[2].split()))
    return found


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _status_kib(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0
