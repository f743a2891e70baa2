"""HTTP itself, on raw sockets: how bodies are framed, cut and late, and requests that are none."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import ExpectError, Reply, Server

Parse = Callable[[bytes], list["Reply"]]

LINE = b"PUT /BatchPutMetrics HTTP/1.1\r\nHost: h\r\n"
CLOSE = b"Connection: close\r\n"
MIB = 1024 * 1024


def body(component: str, count: int = 1) -> bytes:
    """Encode a put."""
    item = {"MetricName": "loss", "Timestamp": 1_700_000_000, "Value": 0.5}
    return json.dumps({"TrialComponentName": component, "MetricData": [item] * count}).encode()


def framed(content: bytes, *headers: bytes, line: bytes = LINE) -> bytes:
    """Frame a request that closes its connection."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return line + CLOSE + lines + b"Content-Length: %d\r\n\r\n" % len(content) + content


def chunks(content: bytes, size: int) -> bytes:
    """Encode a body in chunks, with its end."""
    parts = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_bytes_in_any_parts(server: Server, component: str, parse_replies: Parse) -> None:
    """A request that comes byte by byte is taken like one that comes at once."""
    request = framed(body(component))
    (reply,) = parse_replies(server.raw(*(request[i : i + 1] for i in range(len(request)))))
    assert (reply.status, reply.json()) == (200, {"Errors": []})
    assert server.count(component) == 1


@pytest.mark.parametrize("size", [1, 7, 4_096, 100_000])
def test_chunked_bodies(server: Server, component: str, parse_replies: Parse, size: int) -> None:
    """A chunked body, in chunks of any size, is taken."""
    head = LINE + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
    (reply,) = parse_replies(server.raw(head + chunks(body(component, 50), size)))
    assert (reply.status, reply.json()) == (200, {"Errors": []})
    assert server.count(component) == 50


def test_chunked_bodies_of_an_ordinary_client(server: Server, component: str) -> None:
    """A chunked body as http.client sends it is taken, without a Content-Length."""

    def parts() -> Iterator[bytes]:
        content = body(component, 10)
        yield content[:20]
        yield content[20:]

    headers = {"Transfer-Encoding": "chunked"}
    reply = server.request("PUT", "/BatchPutMetrics", parts(), headers, chunked=True)
    assert (reply.status, reply.json()) == (200, {"Errors": []})
    assert server.count(component) == 10


def test_chunked_bodies_over_the_limit(server: Server, parse_replies: Parse) -> None:
    """A chunked body is refused with 413 as soon as it is over the limit, before its end."""
    head = LINE + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n"
    part = b"%x\r\n%s\r\n" % (MIB, b" " * MIB)
    (reply,) = parse_replies(server.raw(head, *[part] * 17))
    assert reply.status == 413
    assert reply.headers["x-amzn-errortype"] == "RequestEntityTooLargeException"


@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_cut_bodies(server: Server, component: str, kept: int) -> None:
    """A body that ends before its Content-Length, with its connection, stores nothing."""
    content = body(component)
    request = framed(content)
    cut = request[: len(request) - len(content) + kept if kept >= 0 else kept]
    assert server.raw(cut, half_close=True) == b""
    assert server.count(component) == 0


@pytest.mark.parametrize("tail", [b"10\r\nabc", b"5\r\nabcde\r\n", b"5\r\nabcde\r\n0\r\n", b"5"])
def test_cut_chunks(server: Server, tail: bytes) -> None:
    """A chunked body that ends without its last chunk is never answered with 200."""
    answer = server.raw(LINE + b"Transfer-Encoding: chunked\r\n\r\n" + tail, half_close=True)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


def test_late_bodies(small_server: Server, component: str, parse_replies: Parse) -> None:
    """A body that stops arriving is a 408 with a code, after the limit's seconds."""
    request = framed(body(component))
    (reply,) = parse_replies(small_server.raw(request[:-5]))
    assert (reply.status, reply.headers["x-amzn-errortype"]) == (408, "RequestTimeout")
    assert reply.json()["__type"] == "RequestTimeout"
    assert small_server.count(component) == 0


def test_a_content_length_that_is_too_short(
    server: Server, component: str, parse_replies: Parse
) -> None:
    """A body longer than its Content-Length is refused and stores nothing."""
    content = body(component)
    request = LINE + b"Content-Length: %d\r\n\r\n" % (len(content) - 10) + content
    replies = parse_replies(server.raw(request))
    assert replies
    assert all(reply.status == 400 for reply in replies)
    assert server.count(component) == 0


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: -1",
        b"Content-Length: x",
        b"Content-Length: 1e3",
        b"Content-Length: 0x10",
        b"Content-Length: 5, 5",
        b"Content-Length: 99999999999999999999999",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip",
        b"Transfer-Encoding: chunked, gzip",
    ],
)
def test_wrong_framing(server: Server, component: str, parse_replies: Parse, header: bytes) -> None:
    """A Content-Length that is no number, or two of them, is a 400 and a closed connection."""
    (reply,) = parse_replies(server.raw(LINE + header + b"\r\n\r\n" + body(component)))
    assert reply.status == 400
    assert reply.headers["connection"] == "close"
    assert server.count(component) == 0


