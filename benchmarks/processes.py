"""Owns the processes that the benchmarks start: servers and the load generator.

Linux only: memory and CPU time are read from /proc. Every process is ended by the handle that
started it, and only that one.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Self

import msgspec

from benchmarks.load import Load, Plan
from benchmarks.workload import AccessKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds this package, from which `python -m benchmarks.<module>` is found."""

READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 60.0
SETTLE_SECONDS_MAX = 20.0
SETTLE_WINDOW_SECONDS = 0.3
SETTLE_CPU_SHARE_MAX = 0.05
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ProcessFailedError(Exception):
    """A process ended with an error, or did not do in time what it was started for."""


def stepwell_command() -> str:
    """Return the path of the `stepwell` command that belongs to this Python."""
    command = Path(sys.executable).parent / "stepwell"
    if not command.exists():
        message = f"{command} does not exist: install Stepwell beside the benchmarks"
        raise ProcessFailedError(message)
    return str(command)


def free_port() -> int:
    """Return a loopback port on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stepwell(*arguments: str) -> str:
    """Run a `stepwell` command to its end and return what it printed."""
    done = subprocess.run(
        [stepwell_command(), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        message = (
            f"stepwell {' '.join(arguments)} exited with {done.returncode}: {done.stderr[-2000:]}"
        )
        raise ProcessFailedError(message)
    return done.stdout


class Server:
    """A server process and those it started, from spawn to a clean stop. A context manager."""

    def __init__(
        self, command: Sequence[str], port: int, ready_path: str | None, log: Path
    ) -> None:
        """Spawn the command, and wait until GET `ready_path` answers 200 unless it is None."""
        self.port = port
        self._log = log
        self._command = " ".join(command)
        self._is_stopped = False
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                env=_environment(),
            )
        if ready_path is not None:
            try:
                self._wait_until_ready(ready_path)
            except BaseException:
                self.kill()
                raise

    def __enter__(self) -> Self:
        """Return the running server."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the server; after an error do not wait for a clean stop."""
        if kind is None:
            self.stop()
        else:
            self.kill()

    def _fail(self, what: str) -> NoReturn:
        """Raise ProcessFailedError with the end of the server's log."""
        tail = self._log.read_text(errors="replace")[-2000:]
        message = f"{self._command}: {what}\n{tail}"
        raise ProcessFailedError(message)

    def _wait_until_ready(self, path: str) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline:
            self.check_alive()
            with contextlib.suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                try:
                    connection.request("GET", path)
                    if connection.getresponse().status == http.HTTPStatus.OK:
                        return
                finally:
                    connection.close()
            time.sleep(0.05)
        self._fail(f"not ready after {READY_SECONDS_MAX:.0f} s")

    def check_alive(self) -> None:
        """Raise ProcessFailedError with the end of its log if the server has ended."""
        if self._process.poll() is not None:
            self._fail(f"ended by itself with {self._process.returncode}")

    def stop(self) -> None:
        """Send SIGTERM and wait; raise ProcessFailedError if that fails. Repeatable."""
        if self._is_stopped:
            return
        self.check_alive()
        self._is_stopped = True
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            self._fail(f"did not stop in {STOP_SECONDS_MAX:.0f} s")
        if status not in {0, -signal.SIGTERM, 128 + signal.SIGTERM}:
            self._fail(f"stopped with {status}")

    def kill(self) -> None:
        """End the process and those it started at once."""
        for pid in self._tree():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._process.wait()

    def _tree(self) -> list[int]:
        pids = [self._process.pid]
        for pid in pids:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    pids.extend(int(child) for child in task.read_text().split())
                except OSError:
                    continue
        return pids

    def memory_bytes(self) -> int:
        """Return the resident memory of the process tree; shared pages count each time."""
        total = 0
        for pid in self._tree():
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            kilobytes = [
                line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")
            ]
            total += sum(int(number) for number in kilobytes) * 1024
        return total

    def cpu_seconds(self) -> float:
        """Return the CPU time that the living processes of the tree have used, in all threads."""
        ticks = 0
        for pid in self._tree():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICKS_PER_SECOND

    def settle(self) -> float:
        """Wait until the server is idle (compaction done) and return for how many seconds that was.

        Without it, what a measured run leaves to do would slow down the yardstick that comes next.
        """
        started = time.monotonic()
        before = self.cpu_seconds()
        while time.monotonic() - started < SETTLE_SECONDS_MAX:
            time.sleep(SETTLE_WINDOW_SECONDS)
            now = self.cpu_seconds()
            if now - before <= SETTLE_CPU_SHARE_MAX * SETTLE_WINDOW_SECONDS:
                break
            before = now
        return max(0.0, time.monotonic() - started - SETTLE_WINDOW_SECONDS)


def make_key(folder: Path) -> AccessKey:
    """Make an access key for the data folder, whose server wants signatures from then on."""
    arguments = ("--data", str(folder), "--key-file", str(_key_file(folder)), "--json")
    return msgspec.json.decode(stepwell("keys", "create", *arguments), type=AccessKey)


def serve_stepwell(
    folder: Path, log: Path, *, port: int | None = None, wait: bool = True
) -> Server:
    """Start Stepwell with one worker on the data folder."""
    port = port or free_port()
    command = [stepwell_command(), "serve", "--data", str(folder), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    if _key_file(folder).exists():
        command += ["--key-file", str(_key_file(folder))]
    return Server(command, port, "/readyz" if wait else None, log)


def _key_file(folder: Path) -> Path:
    """Return where the key-encryption key of a data folder is: beside it, never in it."""
    return folder.with_name(f"{folder.name}.key")


def serve_nothing(log: Path) -> Server:
    """Start the handler that does nothing."""
    port = free_port()
    return Server([sys.executable, "-m", "benchmarks.donothing", str(port)], port, "/", log)


def run_load(
    plan: Plan, meanwhile: Callable[[], None] | None = None, interval_seconds: float = 0.25
) -> Load:
    """Run the load generator in its own process; call `meanwhile` again and again while it runs."""
    generator = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=_environment(),
    )
    waiting = msgspec.json.encode(plan)
    try:
        while True:
            try:
                output, errors = generator.communicate(
                    waiting, timeout=interval_seconds if meanwhile else None
                )
                break
            except subprocess.TimeoutExpired:
                waiting = b""
                if meanwhile is not None:
                    meanwhile()
    except BaseException:
        generator.kill()
        generator.wait()
        raise
    if generator.returncode:
        message = f"the load generator failed: {errors.decode(errors='replace')[-2000:]}"
        raise ProcessFailedError(message)
    return msgspec.json.decode(output, type=Load)


def _environment() -> dict[str, str]:
    """Return this process's environment for a child: Stepwell's defaults, and no news to anyone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STEPWELL_")}
    return kept | {"MLFLOW_DISABLE_TELEMETRY": "true"}
