"""Signatures that are malformed: each says what is wrong, none gets further or costs much."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepwell.model.errors import (
    AuthenticationError,
    IncompleteSignatureError,
    MissingAuthenticationError,
)
from stepwell.wire import sigv4

from .signers import sign, with_headers

_URL = "http://h:1/BatchPutMetrics"
_DIGEST = "0123456789abcdef" * 4
_HEADER = (
    "AWS4-HMAC-SHA256 Credential=SWAK/20231114/us-east-1/sagemaker/aws4_request,"
    f" SignedHeaders=host;x-amz-date, Signature={_DIGEST}"
)
_QUERY = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SWAK%2F20231114%2Fus-east-1%2Fsagemaker"
    "%2Faws4_request&X-Amz-Date=20231114T221320Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host"
    f"&X-Amz-Signature={_DIGEST}"
)
_MESSAGE_CHARS_MAX = 1000


def in_header(header: str, **more: str) -> sigv4.Request:
    """Make a request with an Authorization header, and headers besides it (`_` for `-`)."""
    headers = {"host": "h", "x_amz_date": "20231114T221320Z", "authorization": header, **more}
    received = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, value in headers.items()
        if value
    ]
    return sigv4.Request("PUT", "/", "", sigv4.headers_of(received), b"", received)


def in_query(query: str) -> sigv4.Request:
    """Make a request with a query."""
    return sigv4.Request("PUT", "/", query, {"host": "h"}, b"")


def test_what_is_well_formed() -> None:
    """The two that the tests below break are read whole."""
    header, query = sigv4.parse(in_header(_HEADER)), sigv4.parse(in_query(_QUERY))
    assert header.claim._replace(signed_headers="", names=()) == query.claim._replace(
        signed_headers="", names=()
    )
    assert header.claim[:4] == ("SWAK", "20231114", "us-east-1", "sagemaker")
    assert header.digest == query.digest == _DIGEST
    assert (header.expires_s, query.expires_s) == (None, 60)
    assert header.claim.names == ("host", "x-amz-date")


@pytest.mark.parametrize(
    "changed",
    [
        _HEADER.replace(", ", ","),
        _HEADER.replace(", ", " ,  "),
        _HEADER + " ",
        ", ".join(
            [
                "AWS4-HMAC-SHA256 SignedHeaders=host;x-amz-date",
                f"Signature={_DIGEST}",
                "Credential=SWAK/20231114/us-east-1/sagemaker/aws4_request",
            ]
        ),
        _HEADER.replace("SWAK", "a/b/c"),
    ],
)
def test_forms_that_are_taken(changed: str) -> None:
    """White space around the commas, another order, and slashes in a key's id are no matter."""
    signature = sigv4.parse(in_header(changed))
    assert (signature.digest, signature.claim.date) == (_DIGEST, "20231114")
    assert signature.claim.key_id in {"SWAK", "a/b/c"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("AWS4-HMAC-SHA256 ", "", "authorization type"),
        ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "authorization type"),
        ("AWS4-HMAC-SHA256", "Bearer", "authorization type"),
        ("AWS4-HMAC-SHA256", "aws4-hmac-sha256", "authorization type"),
        (_HEADER, "Basic dXNlcjpwYXNz", "authorization type"),
        (_HEADER, "AWS4-HMAC-SHA256", "Credential and SignedHeaders"),
        (_HEADER, "AWS4-HMAC-SHA256 a, b=, =c", "Credential and SignedHeaders"),
        (_HEADER, "AWS4-HMAC-SHA256 , , ,", "'' twice"),
        ("Credential=SWAK", "Credential=", "Credential must have the form"),
        ("Credential", "credential", "requires Credential"),
        ("/aws4_request", "", "Credential must have the form"),
        ("/aws4_request", "/aws5_request", "Credential must have the form"),
        ("/aws4_request", "/aws4_request/", "Credential must have the form"),
        ("SWAK/20231114/us-east-1/sagemaker/aws4_request", "SWAK", "Credential must have the form"),
        ("us-east-1", "", "valid region"),
        ("us-east-1", "us east", "valid region"),
        ("us-east-1", "é", "valid region"),
        ("us-east-1", "r" * 64, "valid region"),
        ("us-east-1", "../..", "Credential must have the form|valid region"),
        ("SignedHeaders=host;x-amz-date", "SignedHeaders=", "requires SignedHeaders"),
        ("host;", "", "'Host' must be a signed header"),
        ("host;", "hosts;", "'Host' must be a signed header"),
        ("host;", "Host;", "'Host' must be a signed header"),
        (";x-amz-date", "", "'X-Amz-Date' must be a signed header"),
        (f", Signature={_DIGEST}", "", "requires Signature"),
        (_DIGEST, "", "requires Signature"),
        (_DIGEST, _DIGEST[:-1], "64 hexadecimal digits"),
        (_DIGEST, _DIGEST + "0", "64 hexadecimal digits"),
        (_DIGEST, _DIGEST.upper(), "64 hexadecimal digits"),
        (_DIGEST, "é" * 64, "64 hexadecimal digits"),
        (_DIGEST, "g" * 64, "64 hexadecimal digits"),
        ("20231114", "20231115", "does not match YYYYMMDD"),
        ("20231114", "", "does not match YYYYMMDD"),
        ("20231114", "2023111", "does not match YYYYMMDD"),
        (", Signature", ", SignedHeaders=host, Signature", "'SignedHeaders' twice"),
        (_DIGEST, f"{_DIGEST}, {_HEADER}", "'SignedHeaders' twice"),
    ],
)
def test_a_malformed_header(old: str, new: str, words: str) -> None:
    """Each way to break the header is incomplete, and the message says which."""
    request = in_header(_HEADER.replace(old, new))
    with pytest.raises(IncompleteSignatureError, match=words):
        sigv4.parse(request)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        *(
            (f"X-Amz-{name}=", f"X-Amz-{name}x=", f"requires X-Amz-{name}")
            for name in ("Algorithm", "Date", "Expires", "SignedHeaders")
        ),
        ("X-Amz-Credential=", "X-Amz-Credentials=", "requires X-Amz-Credential"),
        ("X-Amz-Signature=", "X-Amz-Signatures=", "requires X-Amz-Signature"),
        (_DIGEST, "", "requires X-Amz-Signature"),
        ("AWS4-HMAC-SHA256", "AWS4", "X-Amz-Algorithm must be"),
        *(
            ("Expires=60", f"Expires={text}", "a number of seconds, at most 604800")
            for text in ("604801", "-1", "1.5", "x", "1e3", "%D9%A3", "9" * 5000, "0x1", "%2B1")
        ),
        ("%2Faws4_request", "", "Credential must have the form"),
        ("us-east-1", "%00%0A", "valid region"),
        ("SignedHeaders=host", "SignedHeaders=date", "'Host' must be a signed header"),
        (_DIGEST, _DIGEST[1:], "64 hexadecimal digits"),
        ("Date=20231114", "Date=20231115", "does not match YYYYMMDD"),
    ],
)
def test_a_malformed_query(old: str, new: str, words: str) -> None:
    """Each way to break a presigned query is incomplete, and the message says which."""
    with pytest.raises(IncompleteSignatureError, match=words):
        sigv4.parse(in_query(_QUERY.replace(old, new)))


