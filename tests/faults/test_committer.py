"""The process that commits dies, or cannot start: the server lives, and no put is lost or twice."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from .client import Answer, Broken, Client, Item, put_body
from .conftest import StartServer
from .server import Server, assert_sound, is_alive, wait_until

_PUTS = 40


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """Give a server."""
    return start_server()


def _put(server: Server, number: int, put_id: str) -> Answer:
    with Client(server.address) as client:
        return client.put_body(put_body("run", [Item("loss", number, number)]), put_id)


def test_puts_in_flight_are_tried_again(server: Server) -> None:
    """Puts whose committer dies are answered 503, and stored once when they come again."""
    ids = [str(uuid.uuid4()) for _ in range(_PUTS)]
    assert _put(server, 0, ids[0]).status == 200
    (pid,) = server.committer_pids()
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(_PUTS) as threads:
        waiting = [threads.submit(_put, server, each, ids[each]) for each in range(_PUTS)]
        wait_until(lambda: _waiting_puts(server) == _PUTS, "all puts wait")
        os.kill(pid, signal.SIGKILL)
        answers = [each.result() for each in waiting]
    assert {answer.status for answer in answers} == {503}
    assert {answer.headers["retry-after"] for answer in answers} == {"1"}
    assert "has ended" in answers[0].body.decode()
    for number, put_id in enumerate(ids):
        assert _put(server, number, put_id).status == 200
    with Client(server.address) as client:
        assert sorted(client.points("run", "loss").steps.tolist()) == list(range(_PUTS))
    assert server.log().count("the committing process ended with status -9") == 1
    assert server.stop() == 0
    assert_sound(server.data)


def _waiting_puts(server: Server) -> int:
    with Client(server.address) as client:
        lines = client.request("GET", "/metrics").body.decode().splitlines()
    (line,) = (line for line in lines if line.startswith("stepwell_waiting_puts "))
    return int(float(line.split()[-1]))


def test_a_server_that_is_killed_alone(server: Server) -> None:
    """What commits for a killed server ends by itself, after what it was handed."""
    assert _put(server, 0, str(uuid.uuid4())).status == 200
    pids = server.committer_pids()
    server.kill_server_alone()
    wait_until(lambda: not any(map(is_alive, pids)), "they end")
    server.kill()
    server.start()
    with Client(server.address) as client:
        assert client.points("run", "loss").steps.tolist() == [0]


def test_signals_to_every_process(server: Server) -> None:
    """A service manager that stops all processes at once loses no answered put."""
    answers: list[Answer] = []

    def put() -> None:
        with contextlib.suppress(Broken):
            while True:
                answers.append(_put(server, len(answers), str(uuid.uuid4())))

    putting = threading.Thread(target=put)
    putting.start()
    wait_until(lambda: len(answers) > 20, "puts are answered")
    os.killpg(server.process.pid, signal.SIGTERM)
    putting.join(30)
    assert server.process.wait(30) == 0
    server.kill()
    server.start()
    with Client(server.address) as client:
        stored = set(client.points("run", "loss").steps.tolist())
    answered = {index for index, answer in enumerate(answers) if answer.status == 200}
    assert answered <= stored
    assert len(answered) > 20


def test_not_ready_without_a_committer(server: Server) -> None:
    """While nothing can commit to the folder, puts are refused with the reason; reads go on."""
    assert _put(server, 0, str(uuid.uuid4())).status == 200
    marker = server.data / "FORMAT"
    ours = marker.read_text()
    marker.write_text("something else\n")
    os.kill(server.committer_pids()[0], signal.SIGKILL)
    wait_until(lambda: _readiness(server) == 503, "it is not ready")
    # The first refusals may be about the one that has ended, not about the next one.
    wait_until(lambda: "FORMAT" in _refusal(server), "the reason is told")
    with Client(server.address) as client:
        assert client.points("run", "loss").steps.tolist() == [0]
    marker.write_text(ours)
    wait_until(lambda: _readiness(server) == 200, "it is ready again")
    assert _put(server, 1, str(uuid.uuid4())).status == 200
    with Client(server.address) as client:
        assert client.points("run", "loss").steps.tolist() == [0, 1]


def _refusal(server: Server) -> str:
    answer = _put(server, 1, str(uuid.uuid4()))
    assert answer.status == 503
    return answer.body.decode()


def _readiness(server: Server) -> int:
    with Client(server.address) as client:
        return client.request("GET", "/readyz").status


def test_no_descriptor_is_left(server: Server) -> None:
    """A committer that cannot be started for now is started once that is possible."""
    assert _put(server, 0, str(uuid.uuid4())).status == 200
    (pid,) = server.committer_pids()
    before = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (3, before[1]))
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "cannot be started" in server.log(), "it cannot be started")
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, before)
    wait_until(lambda: bool(server.committer_pids()), "it is started")
    assert _put(server, 1, str(uuid.uuid4())).status == 200
    assert server.stop() == 0
