"""The commands that work on a folder: info, compact, check, backup and restore."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.client import Client, Item, query
from tests.faults.server import Server

if TYPE_CHECKING:
    from tests.cli.conftest import Command

_PUTS = 40
_METRICS = ("loss", "accuracy", "müon β")
_POINTS = _PUTS * len(_METRICS) * 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Give a server with two components, each with three series of 40 points."""
    with Server(tmp_path / "data", tmp_path / "logs") as server, Client(server.address) as client:
        for step in range(_PUTS):
            for component in ("run-a", "run-b"):
                items = [Item(metric, step, step / 7) for metric in _METRICS]
                assert client.put(component, items).status == 200
        yield server


def answers_of(server: Server) -> list[dict[str, Any]]:
    """Ask everything that there is to ask about what was put."""
    return ask(
        server,
        [
            {**query(component, metric, statistic), "Period": period, "XAxisType": axis}
            for component in ("run-a", "run-b")
            for metric in _METRICS
            for statistic in ("Min", "Max", "Avg", "Count", "StdDev", "Last")
            for period, axis in (
                ("OneMinute", "Timestamp"),
                ("IterationNumber", "IterationNumber"),
            )
        ],
    )


def ask(server: Server, queries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask queries on a connection of their own."""
    with Client(server.address) as client:
        return client.get(queries)


def info_of(stepwell: Command, folder: Path) -> dict[str, Any]:
    """Read what `info` tells a script."""
    done = stepwell("info", "--json", "--data", folder)
    assert (done.status, done.error) == (0, "")
    document: dict[str, Any] = json.loads(done.output)
    return document


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder."""
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_info(stepwell: Command, server: Server) -> None:
    """`info` tells what was put, as a table and as JSON, beside a running server."""
    told = info_of(stepwell, server.data)
    assert told["data"] == str(server.data)
    assert (told["components"], told["series"], told["points"]) == (2, 2 * len(_METRICS), _POINTS)
    assert (told["hot_rows"], told["hot_points"], told["chunks"]) == (2 * _PUTS, _POINTS, 0)
    size = sum(each.stat().st_size for each in server.data.iterdir())
    assert told["bytes"] == size
    assert told["bytes_per_point"] == round(size / _POINTS, 3)
    table = stepwell("info", "--data", server.data)
    assert (table.status, table.error) == (0, "")
    rows = re.findall(r"^ ([a-z ]+?) +│ ([\d.,]+) *$", table.output, re.MULTILINE)
    del told["data"]
    assert {name.replace(" ", "_"): float(text.replace(",", "")) for name, text in rows} == told


def test_info_of_an_empty_folder(stepwell: Command, tmp_path: Path) -> None:
    """A folder without points has no bytes a point."""
    with Server(tmp_path / "data", tmp_path / "logs"):
        told = info_of(stepwell, tmp_path / "data")
        assert (told["points"], told["bytes_per_point"]) == (0, None)
        assert stepwell("info", "--data", tmp_path / "data").status == 0


def test_compact_and_check(stepwell: Command, server: Server) -> None:
    """After `compact` nothing is hot and all is there; `check` finds nothing wrong, before too."""
    before = answers_of(server)
    checked = stepwell("check", "--data", server.data)
    # Nothing is in chunks yet.
    counts = f"0 chunks, {2 * len(_METRICS)} series, {_POINTS} points: 0 problems"
    assert (checked.status, checked.output) == (0, f"checked {counts}\n")
    assert server.stop() == 0
    done = stepwell("compact", "--data", server.data)
    assert (done.status, done.error) == (0, "")
    assert f"compacted {_POINTS} points, wrote {2 * len(_METRICS)} chunks" in done.output
    told = info_of(stepwell, server.data)
    assert (told["points"], told["hot_rows"], told["hot_points"]) == (_POINTS, 0, 0)
    assert told["chunks"] == 2 * len(_METRICS)
    checked = stepwell("check", "--data", server.data)
    counts = f"{told['chunks']} chunks, {told['series']} series, {_POINTS} points: 0 problems"
    assert (checked.status, checked.output) == (0, f"checked {counts}\n")
    again = stepwell("compact", "--data", server.data)
    assert "compacted 0 points, wrote 0 chunks" in again.output
    server.start()
    assert answers_of(server) == before


def test_backup_and_restore(stepwell: Command, server: Server, tmp_path: Path) -> None:
    """A restored backup gives the same answers as the folder that it was taken of."""
    assert stepwell("compact", "--data", server.data).status == 0
    with Client(server.address) as client:
        # Some of it is hot, some is in chunks.
        assert client.put("run-a", [Item("loss", 1000, 1.5)]).status == 200
    counts = f"{2 * len(_METRICS)} chunks, {2 * len(_METRICS)} series, {_POINTS + 1} points"
    assert f"checked {counts}: 0 problems" in stepwell("check", "--data", server.data).output
    before = answers_of(server)
    file = tmp_path / "backup.tar"
    done = stepwell("backup", file, "--data", server.data)
    assert (done.status, done.error) == (0, "")
    assert done.output == f"wrote {file} ({file.stat().st_size:,} bytes)\n"
    done = stepwell("restore", file, "--data", tmp_path / "restored")
    assert (done.status, done.error) == (0, "")
    assert done.output == f"restored {file} into {tmp_path / 'restored'}\n"
    assert stepwell("check", "--data", tmp_path / "restored").status == 0
    assert info_of(stepwell, tmp_path / "restored")["points"] == _POINTS + 1
    with Server(tmp_path / "restored", tmp_path / "restored-logs") as restored:
        assert answers_of(restored) == before


def test_backups_overwrite_nothing(stepwell: Command, server: Server, tmp_path: Path) -> None:
    """An existing file is no place for a backup, nor a folder with files for a restored one."""
    file, other = tmp_path / "backup.tar", tmp_path / "other"
    file.write_text("precious")
    done = stepwell("backup", file, "--data", server.data)
    assert (done.status, done.output) == (1, "")
    assert done.error == f"stepwell: {file} exists already; nothing was written\n"
    assert file.read_text() == "precious"
    file.unlink()
    assert stepwell("backup", file, "--data", server.data).status == 0
    assert server.stop() == 0
    other.mkdir()
    (other / "thesis.tex").write_text("precious")
    for folder in (server.data, other):
        before = bytes_of(folder)
        done = stepwell("restore", file, "--data", folder)
        assert (done.status, done.output) == (1, "")
        assert done.error == f"stepwell: data folder {folder} is not empty; nothing was changed\n"
        assert bytes_of(folder) == before


@pytest.mark.parametrize("command", ["check", "info", "compact", "backup"])
def test_a_folder_that_is_not_there(stepwell: Command, tmp_path: Path, command: str) -> None:
    """Without data a command ends with status 1 and one line, and makes nothing."""
    folder, file = tmp_path / "missing", tmp_path / "backup.tar"
    arguments = [command, *([file] if command == "backup" else []), "--data", folder]
    done = stepwell(*arguments)
    assert (done.status, done.output) == (1, "")
    assert done.error == f"stepwell: data folder {folder}: there is no Stepwell data\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "file", "folder"),
    [("restore", "none.tar", "new"), ("backup", "none/backup.tar", "data")],
)
def test_a_file_that_is_not_there(
    stepwell: Command, server: Server, tmp_path: Path, command: str, file: str, folder: str
) -> None:
    """A backup that is not there, and one whose folder is not there, is named."""
    done = stepwell(command, tmp_path / file, "--data", tmp_path / folder)
    assert (done.status, done.output) == (1, "")
    assert not (tmp_path / "new").exists()
    assert done.error.startswith("stepwell: ")
    assert str((tmp_path / file).parent) in done.error


