"""What the command line's tests share: an environment without settings, and commands run here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.http.conftest import Server, StartServer, start

from stepwell.cli.main import main


class Done(NamedTuple):
    """A command that has ended."""

    status: int
    output: str
    error: str

    @property
    def problem(self) -> str:
        """Give what stands in the box that wrong usage is told in, as one line."""
        box = self.error.partition("─ Error ─")[2].splitlines()[1:]
        return " ".join(line.strip("│╰╯─ ") for line in box).strip()


#: Runs a command in this process: `stepwell("info", "--data", folder)`.
Command = Callable[..., Done]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the developer's own shell has set."""
    for name in list(os.environ):
        if name.startswith("STEPWELL_"):
            monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the user's configuration directory."""
    folder = tmp_path / "config"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a data folder that is not there yet."""
    return tmp_path / "data"


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Give a function that starts servers; those still running in the end are stopped."""
    running: list[Server] = []

    def start_one(*arguments: str, data: Path | None = None) -> Server:
        assert data is not None
        running.append(start(data, arguments))
        return running[-1]

    yield start_one
    for server in running:
        if server.process.poll() is None:
            assert server.stop() == 0, server.log.read_text()


@pytest.fixture
def stepwell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Give a function that runs a command in this process, which is much faster than in one."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["stepwell", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        output, error = capsys.readouterr()
        status = ended.value.code
        assert isinstance(status, int | None)
        return Done(status or 0, output, error)

    return run
