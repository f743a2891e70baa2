"""Damaged chunks: queries that need them say so, everything else goes on, `check` finds them."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.store.sqlite.compaction import Compactor
from stepwell.store.sqlite.folder import Folder
from stepwell.store.sqlite.maintenance import folder_size
from stepwell.store.sqlite.registry import Registry

from .client import Broken, Client, Item, query
from .conftest import StartServer
from .server import Server, assert_sound, stepwell, wait_until

_COMPONENTS = ("run-a", "run-b")
_METRICS = ("loss", "accuracy", "lr")
#: Whose chunk is damaged.
_VICTIM = ("run-a", "loss")
_OTHERS = [
    (component, metric)
    for component in _COMPONENTS
    for metric in _METRICS
    if (component, metric) != _VICTIM
]
_POINTS = 3000
#: So many rows make the server's own compaction due (`compaction._DUE_ROWS`).
_DUE_PUTS = 4200

#: How a page of SQLite begins that holds rows of a table.
_LEAF_PAGE = 0x0D

Damage = Callable[[sqlite3.Connection, int], None]


def _flip_values(chunks: sqlite3.Connection, series: int) -> None:
    _flip(chunks, series, "vals")


def _flip_steps(chunks: sqlite3.Connection, series: int) -> None:
    _flip(chunks, series, "steps")


def _flip_timestamps(chunks: sqlite3.Connection, series: int) -> None:
    _flip(chunks, series, "timestamps")


def _flip(chunks: sqlite3.Connection, series: int, column: str) -> None:
    (blob,) = chunks.execute(f"SELECT {column} FROM chunk WHERE series = ?", (series,)).fetchone()
    place = len(blob) // 2
    blob = blob[:place] + bytes([blob[place] ^ 0x10]) + blob[place + 1 :]
    chunks.execute(f"UPDATE chunk SET {column} = ? WHERE series = ?", (blob, series))


def _cut_off(chunks: sqlite3.Connection, series: int) -> None:
    chunks.execute("UPDATE chunk SET vals = x'' WHERE series = ?", (series,))


def _delete(chunks: sqlite3.Connection, series: int) -> None:
    chunks.execute("DELETE FROM chunk WHERE series = ?", (series,))


def _change_count(chunks: sqlite3.Connection, series: int) -> None:
    chunks.execute("UPDATE chunk SET count = count - 1 WHERE series = ?", (series,))


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """Give a server with one chunk a series and nothing hot."""
    server = start_server()
    noise = np.random.default_rng(3)
    with Client(server.address) as client:
        for component in _COMPONENTS:
            for metric in _METRICS:
                values = noise.standard_normal(_POINTS).tolist()
                items = [Item(metric, step, value) for step, value in enumerate(values)]
                assert client.put(component, items).status == 200
    _compact(server)
    assert_sound(server.data)
    return server


@pytest.mark.parametrize(
    "damage",
    [_flip_values, _flip_steps, _flip_timestamps, _cut_off, _delete, _change_count],
)
def test_damaged_row(server: Server, damage: Damage) -> None:
    """A damaged or missing chunk spoils its own series only; puts and compaction go on."""
    _change_chunks(server.data, damage)
    with Client(server.address) as client:
        _assert_victim_only(client, _POINTS)
        _assert_found(server)
        # Puts go on, into the damaged series too, and so does compaction.
        for component in _COMPONENTS:
            items = [Item(metric, _POINTS + 1, 1.0) for metric in _METRICS]
            assert client.put(component, items).json() == {"Errors": []}
        _assert_victim_only(client, _POINTS + 1)
        for _ in range(2):
            _compact(server)
            assert folder_size(server.data).hot_rows == 0
            _assert_victim_only(client, _POINTS + 1)
            _assert_found(server)


@pytest.mark.parametrize("damage", [_flip_values, _delete])
def test_raw_points_of_a_damaged_series(server: Server, damage: Damage) -> None:
    """That raw points are refused, or break off, is one line that names the series, each time."""
    _change_chunks(server.data, damage)
    for _ in range(2):
        with Client(server.address) as client, contextlib.suppress(Broken):
            assert client.raw_points(*_VICTIM).status == 500
    wait_until(lambda: server.log().count("\n") >= 2, "both lines are there")
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert len(lines) == 2
    for line in lines:
        assert line["event"].startswith("a query cannot be answered: Metric 'loss' of trial comp")
        assert "exception" not in line


@pytest.mark.parametrize("which", ["first", "last"])
def test_chunk_missing(server: Server, which: str) -> None:
    """That a series' first or last chunk is missing is not forgotten by later compactions."""
    with Client(server.address) as client:
        _grow(client, server)
        _change_chunks(server.data, lambda chunks, series: _delete_at(chunks, series, which))
        _assert_stays_found(client, server)


