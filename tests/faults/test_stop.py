"""Starting and stopping: nothing answered is lost, and what cannot start says why."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from .client import Client, Item
from .conftest import StartServer
from .ledger import Ledger
from .load import Load
from .server import Server, ServerEndedError, assert_sound, stepwell

_STOP_S_MAX = 10.0


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_while_clients_put(
    start_server: StartServer, workers: int, number: signal.Signals
) -> None:
    """SIGTERM and Ctrl-C end a busy server within seconds, with status 0 and every answered put."""
    server = start_server(workers=workers)
    ledger = Ledger()
    with Load(ledger, server.address, seed=number) as load:
        load.wait_for(puts=200)
        started = time.monotonic()
        if number is signal.SIGINT:
            # A terminal sends it to everyone in the foreground.
            os.killpg(server.process.pid, signal.SIGINT)
            status = server.process.wait(_STOP_S_MAX * 3)
        else:
            status = server.stop()
        seconds = time.monotonic() - started
        load.give_up()
    log = server.log()
    server.kill()
    assert status == 0, log
    assert "Traceback" not in log
    assert seconds < _STOP_S_MAX
    assert not load.surprises
    assert_sound(server.data)
    server.start()
    with Client(server.address) as client:
        ledger.verify(client).assert_nothing_lost()


def test_stop_with_nothing_to_do(start_server: StartServer) -> None:
    """Connections that are idle do not hold up the end."""
    server = start_server()
    with Client(server.address) as client, Client(server.address) as silent:
        assert client.put("run", [Item("loss", 1, 1.0)]).status == 200
        assert silent.request("GET", "/healthz").status == 200
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < _STOP_S_MAX


@pytest.mark.parametrize("workers", [1, 2])
def test_second_server_on_a_folder(start_server: StartServer, tmp_path: Path, workers: int) -> None:
    """A second server on the same folder is refused in one clear line; the first goes on."""
    first = start_server()
    with Client(first.address) as client:
        client.put("run", [Item("loss", 1, 1.0)])
        _assert_refused(
            Server(first.data, tmp_path / "second", workers=workers),
            f"data folder {first.data}: another Stepwell server is using it",
        )
        assert client.put("run", [Item("loss", 2, 2.0)]).status == 200
        assert client.points("run", "loss").steps.tolist() == [1, 2]


@pytest.mark.parametrize("workers", [1, 2])
def test_port_in_use(start_server: StartServer, tmp_path: Path, workers: int) -> None:
    """A port that someone has is refused in one clear line."""
    first = start_server()
    second = Server(tmp_path / "other", tmp_path / "second", workers=workers, port=first.port)
    _assert_refused(second, f"cannot listen on {first.address}: Address already in use")


def test_folder_of_a_newer_format(start_server: StartServer, tmp_path: Path) -> None:
    """A data folder of a newer format is refused by every command, and not a byte is changed."""
    server = start_server()
    with Client(server.address) as client:
        client.put("run", [Item("loss", step, 1.0) for step in range(100)])
    assert server.stop() == 0
    (server.data / "FORMAT").write_text("stepwell 2\n")
    before = _bytes_of(server.data)
    _assert_refused(Server(server.data, tmp_path / "newer"), "format 2", "newer Stepwell")
    for command in (["check"], ["compact"], ["info"], ["backup", str(tmp_path / "backup.tar")]):
        done = stepwell(*command, "--data", server.data)
        assert done.returncode == 1, command
        assert "newer Stepwell" in done.stderr
        assert "Traceback" not in done.stderr
    assert _bytes_of(server.data) == before
    assert not (tmp_path / "backup.tar").exists()


def test_folder_of_someone_else(tmp_path: Path) -> None:
    """A folder with files of another program is refused and not touched."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    before = _bytes_of(folder)
    _assert_refused(Server(folder, tmp_path / "log"), str(folder), "none of Stepwell's")
    assert _bytes_of(folder) == before


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A data folder whose place is a file is refused in one clear line."""
    (tmp_path / "file").write_text("")
    _assert_refused(Server(tmp_path / "file" / "data", tmp_path / "log"), "Not a directory")


def _assert_refused(server: Server, *words: str) -> None:
    """Assert that a server ends at once with status 1 and one line that says why."""
    try:
        with pytest.raises(ServerEndedError) as ended:
            server.launch()
    finally:
        server.kill()
    assert ended.value.status == 1
    lines = ended.value.log.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("stepwell: ")
    for word in words:
        assert word in lines[0]


def _bytes_of(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}
