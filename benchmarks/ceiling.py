"""Owns the command `python -m benchmarks.ceiling`: how fast the load generator itself can go.

The other end is a bare epoll loop that parses nothing and answers every read with the same
bytes, so the generator is the slower of the two. A server that gets near these figures is
measured wrongly; `Load.cpu_share` shows it in every run.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time

from rich.console import Console

from benchmarks.load import Plan
from benchmarks.processes import ROOT, free_port, run_load
from benchmarks.workload import Stream

SECONDS = 3.0
_ANSWER = (
    b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"Errors":[]}'
)
_SERVE = "serve"


def serve(port: int) -> None:
    """Answer every read on every connection; for puts that fit into one read."""
    epoll = select.epoll()
    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    epoll.register(listener, select.EPOLLIN)
    clients: dict[int, socket.socket] = {}
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                client = listener.accept()[0]
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                clients[client.fileno()] = client
                epoll.register(client, select.EPOLLIN)
            elif clients[fd].recv(65_536):
                clients[fd].send(_ANSWER)
            else:
                epoll.unregister(fd)
                clients.pop(fd).close()


def main() -> None:
    """Measure puts of 10 points at several numbers of connections."""
    if sys.argv[1:2] == [_SERVE]:
        serve(int(sys.argv[2]))
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ceiling", _SERVE, str(port)], cwd=ROOT
    )
    try:
        time.sleep(1.0)
        for connections in (8, 64, 256):
            stream = Stream(
                "ceiling",
                components=100,
                metrics=10,
                steps=20,
                steps_per_put=1,
                connections=connections,
            )
            load = run_load(Plan(port, [stream], SECONDS))
            Console().print(
                f"{connections} connections: {load.puts_per_second:,.0f} puts/s of 10 points, "
                f"p50 {load.latency_ms_p50:.2f} ms, p99 {load.latency_ms_p99:.2f} ms, "
                f"generator busy {load.cpu_share:.0%}"
            )
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