@pytest.mark.parametrize("query", ["", "a=b", "X-Amz-Date=20231114T221320Z", "x-amz-signature=a"])
def test_no_signature_at_all(query: str) -> None:
    """A request without either form is told that it must be signed."""
    with pytest.raises(MissingAuthenticationError, match="not signed"):
        sigv4.parse(in_query(query))


def test_the_target_must_be_signed() -> None:
    """Who could change the target could ask for another operation: it must be signed."""
    made = sign("POST", _URL, [("X-Amz-Target", "SageMaker.Search")])
    assert sigv4.parse(made.request).claim.names == ("host", "x-amz-date", "x-amz-target")
    unsigned = with_headers(sign("POST", _URL).request, {b"x-amz-target": b"SageMaker.Search"})
    with pytest.raises(IncompleteSignatureError, match="'X-Amz-Target' must be a signed header"):
        sigv4.parse(unsigned)


@pytest.mark.parametrize(
    ("date", "time"),
    [
        ("Tue, 14 Nov 2023 22:13:20 GMT", "20231114T221320Z"),
        ("Tue, 14 Nov 2023 23:13:20 +0100", "20231114T221320Z"),
        ("Tue, 14 Nov 2023 22:13:20 -0000", "20231114T221320Z"),
        ("20231114T221320Z", "20231114T221320Z"),
    ],
)
def test_the_date_header(date: str, time: str) -> None:
    """A client may sign a Date header instead of X-Amz-Date, in either form."""
    signed = _HEADER.replace("x-amz-date", "date")
    assert sigv4.parse(in_header(signed, x_amz_date="", date=date)).time == time


