"""Requests signed by botocore, each with the stages that its signer went through, as they arrive.

What arrives is what http.client would send of it: header values as latin-1, the URL as it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple
from unittest import mock
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.compat import get_current_datetime
from botocore.credentials import Credentials

from stepwell.wire import sigv4

KEY_ID = "SWAKEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "x-local-1"


class Signed(NamedTuple):
    """A request as a server receives it, and the stages of its signature as its client had them."""

    request: sigv4.Request
    canonical: str
    to_sign: str


class _Stages:
    """Keeps the stages of the signer that it is mixed into."""

    canonical = to_sign = ""

    def canonical_request(self, request: AWSRequest) -> str:
        """Keep the first stage."""
        self.canonical = super().canonical_request(request)  # type: ignore[misc]
        return self.canonical

    def string_to_sign(self, request: AWSRequest, canonical_request: str) -> str:
        """Keep the second stage."""
        self.to_sign = super().string_to_sign(request, canonical_request)  # type: ignore[misc]
        return self.to_sign


class _HeaderSigner(_Stages, SigV4Auth):  # type: ignore[misc]
    """Signs in the header."""


class _QuerySigner(_Stages, SigV4QueryAuth):  # type: ignore[misc]
    """Signs in the query."""


def sign(
    method: str,
    url: str,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    *,
    params: dict[str, str] | None = None,
    key_id: str = KEY_ID,
    secret: str = SECRET,
    region: str = REGION,
    service: str = "sagemaker",
    expires_s: int | None = None,
    token: str | None = None,
    shift_s: float = 0,
) -> Signed:
    """Sign a request.

    Args:
        method: of HTTP.
        url: with its path and query encoded as they are sent.
        headers: names may be repeated.
        body: what is sent. Presigned requests sign it only where a header states its hash.
        params: instead of a query in the URL; botocore encodes them.
        key_id: the access key's.
        secret: its secret.
        region: what the scope has.
        service: what the scope has.
        expires_s: sign in the query, for so long; None: in the header.
        token: that of temporary credentials.
        shift_s: how far the client's clock is ahead.
    """
    # botocore moves what it knows of a body into the query, so it has to be kept from it.
    data = body if expires_s is None else b""
    request = AWSRequest(method, url, data=data, params=params)
    for name, value in headers:
        request.headers.add_header(name, value)
    credentials = Credentials(key_id, secret, token)
    signer = (
        _HeaderSigner(credentials, service, region)
        if expires_s is None
        else _QuerySigner(credentials, service, region, expires=expires_s)
    )
    now = get_current_datetime() + dt.timedelta(seconds=shift_s)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now):
        signer.add_auth(request)
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    # Not the prepared headers, which have each name once.
    sent = [
        (name.lower().encode(), value.encode("latin-1")) for name, value in request.headers.items()
    ]
    if "host" not in request.headers:
        sent.append((b"host", parts.netloc.encode()))
    received = sigv4.Request(
        method,
        parts.path or "/",
        parts.query,
        sigv4.headers_of(sent),
        body,
        sent,
    )
    return Signed(received, signer.canonical, signer.to_sign)


def with_headers(request: sigv4.Request, changed: dict[bytes, bytes | None]) -> sigv4.Request:
    """Give a request with headers added, changed, or (None) taken away."""
    received = [pair for pair in request.received if pair[0] not in changed]
    received += [(name, value) for name, value in changed.items() if value is not None]
    return request._replace(received=received, headers=sigv4.headers_of(received))
