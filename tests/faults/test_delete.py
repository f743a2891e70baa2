"""Deleting a component: gone at once for every process, and its space comes back (rule 14)."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stepwell.model.errors import UnknownComponentError
from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.store.sqlite.store import EmbeddedStore

from .client import Client, Item, put_body, query
from .conftest import StartServer
from .server import Server, assert_sound, clients_of_every_worker, stepwell, wait_until

GONE = Component(DEFAULT_ACCOUNT, "gone")
_PUTS = 30
_PUT_POINTS = 10_000


@contextlib.contextmanager
def _store_of_another_process(server: Server) -> Iterator[EmbeddedStore]:
    """Open the server's folder here: the test is another process than the server."""
    with contextlib.closing(EmbeddedStore(server.data, is_shared=True)) as store:
        yield store


@pytest.mark.parametrize("is_compacted", [False, True])
def test_gone_at_once_on_every_worker(start_server: StartServer, *, is_compacted: bool) -> None:
    """A component that another process deletes is unknown to the next request on every worker."""
    server = start_server(workers=2)
    items = [Item("loss", step, float(step)) for step in range(50)]
    with clients_of_every_worker(server, 1) as clients:
        for client in clients:
            for component in ("gone", "kept"):
                assert client.put(component, items).json() == {"Errors": []}
        if is_compacted:
            assert stepwell("compact", "--data", server.data).returncode == 0
        with _store_of_another_process(server) as store:
            store.delete(GONE)
            with pytest.raises(UnknownComponentError):
                store.delete(GONE)
        for client in clients:
            assert client.raw_points("gone", "loss").status == 404
            gone, kept = client.get([query("gone", "loss"), query("kept", "loss", "Count")])
            assert gone["Status"] == "ValidationError"
            assert "'gone' does not exist" in gone["Message"]
            assert kept["MetricValues"] == [2.0] * 50
        # A put makes a new one of that name, which both workers know, and no old point is in it.
        for number, client in enumerate(clients):
            assert client.put("gone", [Item("loss", 100 + number, 1.0)]).json() == {"Errors": []}
        for client in clients:
            assert client.points("gone", "loss").steps.tolist() == [100, 101]
    assert stepwell("compact", "--data", server.data).returncode == 0
    with Client(server.address) as client:
        assert client.points("gone", "loss").steps.tolist() == [100, 101]
        assert len(client.points("kept", "loss").steps) == 100
    assert_sound(server.data)


def test_space_comes_back(start_server: StartServer) -> None:
    """After a deletion, `stepwell compact` gives the points' space back while the server runs."""
    server = start_server()
    noise = np.random.default_rng(1)
    with Client(server.address) as client:
        for number in range(_PUTS):
            values = noise.standard_normal(_PUT_POINTS)
            first = number * _PUT_POINTS
            for component in ("gone", "kept")[: 2 if number == 0 else 1]:
                items = [
                    Item("loss", first + place, value)
                    for place, value in enumerate(values.tolist())
                ]
                assert client.put(component, items).status == 200
        assert stepwell("compact", "--data", server.data).returncode == 0
        before = _chunk_bytes(server.data)
        assert before > _PUTS * _PUT_POINTS * 7
        with _store_of_another_process(server) as store:
            store.delete(GONE)
        assert client.raw_points("gone", "loss").status == 404
        assert stepwell("compact", "--data", server.data).returncode == 0
        after = _chunk_bytes(server.data)
        assert after < before / 10, f"{before} -> {after} bytes"
        # The rows in the server's own hot file are the server's to delete.
        wait_until(lambda: _hot_rows(server.data) == 0, "the hot rows are gone")
        assert len(client.points("kept", "loss").steps) == _PUT_POINTS
    assert_sound(server.data)


def test_deleted_while_a_put_waits(start_server: StartServer) -> None:
    """A put whose component is deleted while it waits gets CONFLICT_ERROR and stores nothing."""
    server = start_server()
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(server.address))
        for component in ("gone", "kept"):
            assert client.put(component, [Item("loss", 0, 0.0)]).status == 200
        hot = stack.enter_context(
            contextlib.closing(
                sqlite3.connect(
                    server.data / "hot-0.db", isolation_level=None, check_same_thread=False
                )
            )
        )
        hot.execute("BEGIN IMMEDIATE")
        answers: dict[str, object] = {}
        threads = []
        # The first put is stuck in its commit, the second one waits behind it.
        for waiting, component in enumerate(("kept", "gone"), 1):
            thread = threading.Thread(target=_put_into, args=(server, component, answers))
            thread.start()
            threads.append(thread)
            wait_until(lambda: _waiting_puts(client) == waiting, "the put waits")  # noqa: B023
        with _store_of_another_process(server) as store:
            store.delete(GONE)
        hot.execute("ROLLBACK")
        for thread in threads:
            thread.join(20)
        assert answers["kept"] == {"Errors": []}
        assert answers["gone"] == {
            "Errors": [{"Code": "CONFLICT_ERROR", "MetricIndex": index} for index in (0, 1)]
        }
        assert client.raw_points("gone", "loss").status == 404
        assert len(client.points("kept", "loss").steps) == 3


def _put_into(server: Server, component: str, answers: dict[str, object]) -> None:
    items = [Item("loss", 1, 1.0), Item("loss", 2, 2.0)]
    with Client(server.address) as client:
        answer = client.put_body(put_body(component, items), str(uuid.uuid4()))
        answers[component] = answer.json()


def _waiting_puts(client: Client) -> int:
    lines = client.request("GET", "/metrics").body.decode().splitlines()
    (line,) = (line for line in lines if line.startswith("stepwell_waiting_puts "))
    return int(float(line.split()[1]))


def _chunk_bytes(data: Path) -> int:
    return sum(each.stat().st_size for each in data.glob("chunks.db*"))


def _hot_rows(data: Path) -> int:
    with contextlib.closing(sqlite3.connect(data / "hot-0.db")) as hot:
        count: int = hot.execute("SELECT count(*) FROM hot").fetchone()[0]
    return count