def test_no_body_at_all(server: Server, expect_error: ExpectError, parse_replies: Parse) -> None:
    """A put without a body is a SerializationException."""
    (reply,) = parse_replies(server.raw(LINE + CLOSE + b"\r\n"))
    expect_error(reply, 400, "SerializationException")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\x00\r\n\r\n",
        b"A" * 100_000,
        b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nX : a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: h\r\n\r\n",
        b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
        b"FROB / HTTP/1.1\r\nHost: h\r\n\r\n",
    ],
)
def test_not_http(server: Server, data: bytes, parse_replies: Parse) -> None:
    """What is not HTTP/1 is a 400, and the connection is closed."""
    (reply,) = parse_replies(server.raw(data))
    assert reply.status == 400


def test_http_1_0(server: Server, component: str, parse_replies: Parse) -> None:
    """HTTP/1.0, without a Host and without keep-alive, is answered and closed."""
    content = body(component)
    line = b"PUT /BatchPutMetrics HTTP/1.0\r\n"
    request = line + b"Content-Length: %d\r\n\r\n" % len(content) + content
    (reply,) = parse_replies(server.raw(request))
    assert (reply.status, reply.json()) == (200, {"Errors": []})
    assert server.count(component) == 1


def test_pipelined_requests(server: Server, component: str, parse_replies: Parse) -> None:
    """Requests sent without waiting are answered in their order, each with an id of its own."""
    content = body(component)
    one = LINE + b"Content-Length: %d\r\n\r\n" % len(content) + content
    replies = parse_replies(server.raw(one * 9 + framed(b"{}")))
    assert [reply.status for reply in replies] == [200] * 9 + [400]
    assert len({reply.headers["x-amzn-requestid"] for reply in replies}) == 10
    assert server.count(component) == 9


def test_a_connection_is_kept(server: Server, component: str) -> None:
    """One connection carries many requests, refused ones among them."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        for number in range(20):
            content = body(component) if number % 2 else b"{"
            connection.request("PUT", "/BatchPutMetrics", content)
            response = connection.getresponse()
            assert response.status == (200 if number % 2 else 400)
            response.read()
            # http.client forgets the socket of a connection that the server closes.
            assert isinstance(connection.sock, socket.socket)
    assert server.count(component) == 10


def test_refusals_on_a_kept_connection(server: Server, component: str) -> None:
    """A connection on which only refused puts come is kept, however many bytes they add up to."""
    content = body(component) + b"}" + b" " * 50_000
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with contextlib.closing(connection):
        for _ in range(20):
            connection.request("PUT", "/BatchPutMetrics", content)
            response = connection.getresponse()
            assert (response.status, b"SerializationException" in response.read()) == (400, True)
            assert isinstance(connection.sock, socket.socket)


def test_expect_100_continue(server: Server, component: str, parse_replies: Parse) -> None:
    """A client that asks first is told to go on."""
    request = framed(body(component), b"Expect: 100-continue")
    head, end, content = request.partition(b"\r\n\r\n")
    replies = parse_replies(server.raw(head + end, content))
    assert [reply.status for reply in replies] == [100, 200]


@pytest.mark.parametrize("size", [100, 8_000, 30_000])
def test_long_headers(server: Server, component: str, parse_replies: Parse, size: int) -> None:
    """Headers as long as tokens and cookies get are taken."""
    (reply,) = parse_replies(server.raw(framed(body(component), b"X-Long: " + b"a" * size)))
    assert reply.status == 200


@pytest.mark.parametrize(
    "header",
    [b"X: a\r\n", b"X: " + b"a" * 1_000 + b"\r\n", b"a" * 65_536],
    ids=["many", "long", "one without an end"],
)
def test_endless_headers(server: Server, header: bytes) -> None:
    """A head that goes on for 16 MB is refused, and does not fill the memory."""
    before_kib = server.resident_kib()
    line = b"GET /healthz HTTP/1.1\r\nHost: h\r\nX: "
    part = header * (MIB // len(header))
    answer = server.raw(line, *[part] * 16, b"\r\n" + CLOSE + b"\r\n")
    assert answer == b"" or answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert server.resident_kib() - before_kib < 8 * 1024


def test_an_unfinished_head_holds_nobody_up(server: Server, component: str) -> None:
    """While a hundred clients have sent half a head or half a body, others are answered."""
    request = framed(body(component))
    with contextlib.ExitStack() as stack:
        for number in range(100):
            half = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            half.sendall(request[: 20 + number])
        item = {"MetricName": "loss", "Timestamp": 1_700_000_000, "Value": 0.5}
        assert server.put(component, [item]) == []
    assert server.count(component) == 1


def test_clients_that_leave(server: Server, component: str) -> None:
    """A client that goes before its answer leaves a put that is there whole or not at all."""
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(framed(body(component, 3)))
    assert server.count(component) % 3 == 0
