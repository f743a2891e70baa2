"""Logs: JSON for machines, lines for people, nothing a put, and the request's id with a defect."""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from tests.faults.client import Answer, Client, Item, connect, get_body, query
from tests.faults.server import Server as Process
from tests.faults.server import wait_until

from stepwell.model.names import DEFAULT_ACCOUNT, Component
from stepwell.model.points import Put
from stepwell.store.sqlite.store import EmbeddedStore

from . import breaking_store, on_terminal

if TYPE_CHECKING:
    from tests.http.conftest import Server, StartServer

_HOUR_NS = 3_600_000_000_000
#: What is not HTTP has a line of its own.
_NONSENSE = b"\x16\x03\x01\x02\r\n\r\n"
_NONSENSE_EVENT = "Invalid HTTP request received."


def lines_of(log: str) -> list[dict[str, Any]]:
    """Decode a log's lines and check what all of them have."""
    lines = [json.loads(line) for line in log.splitlines()]
    for line in lines:
        assert line["event"].strip()
        assert line["level"] in {"debug", "info", "warning", "error", "critical"}
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None
    return lines


def send_nonsense(server: Process) -> None:
    """Provoke a line."""
    with connect(server.address) as bare:
        bare.sendall(_NONSENSE)
        assert bare.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_no_line_a_put(server: Server, component: str) -> None:
    """A hundred puts and gets, refused ones among them, leave the log as it was."""
    before = server.log_lines()
    for step in range(100):
        item = {"MetricName": "loss", "Timestamp": 1_700_000_000, "Step": step, "Value": 1.0}
        assert server.put(component, [item, {**item, "Step": -1}]) == [(1, "VALIDATION_ERROR")]
        assert server.put_body(b"{").status == 400
        server.get({"MetricName": "loss"})
        assert server.request("GET", "/nothing").status == 404
    assert server.log_lines() == before


@pytest.mark.parametrize("level", ["debug", "INFO", "warning", "error"])
def test_levels(start_server: StartServer, level: str) -> None:
    """At every level the server works and writes JSON; a warning is left out above its level."""
    server = start_server("--log-level", level)
    item = {"MetricName": "loss", "Timestamp": 1_700_000_000, "Value": 1.0}
    assert server.put("run", [item]) == []
    assert server.count("run") == 1
    assert server.raw(_NONSENSE).startswith(b"HTTP/1.1 400 ")
    assert server.stop() == 0
    lines = lines_of(server.log.read_text())
    assert (_NONSENSE_EVENT in [line["event"] for line in lines]) == (level != "error")
    assert level == "debug" or "debug" not in {line["level"] for line in lines}


def test_workers_write_json(tmp_path: Path) -> None:
    """Workers log as a single process does, and so does their parent."""
    with Process(tmp_path / "data", tmp_path / "logs", workers=2) as server:
        for _ in range(8):
            send_nonsense(server)
        assert server.stop() == 0
        events = [line["event"] for line in lines_of(server.log())]
    assert events.count(_NONSENSE_EVENT) == 8


def test_a_terminal(tmp_path: Path) -> None:
    """On a terminal a line is a time, a level and words, for people to read."""
    program = (sys.executable, on_terminal.__file__)
    env = {on_terminal.NUMBERS: "2"}
    with Process(tmp_path / "data", tmp_path / "logs", env=env, program=program) as server:
        send_nonsense(server)
        wait_until(lambda: "\n" in server.log(), "a line is there")
        (line,) = server.log().splitlines()
    plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
    assert plain != line, "it has no colours"
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[warning *\] Invalid HTTP request", plain)


@pytest.fixture
def defective(tmp_path: Path) -> Iterator[Process]:
    """Give a server of which the store has a defect."""
    flag = tmp_path / "break"
    program = (sys.executable, breaking_store.__file__)
    env = {breaking_store.FLAG: str(flag)}
    with Process(tmp_path / "data", tmp_path / "logs", env=env, program=program) as server:
        flag.write_text(breaking_store.DEFECT)
        yield server


def _get(client: Client) -> Answer:
    return client.request("POST", "/BatchGetMetrics", get_body([query("run", "loss")]))


def _put(client: Client) -> Answer:
    return client.put("run", [Item("loss", 1, 1.0)])


def _points(client: Client) -> Answer:
    return client.raw_points("run", "loss")


@pytest.mark.parametrize(
    ("ask", "status"),
    [
        (_get, 500),
        (_put, 500),
        (_points, 500),
    ],
)
def test_a_defect(defective: Process, ask: Callable[[Client], Answer], status: int) -> None:
    """An unexpected error is one line with its traceback and the id that the client got."""
    with Client(defective.address) as client:
        answer = ask(client)
    assert (answer.status, answer.code) == (status, "InternalFailure")
    assert b"on purpose" not in answer.body
    wait_until(lambda: defective.log().endswith("\n"), "a line is there")
    (line,) = lines_of(defective.log())
    assert line["level"] == "error"
    assert "RuntimeError: a defect on purpose" in line["exception"]
    assert line["request_id"] == answer.headers["x-amzn-requestid"]


def compacting_process(pid: int) -> psutil.Process:
    """Find the process that compacts for a server."""
    children = psutil.Process(pid).children()
    (child,) = (each for each in children if "stepwell.server.compaction" in each.cmdline())
    return child


def test_a_compaction_process_that_dies(start_server: StartServer) -> None:
    """That the compacting process died is a warning."""
    server = start_server()
    compacting_process(server.process.pid).kill()
    wait_until(lambda: bool(server.log_lines()), "a line is there")
    (line,) = lines_of(server.log.read_text())
    assert line["level"] == "warning"
    assert line["event"] == "the compacting process ended with status -9"


def test_a_compaction_that_fails(start_server: StartServer, tmp_path: Path) -> None:
    """What the compacting process says is JSON too."""
    server = start_server(data=tmp_path / "data")
    child = compacting_process(server.process.pid)
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    # An hour old, and so due at once. It comes from a worker that is gone.
    hour_ago = time.time_ns() - _HOUR_NS
    store = EmbeddedStore(tmp_path / "data", is_shared=True, now_ns=lambda: hour_ago)
    store.append([Put(Component(DEFAULT_ACCOUNT, "run"), ["loss"], [1], [1], [1.0], 1)])
    store.close()
    wait_until(lambda: bool(server.log_lines()), "a line is there")
    line = lines_of(server.log.read_text())[0]
    assert line["level"] == "warning"
    assert "compaction failed and will be tried again" in line["event"]
