"""Seeing inside: health, readiness, and that the metrics count what was done."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.faults.client import Client, Item, query
from tests.faults.server import Server as Process
from tests.faults.server import clients_of_every_worker

from stepwell import __version__
from stepwell.server.telemetry import METRICS

from . import breaking_store

if TYPE_CHECKING:
    from tests.http.conftest import ExpectError, Server, StartServer

#: Samples by name and labels.
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
_LIMITS = {"metrics_per_component": 3, "body_bytes_max": 10_000, "body_timeout_s": 1}


def read(text: str) -> Samples:
    """Read Prometheus' text format, strictly."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    """Give one metric's value; 0 for a counter that has not counted such a thing yet."""
    return samples.get((f"stepwell_{name}", frozenset(labels.items())), 0.0)


def by(samples: Samples, name: str) -> dict[str, float]:
    """Give a counter's values by its one label."""
    return {
        next(iter(labels))[1]: count
        for (each, labels), count in samples.items()
        if each == f"stepwell_{name}"
    }


def item(metric: str = "loss", **changed: Any) -> dict[str, Any]:
    """Make an item."""
    return {"MetricName": metric, "Timestamp": 1_700_000_000, "Value": 0.5, **changed}


@pytest.fixture(scope="module")
def used(start_server: StartServer) -> Server:
    """Give a server that has met one of everything: see the counts in the test below."""
    options = (("--limit", f"{name}={number}") for name, number in _LIMITS.items())
    server = start_server(*itertools.chain.from_iterable(options))
    for _ in range(3):
        # The first one is stored, the others are retries.
        assert server.put("run-a", [item(), item("lr")], "id-1") == []
    assert server.put("run-a", [item()], "id-1") == [(0, "CONFLICT_ERROR")]
    assert len(server.put("run-a", [item(), item(Value="x"), item(Step=-1)])) == 2
    assert len(server.put("run-a", [item(Value="x")])) == 1
    assert server.put("run-b", [item(str(number)) for number in range(4)]) == [
        (3, "METRIC_LIMIT_EXCEEDED")
    ]
    assert server.put_body(b"{").status == 400
    assert server.put_body(b"[]").status == 400
    assert server.put_body(b"{}").status == 400
    assert server.get_body(b"{}").status == 400
    # Neither body comes whole: the first one is known to be too large, the second one is late.
    for size, status in ((10_001, 413), (9, 408)):
        head = b"PUT /BatchPutMetrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
        answer = server.raw(head + b"Content-Length: %d\r\n\r\n{" % size)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
    queries = [query("run-a", "loss"), query("run-b", "0"), query("nobody", "loss")]
    assert [each["Status"] for each in server.get(*queries)][2] == "ValidationError"
    server.get(queries[0])
    listed = server.control("ListTrialComponents").json()["TrialComponentSummaries"]
    assert {each["TrialComponentName"] for each in listed} == {"run-a", "run-b"}
    return server


