"""A retry never counts twice (rule 2): after a crash, across workers, while the first one waits."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import sys
import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from . import dies_before_answer
from .client import Answer, Broken, Client, Item, put_body
from .conftest import StartServer
from .server import (
    Server,
    ServerEndedError,
    assert_sound,
    clients_of_every_worker,
    is_alive,
    wait_until,
)

_TRIES = 60
_CONNECTIONS = 8


def _body(component: str, first: int) -> bytes:
    """Make a put of which the item at 1 is refused and the others are stored."""
    items = [Item("loss", first, first), Item("bad", -1, 0.0), Item("loss", first + 1, first + 1)]
    return put_body(component, items)


_ANSWER = {"Errors": [{"Code": "VALIDATION_ERROR", "MetricIndex": 1}]}


def test_killed_between_commit_and_answer(start_server: StartServer, tmp_path: Path) -> None:
    """A put that was committed but not answered is stored once if retried after the crash."""
    flag = tmp_path / "die"
    program = (sys.executable, str(Path(dies_before_answer.__file__)))
    server = start_server(env={dies_before_answer.FLAG: str(flag)}, program=program)
    ids = [str(uuid.uuid4()) for _ in range(_CONNECTIONS)]
    bodies = [_body("run", 10 * number) for number in range(_CONNECTIONS)]
    with Client(server.address) as client:
        assert client.put_body(bodies[0], ids[0]).json() == _ANSWER
    flag.touch()
    with pytest.raises(Broken), Client(server.address) as client:
        client.put_body(bodies[1], ids[1])
    assert server.process.wait(10) == -signal.SIGKILL
    server.kill()
    flag.unlink()
    server.start()
    with Client(server.address) as client:
        # It was committed: a crash that came earlier would make the test prove nothing.
        assert client.points("run", "loss").steps.tolist() == [0, 1, 10, 11]
        for _ in range(3):
            for put_id, body in zip(ids[:2], bodies[:2], strict=True):
                assert client.put_body(body, put_id).json() == _ANSWER
        assert client.points("run", "loss").steps.tolist() == [0, 1, 10, 11]
        reused = client.put_body(bodies[2], ids[1]).json()["Errors"]
        assert [error["Code"] for error in reused] == ["CONFLICT_ERROR"] * 3
        assert client.points("run", "loss").steps.tolist() == [0, 1, 10, 11]


def test_same_id_on_two_workers(start_server: StartServer) -> None:
    """Attempts of one put that reach several workers at once are answered alike and stored once."""
    server = start_server(workers=2)
    with clients_of_every_worker(server, _CONNECTIONS // 2) as clients:
        for number in range(_TRIES):
            answers = _at_once(clients, _body("run", 2 * number), str(uuid.uuid4()))
            assert [(each.status, each.json()) for each in answers] == [
                (200, _ANSWER)
            ] * _CONNECTIONS
        steps = clients[0].points("run", "loss").steps.tolist()
    assert steps == list(range(2 * _TRIES))
    both = [_id_groups(server.data, slot) for slot in (0, 1)]
    assert all(both), f"only one worker took part: {both}"


def test_first_attempt_still_waits(start_server: StartServer) -> None:
    """A retry that comes while its first attempt waits for the disk is stored once with it."""
    server = start_server()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(server.address)) for _ in range(_CONNECTIONS)]
        clients[0].put_body(_body("run", 0), str(uuid.uuid4()))
        hot = stack.enter_context(contextlib.closing(_connect(server.data, 0)))
        hot.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.5, hot.execute, ("ROLLBACK",))
        release.start()
        answers = _at_once(clients, _body("run", 2), str(uuid.uuid4()))
        release.join()
        assert [(each.status, each.json()) for each in answers] == [(200, _ANSWER)] * _CONNECTIONS
        assert clients[0].points("run", "loss").steps.tolist() == [0, 1, 2, 3]


def test_workers_without_their_parent(start_server: StartServer, tmp_path: Path) -> None:
    """While a worker of a killed server lives on, no second server has the folder; then one has."""
    first = start_server(workers=2)
    workers = first.worker_pids()
    with Client(first.address) as client:
        assert client.put_body(_body("run", 0)).status == 200
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    first.process.kill()
    first.process.wait(10)
    second = Server(first.data, tmp_path / "second")
    try:
        # A worker that sleeps may still hold a put: its id would be unknown to the second server.
        with pytest.raises(ServerEndedError, match="using it") as ended:
            second.launch()
        assert ended.value.status == 1
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not any(map(is_alive, workers)), "the orphans stop by themselves")
        second.start()
        with Client(second.address) as client:
            assert client.points("run", "loss").steps.tolist() == [0, 1]
    finally:
        second.kill()
    assert_sound(first.data)


def test_orphaned_workers_stop(start_server: StartServer) -> None:
    """When the parent alone is killed, its workers answer what they have and stop by themselves."""
    server = start_server(workers=2)
    workers = server.worker_pids()
    with Client(server.address) as client:
        assert client.put_body(_body("run", 0)).status == 200
    server.process.kill()
    server.process.wait(10)
    wait_until(lambda: not any(map(is_alive, workers)), "the orphans stop by themselves")
    server.kill()
    server.start()
    with Client(server.address) as client:
        assert client.points("run", "loss").steps.tolist() == [0, 1]


def _at_once(clients: Sequence[Client], body: bytes, put_id: str) -> list[Answer]:
    """Send the same put on all connections at once."""
    barrier = threading.Barrier(len(clients))

    def send(client: Client) -> Answer:
        barrier.wait(10)
        return client.put_body(body, put_id)

    with ThreadPoolExecutor(len(clients)) as threads:
        return list(threads.map(send, clients))


def _connect(data: Path, slot: int) -> sqlite3.Connection:
    return sqlite3.connect(data / f"hot-{slot}.db", isolation_level=None, check_same_thread=False)


def _id_groups(data: Path, slot: int) -> int:
    with contextlib.closing(_connect(data, slot)) as hot:
        count: int = hot.execute("SELECT count(*) FROM id_group").fetchone()[0]
    return count
