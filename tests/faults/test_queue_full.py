"""Commits that stand still: puts are refused in time, memory stays flat, gets go on."""

from __future__ import annotations

import contextlib
import select
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from .client import Answer, Client, Item, connect, head, put_body, query, read_answer
from .conftest import StartServer
from .server import Server, wait_until

_PUTS_MAX = 20
_BYTES_MAX = 1_000_000
_REFUSED = 4000
_MIB = 1024 * 1024
_RSS_GROWTH_MAX = 24 * _MIB


@contextlib.contextmanager
def _held(data: Path, name: str) -> Iterator[Callable[[], object]]:
    """Hold the write lock of a database, as a disk that stands still would. Gives its release."""
    with contextlib.closing(
        sqlite3.connect(data / name, isolation_level=None, check_same_thread=False, timeout=20)
    ) as db:
        db.execute("BEGIN IMMEDIATE")
        yield lambda: db.execute("ROLLBACK")


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """Give a server with a short queue that knows the component `run`."""
    server = start_server(
        env={
            "STEPWELL_LIMIT_WAITING_PUTS_MAX": str(_PUTS_MAX),
            "STEPWELL_LIMIT_WAITING_BYTES_MAX": str(_BYTES_MAX),
        }
    )
    with Client(server.address) as client:
        assert client.put("run", [Item("loss", 0, 0.0)]).status == 200
    return server


def test_full_queue_refuses(server: Server, report: Callable[[str], None]) -> None:
    """With so many puts waiting, further ones get 429 at once; those that waited are stored."""
    with _held(server.data, "hot-0.db") as release, Client(server.address) as client:
        with ThreadPoolExecutor(_PUTS_MAX) as threads:
            waiting = [threads.submit(_put_one, server, step) for step in range(1, _PUTS_MAX + 1)]
            wait_until(lambda: _gauge(client, "waiting_puts") == _PUTS_MAX, "the queue is full")
            started = time.monotonic()
            for step in range(1000, 1050):
                _assert_throttled(client.put("run", [Item("loss", step, 1.0)], str(uuid.uuid4())))
            seconds = time.monotonic() - started
            # Gets do not wait for commits.
            assert client.points("run", "loss").steps.tolist() == [0]
            assert client.get([query("run", "loss")])[0]["XAxisValues"] == [0]
            release()
            answers = [each.result(20) for each in waiting]
        assert {(answer.status, answer.body) for answer in answers} == {(200, b'{"Errors":[]}')}
        steps = client.points("run", "loss").steps.tolist()
        assert sorted(steps) == list(range(_PUTS_MAX + 1))
        assert client.put("run", [Item("loss", 2000, 1.0)]).status == 200
    report(f"50 puts refused in {seconds * 1000:.0f} ms")
    assert seconds < 5


def test_memory_stays_flat(server: Server, report: Callable[[str], None]) -> None:
    """Thousands of large puts that are refused leave the server's memory as it was."""
    items = [Item("loss", step, 0.123456789) for step in range(1000)]
    body = put_body("run", items)
    assert _BYTES_MAX / 20 < len(body) < _BYTES_MAX / 2
    with _held(server.data, "hot-0.db"), contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(server.address))
        # They stay unanswered until the server ends.
        for _ in range(_BYTES_MAX // len(body)):
            bare = stack.enter_context(connect(server.address))
            bare.sendall(head("PUT", "/BatchPutMetrics", content_length=len(body)) + body)
        wait_until(
            lambda: _gauge(client, "waiting_bytes") + len(body) > _BYTES_MAX, "the queue is full"
        )
        for _ in range(200):
            _assert_throttled(client.put_body(body, str(uuid.uuid4())))
        before = server.rss_bytes()
        for _ in range(_REFUSED):
            answer = client.put_body(body, str(uuid.uuid4()))
            assert answer.status == 429
        after = server.rss_bytes()
        report(
            f"{_REFUSED} puts of {len(body)} bytes refused,"
            f" memory {before / _MIB:.1f} -> {after / _MIB:.1f} MiB"
        )
        assert after - before < _RSS_GROWTH_MAX
        server.kill()


def test_boto3_retries(server: Server) -> None:
    """boto3 tries again by itself while the queue is full, and its put is stored once."""
    with _held(server.data, "hot-0.db") as release, Client(server.address) as client:
        with ThreadPoolExecutor(_PUTS_MAX + 1) as threads:
            waiting = [threads.submit(_put_one, server, step) for step in range(1, _PUTS_MAX + 1)]
            wait_until(lambda: _gauge(client, "waiting_puts") == _PUTS_MAX, "the queue is full")
            sent = threads.submit(_put_with_boto3, server)
            wait_until(lambda: _throttled_count(client) > 0, "boto3 was refused")
            release()
            answer = sent.result(30)
            for each in waiting:
                assert each.result(20).status == 200
        assert answer["Errors"] == []
        assert answer["ResponseMetadata"]["RetryAttempts"] > 0
        steps = client.points("run", "loss").steps.tolist()
        assert sorted(steps) == [*range(_PUTS_MAX + 1), 9000]


def test_bodies_that_arrive_together(start_server: StartServer) -> None:
    """The bytes of bodies that have arrived in part are bounded too."""
    server = start_server(env={"STEPWELL_LIMIT_RECEIVING_BYTES_MAX": str(4 * _MIB)})
    part = b" " * _MIB
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(server.address))
        bares = [stack.enter_context(connect(server.address)) for _ in range(8)]
        for bare in bares:
            bare.sendall(head("PUT", "/BatchPutMetrics", content_length=2 * _MIB) + part)
        refused = [bare for bare in bares if _answers_within(bare, 2.0)]
        assert 3 <= len(refused) < 8
        for bare in refused:
            _assert_throttled(read_answer(bare))
        # A whole one that comes in one piece is not held up by them.
        assert client.put("run", [Item("loss", 1, 1.0)]).status == 200