def test_a_file_that_is_no_backup(stepwell: Command, tmp_path: Path) -> None:
    """A file that is something else is refused in one line, and no folder is made."""
    file = tmp_path / "thesis.tex"
    file.write_text("precious")
    done = stepwell("restore", file, "--data", tmp_path / "new")
    assert done.status == 1
    assert not (tmp_path / "new").exists()
    assert done.error.startswith(f"stepwell: {file} is not a backup of Stepwell")
    assert len(done.error.splitlines()) == 1


@pytest.mark.parametrize("what", ["folder", "database"])
@pytest.mark.parametrize("command", ["serve", "check", "info", "compact", "backup"])
def test_a_folder_that_cannot_be_written(
    stepwell: Command,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    what: str,
) -> None:
    """A folder, or a file in it, that is read-only for us is told in one line, by every command."""
    assert server.stop() == 0
    refused = server.data if what == "folder" else server.data / "registry.db"
    may = os.access
    # To root, which may run the tests, nothing is read-only.
    monkeypatch.setattr(
        os,
        "access",
        lambda path, mode: may(path, mode) and not (path == refused and mode & os.W_OK),
    )
    before = bytes_of(server.data)
    arguments = [command, *([tmp_path / "file"] if command == "backup" else [])]
    done = stepwell(*arguments, "--data", server.data)
    assert (done.status, done.output) == (1, "")
    start = f"stepwell: data folder {server.data}: {refused} cannot be written by this user, "
    assert done.error.startswith(start)
    assert done.error.count("\n") == 1
    assert bytes_of(server.data) == before


def test_a_lock_that_cannot_be_opened(stepwell: Command, server: Server) -> None:
    """That a lock's file cannot be opened is one line as well."""
    assert server.stop() == 0
    lock = server.data / "server.lock"
    lock.unlink()
    lock.mkdir()
    done = stepwell("serve", "--data", server.data)
    assert (done.status, done.output) == (1, "")
    assert done.error == f"stepwell: {lock}: Is a directory\n"


def test_restoring_onto_a_file(stepwell: Command, server: Server, tmp_path: Path) -> None:
    """A file is no folder to restore into, and stays as it is."""
    file, other = tmp_path / "backup.tar", tmp_path / "thesis.tex"
    other.write_text("precious")
    assert stepwell("backup", file, "--data", server.data).status == 0
    done = stepwell("restore", file, "--data", other)
    assert (done.status, done.output) == (1, "")
    assert done.error == f"stepwell: data folder {other} is a file; nothing was changed\n"
    assert other.read_text() == "precious"
