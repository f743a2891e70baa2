"""The process that commits dies, or cannot start: the server lives, and no put is lost or twice."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from . import misbehaving_committer as misbehaving
from .client import Answer, Broken, Client, Item, put_body
from .conftest import StartServer
from .server import Server, ServerEndedError, assert_sound, is_alive, wait_until

_PUTS = 40
_PROGRAM = (sys.executable, misbehaving.__file__)
#: Less than 8 s where the machine is not busy.
_STOP_S_MAX = 20.0


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
    server.wait_ready()
    for number, put_id in enumerate(ids):
        assert _put(server, number, put_id).status == 200
    with Client(server.address) as client:
        assert sorted(client.points("run", "loss").steps.tolist()) == list(range(_PUTS))
    assert server.log().count("the committing process ended with status -9") == 1
    assert _metric(server, 'puts_total{result="unavailable"}') >= _PUTS
    assert server.stop() == 0
    assert_sound(server.data)


def _metric(server: Server, name: str) -> int:
    with Client(server.address) as client:
        lines = client.request("GET", "/metrics").body.decode().splitlines()
    (line,) = (line for line in lines if line.startswith(f"stepwell_{name} "))
    return int(float(line.split()[-1]))


def _waiting_puts(server: Server) -> int:
    return _metric(server, "waiting_puts")


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
    server.wait_ready()
    assert _put(server, 1, str(uuid.uuid4())).status == 200
    assert server.stop() == 0


def _misbehaving(tmp_path: Path, how: str, **options: int) -> Server:
    return Server(
        tmp_path / "data",
        tmp_path / "server",
        program=_PROGRAM,
        env={misbehaving.HOW: how},
        **options,
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_that_cannot_be_opened(tmp_path: Path, workers: int) -> None:
    """Where no committer can open the folder the server ends with status 1 and the reason."""
    server = _misbehaving(tmp_path, misbehaving.FAILS, workers=workers)
    try:
        # It ends after it has said its address, or before that was seen.
        with contextlib.suppress(ServerEndedError):
            server.launch()
        assert server.process.wait(60) == 1
    finally:
        server.kill()
    assert server.log() == f"stepwell: {misbehaving.REASON}\n"


@pytest.fixture(params=[1, 2])
def hung(start_server: StartServer, request: pytest.FixtureRequest) -> Iterator[Server]:
    """Give a server whose committers do not get on."""
    server = start_server(workers=request.param)
    with Client(server.address) as client:
        assert client.put("run", [Item("loss", 1, 1.0)]).status == 200
    for pid in server.committer_pids():
        os.kill(pid, signal.SIGSTOP)
    yield server
    server.kill()


def test_stop_while_it_hangs(hung: Server) -> None:
    """A committer that hangs holds up neither the stop nor its puts' answers."""
    put_id = str(uuid.uuid4())
    with ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(_put, hung, 2, put_id)
        wait_until(lambda: _waiting_puts(hung) == 1, "the put waits")
        started = time.monotonic()
        assert hung.stop() == 0
        assert time.monotonic() - started < _STOP_S_MAX
        answer = waiting.result()
    assert (answer.status, answer.code) == (503, "ServiceUnavailable")
    assert answer.headers["retry-after"] == "1"
    assert "is not known" in answer.body.decode()
    assert "hangs, and is killed" in hung.log()
    hung.start()
    for _ in range(2):
        assert _put(hung, 2, put_id).status == 200
    with Client(hung.address) as client:
        assert client.points("run", "loss").steps.tolist() == [1, 2]


def test_stop_while_it_opens(tmp_path: Path) -> None:
    """A folder that never opens does not hold up a stop."""
    server = _misbehaving(tmp_path, misbehaving.WAITS)
    try:
        server.launch()
        wait_until(lambda: bool(server.committer_pids()), "it opens")
        # Earlier the signal ends it at once.
        time.sleep(1)
        started = time.monotonic()
        assert server.stop() == 1
        assert time.monotonic() - started < _STOP_S_MAX
        assert "did not open the data folder" in server.log()
    finally:
        server.kill()


