"""Owns the yardstick for request rates: the same server stack around a handler that does nothing.

It also sends zeros, for what a large answer costs on this stack whatever is in it. To a put it
reads the body and answers as if it had stored it, with the headers of a real
answer. What uvicorn is told here must be what `stepwell serve` tells it, except that the
protocol is httptools' own: what Stepwell adds to it is a part of what is measured.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PIECE_BYTES = 512 * 1024
_BODY = b'{"Errors":[]}'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"x-amzn-requestid", b"00000000-0000-4000-8000-000000000000"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(_BODY)),
    ],
}
_END = {"type": "http.response.body", "body": _BODY}


async def do_nothing(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Read the whole body, throw it away, answer success; to GET /?N answer with N zeros."""
    assert scope["type"] == "http"
    if scope["query_string"]:
        await _send_zeros(int(scope["query_string"]), send)
        return
    parts = []
    while True:
        message = await receive()
        parts.append(message["body"])
        if not message["more_body"]:
            break
    b"".join(parts)
    await send(_START)
    await send(_END)


async def _send_zeros(count: int, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % count)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    piece = bytes(PIECE_BYTES)
    for left in range(count, 0, -PIECE_BYTES):
        more = left > PIECE_BYTES
        await send(
            {
                "type": "http.response.body",
                "body": piece if more else piece[:left],
                "more_body": more,
            }
        )


def main() -> None:
    """Serve on the loopback port given as the only argument until terminated."""
    uvicorn.run(
        do_nothing,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=75,
        backlog=4096,
    )


if __name__ == "__main__":
    main()
