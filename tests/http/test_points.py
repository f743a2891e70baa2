"""One series as raw columns: whole for every client, however it reads, and for nobody else."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.http.conftest import ExpectError, Reply, Server

Parse = Callable[[bytes], list["Reply"]]

#: Twice what sockets buffer, as columns.
POINTS = 400_000
PER_PUT = 10_000
FIRST_S = 1_700_000_000


@pytest.fixture(scope="module")
def long_server(default_server: Server) -> Server:
    """Give a server that has a series of 9.6 MB as columns."""
    values = np.random.default_rng(7).normal(size=POINTS).tolist()
    for first in range(0, POINTS, PER_PUT):
        items = [
            {"MetricName": "loss", "Timestamp": FIRST_S + step, "Step": step, "Value": values[step]}
            for step in range(first, first + PER_PUT)
        ]
        assert default_server.put("long", items) == []
    return default_server


def path_of(component: str) -> str:
    """Give the path of a component's series."""
    return f"/api/v1/points?component={component}&metric=loss"


def columns(body: bytes) -> list[np.ndarray]:
    """Take a frame apart: steps, timestamps and values, of whatever types."""
    (head_bytes,) = struct.unpack_from("<I", body)
    head = json.loads(body[4 : 4 + head_bytes])
    start = 4 + head_bytes
    assert start % 8 == 0
    found = {}
    for each in head["columns"]:
        column = np.frombuffer(body, each["type"], head["count"], start)
        assert start % column.itemsize == 0
        found[each["name"]] = column
        start += column.nbytes
    assert len(body) == start
    return [found[name] for name in ("step", "timestamp_us", "value")]


def check_long(body: bytes) -> None:
    """Check every number of the long series."""
    steps, timestamps_us, values = columns(body)
    assert [each.dtype for each in (steps, timestamps_us, values)] == ["i8", "i8", "f8"]
    assert (steps == np.arange(POINTS)).all()
    assert (timestamps_us == (FIRST_S + steps) * 1_000_000).all()
    assert (values == np.random.default_rng(7).normal(size=POINTS)).all()


def test_one_long_series(long_server: Server) -> None:
    """A long series comes whole, with its length stated."""
    reply = long_server.request("GET", path_of("long"))
    assert reply.status == 200
    assert int(reply.headers["content-length"]) == len(reply.body)
    check_long(reply.body)


def test_several_on_one_connection(long_server: Server, parse_replies: Parse) -> None:
    """Requests that were sent without waiting for answers get them one after another, whole."""
    line = f"GET {path_of('long')} HTTP/1.1\r\nHost: h\r\n".encode()
    health = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
    received = long_server.raw(
        health + line + b"\r\n" + line + b"\r\n" + health + line + b"Connection: close\r\n\r\n"
    )
    first, one, two, second, three = parse_replies(received)
    assert first.body == second.body == b"ok\n"
    for each in (one, two, three):
        check_long(each.body)


def test_a_client_that_reads_slowly(long_server: Server, parse_replies: Parse) -> None:
    """A client that pauses and reads little at a time gets every byte, and holds up nobody."""
    request = f"GET {path_of('long')} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", long_server.port), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.sendall(request)
        received = bytearray()
        for number in itertools.count():
            part = connection.recv(256 * 1024)
            received += part
            if not part:
                break
            if number % 20 == 0:
                assert long_server.request("GET", "/healthz").status == 200
    (reply,) = parse_replies(bytes(received))
    check_long(reply.body)


def test_clients_that_go_away(long_server: Server) -> None:
    """A client that resets its connection in the middle leaves no trace, and no noise."""
    lines_before = len(long_server.log_lines())
    request = f"GET {path_of('long')} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    for received_bytes in (0, 1, 1_000_000, 9_000_000):
        with socket.create_connection(("127.0.0.1", long_server.port), timeout=30) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(request)
            left = received_bytes
            while left > 0:
                left -= len(connection.recv(min(left, 65_536)))
    # All of the threads are free again: more reads than there are threads get their answers.
    for _ in range(6):
        check_long(long_server.request("GET", path_of("long")).body)
    assert long_server.log_lines()[lines_before:] == []


