"""What `stepwell serve` says: where it listens, where the data is, and what can be pasted."""

from __future__ import annotations

import ast
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.faults.server import STEPWELL, Server, stepwell, wait_until
from tests.http import on_terminal

_ON_TERMINAL = (sys.executable, on_terminal.__file__)
_VALUES = [1 / (step + 1) for step in range(10)]


def make(folder: Path, program: Sequence[str] = STEPWELL, *options: str) -> Server:
    """Make a server; where its output goes to a terminal, that is one without colours."""
    env = {
        "TERM": "dumb",
        on_terminal.NUMBERS: "1 2",
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    options = ("--data", str(folder / "data"), "--port", "0", *options)
    return Server(folder / "data", folder / "logs", program=program, env=env, options=options)


def snippet_of(banner: str) -> str:
    """Give what a reader would paste: everything from the import on."""
    return banner[banner.index("import boto3") :]


def run_snippet(snippet: str, env: Mapping[str, str] | None = None) -> Any:
    """Run it as a user would, and read what the get prints; the put must have no errors."""
    done = subprocess.run(
        [sys.executable, "-c", snippet],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        # Nothing of the developer's own AWS settings.
        env={
            **{name: text for name, text in os.environ.items() if not name.startswith("AWS_")},
            **(env or {}),
        },
    )
    assert done.returncode == 0, done.stderr
    errors, results = done.stdout.splitlines()
    assert errors == "[]"
    return ast.literal_eval(results)


def rows_of(text: str) -> int:
    """Count the rows that a text takes on a terminal."""
    lines = text.rstrip("\n").split("\n")
    return sum(max(1, math.ceil(len(line.rstrip()) / on_terminal.COLUMNS)) for line in lines)


def test_what_it_says(tmp_path: Path) -> None:
    """It tells its address, its data folder, its limits and its workers."""
    with make(tmp_path) as server:
        words = " ".join(server.banner().replace("│", " ").split())
        assert f"listens on {server.address}" in words
        # A long path may be broken, at any place.
        assert str(server.data) in words.replace(" ", "")
        assert "limits: stepwell, workers: 1" in words


def test_the_snippet_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal of 80 columns too, the snippet runs as it is pasted."""
    with make(tmp_path, _ON_TERMINAL) as server:
        wait_until(lambda: server.banner().rstrip().endswith("])"), "all was said")
        (result,) = run_snippet(snippet_of(server.banner()))
        assert result["MetricValues"] == _VALUES


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (["--limits", "aws"], _VALUES),
        (["--limit", "points_per_put=3"], _VALUES[:3]),
        (["--limits", "aws", "--limit", "step_max=1"], _VALUES[:2]),
    ],
    ids=["aws", "three points a put", "two steps"],
)
def test_the_snippet_under_other_limits(
    tmp_path: Path, options: list[str], values: list[float]
) -> None:
    """Under any limits the snippet runs as it is pasted, twice as well."""
    with make(tmp_path, STEPWELL, *options) as server:
        for _ in range(2):
            (result,) = run_snippet(snippet_of(server.banner()))
            assert result["MetricValues"] == values


@pytest.mark.parametrize("limits", ["stepwell", "aws"])
def test_the_snippet_with_keys(tmp_path: Path, limits: str) -> None:
    """Where requests must be signed, the snippet takes a key from the environment and says so."""
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    created = stepwell("keys", "create", "--data", tmp_path / "data", env=env)
    variables = dict(
        line.removeprefix("export ").split("=", 1) for line in created.stdout.splitlines()
    )
    with make(tmp_path, STEPWELL, "--limits", limits) as server:
        assert all(name in server.banner() for name in variables)
        (result,) = run_snippet(snippet_of(server.banner()), variables)
        assert result["MetricValues"] == _VALUES


@pytest.mark.parametrize("options", [[], ["--limits", "aws"], ["--auth", "keys"]], ids=" ".join)
def test_it_fits_on_a_screen(tmp_path: Path, options: list[str]) -> None:
    """All of it stands on one screen of a terminal, with a row left for the cursor."""
    with make(tmp_path, _ON_TERMINAL, *options) as server:
        wait_until(lambda: "MetricQueryResults" in server.banner(), "all was said")
        assert rows_of(server.banner()) < on_terminal.LINES


def test_it_ends_with_nothing_to_say(tmp_path: Path) -> None:
    """A server that is stopped ends with status 0 and has written nothing more."""
    server = make(tmp_path)
    for number in (signal.SIGINT, signal.SIGTERM):
        with server.start():
            said = server.banner()
            assert server.stop(number) == 0
            assert (server.banner(), server.log()) == (said, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_its_whole_group_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and a service manager tell all processes at once: that is no reason for a warning."""
    with make(tmp_path) as server:
        os.killpg(server.process.pid, number)
        assert server.process.wait(20) == 0
        assert server.log() == ""
