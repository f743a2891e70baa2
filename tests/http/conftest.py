"""Real server processes, plain HTTP and raw sockets. No AWS client: those are in tests/clients."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pytest
from tests.http.signing import Keyed, start_keyed

START_S = 60
ANSWER_S = 30

_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Reply(NamedTuple):
    """An answer: status, headers with names in lower case, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Read the body as JSON."""
        return json.loads(self.body)


class Server:
    """A server process and the ways to talk to it."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        """Hold a process that listens."""
        self.process = process
        self.port = port
        self.log = log

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
        *,
        chunked: bool = False,
    ) -> Reply:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {}, encode_chunked=chunked)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())

    def put_body(self, body: bytes, headers: dict[str, str] | None = None) -> Reply:
        """Send the body of a BatchPutMetrics."""
        return self.request("PUT", "/BatchPutMetrics", body, headers)

    def put(self, component: Any, data: Any, put_id: str | None = None) -> list[tuple[int, str]]:
        """Put items and give the errors, as (MetricIndex, Code); all but a 200 fails."""
        body = json.dumps({"TrialComponentName": component, "MetricData": data}).encode()
        reply = self.put_body(body, {"amz-sdk-invocation-id": put_id} if put_id else None)
        assert reply.status == 200, reply
        return [(each["MetricIndex"], each["Code"]) for each in reply.json()["Errors"]]

    def get_body(self, body: bytes) -> Reply:
        """Send the body of a BatchGetMetrics."""
        return self.request("POST", "/BatchGetMetrics", body)

    def get(self, *queries: Any) -> list[dict[str, Any]]:
        """Get queries' results; all but a 200 fails."""
        reply = self.get_body(json.dumps({"MetricQueries": queries}).encode())
        assert reply.status == 200, reply
        results: list[dict[str, Any]] = reply.json()["MetricQueryResults"]
        return results

    def control(self, operation: str, members: dict[str, Any] | None = None) -> Reply:
        """Ask for an operation of the control plane."""
        headers = {
            "X-Amz-Target": f"SageMaker.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
        }
        return self.request("POST", "/", json.dumps(members or {}).encode(), headers)

    def count(self, component: str, metric: str = "loss") -> int:
        """Count a series' points, through BatchGetMetrics; 0 where there is none."""
        (result,) = self.get(query(component, metric, MetricStat="Count", Period="OneHour"))
        return int(sum(result["MetricValues"]))

    def raw(self, *parts: bytes, half_close: bool = False, answer_s: float = ANSWER_S) -> bytes:
        """Send bytes as they are, each part by itself; give what comes until the server closes."""
        received = bytearray()
        with socket.create_connection(("127.0.0.1", self.port), timeout=answer_s) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    connection.sendall(part)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while part := connection.recv(65_536):
                    received += part
        return bytes(received)

    def log_lines(self) -> list[str]:
        """Read what it has logged."""
        return self.log.read_text().splitlines()

    def resident_kib(self) -> int:
        """Read the memory that the process has."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found.group(1))

    def stop(self) -> int:
        """Ask it to stop, and give its exit status."""
        self.process.send_signal(signal.SIGTERM)
        with self.process:
            return self.process.wait(START_S)


class StartServer(Protocol):
    """Start a server with more arguments."""

    def __call__(self, *arguments: str, data: Path | None = None) -> Server:
        """Start it on its own folder, or on a given one; it is stopped in the end."""


class ExpectError(Protocol):
    """Check an error of a request."""

    def __call__(self, reply: Reply, status: int, code: str, *words: str) -> None:
        """Check the status, the code in header and body, and that the message has the words."""


def query(component: str, metric: str = "loss", **changed: Any) -> dict[str, Any]:
    """Make a query: the last value in each minute unless told otherwise."""
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/{component}"
    form = {"MetricStat": "Last", "Period": "OneMinute", "XAxisType": "Timestamp"}
    return {"ResourceArn": arn, "MetricName": metric, **form, **changed}


def _environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("STEPWELL_")}


def start(data: Path, arguments: Sequence[str]) -> Server:
    """Start a server process and wait until it is ready."""
    log = data.with_suffix(".log")
    command = [sys.executable, "-m", "stepwell.cli.main", "serve", "--data", str(data)]
    with log.open("a") as errors:
        process = subprocess.Popen(
            [*command, "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=_environment(),
        )
    server = Server(process, _read_port(process, log), log)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if server.request("GET", "/readyz").status == 200:
                return server
    process.kill()
    process.wait()
    pytest.fail(f"the server did not become ready: {log.read_text()}")


def _read_port(process: subprocess.Popen[str], log: Path) -> int:
    # A server that says nothing is ended, and so is the reading of what it says.
    watchdog = threading.Timer(START_S, process.kill)
    watchdog.start()
    try:
        for line in process.stdout or ():
            found = _ADDRESS.search(line)
            if found is not None:
                return int(found.group(1))
    finally:
        watchdog.cancel()
    process.wait()
    pytest.fail(f"the server did not say where it listens: {log.read_text()}")


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Give a function that starts servers; those still running in the end are stopped."""
    folder = tmp_path_factory.mktemp("servers")
    numbers = itertools.count()
    running: list[Server] = []

    def start_one(*arguments: str, data: Path | None = None) -> Server:
        running.append(start(data or folder / f"data-{next(numbers)}", arguments))
        return running[-1]

    yield start_one
    for server in running:
        if server.process.poll() is None:
            assert server.stop() == 0, server.log.read_text()


