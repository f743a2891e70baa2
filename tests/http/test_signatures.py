"""A server that wants signatures: every way to be refused, on each plane, and how one gets in."""

from __future__ import annotations

import contextlib
import functools
import http.client
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.http.signing import REGION, Caller, Key, Keyed, Sent, error_code, put_body

_UNKNOWN = Key("SWAKUNKNOWNUNKNOWN77", "secret")


def _put(caller: Caller, **how: Any) -> Sent:
    return caller.signed("PUT", "/BatchPutMetrics", put_body("never"), **how)


def _get(caller: Caller, **how: Any) -> Sent:
    return caller.signed("POST", "/BatchGetMetrics", b'{"MetricQueries":[]}', **how)


def _control(caller: Caller, **how: Any) -> Sent:
    return caller.control("CreateTrial", {"TrialName": "never"}, **how)


def _native(caller: Caller, **how: Any) -> Sent:
    return caller.signed("GET", "/metrics", **how)


#: One request of each plane, and the content type of its answers.
PLANES: dict[str, tuple[Callable[..., Sent], str]] = {
    "put": (_put, "application/json"),
    "get": (_get, "application/json"),
    "control": (_control, "application/x-amz-json-1.1"),
    "native": (_native, "application/json"),
    "sts": (Caller.sts, "text/xml"),
}
#: Signs a request of a plane, in some way or other.
Ask = Callable[..., Sent]
#: The names that STS has for some codes.
_OF_STS = {
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "IncompleteSignatureException": "IncompleteSignature",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "UnrecognizedClientException": "InvalidClientTokenId",
}


def _unsigned(ask: Ask) -> Sent:
    sent = ask()
    dropped = ("authorization", "x-amz-date")
    return sent._replace(
        headers={name: text for name, text in sent.headers.items() if name not in dropped}
    )


def _changed(name: str, old: str, new: str) -> Callable[[Ask], Sent]:
    def change(ask: Ask) -> Sent:
        sent = ask()
        assert old in sent.headers[name]
        return sent._replace(headers={**sent.headers, name: sent.headers[name].replace(old, new)})

    return change


def _other_body(ask: Ask) -> Sent:
    sent = ask()
    return sent._replace(body=sent.body + b" ")


CAUSES: dict[str, tuple[Callable[[Ask], Sent], str, str]] = {
    "not signed": (_unsigned, "MissingAuthenticationTokenException", "not signed"),
    "another scheme": (
        _changed("authorization", "AWS4-HMAC-SHA256", "Bearer"),
        "IncompleteSignatureException",
        "authorization type",
    ),
    "no signature": (
        _changed("authorization", "Signature=", "Sig="),
        "IncompleteSignatureException",
        "requires Signature",
    ),
    "not a signature": (
        _changed("authorization", "Signature=", "Signature=x"),
        "IncompleteSignatureException",
        "64 hexadecimal digits",
    ),
    "host is not signed": (
        _changed("authorization", "host;", ""),
        "IncompleteSignatureException",
        "'Host' must be a signed header",
    ),
    "another day": (
        _changed("x-amz-date", "T", "T0"),
        "IncompleteSignatureException",
        "YYYYMMDD'T'HHMMSS'Z'",
    ),
    "wrong secret": (
        lambda ask: ask(secret="wrong"),
        "InvalidSignatureException",
        "The Canonical String for this request should have been",
    ),
    "wrong service": (
        lambda ask: ask(service="s3"),
        "InvalidSignatureException",
        "correct service",
    ),
    "wrong region": (
        _changed("authorization", REGION, "us-east-1"),
        "InvalidSignatureException",
        "does not match",
    ),
    "late": (lambda ask: ask(shift_s=-400), "RequestTimeTooSkewed", "Signature expired"),
    "early": (lambda ask: ask(shift_s=400), "RequestTimeTooSkewed", "not yet current"),
    "expired": (
        lambda ask: ask(shift_s=-100, expires_s=60),
        "RequestExpired",
        "for 60 s",
    ),
    "unknown key": (
        lambda ask: ask(key_id=_UNKNOWN.id),
        "UnrecognizedClientException",
        _UNKNOWN.id,
    ),
    "temporary credentials": (
        lambda ask: ask(token="token"),
        "UnrecognizedClientException",
        "no temporary",
    ),
}


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("cause", CAUSES)
def test_refusals(keyed: Keyed, plane: str, cause: str) -> None:
    """Each cause has its code, with status 403, in the form of its plane, and says why."""
    ask, content_type = PLANES[plane]
    break_, code, words = CAUSES[cause]
    reply = break_(functools.partial(ask, keyed.writer)).to(keyed.server)
    assert (reply.status, reply.headers["content-type"]) == (403, content_type)
    assert error_code(reply) == (_OF_STS.get(code, code) if plane == "sts" else code)
    assert words.encode() in reply.body.replace(b"&apos;", b"'")
    assert keyed.writer.key is not None
    assert keyed.writer.key.secret.encode() not in reply.body


