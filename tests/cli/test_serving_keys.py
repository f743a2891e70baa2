"""A running server and its keys: what it takes within a second, and when it refuses to start."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.key_commands import create, rotate
from tests.faults.server import Server as Process
from tests.faults.server import stepwell as run
from tests.http.conftest import Server
from tests.http.signing import Caller, Key, error_code

from stepwell.server import run as server_run

if TYPE_CHECKING:
    from tests.cli.conftest import Command
    from tests.http.conftest import StartServer

pytestmark = pytest.mark.usefixtures("config")

#: Within this time what was revoked stops working, in every worker.
_PROMISED_S = 1.0
_TRIES = 30


def status_of(server: Server, key: Key) -> int:
    """Ask something with a key, on a connection of its own: any worker may get it."""
    return Caller(server, key).control("ListExperiments").to(server).status


def assert_works(server: Server, key: Key) -> None:
    """Check that every worker takes a key, from the first request on."""
    assert {status_of(server, key) for _ in range(_TRIES)} == {200}


def assert_stops(server: Server, key: Key, since: float) -> None:
    """Check that no worker takes a key any more, a second after something was done to it."""
    while time.monotonic() < since + _PROMISED_S:
        assert status_of(server, key) in {200, 403}
    for _ in range(_TRIES):
        reply = Caller(server, key).control("ListExperiments").to(server)
        assert reply.status == 403
        assert error_code(reply) in {"UnrecognizedClientException", "InvalidSignatureException"}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_keys_of_a_running_server(
    stepwell: Command, data: Path, start_server: StartServer, workers: str
) -> None:
    """New keys and secrets work at once; revoked, rotated and expired ones stop in a second."""
    server = start_server("--auth", "keys", "--workers", workers, data=data)
    assert server.request("GET", "/metrics").status == 403
    first = create(stepwell, data)
    assert_works(server, first)
    second = create(stepwell, data, "--role", "read")
    assert_works(server, second)
    newer = rotate(stepwell, data, first)
    rotated = time.monotonic()
    assert_works(server, newer)
    assert_stops(server, first, rotated)
    assert stepwell("keys", "revoke", newer.id, "--data", data).status == 0
    assert_stops(server, newer, time.monotonic())
    started = time.monotonic()
    passing = create(stepwell, data, "--expires", "2s")
    assert status_of(server, passing) == 200
    # Its second begins when it ends, which was counted from after `started`.
    while time.monotonic() < started + 2 + _PROMISED_S:
        assert status_of(server, passing) in {200, 403}
    assert_stops(server, passing, started + 2)
    assert_works(server, second)
    assert "ERROR" not in server.log.read_text().upper()


def test_auth_is_decided_at_the_start(
    stepwell: Command, data: Path, start_server: StartServer
) -> None:
    """On loopback a server is open as long as no key was made before it started, or if told so."""
    server = start_server(data=data)
    assert server.request("GET", "/metrics").status == 200
    key = create(stepwell, data)
    assert server.request("GET", "/metrics").status == 200
    assert server.stop() == 0
    for options, status in (((), 403), (("--auth", "off"), 200), (("--auth", "keys"), 403)):
        server = start_server(*options, data=data)
        assert server.request("GET", "/metrics").status == status
        assert status_of(server, key) == 200
        assert server.stop() == 0
    assert stepwell("keys", "revoke", key.id, "--data", data).status == 0
    # One that was revoked is a key that was made: the server does not fall open.
    server = start_server(data=data)
    assert server.request("GET", "/metrics").status == 403
    assert status_of(server, key) == 403


def test_no_key_at_all(data: Path, start_server: StartServer) -> None:
    """With --auth keys and no key the server starts, tells that it is well, and lets nobody in."""
    server = start_server("--auth", "keys", data=data)
    assert server.request("GET", "/healthz").status == 200
    assert server.put_body(b"{}").status == 403
    assert status_of(server, Key("SWAKNONE", "secret")) == 403


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0", "--auth", "off"], ["--auth off", "0.0.0.0", "--insecure"]),
        (["--host", "::", "--auth", "off"], ["--auth off", "--insecure"]),
        (["--host", "0.0.0.0"], ["there must be an access key", "stepwell keys create"]),
        (["--host", "0.0.0.0", "--auth", "keys"], ["there must be an access key"]),
        (["--host", "192.0.2.1"], ["there must be an access key"]),
    ],
    ids=" ".join,
)
def test_what_is_refused(data: Path, options: list[str], words: list[str]) -> None:
    """Where others could come in without a key the server does not start, and says what to do."""
    done = run("serve", "--data", data, "--port", "0", *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def test_keys_that_let_nobody_in(stepwell: Command, data: Path) -> None:
    """Keys that were revoked or have expired are none; nor does --auth off pass because of one."""
    revoked, _ = create(stepwell, data), create(stepwell, data, "--expires", "1s")
    made = time.time()
    assert stepwell("keys", "revoke", revoked.id, "--data", data).status == 0
    arguments = ("serve", "--data", data, "--port", "0", "--host", "0.0.0.0")
    # Starting takes a while of its own; with the last key still valid it would listen.
    while time.time() < made + 1:
        assert stepwell("keys", "list", "--data", data).status == 0
    done = run(*arguments)
    assert (done.returncode, "there must be an access key" in done.stderr) == (1, True)
    create(stepwell, data)
    done = run(*arguments, "--auth", "off")
    assert (done.returncode, "--auth off" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("make_key", "options", "says", "is_open"),
    [
        (False, ["--insecure"], "no keys: everyone who reaches it may do everything", True),
        (False, ["--insecure", "--auth", "off"], "no keys: everyone who reaches it", True),
        (True, ["--insecure", "--auth", "off"], "no keys: everyone who reaches it", True),
        (True, ["--insecure"], "requests must be signed", False),
        (True, [], "requests must be signed", False),
    ],
)
def test_beyond_loopback(
    stepwell: Command,
    data: Path,
    tmp_path: Path,
    make_key: bool,  # noqa: FBT001 - a parameter of the test
    options: list[str],
    says: str,
    is_open: bool,  # noqa: FBT001 - see above
) -> None:
    """It listens for others with a key, or because it was told --insecure, and says which."""
    key = create(stepwell, data) if make_key else None
    options = ["--data", str(data), "--host", "0.0.0.0", "--port", "0", *options]
    with Process(data, tmp_path / "logs", options=options) as process:
        assert says in " ".join(process.banner().replace("│", " ").split())
        server = Server(None, process.port, tmp_path / "logs" / "stderr")  # type: ignore[arg-type]
        assert (server.request("GET", "/metrics").status == 200) == is_open
        if key is not None:
            assert status_of(server, key) == 200


def _wrong(data: Path, config: Path) -> None:
    path = config / "stepwell" / "key-encryption.key"
    path.write_text("a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")


def _readable(data: Path, config: Path) -> None:
    (config / "stepwell" / "key-encryption.key").chmod(0o644)


def _missing(data: Path, config: Path) -> None:
    (config / "stepwell" / "key-encryption.key").unlink()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_wrong, "cannot be decrypted"),
        (_readable, "0600"),
        (_missing, "is not there"),
    ],
)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_wrong_encryption_key(
    stepwell: Command,
    data: Path,
    config: Path,
    harm: Callable[[Path, Path], None],
    words: str,
    workers: str,
) -> None:
    """A server that could not read its keys' secrets says so at once instead of refusing all."""
    create(stepwell, data)
    harm(data, config)
    done = run("serve", "--data", data, "--port", "0", "--workers", workers)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--auth", "none"], ["--auth", "keys", "off"]),
        (["--auth", ""], ["--auth"]),
        (["--clock-skew", "-1"], ["--clock-skew"]),
        (["--clock-skew", "nan"], ["--clock-skew"]),
        (["--clock-skew", "inf"], ["--clock-skew"]),
        (["--clock-skew", "five"], ["--clock-skew"]),
        (["--tls-cert", "cert.pem"], ["--tls-cert", "--tls-key is missing"]),
        (["--tls-key", "key.pem"], ["--tls-key", "--tls-cert is missing"]),
    ],
)
def test_wrong_options_of_serve(
    stepwell: Command,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: list[str],
) -> None:
    """A wrong option is status 2 and a sentence on it; nothing is made."""
    monkeypatch.setattr(server_run, "run", lambda *_: None)
    done = stepwell("serve", "--data", data, "--port", "0", *options)
    assert (done.status, done.output) == (2, "")
    for word in words:
        assert word in done.problem
    assert not data.exists()
