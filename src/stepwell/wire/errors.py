"""The one form of a request-level error that botocore and JavaScript read on both planes.

botocore's rest-json parser takes the code from the header `x-amzn-ErrorType`, its JSON 1.1 parser
from the body's `__type`; JavaScript takes either (CONTRACT part A, section 3).
"""

from __future__ import annotations

import orjson


def error_body(code: str, message: str) -> bytes:
    """Encode `{"__type": code, "message": message}`."""
    return orjson.dumps({"__type": code, "message": message})


def error_headers(code: str) -> list[tuple[bytes, bytes]]:
    """Give the headers that name the code."""
    return [
        (b"content-type", b"application/json"),
        (b"x-amzn-errortype", code.encode()),
    ]