@pytest.mark.parametrize("plane", [each for each in PLANES if each != "native"])
def test_another_body(keyed: Keyed, plane: str) -> None:
    """A body that is not the one that was signed is refused, also where its hash is stated."""
    ask, _ = PLANES[plane]
    sent = _other_body(functools.partial(ask, keyed.writer))
    code = "SignatureDoesNotMatch" if plane == "sts" else "InvalidSignatureException"
    assert error_code(sent.to(keyed.server)) == code


def test_a_stated_hash(keyed: Keyed, component: str) -> None:
    """A hash that is stated and signed must be the body's; UNSIGNED-PAYLOAD takes any body."""
    body = put_body(component)
    for stated, other, status in (
        ("0" * 64, body, 403),
        ("UNSIGNED-PAYLOAD", body, 200),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", body, 403),
    ):
        headers = {"X-Amz-Content-SHA256": stated}
        sent = keyed.writer.signed("PUT", "/BatchPutMetrics", other, headers)
        reply = sent.to(keyed.server)
        assert reply.status == status, reply
        if status == 403:
            assert b"not the one whose SHA-256" in reply.body
    # What is not signed cannot be stated: it is another request than the one that was.
    sent = keyed.writer.put(component)
    headers = {**sent.headers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    assert sent._replace(headers=headers).to(keyed.server).status == 403


def test_another_target(keyed: Keyed) -> None:
    """A request that was signed for one operation is not good for another one."""
    sent = keyed.writer.control("DescribeExperiment", {"ExperimentName": "never"})
    reply = sent.to(keyed.server)
    assert (reply.status, error_code(reply)) == (400, "ResourceNotFound")
    for name in ("X-Amz-Target", "x-amz-target"):
        headers = {each: text for each, text in sent.headers.items() if each != "x-amz-target"}
        other = sent._replace(headers={**headers, name: "SageMaker.DeleteExperiment"})
        reply = other.to(keyed.server)
        assert (reply.status, error_code(reply)) == (403, "InvalidSignatureException")
    # Nor may a target be put to a request that was signed without one.
    bare = keyed.writer.signed("POST", "/", b"{}")
    bare = bare._replace(headers={**bare.headers, "x-amz-target": "SageMaker.ListExperiments"})
    assert error_code(bare.to(keyed.server)) == "IncompleteSignatureException"


def test_keys_that_do_not_work(keyed: Keyed) -> None:
    """A revoked key and one that has expired are as unknown as one that never was."""
    expired = keyed.vault.create(expires_us=time.time_ns() // 1000 - 1)
    for caller in (keyed.revoked, Caller(keyed.server, expired)):
        reply = caller.control("ListExperiments").to(keyed.server)
        assert (reply.status, error_code(reply)) == (403, "UnrecognizedClientException")
        assert b"may have expired or been revoked" in reply.body


def test_a_role_that_is_not_enough(keyed: Keyed) -> None:
    """A key that only reads gets, and is told which role a put needs."""
    reply = keyed.reader.put("never").to(keyed.server)
    assert (reply.status, error_code(reply)) == (403, "AccessDeniedException")
    assert b"needs the role write" in reply.body
    assert keyed.reader.control("ListExperiments").to(keyed.server).status == 200


def test_a_mismatch_shows_what_should_have_been_signed(keyed: Keyed) -> None:
    """The message has the canonical request and the string to sign, short however long they are."""
    headers = {"x-amz-meta": "a" * 20_000, "X-Amz-Target": "SageMaker.ListTrials"}
    sent = keyed.writer.signed("POST", "/base/", b"{}", headers, secret="wrong")
    message = sent.to(keyed.server).json()["message"]
    for words in ("POST\n/base/\n\n", "host:127.0.0.1", "AWS4-HMAC-SHA256\n", f"/{REGION}/"):
        assert words in message
    assert len(message) < 6000


def test_the_connection_goes_on(keyed: Keyed, component: str) -> None:
    """After each refusal the same connection takes the next request."""
    connection = http.client.HTTPConnection("127.0.0.1", keyed.server.port, timeout=30)
    good = keyed.writer.put(component)
    with contextlib.closing(connection):
        for name, (ask, _) in PLANES.items():
            for break_, *_ in CAUSES.values():
                bad = break_(functools.partial(ask, keyed.writer))
                for sent, status in ((bad, 403), (good, 200)):
                    connection.request(sent.method, sent.target, sent.body, sent.headers)
                    response = connection.getresponse()
                    response.read()
                    assert response.status == status, (name, sent)


_HOSTILE = {
    "empty": "",
    "spaces": " " * 1000,
    "long": "AWS4-HMAC-SHA256 " + "x" * 60_000,
    "commas": "AWS4-HMAC-SHA256 " + ",=" * 30_000,
    "headers": "AWS4-HMAC-SHA256 Credential=a/20231114/r/sagemaker/aws4_request, SignedHeaders="
    + ";".join(["host"] * 12_000)
    + ", Signature="
    + "0" * 64,
    "latin-1": "AWS4-HMAC-SHA256 Credential=\xff\xfe, SignedHeaders=\xe9, Signature=\xe9",
    "percent": "AWS4-HMAC-SHA256 Credential=%00%ff, SignedHeaders=%0a, Signature=%0d%0a",
    "basic": "Basic " + "QQ==" * 10_000,
}


@pytest.mark.parametrize("name", _HOSTILE)
@pytest.mark.parametrize("plane", PLANES)
def test_hostile_headers(keyed: Keyed, name: str, plane: str) -> None:
    """Whatever stands in the header Authorization, the answer is a short 403, at once."""
    ask, content_type = PLANES[plane]
    sent = ask(keyed.writer)
    started = time.monotonic()
    reply = sent._replace(headers={**sent.headers, "authorization": _HOSTILE[name]}).to(
        keyed.server
    )
    assert time.monotonic() - started < 5
    assert (reply.status, reply.headers["content-type"]) == (403, content_type)
    assert error_code(reply).startswith("IncompleteSignature")
    assert len(reply.body) < 1500


@pytest.mark.parametrize("value", [b"x" * 2_000_000, b"AWS4\x00", b"AWS4\x01\x7f"])
def test_headers_that_http_forbids(keyed: Keyed, value: bytes) -> None:
    """A head that is too long or has control characters is a 400, and the server goes on."""
    head = b"PUT /BatchPutMetrics HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: "
    answer = keyed.server.raw(head + value + b"\r\ncontent-length: 0\r\n\r\n")
    # Of one that is still being sent when the server has closed, the client may see nothing.
    assert answer.startswith(b"HTTP/1.1 400 ") or (not answer and len(value) > 1_000_000)
    assert keyed.writer.control("ListExperiments").to(keyed.server).status == 200


def test_two_signatures(keyed: Keyed, component: str) -> None:
    """A header Authorization that comes twice is refused, whichever of them is right."""
    good, bad = keyed.writer.put(component), keyed.writer.signed("PUT", "/", secret="wrong")
    headers = {name: text for name, text in good.headers.items() if name != "authorization"}
    for first, second in ((good, bad), (bad, good), (good, good)):
        both = [each.headers["authorization"] for each in (first, second)]
        raw = good._replace(headers={**headers, "connection": "close"}).raw()
        lines = b"".join(f"authorization: {each}\r\n".encode() for each in both)
        answer = keyed.server.raw(raw.replace(b"connection", lines + b"connection"))
        assert answer.startswith(b"HTTP/1.1 403 ")
