"""What the command line's tests share: an environment without settings, and commands run here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

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
