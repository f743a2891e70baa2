"""Slow and broken clients: silent, half-way, never reading, gone; the others do not notice."""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import socket
import struct
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.points import Put
from stepwell.store.sqlite.maintenance import compact_folder
from stepwell.store.sqlite.store import EmbeddedStore

from .client import Client, Item, connect, get_body, head, put_body, query, read_answer
from .conftest import StartServer
from .ledger import CLIENTS, Ledger, SentPut
from .load import Load
from .server import Server, assert_sound, wait_until

_IDLE = 1000
_HALF_HEADS = 100
_HALF_BODIES = 100
#: Those that a server has without any clients, and some more.
_SOCKETS_MAX = 40
_ROUNDS = 20
#: The longest that a put or a get of another client may take. Alone they take milliseconds.
_ANSWER_S_MAX = 2.0
_STOP_S_MAX = 6.0
_MIB = 1024 * 1024
_SILENT_GROWTH_MAX = 64 * _MIB
_UNREAD_GROWTH_MAX = 384 * _MIB
_POINTS = 1_000_000
_POINTS_PER_PUT = 10_000
_RESETS = 100
_LEAVING = 40
#: All that the 40 were owed would take half a minute.
_REST_S_MAX = 10.0
_PLACES = 16


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let the test hold as many connections as it needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * (_IDLE + _HALF_HEADS + _HALF_BODIES)
    # Not a skip: who cannot open these connections cannot show anything.
    assert hard == resource.RLIM_INFINITY or hard >= needed, f"at most {hard} files may be open"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures("many_files")
def test_silent_clients(
    start_server: StartServer, report: Callable[[str], None], workers: int
) -> None:
    """1,000 idle clients, 100 with half a head and 100 with half a body hold nobody up."""
    server = start_server(workers=workers)
    body = put_body("run", [Item("silent", step, 1.0) for step in range(50)])
    request = _put_head(body, "never whole") + body
    half_head, half_body = len(request) - len(body) - 20, len(request) - len(body) // 2
    _put_and_get_many(server, "before")
    before = server.rss_bytes()
    with contextlib.ExitStack() as stack:
        for count, sent in ((_IDLE, 0), (_HALF_HEADS, half_head), (_HALF_BODIES, half_body)):
            for _ in range(count):
                bare = stack.enter_context(connect(server.address))
                bare.sendall(request[:sent])
        silent = _IDLE + _HALF_HEADS + _HALF_BODIES
        wait_until(lambda: _sockets(server) >= silent, "all are connected")
        slowest_s = _put_and_get_many(server, "meanwhile")
        growth = server.rss_bytes() - before
        report(
            f"{_IDLE} idle, {_HALF_HEADS} half heads, {_HALF_BODIES} half bodies: slowest of"
            f" {CLIENTS * _ROUNDS} puts with gets {slowest_s * 1000:.0f} ms,"
            f" memory +{growth / _MIB:.1f} MiB"
        )
    assert slowest_s < _ANSWER_S_MAX
    assert growth < _SILENT_GROWTH_MAX
    wait_until(lambda: _sockets(server) < _SOCKETS_MAX, "their connections are closed")
    _put_and_get_many(server, "after")
    with Client(server.address) as client:
        # Not even the component of the half bodies has come into being.
        assert client.raw_points("run", "silent").status == 404
    assert server.stop() == 0
    assert "Traceback" not in server.log()


@pytest.fixture
def impatient(start_server: StartServer) -> Server:
    """Give a server that waits a second for a body."""
    return start_server(env={"STEPWELL_LIMIT_BODY_TIMEOUT_S": "1"})


_BODY = put_body("run", [Item("loss", step, 1.0) for step in range(100)])