@pytest.mark.parametrize(
    ("header", "date", "words"),
    [
        (_HEADER, "", "either a 'X-Amz-Date' or a 'Date' header"),
        (_HEADER, "Tue, 14 Nov 2023 22:13:20 GMT", "'Date' must be a signed header"),
        (_HEADER.replace("x-amz-date", "date"), "yesterday", "RFC 7231"),
        (_HEADER.replace("x-amz-date", "date"), "x" * 9999, "RFC 7231"),
        (_HEADER.replace("x-amz-date", "date"), "Tue, 99 Nov 2023 22:13:20 GMT", "RFC 7231"),
        (
            _HEADER.replace("x-amz-date", "date"),
            "Mon, 01 Jan 2023 00:00:00 +" + "9" * 400,
            "RFC 7231",
        ),
        (_HEADER.replace("x-amz-date", "date"), "Fri, 31 Dec 9999 23:59:59 -2359", "RFC 7231"),
    ],
)
def test_a_wrong_date_header(header: str, date: str, words: str) -> None:
    """A date that is missing, not signed, or none is incomplete."""
    with pytest.raises(IncompleteSignatureError, match=words):
        sigv4.parse(in_header(header, x_amz_date="", date=date))


@pytest.mark.parametrize(
    "request_",
    [
        in_header(_HEADER, x_amz_security_token="t"),
        in_query(_QUERY + "&X-Amz-Security-Token=t"),
        in_query("X-Amz%2DSecurity-Token=&" + _QUERY),
    ],
)
def test_temporary_credentials_are_seen(request_: sigv4.Request) -> None:
    """A token is seen wherever it is, so that it can be refused in words of its own."""
    assert sigv4.parse(request_).has_token


_TEXTS = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=30)
_CUTS = st.tuples(st.integers(0, 300), st.integers(0, 40), _TEXTS)


def _cut(text: str, cuts: list[tuple[int, int, str]]) -> str:
    for start, length, more in cuts:
        text = text[:start] + more + text[start + length :]
    return text


@settings(deadline=None)
@given(st.lists(_CUTS, max_size=3) | st.just([(0, 999, "")]), _TEXTS, _TEXTS, st.booleans())
def test_any_text(cuts: list[tuple[int, int, str]], date: str, other: str, as_date: bool) -> None:  # noqa: FBT001 - drawn
    """Any text in the place of a signature is read or refused with a short message."""
    more = {"x_amz_date": "", "date": date} if as_date else {"x_amz_date": date}
    requests = [
        in_header(_cut(_HEADER, cuts)),
        in_header(_cut(_HEADER.replace("x-amz-date", "date;x-amz-date"), cuts), **more),
        in_query(_cut(_QUERY, cuts)),
        in_query(_QUERY + "&" + other),
        in_query("X-Amz-Signature=" + quote(other)),
    ]
    for request in requests:
        try:
            signature = sigv4.parse(request)
        except AuthenticationError as error:
            assert len(str(error)) < _MESSAGE_CHARS_MAX  # noqa: PT017 - or none is raised
        else:
            assert re.fullmatch("[0-9a-f]{64}", signature.digest)
            assert not sigv4.is_genuine(request, signature, "secret")


def test_long_claims_are_not_kept() -> None:
    """What is remembered of claims stays small, whatever clients send."""
    sigv4.claim_of_header.cache_clear()
    for number in range(5):
        name = f"x{number}-" + "x" * 100_000
        assert name in sigv4.parse(in_header(_HEADER.replace("host;", f"host;{name};"))).claim.names
    assert sigv4.claim_of_header.cache_info().currsize == 0
    sigv4.parse(in_header(_HEADER))
    assert sigv4.claim_of_header.cache_info().currsize == 1
