"""Options and variables: all are listed, each is checked, and a wrong one says what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.faults.client import Client, Item
from tests.faults.server import STEPWELL, Server

from stepwell import __version__
from stepwell.model.limits import Profile
from stepwell.server import run
from stepwell.server.settings import Settings

if TYPE_CHECKING:
    from tests.cli.conftest import Command

#: Every option of `serve` and its variable.
_OPTIONS = {
    "--data": "STEPWELL_DATA",
    "--host": "STEPWELL_HOST",
    "--port": "STEPWELL_PORT",
    "--workers": "STEPWELL_WORKERS",
    "--limits": "STEPWELL_LIMITS",
    "--limit": "STEPWELL_LIMIT_<NAME>",
    "--auth": "STEPWELL_AUTH",
    "--insecure": "STEPWELL_INSECURE",
    "--key-file": "STEPWELL_KEY_FILE",
    "--clock-skew": "STEPWELL_CLOCK_SKEW",
    "--tls-cert": "STEPWELL_TLS_CERT",
    "--tls-key": "STEPWELL_TLS_KEY",
    "--log-level": "STEPWELL_LOG_LEVEL",
}
_COMMANDS = {"serve", "compact", "check", "backup", "restore", "info"}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Give the settings that `serve` would have served; nothing is started."""
    settings: list[Settings] = []
    monkeypatch.setattr(run, "run", lambda given, _announce: settings.append(given))
    return settings


def test_help(stepwell: Command) -> None:
    """`stepwell --help`, and `stepwell` alone, list every command with a line on each."""
    asked, alone = stepwell("--help"), stepwell()
    assert (asked.status, asked.error) == (0, "")
    assert asked.output.rstrip() == alone.output.rstrip()
    rows = [line.strip("│ ").split() for line in asked.output.splitlines() if line[:1] == "│"]
    assert {row[0] for row in rows if len(row) > 3 and row[0][0] != "-"} == {*_COMMANDS, "keys"}


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_help_of_commands(stepwell: Command, command: str) -> None:
    """Every command has a help with its usage, and a data folder by option or variable."""
    done = stepwell(command, "--help")
    assert (done.status, done.error) == (0, "")
    assert f" {command} [OPTIONS]" in done.output
    assert "--data" in done.output
    assert "STEPWELL_DATA" in done.output


def test_help_of_serve(stepwell: Command) -> None:
    """`stepwell serve --help` lists every option, each with its variable and its default."""
    text = stepwell("serve", "--help").output
    rows = [line.strip("│ ") for line in text.splitlines() if line.startswith("│ --")]
    variables = {
        option: variable
        for row in rows
        for option, variable in _OPTIONS.items()
        if row.startswith(f"{option} ") and variable in row
    }
    assert variables == _OPTIONS
    assert len(rows) == len(_OPTIONS) + 1
    for default in ("127.0.0.1", "7837", "1", "stepwell", "info"):
        assert f"[default: {default}]" in text


def test_version(stepwell: Command) -> None:
    """`stepwell --version` prints the version."""
    assert stepwell("--version") == (0, f"stepwell {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "70000"], ["--port", "65535"]),
        (["--port", "-1"], ["--port", "0"]),
        (["--port", "http"], ["--port", "integer"]),
        (["--workers", "0"], ["--workers", "1"]),
        (["--workers", "257"], ["--workers", "256"]),
        (["--limits", "xyz"], ["--limits", "xyz", "stepwell", "aws"]),
        (["--limit", "xyz=1"], ["--limit", "xyz", "points_per_put"]),
        (["--log-level", "loud"], ["--log-level", "loud", "debug", "critical"]),
        (["--limit", "points_per_put=many"], ["'--limit'", "points_per_put", "many"]),
        (["--limit", "points_per_put"], ["'--limit'", "points_per_put"]),
        (["--tls-cert", "cert.pem"], ["'--tls-cert'", "--tls-key"]),
        (["--tls-key", "key.pem"], ["'--tls-key'", "--tls-cert"]),
        (["--nothing"], ["--nothing"]),
        (["more"], ["more"]),
    ],
    ids=" ".join,
)
def test_wrong_options(
    stepwell: Command, served: list[Settings], arguments: list[str], words: list[str]
) -> None:
    """A wrong option ends with status 2 and a sentence that names it and the rule."""
    done = stepwell("serve", *arguments)
    assert (done.status, done.output, served) == (2, "", [])
    for word in words:
        assert word in done.problem


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("STEPWELL_PORT", "70000", ["65535"]),
        ("STEPWELL_WORKERS", "two", ["integer"]),
        ("STEPWELL_LIMITS", "xyz", ["stepwell", "aws"]),
        ("STEPWELL_LOG_LEVEL", "loud", ["loud", "debug"]),
        ("STEPWELL_LIMIT_XYZ", "1", ["limit", "xyz", "points_per_put"]),
        ("STEPWELL_LIMIT_POINTS_PER_PUT", "many", ["limit points_per_put", "many", "number"]),
        ("STEPWELL_LIMIT_POINTS_PER_PUT", "-1", ["limit points_per_put", "-1", "1 to"]),
        ("STEPWELL_TLS_CERT", "cert.pem", ["--tls-key"]),
        ("STEPWELL_TLS_KEY", "key.pem", ["--tls-cert"]),
        ("STEPWELL_AUTH", "maybe", ["keys", "off"]),
        ("STEPWELL_CLOCK_SKEW", "-1", ["than or equal to 0"]),
    ],
)
def test_wrong_variables(
    stepwell: Command,
    served: list[Settings],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    words: list[str],
) -> None:
    """A wrong variable is refused like the option that it stands for, and named as itself."""
    monkeypatch.setenv(variable, value)
    done = stepwell("serve")
    assert (done.status, done.output, served) == (2, "", [])
    # Exactly this one, and not all of a kind.
    assert f"{variable}'" in done.problem
    for word in words:
        assert word in done.problem