@pytest.fixture(scope="session")
def default_server(start_server: StartServer) -> Server:
    """Give the server with the limits of the profile stepwell."""
    return start_server()


@pytest.fixture(scope="session")
def aws_process(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """Give the server with the limits of the profile aws; it has the component `known`."""
    data = tmp_path_factory.mktemp("aws") / "data"
    before = start_server(data=data)
    item = {"MetricName": "loss", "Timestamp": time.time(), "Value": 1.0}
    assert before.put("known", [item]) == []
    assert before.stop() == 0
    return start_server("--limits", "aws", data=data)


@pytest.fixture(scope="session")
def small_process(start_server: StartServer) -> Server:
    """Give the server of which many a limit is small."""
    limits = {
        "metrics_per_component": 3,
        "points_per_component": 20,
        "values_per_result": 4,
        "body_bytes_max": 100_000,
        "body_timeout_s": 1,
        "points_per_put": 100,
        "queries_per_get": 5,
    }
    pairs = [("--limit", f"{name}={value}") for name, value in limits.items()]
    return start_server(*itertools.chain.from_iterable(pairs))


@pytest.fixture(scope="session")
def keyed(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    """Give a server that wants signatures because there are keys."""
    return start_keyed(start_server, tmp_path_factory.mktemp("keyed"))


@pytest.fixture(scope="session")
def two_workers(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    """Give one of two workers, whose clients' clocks may be an hour off."""
    options = ("--workers", "2", "--clock-skew", "3600", "--auth", "keys")
    return start_keyed(start_server, tmp_path_factory.mktemp("two"), *options)


def _goes_on(server: Server) -> Iterator[Server]:
    yield server
    assert server.process.poll() is None, server.log.read_text()
    assert server.request("GET", "/healthz").status == 200
    (result,) = server.get(query("nobody"))
    assert result["Status"] == "ValidationError"


@pytest.fixture
def server(default_server: Server) -> Iterator[Server]:
    """Give the default server; whatever a test does to it, it must go on answering."""
    yield from _goes_on(default_server)


@pytest.fixture
def aws_server(aws_process: Server) -> Iterator[Server]:
    """Give the server of the profile aws; it must go on answering."""
    yield from _goes_on(aws_process)


@pytest.fixture
def small_server(small_process: Server) -> Iterator[Server]:
    """Give the server with small limits; it must go on answering."""
    yield from _goes_on(small_process)


_components = itertools.count()


@pytest.fixture
def component() -> str:
    """Give the name of a component that no other test uses."""
    return f"run-{next(_components)}"


@pytest.fixture(scope="session")
def make_query() -> Callable[..., dict[str, Any]]:
    """Give the function that makes queries."""
    return query


@pytest.fixture(scope="session")
def expect_error() -> ExpectError:
    """Give the function that checks errors of requests."""

    def check(reply: Reply, status: int, code: str, *words: str) -> None:
        assert reply.status == status, reply
        assert reply.headers["x-amzn-errortype"] == code
        assert reply.headers["content-type"] == "application/json"
        assert _UUID.fullmatch(reply.headers["x-amzn-requestid"])
        document = reply.json()
        assert document.keys() == {"__type", "message"}
        assert document["__type"] == code
        for word in words:
            assert word in document["message"]

    return check


@pytest.fixture(scope="session")
def parse_replies() -> Callable[[bytes], list[Reply]]:
    """Give a function that takes raw bytes apart into answers, 100 Continue among them."""

    def parse(data: bytes) -> list[Reply]:
        replies = []
        while data:
            head, found, data = data.partition(b"\r\n\r\n")
            assert found, head
            first, *lines = head.decode("latin-1").split("\r\n")
            pairs = [line.partition(":") for line in lines]
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            size = int(headers.get("content-length", "0"))
            replies.append(Reply(int(first.split()[1]), headers, data[:size]))
            data = data[size:]
        return replies

    return parse
