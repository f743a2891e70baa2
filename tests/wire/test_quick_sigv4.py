"""The shortcut for signatures: it takes what SDKs send, and nothing that the whole way refuses."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.wire import quick_sigv4, sigv4

from .signers import SECRET, sign, with_headers
from .test_sigv4 import BODIES, HEADERS, PATHS, is_accepted

_PLAIN = st.sampled_from(["/", "/BatchPutMetrics", "/BatchGetMetrics"])


def look(request: sigv4.Request) -> quick_sigv4.Glance | None:
    """Look at a request."""
    return quick_sigv4.glance(
        request.method,
        request.path.encode("latin-1"),
        request.query.encode("latin-1"),
        request.received,
        request.body,
    )


def says_yes(request: sigv4.Request, secret: str = SECRET) -> bool:
    """Say whether the shortcut takes a request."""
    seen = look(request)
    return seen is not None and quick_sigv4.is_genuine(seen, secret)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("PUT", "/BatchPutMetrics", [("Content-Type", "application/json")]),
        ("POST", "/BatchGetMetrics", [("Content-Type", "application/json")]),
        ("POST", "/", [("X-Amz-Target", "SageMaker.Search"), ("Content-Type", "application/x-")]),
    ],
)
def test_what_boto3_sends(method: str, path: str, headers: list[tuple[str, str]]) -> None:
    """What boto3 sends takes the shortcut, and comes out as it would the whole way."""
    request = sign(method, f"http://h:1{path}", headers, b"{}").request
    request = with_headers(request, {b"user-agent": b"Boto3/1.44.5  (odd)", b"accept": b"\xff"})
    assert says_yes(request)
    seen, signature = look(request), sigv4.parse(request)
    assert seen is not None
    assert (seen.claim, seen.time, seen.digest) == (
        *(signature.claim, signature.time),
        signature.digest,
    )
    assert not says_yes(request, SECRET + "x")
    assert not says_yes(request._replace(body=b"{} "))
    assert not says_yes(request._replace(method="DELETE"))


@settings(deadline=None)
@given(_PLAIN | PATHS, HEADERS, BODIES, st.data())
def test_it_agrees(
    path: str, headers: list[tuple[str, str]], body: bytes, data: st.DataObject
) -> None:
    """Whatever the shortcut takes, altered in any part or not, the whole way takes as well."""
    request = sign("PUT", f"http://h:1{path}", headers, body).request
    claim = sigv4.parse(request).claim
    header = request.headers["authorization"]
    name = data.draw(st.sampled_from(claim.names)).encode()
    digit = data.draw(st.integers(0, 63))
    digest = sigv4.parse(request).digest
    other = digest[:digit] + ("0" if digest[digit] != "0" else "1") + digest[digit + 1 :]
    hashed = hashlib.sha256(b"other").hexdigest().encode()
    for changed in (
        request,
        request._replace(body=body + b"x"),
        request._replace(path="/BatchGetMetrics"),
        request._replace(query="a=b"),
        with_headers(request, {name: b"x"}),
        with_headers(request, {name: None}),
        with_headers(request, {b"x-amz-target": b"SageMaker.Search"}),
        with_headers(request, {b"x-amz-content-sha256": hashed}),
        with_headers(request, {b"x-amz-content-sha256": b"UNSIGNED-PAYLOAD"}),
        with_headers(request, {b"authorization": header.replace(digest, other).encode()}),
        with_headers(request, {b"authorization": header.replace(digest, "é").encode()}),
        with_headers(request, {b"authorization": header.upper().encode()}),
    ):
        if says_yes(changed):
            assert is_accepted(changed)
    if not request.query and path in {"/", "/BatchPutMetrics", "/BatchGetMetrics"}:
        plain = all(value == " ".join(value.split()) and value.isascii() for _, value in headers)
        once = len({each for each, _ in headers}) == len(headers)
        assert says_yes(request) or not (plain and once)


@pytest.mark.parametrize(
    "changed",
    [
        {b"x-amz-content-sha256": b"0" * 64},
        {b"x-amz-security-token": b"t"},
        {b"x-forwarded-host": b"h"},
        {b"x-forwarded-prefix": b"/p"},
        {b"x-amz-target": b"SageMaker.Search"},
        {b"x-amz-date": b"20150830T123600Z"},
        {b"x-amz-date": None},
        {b"authorization": None},
        {b"authorization": b"AWS4-HMAC-SHA256 " + b"x" * 5000},
    ],
)
def test_other_forms(changed: dict[bytes, bytes | None]) -> None:
    """What is signed otherwise, comes through a proxy, or is malformed is left to the whole way."""
    request = sign("PUT", "http://h:1/BatchPutMetrics").request
    assert look(request) is not None
    assert look(with_headers(request, changed)) is None
    assert look(request._replace(received=[*request.received, (b"host", b"h:1")])) is None


def test_what_is_remembered_is_bounded() -> None:
    """Neither forms nor keys are kept without end."""
    assert quick_sigv4._form.cache_info().maxsize == 1024
    assert quick_sigv4._keyed.cache_info().maxsize == 1024