def test_a_wrong_option_in_a_shell() -> None:
    """What a shell gets from a wrong option is status 2, and no traceback."""
    command = [*STEPWELL, "serve", "--port", "70000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for '--port'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_is_installed() -> None:
    """The wheel brings the command `stepwell`."""
    script = Path(sys.executable).with_name("stepwell")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"stepwell {__version__}\n"


def test_options_win(
    stepwell: Command, served: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option wins over its variable; one limit's variable and another's option both hold."""
    variables = {"PORT": "1", "WORKERS": "3", "LIMITS": "aws", "LOG_LEVEL": "error"}
    limits = {"LIMIT_POINTS_PER_PUT": "5", "LIMIT_QUERIES_PER_GET": "6", "LIMIT_STEP_MAX": "7"}
    for name, value in {**variables, **limits}.items():
        monkeypatch.setenv(f"STEPWELL_{name}", value)
    options = ["--port", "2", "--limit", "points_per_put=50", "--limit", "points_per_component=8"]
    assert stepwell("serve", *options).status == 0
    (settings,) = served
    assert (settings.port, settings.workers, settings.log_level) == (2, 3, "error")
    assert settings.profile is Profile.AWS
    held = settings.limits()
    assert (held.points_per_put, held.queries_per_get, held.step_max) == (50, 6, 7)
    assert held.points_per_component == 8
    assert held.creates_components == 0


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"XDG_DATA_HOME": "{}/xdg", "HOME": "{}/home"}, "xdg/stepwell"),
        ({"XDG_DATA_HOME": "", "HOME": "{}/home"}, "home/.local/share/stepwell"),
        ({"HOME": "{}/home"}, "home/.local/share/stepwell"),
        ({"STEPWELL_DATA": "{}/own", "XDG_DATA_HOME": "{}/xdg"}, "own"),
    ],
    ids=["XDG_DATA_HOME", "an empty XDG_DATA_HOME", "HOME", "STEPWELL_DATA"],
)
def test_the_default_folder(
    stepwell: Command,
    served: list[Settings],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    variables: dict[str, str],
    folder: str,
) -> None:
    """Without --data every command means the folder under the user's data directory."""
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert stepwell("serve").status == 0
    assert [each.data for each in served] == [tmp_path / folder]
    for command in (["check"], ["info"], ["compact"], ["backup", str(tmp_path / "file")]):
        assert str(tmp_path / folder) in stepwell(*command).error


def test_all_by_variables(tmp_path: Path) -> None:
    """A server that was told everything by variables does as it was told."""
    variables = {
        "STEPWELL_HOST": "127.0.0.2",
        "STEPWELL_PORT": "0",
        "STEPWELL_WORKERS": "2",
        "STEPWELL_LIMITS": "aws",
        "STEPWELL_LIMIT_CREATES_COMPONENTS": "1",
        "STEPWELL_LIMIT_TIMESTAMP_PAST_S": "none",
        "XDG_DATA_HOME": str(tmp_path),
    }
    server = Server(tmp_path / "stepwell", tmp_path / "logs", workers=2, env=variables, options=[])
    with server, Client(server.address) as client:
        assert server.address.startswith("http://127.0.0.2:")
        assert len(server.worker_pids()) == 2
        assert (tmp_path / "stepwell" / "FORMAT").exists()
        assert client.put("run", [Item("loss", 1, 1.0)]).json() == {"Errors": []}
        assert client.put("run", [Item("loss", step, 1.0) for step in range(11)]).status == 400
        for word in (str(tmp_path / "stepwell"), "limits: aws", "workers: 2"):
            assert word in " ".join(server.banner().split())