@pytest.mark.parametrize(
    "sizes",
    [[0], [1, len(_BODY) // 2, len(_BODY) - 1]],
    ids=["no byte", "some bytes"],
)
def test_half_bodies_time_out(impatient: Server, sizes: Sequence[int]) -> None:
    """A body that does not arrive, or not to its end, gets 408; its retry is stored once."""
    put_ids = [str(uuid.uuid4()) for _ in sizes]
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(impatient.address))
        assert client.put("run", [Item("other", 0, 0.0)]).status == 200
        bares = []
        for put_id, size in zip(put_ids, sizes, strict=True):
            bares.append(stack.enter_context(connect(impatient.address, timeout_s=2.5)))
            bares[-1].sendall(_put_head(_BODY, put_id) + _BODY[:size])
        for bare in bares:
            answer = read_answer(bare)
            assert (answer.status, answer.code) == (408, "RequestTimeout")
            assert answer.json()["__type"] == "RequestTimeout"
        assert len(client.points("run", "loss").steps) == 0
        for put_id in put_ids * 2:
            assert client.put_body(_BODY, put_id).json() == {"Errors": []}
        assert client.points("run", "loss").steps.tolist() == [*range(100)] * len(sizes)


def test_half_bodies_lose_their_connection(impatient: Server) -> None:
    """After a 408 the connection is closed, so that broken clients do not hold files."""
    with connect(impatient.address, timeout_s=2.5) as bare:
        bare.sendall(_put_head(_BODY, "id") + _BODY[:50])
        assert read_answer(bare).status == 408
        assert bare.recv(1) == b""


@pytest.fixture(scope="module")
def long_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a series of a million points of noise, in chunks."""
    folder = tmp_path_factory.mktemp("long") / "data"
    noise = np.random.default_rng(1)
    with contextlib.closing(EmbeddedStore(folder)) as store:
        for first in range(0, _POINTS, _POINTS_PER_PUT):
            steps = np.arange(first, first + _POINTS_PER_PUT)
            values = noise.standard_normal(_POINTS_PER_PUT)
            metrics = ["noise"] * _POINTS_PER_PUT
            component = Component(DEFAULT_ACCOUNT, "long")
            store.append([Put(component, metrics, steps, steps, values, _POINTS_PER_PUT)])
    compact_folder(folder)
    return folder


_SMALL_GET = get_body([query("long", "other")])
_LARGE_GET = get_body([query("long", "noise")] * 20)
_LARGE = {
    "get": head("POST", "/BatchGetMetrics", content_length=len(_LARGE_GET)) + _LARGE_GET,
    "points": head("GET", "/api/v1/points?component=long&metric=noise"),
}


@pytest.mark.parametrize(
    ("asked", "clients"),
    [("get", 1), ("points", 1), ("points", 8), ("get", 8)],
)
def test_clients_that_never_read(
    start_server: StartServer,
    report: Callable[[str], None],
    long_series: Path,
    asked: str,
    clients: int,
) -> None:
    """Clients that ask for 24 MB and more and do not read it hold nobody up, nor fill memory."""
    server = start_server(long_series)
    name = f"{asked}-{clients}"
    _put_and_get_many(server, f"{name}-before")
    before = server.rss_bytes()
    with contextlib.ExitStack() as stack:
        for _ in range(clients):
            bare = stack.enter_context(connect(server.address))
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            bare.sendall(_LARGE[asked])
        _wait_for_rest(server)
        slowest_s = _put_and_get_many(server, f"{name}-meanwhile")
        growth = server.rss_bytes() - before
        report(
            f"slowest of {CLIENTS * _ROUNDS} puts with gets {slowest_s * 1000:.0f} ms,"
            f" memory +{growth / _MIB:.1f} MiB"
        )
    _put_and_get_many(server, f"{name}-after")
    # What such a client was owed is not made for nobody.
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < _STOP_S_MAX
    assert slowest_s < _ANSWER_S_MAX
    assert growth < _UNREAD_GROWTH_MAX


def test_clients_that_left(
    start_server: StartServer, report: Callable[[str], None], long_series: Path
) -> None:
    """What a client that has left was owed is not made: others need not wait for it."""
    server = start_server(long_series)
    with contextlib.ExitStack() as stack:
        for _ in range(_LEAVING):
            stack.enter_context(connect(server.address)).sendall(_LARGE["get"])
        # Until they are being answered.
        time.sleep(0.3)
    started = time.monotonic()
    slowest_s = _put_and_get_many(server, "after")
    _wait_for_rest(server)
    rest_s = time.monotonic() - started
    report(f"{_LEAVING} left: slowest of others {slowest_s * 1000:.0f} ms, at rest {rest_s:.1f} s")
    assert slowest_s < _ANSWER_S_MAX
    assert rest_s < _REST_S_MAX
    assert server.stop() == 0
    assert "Traceback" not in server.log()


def test_places_are_taken(
    start_server: StartServer, report: Callable[[str], None], long_series: Path
) -> None:
    """Clients that do not read cannot keep others out, however many places they take."""
    server = start_server(long_series, env={"STEPWELL_LIMIT_READS_AT_ONCE": str(_PLACES)})
    with contextlib.ExitStack() as stack, Client(server.address) as client:
        before = server.rss_bytes()
        unread = []
        for _ in range(_PLACES):
            bare = stack.enter_context(connect(server.address))
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            bare.sendall(_LARGE["get"])
            unread.append(bare)
        _wait_for_rest(server)
        answers = []

        def is_answered() -> bool:
            answers.append(client.request("POST", "/BatchGetMetrics", _SMALL_GET))
            return answers[-1].status == 200

        wait_until(is_answered, "another client gets an answer")
        growth = server.rss_bytes() - before
        report(f"{_PLACES} unread: {len(answers) - 1} refused, memory +{growth / _MIB:.1f} MiB")
        # As SDKs retry it.
        assert {(each.status, each.code) for each in answers[:-1]} <= {(429, "ThrottlingException")}
        assert growth < _UNREAD_GROWTH_MAX
        # The others still may read theirs.
        rest = [_read_to_end(bare) for bare in unread[1:]]
        assert sum(whole for whole in rest) >= _PLACES - 2
    assert server.stop() == 0
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stop_does_not_wait_for_them(
    start_server: StartServer, long_series: Path, workers: int, number: signal.Signals
) -> None:
    """Half bodies, half heads and answers that nobody reads do not hold up the end."""
    server = start_server(long_series, workers=workers)
    request = _put_head(_BODY, "never whole") + _BODY
    with contextlib.ExitStack() as stack:
        for sent in [request[:-10], request[:20], *_LARGE.values()] * 5:
            bare = stack.enter_context(connect(server.address))
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            bare.sendall(sent)
        _wait_for_rest(server)
        started = time.monotonic()
        server.process.send_signal(number)
        assert server.process.wait(40) == 0
        assert time.monotonic() - started < _STOP_S_MAX
    log = server.log()
    assert "Traceback" not in log
    assert "ASGI callable" not in log


@pytest.mark.parametrize("workers", [1, 2])
def test_clients_that_reset(
    start_server: StartServer, report: Callable[[str], None], workers: int
) -> None:
    """A connection that is reset in or right after a put leaves it there whole or not at all."""
    server = start_server(workers=workers)
    ledger = Ledger()
    chance = random.Random("resets")
    cut: list[SentPut] = []
    with Load(ledger, server.address, seed="resets") as load:
        for number in range(_RESETS):
            put = ledger.new(number % CLIENTS, chance)
            put.attempts = 1
            body = put_body(put.component, put.items())
            kept = len(body) if number % 2 else chance.randrange(len(body))
            cut += [put] if kept < len(body) else []
            _send_and_reset(server, put, body, kept, chance)
        load.wait_for(puts=100)
    assert not load.surprises
    with Client(server.address) as client:
        findings = ledger.verify(client)
        report(f"{len(cut)} cut, {_RESETS - len(cut)} whole: {findings}")
        findings.assert_nothing_lost()
        for put in cut:
            steps = set(client.points(put.component, put.metrics[0]).steps.tolist())
            assert put.items()[0].step not in steps, "a put of which the end never came is there"
    assert server.stop() == 0
    assert "Traceback" not in server.log()
    assert_sound(server.data)


def _read_to_end(bare: socket.socket) -> bool:
    """Read an answer in chunks to its end; say whether it was whole."""
    tail = b""
    while part := bare.recv(1024 * 1024):
        tail = (tail + part)[-16:]
        if tail.endswith(b"0\r\n\r\n"):
            return True
    return False


def _put_head(body: bytes, put_id: str) -> bytes:
    return head("PUT", "/BatchPutMetrics", content_length=len(body), amz_sdk_invocation_id=put_id)


def _send_and_reset(
    server: Server, put: SentPut, body: bytes, kept: int, chance: random.Random
) -> None:
    """Send so many bytes of a put's body, and reset the connection a moment later."""
    with connect(server.address) as bare:
        # Closed by RST: what the other side has not read yet is lost.
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        bare.sendall(_put_head(body, put.put_id) + body[:kept])
        time.sleep(chance.choice([0.0, 0.0005, 0.002, 0.01]))


def _put_and_get_many(server: Server, metric: str) -> float:
    """Put and get from several clients at once; give the seconds of the slowest answer."""

    def run(number: int) -> float:
        slowest_s = 0.0
        with Client(server.address, timeout_s=_ANSWER_S_MAX) as client:
            for step in range(_ROUNDS):
                started = time.monotonic()
                assert client.put(f"run-{number}", [Item(metric, step, 1.0)]).status == 200
                put = time.monotonic()
                (result,) = client.get([query(f"run-{number}", metric)])
                got = time.monotonic()
                assert result["XAxisValues"] == list(range(step + 1))
                slowest_s = max(slowest_s, put - started, got - put)
        return slowest_s

    with ThreadPoolExecutor(CLIENTS) as threads:
        return max(threads.map(run, range(CLIENTS)))


def _wait_for_rest(server: Server) -> None:
    """Wait until a server has nothing to do: it is as far ahead of its clients as it will go."""
    process = psutil.Process(server.process.pid)

    def is_at_rest() -> bool:
        before = sum(process.cpu_times()[:2])
        time.sleep(0.3)
        return sum(process.cpu_times()[:2]) - before < 0.03

    wait_until(is_at_rest, "the server rests")


def _sockets(server: Server) -> int:
    count = 0
    for pid in server.worker_pids():
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                count += str(file.readlink()).startswith("socket:")
    return count
