"""What the faults' tests share: servers that end with their test, and a place for counts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from .server import STEPWELL, Server

_COUNTS = pytest.StashKey[list[str]]()

#: Makes a server: `start_server(folder, workers=2)`; its folder is a new one by default.
StartServer = Callable[..., Server]


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the counts."""
    config.stash[_COUNTS] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the counts, so that CI shows them."""
    lines = config.stash.get(_COUNTS, [])
    if lines:
        terminalreporter.section("faults: what was counted")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Give a function that has a line printed at the end of the run."""
    lines = request.config.stash.setdefault(_COUNTS, [])
    return lambda line: lines.append(f"{request.node.name}: {line}")


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Give a function that starts servers; they are killed at the end."""
    with contextlib.ExitStack() as stack:

        def start(
            data: Path | None = None,
            *,
            workers: int = 1,
            env: Mapping[str, str] | None = None,
            program: Sequence[str] = STEPWELL,
        ) -> Server:
            folder = tmp_path / "data" if data is None else data
            logs = tmp_path / f"server-{len(list(tmp_path.glob('server-*')))}"
            server = Server(folder, logs, workers=workers, env=env, program=program)
            stack.callback(server.kill)
            return server.start()

        yield start