@pytest.fixture(scope="module")
def samples(used: Server) -> Samples:
    """Give that server's metrics."""
    reply = used.request("GET", "/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read(reply.body.decode())


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_there(used: Server, name: str) -> None:
    """Each metric that the documentation lists is told, with its help text, and no other."""
    text = used.request("GET", "/metrics").body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    family = families[name.removesuffix("_total")]
    assert family.documentation == METRICS[name]
    assert family.samples
    # The client library adds the instant at which each counter began.
    told = {each for each in families if not each.endswith("_created")}
    assert told == {each.removesuffix("_total") for each in METRICS}


def test_puts_are_counted(samples: Samples) -> None:
    """Puts by their result, points that were stored, and refused items by code."""
    results = by(samples, "puts_total")
    assert results["stored"] == 3
    assert sum(results.values()) == 7
    assert value(samples, "points_total") == 6
    # A retry's errors are the first attempt's: there were none.
    assert by(samples, "put_errors_total") == {
        "VALIDATION_ERROR": 3,
        "METRIC_LIMIT_EXCEEDED": 1,
        "CONFLICT_ERROR": 1,
    }


def test_conflicts_are_no_retries(samples: Samples) -> None:
    """A put whose id was used with other content counts as refused, like any other refused put."""
    assert by(samples, "puts_total") == {"stored": 3, "retry": 2, "refused": 2}


def test_refused_requests_are_counted(samples: Samples) -> None:
    """Requests that were refused as a whole, by code."""
    counted = by(samples, "request_errors_total")
    counted.pop("UnknownOperationException", None)
    assert counted == {
        "SerializationException": 2,
        "ValidationException": 2,
        "RequestEntityTooLargeException": 1,
        "RequestTimeout": 1,
    }


def test_unknown_operations_are_counted(start_server: StartServer) -> None:
    """An unknown path, and an error of a native endpoint, are counted as refused requests too."""
    server = start_server()
    assert server.request("GET", "/nothing").status == 404
    assert server.request("GET", "/api/v1/points?component=nobody&metric=loss").status == 404
    counted = by(read(server.request("GET", "/metrics").body.decode()), "request_errors_total")
    assert counted == {"UnknownOperationException": 1, "ResourceNotFound": 1}


def test_commits_and_gets_are_timed(samples: Samples) -> None:
    """Group commits, their fsyncs and the gets are counted, each with a time above nothing."""
    groups = value(samples, "commit_groups_total")
    # These puts came one after another, so each was a group of its own.
    assert groups == value(samples, "commit_seconds_count") == 7
    assert 3 <= value(samples, "sync_seconds_count") <= groups
    assert 0 < value(samples, "sync_seconds_sum") <= value(samples, "commit_seconds_sum") < 60
    assert value(samples, "queries_total") == 4
    assert value(samples, "get_seconds_count") == 2
    assert 0 < value(samples, "get_seconds_sum") < 60


def test_operations_are_timed(samples: Samples) -> None:
    """Operations of the control plane are timed, each under its name."""
    name = "ListTrialComponents"
    assert value(samples, "control_seconds_count", operation=name) == 1
    assert 0 < value(samples, "control_seconds_sum", operation=name) < 60


def test_what_the_store_holds_is_told(samples: Samples) -> None:
    """Components, series, points, hot rows and bytes are those of the folder; nothing waits."""
    assert value(samples, "store_components") == 2
    assert value(samples, "store_series") == 5
    assert value(samples, "store_points") == value(samples, "store_hot_points") == 6
    assert value(samples, "store_hot_rows") == 3
    assert value(samples, "store_chunks") == 0
    assert value(samples, "store_bytes") > 10_000
    assert value(samples, "waiting_puts") == value(samples, "waiting_bytes") == 0


def test_workers_are_added_up(tmp_path: Path) -> None:
    """With two workers, either of them tells the sum of what both counted."""
    with (
        Process(tmp_path / "data", tmp_path / "logs", workers=2) as server,
        clients_of_every_worker(server, 1) as clients,
    ):
        for number, client in enumerate(clients):
            for step in range(10 * (number + 1)):
                sent = client.put("run", [Item("loss", step, 1.0), Item("bad", -1, 1.0)])
                assert sent.status == 200
                client.get([query("run", "loss")])
            for _ in range(number + 1):
                assert client.put_body(b"{").status == 400
        for client in clients:
            counted = read(client.request("GET", "/metrics").body.decode())
            assert by(counted, "puts_total") == {"stored": 30}
            assert by(counted, "put_errors_total") == {"VALIDATION_ERROR": 30}
            assert by(counted, "request_errors_total") == {"SerializationException": 3}
            assert value(counted, "points_total") == value(counted, "store_points") == 30
            assert value(counted, "queries_total") == value(counted, "get_seconds_count") == 30
            assert value(counted, "commit_groups_total") == 30
            assert value(counted, "waiting_puts") == 0


def test_the_service_says_its_name(server: Server) -> None:
    """GET / tells the service and its version."""
    reply = server.request("GET", "/")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json() == {"service": "stepwell", "version": __version__}


@pytest.mark.parametrize(("path", "text"), [("/healthz", b"ok\n"), ("/readyz", b"ready\n")])
def test_a_healthy_server(server: Server, path: str, text: bytes) -> None:
    """Health and readiness are 200 and one word."""
    reply = server.request("GET", path)
    assert (reply.status, reply.body) == (200, text)
    assert server.request("HEAD", path).status == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics"])
def test_they_are_read_only(server: Server, expect_error: ExpectError, path: str) -> None:
    """Methods other than GET and HEAD are unknown operations."""
    for method in ("POST", "PUT", "DELETE"):
        expect_error(server.request(method, path), 404, "UnknownOperationException")


@pytest.fixture
def breaking(tmp_path: Path) -> Iterator[tuple[Process, Path]]:
    """Give a server, and the file that says how its store breaks."""
    flag = tmp_path / "break"
    program = (sys.executable, breaking_store.__file__)
    env = {breaking_store.FLAG: str(flag)}
    with Process(tmp_path / "data", tmp_path / "logs", env=env, program=program) as server:
        yield server, flag


def test_a_store_that_is_away(breaking: tuple[Process, Path]) -> None:
    """While the store cannot be read, readiness is 503 and says why; health stays 200."""
    server, flag = breaking
    with Client(server.address) as client:
        for _ in range(2):
            assert client.request("GET", "/readyz").status == 200
            flag.write_text(breaking_store.AWAY)
            unready = client.request("GET", "/readyz")
            assert unready.status == 503
            assert unready.body == b"not ready: the store is not available: the disk is away\n"
            assert client.request("GET", "/healthz").status == 200
            flag.unlink()


def test_metrics_without_a_store(breaking: tuple[Process, Path]) -> None:
    """While the store cannot be read, the counters that tell of it can."""
    server, flag = breaking
    flag.write_text(breaking_store.AWAY)
    with Client(server.address) as client:
        assert client.put("run", [Item("loss", 1, 1.0)]).status == 503
        answer = client.request("GET", "/metrics")
        assert answer.status == 200
        assert by(read(answer.body.decode()), "puts_total") == {"unavailable": 1}
