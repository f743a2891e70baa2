"""`stepwell keys` on the command line: ends, lists, and a server that asks for no key."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.faults.server import Server

if TYPE_CHECKING:
    from tests.cli.conftest import Command


@pytest.fixture(autouse=True)
def _own_key_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.mark.parametrize("end", ["999999w", "9999-12-31T23:59:59-01:00"])
def test_an_end_after_the_year_9999(stepwell: Command, tmp_path: Path, end: str) -> None:
    """A key cannot end later than a time can be written, and is not made then."""
    done = stepwell("keys", "create", "--data", tmp_path / "data", "--expires", end)
    assert (done.status, done.output) == (2, "")
    assert "ends after the year 9999" in done.problem
    assert not (tmp_path / "data").exists()


def test_the_last_end(stepwell: Command, tmp_path: Path) -> None:
    """The last second of the year 9999 is an end, and a later one in the catalog is shown as it."""
    data, last = ("--data", tmp_path / "data"), "9999-12-31T23:59:59+00:00"
    assert stepwell("keys", "create", *data, "--expires", last).status == 0
    for _ in range(2):
        (row,) = json.loads(stepwell("keys", "list", *data, "--json").output)
        assert (row["Expires"], row["Status"]) == (last, "active")
        assert last in stepwell("keys", "list", *data).output
        with sqlite3.connect(tmp_path / "data" / "catalog.db") as catalog:
            catalog.execute("UPDATE access_key SET expires_us = expires_us * 3")
        catalog.close()


def test_a_list_is_not_cut(
    stepwell: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On 80 columns too, each key's row has all of it, on one line."""
    data, name = ("--data", tmp_path / "data"), "the [red] trainer " * 14
    done = stepwell("keys", "create", *data, "--name", name, "--expires", "90d", "--json")
    key = json.loads(done.output)["AccessKeyId"]
    (row,) = json.loads(stepwell("keys", "list", *data, "--json").output)
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line for line in stepwell("keys", "list", *data).output.splitlines() if key in line]
    assert len(lines) == 1
    for value in row.values():
        assert str(value).strip() in lines[0]


def test_an_open_server_goes_on(stepwell: Command, tmp_path: Path) -> None:
    """`keys create` warns of a server that was started without keys, and only of that."""
    data = ("--data", tmp_path / "data")
    server = Server(tmp_path / "data", tmp_path / "logs")
    with server:
        warned = stepwell("keys", "create", *data)
        assert warned.status == 0
        assert "warning: a server that was started without authentication" in warned.error
        server.kill()
        # Its note is still there.
        assert "warning" not in stepwell("keys", "create", *data).error
        server.start()
        assert "warning" not in stepwell("keys", "create", *data).error