def test_chunk_missing_in_the_middle(server: Server) -> None:
    """Chunks on both sides of a missing one are not merged into one that looks whole."""
    with Client(server.address) as client:
        for _ in range(2):
            _grow(client, server)
        _change_chunks(server.data, lambda chunks, series: _delete_at(chunks, series, "second"))
        _assert_stays_found(client, server)


def test_flipped_bytes_in_the_file(server: Server) -> None:
    """Bytes that rot in the middle of a chunk's columns spoil its series only."""
    blob = _blob_of(server.data, _victim(server.data))
    assert server.stop() == 0
    file = server.data / "chunks.db"
    content = bytearray(file.read_bytes())
    piece = blob[len(blob) // 2 : len(blob) // 2 + 32]
    assert content.count(piece) == 1
    content[content.index(piece) + 7] ^= 0xFF
    file.write_bytes(content)
    server.start()
    with Client(server.address) as client:
        _assert_victim_only(client, _POINTS)
        _assert_found(server)
        assert client.put(_VICTIM[0], [Item("loss", _POINTS + 1, 1.0)]).json() == {"Errors": []}
        _compact(server)
        _assert_victim_only(client, None)
        _assert_found(server)


def test_ruined_page(start_server: StartServer) -> None:
    """A page of chunks.db that is garbage spoils what is on it; everything else goes on."""
    server = start_server()
    noise = np.random.default_rng(5)
    names = [f"run-{number:02}" for number in range(40)]
    with Client(server.address) as client:
        for name in names:
            values = noise.standard_normal(_POINTS).tolist()
            items = [Item("loss", step, value) for step, value in enumerate(values)]
            assert client.put(name, items).status == 200
        _compact(server)
    # Series have ascending numbers, and their rows follow each other.
    blob = _blob_of(server.data, len(names) // 2)
    assert server.stop() == 0
    with (server.data / "chunks.db").open("r+b") as file:
        content = file.read()
        place = content.index(blob[:32])
        page = place - place % int.from_bytes(content[16:18])
        assert content[page] == _LEAF_PAGE
        file.seek(page)
        file.write(random.Random(1).randbytes(200))
    server.start()
    with Client(server.address) as client:
        results = client.get([query(name, "loss") for name in names])
        spoilt = [result for result in results if result["Status"] != "Complete"]
        assert 1 <= len(spoilt) < len(names) / 2
        for name, result in zip(names, results, strict=True):
            if result["Status"] == "Complete":
                assert len(result["MetricValues"]) == _POINTS
            else:
                assert result["Status"] == "InternalError"
                assert "'loss'" in result["Message"]
                assert repr(name) in result["Message"]
        checked = stepwell("check", "--data", server.data)
        assert checked.returncode == 1, checked
        assert "Traceback" not in checked.stderr
        for name in names:
            assert client.put(name, [Item("loss", _POINTS, 1.0)]).json() == {"Errors": []}
        _compact_round(server)
        assert folder_size(server.data).hot_rows == 0
        for name, before, after in zip(
            names, results, client.get([query(name, "loss") for name in names]), strict=True
        ):
            assert before["Status"] == after["Status"], name
            if after["Status"] == "Complete":
                assert len(after["MetricValues"]) == _POINTS + 1


def test_server_compacts_beside_damage(server: Server) -> None:
    """The server's own compaction goes on beside a damaged chunk, without anyone's help."""
    _change_chunks(server.data, _flip_values)
    with Client(server.address) as client:
        for number in range(_DUE_PUTS):
            items = [Item("loss", _POINTS + number, 1.0), Item("lr", _POINTS + number, 1.0)]
            assert client.put("run-a", items).status == 200
        wait_until(
            lambda: folder_size(server.data).hot_rows < _DUE_PUTS / 2, "the server has compacted"
        )
        _assert_victim_only(client, None)
    assert "compaction failed" not in server.log()


def _assert_victim_only(client: Client, count: int | None) -> None:
    """Assert that the victim's queries say what is wrong, and all others are answered.

    Args:
        client: a connection.
        count: the points that each of the other series has, if that is known.
    """
    asked = [_VICTIM, *_OTHERS, _VICTIM]
    results = client.get(
        [query(*series, statistic) for series in asked for statistic in ("Last", "Count", "Avg")]
    )
    for number, result in enumerate(results):
        if asked[number // 3] == _VICTIM:
            assert result["Status"] == "InternalError", result
            assert result["XAxisValues"] == result["MetricValues"] == []
            _assert_named(result["Message"])
        else:
            assert result["Status"] == "Complete", result
            assert count is None or len(result["MetricValues"]) == count
    # The raw points are refused, or the answer breaks off: it never looks whole.
    with contextlib.suppress(Broken):
        answer = client.raw_points(*_VICTIM)
        assert answer.status == 500
        _assert_named(answer.json()["message"])
    for series in _OTHERS:
        found = len(client.points(*series).steps)
        assert count is None or found == count


def _assert_named(message: str) -> None:
    component, metric = _VICTIM
    assert repr(metric) in message
    assert repr(component) in message


def _assert_found(server: Server) -> None:
    """Assert that `stepwell check` finds the damage, and nothing else."""
    checked = stepwell("check", "--data", server.data)
    assert checked.returncode == 1, checked
    *problems, _summary = checked.stdout.strip().splitlines()
    assert problems
    for problem in problems:
        _assert_named(problem)


def _change_chunks(data: Path, change: Damage) -> None:
    """Change the victim's rows in chunks.db, beside the running server."""
    with contextlib.closing(_open(data)) as chunks:
        changes = chunks.total_changes
        with chunks:
            change(chunks, _victim(data))
        assert chunks.total_changes > changes


def _delete_at(chunks: sqlite3.Connection, series: int, which: str) -> None:
    rows = chunks.execute(
        "SELECT first_index FROM chunk WHERE series = ? ORDER BY first_index", (series,)
    ).fetchall()
    assert len(rows) >= {"first": 2, "second": 3, "last": 2}[which]
    (first_index,) = rows[{"first": 0, "second": 1, "last": -1}[which]]
    chunks.execute("DELETE FROM chunk WHERE series = ? AND first_index = ?", (series, first_index))


def _victim(data: Path) -> int:
    """Give the number of the victim's series."""
    component, metric = _VICTIM
    with contextlib.closing(Registry(Folder(data, create=False))) as registry:
        component_id = registry.component_id(Component(DEFAULT_ACCOUNT, component))
        assert component_id is not None
        series = registry.series_id(component_id, metric)
    assert series is not None
    return series


def _blob_of(data: Path, series: int) -> bytes:
    with contextlib.closing(_open(data)) as chunks:
        rows = chunks.execute("SELECT vals FROM chunk WHERE series = ?", (series,)).fetchall()
        chunks.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (blob,) = rows[0]
    assert isinstance(blob, bytes)
    return blob


def _open(data: Path) -> sqlite3.Connection:
    return sqlite3.connect(data / "chunks.db", timeout=10)


def _compact(server: Server) -> None:
    """Compact wholly: few chunks are left."""
    done = stepwell("compact", "--data", server.data)
    assert done.returncode == 0, done.stderr


def _compact_round(server: Server) -> None:
    """Compact as the server does by itself: small chunks stay until there are enough of them."""
    compactor = Compactor(Folder(server.data, create=False))
    with contextlib.closing(compactor):
        wait_until(compactor.try_start, "nobody else compacts")
        compactor.run_round(time.time_ns())


def _grow(client: Client, server: Server) -> None:
    """Give every series one more chunk, of a size that is not merged with the one before."""
    for component in _COMPONENTS:
        for metric in _METRICS:
            items = [Item(metric, step, 1.0) for step in range(_POINTS)]
            assert client.put(component, items).status == 200
    _compact_round(server)


def _assert_stays_found(client: Client, server: Server) -> None:
    """Assert that the damage is noticed, however much is put and compacted after it."""
    _assert_victim_only(client, None)
    _assert_found(server)
    for _ in range(5):
        _grow(client, server)
        _assert_victim_only(client, None)
        _assert_found(server)
    for _ in range(2):
        _compact(server)
        _assert_victim_only(client, None)
        _assert_found(server)