def test_head_has_no_body(long_server: Server, parse_replies: Parse) -> None:
    """HEAD tells the length and sends nothing."""
    request = f"HEAD {path_of('long')} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()
    head, end, body = long_server.raw(request).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert (end, body) == (b"\r\n\r\n", b"")


def test_http_1_0(long_server: Server, parse_replies: Parse) -> None:
    """A client of HTTP/1.0 gets the whole series, then the end."""
    received = long_server.raw(f"GET {path_of('long')} HTTP/1.0\r\nHost: h\r\n\r\n".encode())
    (reply,) = parse_replies(received)
    check_long(reply.body)


def test_no_points(server: Server, component: str) -> None:
    """A metric that its component does not have is an empty frame."""
    item = {"MetricName": "other", "Timestamp": time.time(), "Value": 1.0}
    assert server.put(component, [item]) == []
    reply = server.request("GET", path_of(component))
    assert reply.status == 200
    assert [len(each) for each in columns(reply.body)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("step", "value", "types"),
    [
        (3, 0.5, ["i4", "i8", "f4"]),
        (2**31, 0.5, ["i8", "i8", "f4"]),
        (3, 0.1, ["i4", "i8", "f8"]),
        (2**53 - 1, 0.1, ["i8", "i8", "f8"]),
        (None, "NaN", ["i4", "i8", "f4"]),
    ],
)
def test_types_hold_every_number(
    server: Server, component: str, step: int | None, value: float | str, types: list[str]
) -> None:
    """Columns have the narrowest types that change no number, if asked for, and stand aligned."""
    moment = 1_700_000_000
    items = [{"MetricName": "loss", "Timestamp": moment, "Step": 1, "Value": -0.25}] * 2
    last = {"MetricName": "loss", "Timestamp": moment + 0.001, "Value": value}
    items.append(last if step is None else last | {"Step": step})
    assert server.put(component, items) == []
    for asked, expected in (("", ["i8", "i8", "f8"]), ("&types=narrow", types)):
        found = columns(server.request("GET", path_of(component) + asked).body)
        assert [column.dtype for column in found] == expected
        steps, timestamps_us, values = found
        assert steps.tolist() == [1, 1, -1 if step is None else step]
        assert timestamps_us.tolist() == [moment * 10**6, moment * 10**6, moment * 10**6 + 1000]
        assert np.array_equal(values, [-0.25, -0.25, float(value)], equal_nan=True)


def test_a_long_series_of_narrow_types(long_server: Server) -> None:
    """Steps of four bytes come whole, over all pieces; only asked for."""
    reply = long_server.request("GET", path_of("long") + "&types=narrow")
    assert int(reply.headers["content-length"]) == len(reply.body)
    steps, timestamps_us, values = columns(reply.body)
    assert steps.dtype == np.int32
    assert (steps == np.arange(POINTS)).all()
    assert (timestamps_us == (FIRST_S + np.arange(POINTS)) * 1_000_000).all()
    assert (values == np.random.default_rng(7).normal(size=POINTS)).all()


def test_what_is_not_there(server: Server, expect_error: ExpectError) -> None:
    """An unknown component, and names that are none, are errors that say so."""
    reply = server.request("GET", path_of("nobody"))
    expect_error(reply, 404, "ResourceNotFound", "'nobody' does not exist")
    reply = server.request("GET", path_of(component="nobody") + "&types=int8")
    expect_error(reply, 400, "ValidationException", "'types'")
    reply = server.request("GET", "/api/v1/points")
    expect_error(reply, 400, "ValidationException", "'component'", "'metric'")


def test_many_at_once(long_server: Server) -> None:
    """More clients than threads, all reading at once, get all of it."""
    request = f"GET {path_of('long')} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(8):
            each = socket.create_connection(("127.0.0.1", long_server.port), timeout=30)
            connections.append(stack.enter_context(each))
            each.sendall(request)
        bodies = [bytearray() for _ in connections]
        reading = dict(zip(connections, bodies, strict=True))
        while reading:
            for connection, body in list(reading.items()):
                part = connection.recv(1024 * 1024)
                body.extend(part)
                if not part:
                    del reading[connection]
    for body in bodies:
        check_long(bytes(body.partition(b"\r\n\r\n")[2]))
