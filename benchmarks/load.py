"""Owns the load generator: one process, many keep-alive connections, each a closed loop.

A connection sends a put, waits for its answer, checks it, and sends the next one, as an SDK
does; nothing is pipelined. Requests are built beforehand and only their invocation id is
written anew, so that the generator needs less time for a put than any server it measures.
It knows HTTP as far as Content-Length and nothing of Stepwell beyond the answer
`{"Errors":[]}`.

Run as `python -m benchmarks.load` with a `Plan` as JSON on standard input, it writes a
`Load` as JSON to standard output, or exits with status 1 and the reason.
"""

from __future__ import annotations

import gc
import select
import socket
import sys
import time
from array import array
from itertools import chain, cycle, repeat
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from benchmarks.workload import (
    ENDLESS,
    INVOCATION_ID_BYTES,
    INVOCATION_ID_OFFSET,
    AccessKey,
    Stream,
    bodies,
    invocation_ids,
    request,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECEIVE_BYTES = 65_536
SILENCE_SECONDS_MAX = 60.0
ID_BATCH = 65_536

_STATUS_OK = b"HTTP/1.1 200 "
_BODY_OK = b'{"Errors":[]}'
_TAIL_OK = b"\r\n\r\n" + _BODY_OK
_LENGTH_OK = b"content-length: %d\r\n" % len(_BODY_OK)


class Plan(msgspec.Struct, frozen=True):
    """What one run of the generator does."""

    port: int
    streams: list[Stream]
    seconds: float
    """How long endless streams go on; without one the run takes as long as it needs."""
    key: AccessKey | None = None
    """What every put is signed with, before the first one goes out: good for 5 minutes."""


class Load(msgspec.Struct, frozen=True):
    """What a run of the generator saw."""

    puts: int
    points: int
    seconds: float
    latency_ms_p50: float
    latency_ms_p99: float
    latency_ms_max: float
    cpu_share: float
    """The generator's CPU time by wall time: near 1 it was the bottleneck, not the server."""

    @property
    def puts_per_second(self) -> float:
        """Answered puts a second."""
        return self.puts / self.seconds

    @property
    def points_per_second(self) -> float:
        """Answered points a second."""
        return self.points / self.seconds


class LoadError(Exception):
    """The server answered something else than success, or nothing."""


class _Connection:
    """One socket and the put it waits for."""

    __slots__ = ("partial", "points", "recv", "send", "sent_at", "sock", "take", "unsent")

    def __init__(self, port: int, take: Callable[[], bytearray], points: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self.sock.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        self.send = self.sock.send
        self.recv = self.sock.recv
        self.take = take
        self.points = points
        self.sent_at = 0.0
        self.unsent: memoryview | None = None
        self.partial = b""

    def send_rest(self) -> bool:
        """Send more of a request that did not fit at once; return whether it is through."""
        assert self.unsent is not None
        try:
            self.unsent = self.unsent[self.send(self.unsent) :]
        except BlockingIOError:
            return False
        if self.unsent:
            return False
        self.unsent = None
        return True

    def complete(self, data: bytes) -> bool:
        """Return whether `data` ends the answer; raise LoadError unless the answer is a success."""
        if not data:
            message = f"the server closed the connection after {self.partial[:300]!r}"
            raise LoadError(message)
        self.partial += data
        head, separator, body = self.partial.partition(b"\r\n\r\n")
        if not separator:
            return False
        lengths = [
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ]
        if len(lengths) != 1:
            message = f"an answer without one Content-Length: {head[:500]!r}"
            raise LoadError(message)
        if len(body) < lengths[0]:
            return False
        if not head.startswith(_STATUS_OK) or body != _BODY_OK:
            message = f"a put was not accepted: {self.partial[:500]!r}"
            raise LoadError(message)
        self.partial = b""
        return True


def _waiting(requests: list[bytearray], rounds: int) -> Iterator[bytearray]:
    """Return the requests in the order in which a stream's connections take them, in C's speed."""
    return cycle(requests) if rounds == ENDLESS else chain.from_iterable(repeat(requests, rounds))


class _Run:
    """The state that a run's connections share."""

    def __init__(self, plan: Plan) -> None:
        self.epoll = select.epoll()
        self.connections: dict[int, _Connection] = {}
        self.latencies = array("d")
        self.points = 0
        self.ids = self._ids()
        for stream in plan.streams:
            requests = [request(body, plan.key) for body in bodies(stream)]
            waiting = _waiting(requests, stream.rounds)
            for _ in range(stream.connections):
                connection = _Connection(plan.port, waiting.__next__, stream.points_per_put)
                self.connections[connection.sock.fileno()] = connection

    @staticmethod
    def _ids() -> Iterator[bytes]:
        while True:
            batch = invocation_ids(ID_BATCH)
            for start in range(0, len(batch), INVOCATION_ID_BYTES):
                yield batch[start : start + INVOCATION_ID_BYTES]

    def put(self, connection: _Connection, now: float) -> bool:
        """Send the connection's next put; return False when there is none left.

        A request is written to while another connection could still be sending it only if one
        connection fell a whole cycle behind all others; the id stands in the first bytes, which
        are out by then.
        """
        try:
            data = connection.take()
        except StopIteration:
            return False
        data[INVOCATION_ID_OFFSET : INVOCATION_ID_OFFSET + INVOCATION_ID_BYTES] = next(self.ids)
        connection.sent_at = now
        sent = connection.send(data)
        if sent != len(data):
            connection.unsent = memoryview(data)[sent:]
            self.epoll.modify(connection.sock, select.EPOLLIN | select.EPOLLOUT)
        return True

    def retire(self, fd: int) -> None:
        """Close a connection that has no more to send."""
        connection = self.connections.pop(fd)
        self.epoll.unregister(fd)
        connection.sock.close()

    def start(self) -> None:
        """Send the first put of each connection."""
        for fd, connection in list(self.connections.items()):
            self.epoll.register(fd, select.EPOLLIN)
            if not self.put(connection, time.perf_counter()):
                self.retire(fd)

    def drive(self, stop_at: float) -> None:
        """Answer by answer, send the next put until `stop_at`; return when all are answered."""
        clock, poll, put = time.perf_counter, self.epoll.poll, self.put
        connections, record = self.connections, self.latencies.append
        while connections:
            events = poll(SILENCE_SECONDS_MAX)
            if not events:
                message = f"{len(connections)} puts got no answer in {SILENCE_SECONDS_MAX:.0f} s"
                raise LoadError(message)
            for fd, event in events:
                connection = connections[fd]
                if event & select.EPOLLOUT:
                    if connection.send_rest():
                        self.epoll.modify(fd, select.EPOLLIN)
                    continue
                data = connection.recv(RECEIVE_BYTES)
                # Most answers come in one piece and can be told by three comparisons in C.
                if not (
                    data.endswith(_TAIL_OK)
                    and data.startswith(_STATUS_OK)
                    and _LENGTH_OK in data
                    and not connection.partial
                ) and not connection.complete(data):
                    continue
                now = clock()
                record(now - connection.sent_at)
                self.points += connection.points
                if now >= stop_at or not put(connection, now):
                    self.retire(fd)


def generate(plan: Plan) -> Load:
    """Run the plan in this process and return what it saw; raise LoadError at the first failure."""
    run = _Run(plan)
    endless = any(stream.rounds == ENDLESS for stream in plan.streams)
    gc.collect()
    gc.disable()
    started, cpu_started = time.perf_counter(), time.process_time()
    run.start()
    run.drive(started + plan.seconds if endless else float("inf"))
    seconds = time.perf_counter() - started
    cpu_seconds = time.process_time() - cpu_started
    gc.enable()
    latencies_ms = np.frombuffer(run.latencies) * 1000.0
    p50, p99, highest = np.percentile(latencies_ms, [50, 99, 100])
    return Load(
        puts=len(latencies_ms),
        points=run.points,
        seconds=seconds,
        latency_ms_p50=float(p50),
        latency_ms_p99=float(p99),
        latency_ms_max=float(highest),
        cpu_share=cpu_seconds / seconds,
    )


def main() -> int:
    """Read a plan, run it, write what it saw."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    try:
        load = generate(plan)
    except (LoadError, OSError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    sys.stdout.buffer.write(msgspec.json.encode(load))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