@pytest.mark.parametrize("name", ["registry.db", "chunks.db"])
def test_gets_while_others_write(server: Server, name: str) -> None:
    """Gets, and puts to known names, do not wait for whoever writes names or chunks."""
    with _held(server.data, name) as release:
        slow = threading.Timer(5, release)
        slow.start()
        started = time.monotonic()
        with ThreadPoolExecutor(8) as threads:
            answered = list(threads.map(lambda step: _put_and_get(server, step), range(1, 17)))
        seconds = time.monotonic() - started
        slow.cancel()
        release()
    assert all(answered)
    assert seconds < 3


def test_lock_that_is_held_for_long(start_server: StartServer) -> None:
    """A put whose commit waits in vain gets 503; its retry is stored once when the lock is gone."""
    server = start_server()
    body, put_id = put_body("run", [Item("loss", 1, 1.0)]), str(uuid.uuid4())
    with Client(server.address) as client:
        assert client.put("run", [Item("loss", 0, 0.0)]).status == 200
        with _held(server.data, "hot-0.db") as release:
            answer = client.put_body(body, put_id)
            assert (answer.status, answer.code) == (503, "ServiceUnavailable")
            assert int(answer.headers["retry-after"]) >= 1
            release()
        for _ in range(2):
            assert client.put_body(body, put_id).json() == {"Errors": []}
        assert client.points("run", "loss").steps.tolist() == [0, 1]


def _put_one(server: Server, step: int) -> Answer:
    with Client(server.address) as client:
        return client.put("run", [Item("loss", step, 1.0)], str(uuid.uuid4()))


def _put_and_get(server: Server, step: int) -> bool:
    with Client(server.address) as client:
        is_stored = client.put("run", [Item("loss", step, 1.0)]).status == 200
        (result,) = client.get([query("run", "loss")])
        return is_stored and step in result["XAxisValues"]


def _put_with_boto3(server: Server) -> Any:
    metrics = boto3.client(
        "sagemaker-metrics",
        endpoint_url=server.address,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(retries={"mode": "standard", "total_max_attempts": 10}),
    )
    try:
        return metrics.batch_put_metrics(
            TrialComponentName="run",
            MetricData=[
                {"MetricName": "loss", "Timestamp": 1_700_000_000, "Step": 9000, "Value": 1.0}
            ],
        )
    finally:
        metrics.close()


def _assert_throttled(answer: Answer) -> None:
    assert (answer.status, answer.code) == (429, "ThrottlingException"), answer
    assert answer.json()["__type"] == "ThrottlingException"
    assert int(answer.headers["retry-after"]) >= 1
    assert int(answer.headers["x-amz-retry-after"]) >= 1


def _answers_within(bare: Any, seconds: float) -> bool:
    """Say whether a connection has something to read before long."""
    return bool(select.select([bare], [], [], seconds)[0])


def _gauge(client: Client, name: str) -> int:
    return int(_metrics(client).get(f"stepwell_{name}", 0))


def _throttled_count(client: Client) -> int:
    name = 'stepwell_request_errors_total{code="ThrottlingException"}'
    return int(_metrics(client).get(name, 0))


def _metrics(client: Client) -> dict[str, float]:
    lines = client.request("GET", "/metrics").body.decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}