def test_a_put_whose_committer_hangs(start_server: StartServer) -> None:
    """Before clients stop waiting, a put is answered, and another committer takes the next one."""
    server = start_server()
    put_id = str(uuid.uuid4())
    assert _put(server, 0, str(uuid.uuid4())).status == 200
    os.kill(server.committer_pids()[0], signal.SIGSTOP)
    started = time.monotonic()
    with Client(server.address, timeout_s=60) as client:
        answer = client.put_body(put_body("run", [Item("loss", 1, 1.0)]), put_id)
    # Not a moment earlier than documented: a disk may be slow.
    assert 49 < time.monotonic() - started < 58
    assert answer.status == 503
    assert "is not known" in answer.body.decode()
    server.wait_ready()
    assert _put(server, 1, put_id).status == 200
    with Client(server.address) as client:
        assert client.points("run", "loss").steps.tolist() == [0, 1]


def test_a_slow_committer_is_left_alone(start_server: StartServer) -> None:
    """A committer that gets on after some seconds has lost nothing, also while the server stops."""
    server = start_server()
    (pid,) = server.committer_pids()
    with ThreadPoolExecutor(1) as threads:
        os.kill(pid, signal.SIGSTOP)
        waiting = threads.submit(_put, server, 0, str(uuid.uuid4()))
        wait_until(lambda: _waiting_puts(server) == 1, "the put waits")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(4)
        os.kill(pid, signal.SIGCONT)
        assert waiting.result().status == 200
    assert server.process.wait(_STOP_S_MAX) == 0
    assert "hangs" not in server.log()


def test_a_put_that_cannot_be_decoded(start_server: StartServer) -> None:
    """It is answered as a defect and logged; its committer lives, and others are not affected."""
    server = start_server(program=_PROGRAM, env={misbehaving.HOW: misbehaving.STUMBLES})
    pids = server.committer_pids()
    with Client(server.address) as client:
        answer = client.put("bad", [Item("loss", 1, 1.0)], str(uuid.uuid4()))
        assert (answer.status, answer.code) == (500, "InternalFailure")
        assert client.put("run", [Item("loss", 1, 1.0)]).status == 200
    assert "ZeroDivisionError" in server.log()
    assert server.committer_pids() == pids
    assert server.stop() == 0


def test_a_committer_that_dies_again_and_again(start_server: StartServer, tmp_path: Path) -> None:
    """It is started at longer and longer intervals; puts are refused until it lives."""
    flag = tmp_path / "flag"
    server = start_server(program=_PROGRAM, env={misbehaving.HOW: f"{misbehaving.DIES}{flag}"})
    flag.touch()
    os.kill(server.committer_pids()[0], signal.SIGKILL)
    wait_until(lambda: _deaths(server) >= 4, "some have died")
    before = _deaths(server)
    time.sleep(5)
    assert _deaths(server) - before <= 6
    wait_until(lambda: _readiness(server) == 503, "it is not ready")
    wait_until(lambda: "Nothing was stored" in _refusal(server), "puts are refused")
    flag.unlink()
    server.wait_ready()
    assert _put(server, 1, str(uuid.uuid4())).status == 200
    assert server.stop() == 0


def _is_gone(pid: int) -> bool:
    return not is_alive(pid)


def _deaths(server: Server) -> int:
    return server.log().count("the committing process ended")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_while_it_starts(start_server: StartServer, number: signal.Signals) -> None:
    """A committer that has only just been started ends after its worker, too."""
    server = start_server()
    # The server is not to be told: this is about the new committer alone.
    for _ in range(5):
        pid = server.committer_pids()[0]
        os.kill(pid, signal.SIGKILL)
        wait_until(functools.partial(_is_gone, pid), "it ends")
        wait_until(lambda: bool(server.committer_pids()), "another one starts")
        os.kill(server.committer_pids()[0], number)
        server.wait_ready()
    assert server.log().count("the committing process ended with status -9") == 5
    assert server.log().count("the committing process ended") == 5
    assert server.stop() == 0
