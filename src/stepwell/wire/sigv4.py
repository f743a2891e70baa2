"""AWS Signature Version 4, the verifying side, stage by stage. No key store and no clock in here.

Source: "Signature Version 4 signing process" of the AWS General Reference; botocore's signer is the
oracle of the tests. What is signed is the request as received: its path (normalised and encoded
once more, as services other than S3 have it), its query, the headers that are named, and the body's
SHA-256. Where signers differ, and where a proxy changes the path or the host and says so, each of
the readings counts (see `readings`): all of them mean the same request.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
import posixpath
import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_plus

from stepwell.model.errors import IncompleteSignatureError, MissingAuthenticationError

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
TIME_FORMAT = "%Y%m%dT%H%M%SZ"
_TERMINATOR = "aws4_request"
_PRESIGNED_S_MAX = 604_800
_DIGEST = re.compile("[0-9a-f]{64}")
_SHOWN_CHARS_MAX = 200
#: As long as the label of a host, which a region is a part of.
_REGION_CHARS_MAX = 63
#: Claims that are longer are parsed each time, so that the cache stays small.
_CACHED_CHARS_MAX = 1024


class Request(NamedTuple):
    """What of an HTTP request is signed.

    Attributes:
        method: as it stands in the request line.
        path: raw, one character a byte.
        query: raw as well.
        headers: see `headers_of`.
        body: all of it.
        received: the headers as they came, names in lower case.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    received: Sequence[tuple[bytes, bytes]] = ()


class Claim(NamedTuple):
    """What a client's signatures of one day have in common: by whom, for what, over what."""

    key_id: str
    date: str
    region: str
    service: str
    scope: str
    signed_headers: str
    names: tuple[str, ...]


class Signature(NamedTuple):
    """A request's signature.

    Attributes:
        claim: what it claims.
        time: when it was made, as `TIME_FORMAT` has it (not checked yet).
        digest: the signature itself, 64 hexadecimal digits.
        payload: what the request states of its body: a SHA-256, UNSIGNED-PAYLOAD, or nothing.
        expires_s: for how long it was presigned; None in the header form.
        has_token: whether it came with the token of temporary credentials.
    """

    claim: Claim
    time: str
    digest: str
    payload: str | None
    expires_s: int | None
    has_token: bool


def headers_of(headers: Sequence[tuple[bytes, bytes]], white: str | None = None) -> dict[str, str]:
    """Give headers by name, each value as it is signed: white space folded, equal names joined.

    Args:
        headers: as they came, names in lower case.
        white: the white space to fold besides tabs; None: all that Unicode has, as in botocore.
    """
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1").strip(white)
        # Nearly always there is nothing to fold.
        if "  " in value or "\t" in value or not value.isascii():
            words = value.replace("\t", " ").split(white)
            value = " ".join([word for word in words if word])
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def parse(request: Request) -> Signature:
    """Read the signature of a request, in its header or its query.

    Raises:
        MissingAuthenticationError: it has none.
        IncompleteSignatureError: it is malformed, or does not sign what it must.
    """
    header = request.headers.get("authorization")
    if header is not None:
        return _parse_header(header, request.headers)
    if "X-Amz-Signature=" in request.query or "X-Amz-Credential=" in request.query:
        return _parse_query(request)
    msg = "Missing Authentication Token: the request is not signed. Sign it with an access key."
    raise MissingAuthenticationError(msg)


def canonical_request(request: Request, signature: Signature, payload: str) -> str:
    """Give the first stage: what is signed, in canonical form."""
    headers = request.headers
    lines = "".join([f"{name}:{headers.get(name, '')}\n" for name in signature.claim.names])
    return (
        f"{request.method}\n{canonical_path(request.path)}\n{request.query}\n"
        f"{lines}\n{signature.claim.signed_headers}\n{payload}"
    )


def string_to_sign(signature: Signature, canonical: str, encoding: str = "utf-8") -> str:
    """Give the second stage."""
    digest = hashlib.sha256(canonical.encode(encoding)).hexdigest()
    return f"{ALGORITHM}\n{signature.time}\n{signature.claim.scope}\n{digest}"


@functools.lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Give the third stage: the key of a day, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, _TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def digest_of(
    request: Request, signature: Signature, payload: str, secret: str, encoding: str = "utf-8"
) -> str:
    """Give the last stage: the signature that a request in canonical form should have."""
    claim = signature.claim
    key = signing_key(secret, claim.date, claim.region, claim.service)
    canonical = canonical_request(request, signature, payload)
    to_sign = string_to_sign(signature, canonical, encoding)
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def is_genuine(request: Request, signature: Signature, secret: str) -> bool:
    """Say whether a request was signed with a secret, in any of its readings."""
    payload = payload_of(request, signature)
    for each in readings(request):
        if hmac.compare_digest(digest_of(each, signature, payload, secret), signature.digest):
            return True
    if all(value.isascii() for _, value in request.received):
        return False
    # botocore signs header values as text, in UTF-8. Others sign the bytes that they send.
    as_received = request._replace(headers=headers_of(request.received, " "))
    return any(
        hmac.compare_digest(digest_of(each, signature, payload, secret, code), signature.digest)
        for each in readings(as_received)
        for code in ("latin-1", "utf-8")
    )


def readings(request: Request) -> Sequence[Request]:
    """Give the ways to read a request that signers and proxies may have meant, the likeliest first.

    The query: encoded canonically, or (so botocore) as it was received. The path and the host: as
    received, or as the client sent them to a proxy, which tells them in X-Forwarded-Prefix and
    X-Forwarded-Host. No reading changes which operation is asked for, nor with which parameters.
    """
    headers = request.headers
    if (
        not request.query
        and "x-forwarded-host" not in headers
        and "x-forwarded-prefix" not in headers
    ):
        # So are all that SDKs send straight to us.
        return (request,)
    host = headers.get("x-forwarded-host", "").partition(",")[0].strip()
    prefix = headers.get("x-forwarded-prefix", "").rstrip("/")
    found = []
    for query in dict.fromkeys((canonical_query(request.query), _query_as_received(request.query))):
        read = request._replace(query=query)
        hosts = [read, read._replace(headers={**headers, "host": host})] if host else [read]
        found += hosts
        if prefix:
            found += [each._replace(path=prefix + request.path) for each in hosts]
    return found


def canonical_path(path: str) -> str:
    """Normalise a raw path and encode it once more."""
    if path.isascii() and path.replace("/", "").isalnum() and "//" not in path:
        return path
    # posixpath keeps two leading slashes and drops a trailing one.
    normal = "/" + posixpath.normpath(path or "/").lstrip("/")
    if path.endswith("/") and normal != "/":
        normal += "/"
    return quote(normal.encode("latin-1"), safe="/~")


def canonical_query(query: str) -> str:
    """Sort a raw query's parameters, each encoded in the one way that is canonical."""
    if not query:
        return ""
    pairs = [(_encoded(name), _encoded(value)) for name, value in _pairs(query) if name or value]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def payload_of(request: Request, signature: Signature) -> str:
    """Give what stands for the body: what is stated of it, else its SHA-256."""
    if signature.payload is not None:
        return signature.payload
    return hashlib.sha256(request.body).hexdigest()


def is_payload_intact(request: Request, signature: Signature) -> bool:
    """Say whether the body is the one that the request states, if it states one."""
    stated = signature.payload
    if stated is None or stated == UNSIGNED_PAYLOAD:
        return True
    return hashlib.sha256(request.body).hexdigest() == stated.lower()


def _parse_header(header: str, headers: Mapping[str, str]) -> Signature:
    constant, _, rest = header.partition("Signature=")
    digest, _, more = rest.partition(",")
    constant += more
    is_short = len(constant) <= _CACHED_CHARS_MAX
    claim = claim_of_header(constant) if is_short else claim_of_header.__wrapped__(constant)
    time = headers.get("x-amz-date")
    if time is None:
        time = _time_of_date(headers.get("date"), claim)
    elif "x-amz-date" not in claim.names:
        msg = "'X-Amz-Date' must be a signed header."
        raise IncompleteSignatureError(msg)
    payload = headers.get("x-amz-content-sha256")
    has_token = "x-amz-security-token" in headers
    return _checked(Signature(claim, time, digest.rstrip(), payload, None, has_token), headers)


@functools.lru_cache(maxsize=1024)
def claim_of_header(constant: str) -> Claim:
    """Parse an Authorization header without its signature: the same for all requests of a day.

    Raises:
        IncompleteSignatureError: it is malformed.
    """
    algorithm, _, rest = constant.partition(" ")
    if algorithm != ALGORITHM:
        msg = f"Unsupported authorization type: {algorithm[:40]!r} is not {ALGORITHM}."
        raise IncompleteSignatureError(msg)
    parts = {}
    for each in rest.split(","):
        name, _, value = each.strip().partition("=")
        if name in parts:
            msg = f"Authorization header has {name[:40]!r} twice."
            raise IncompleteSignatureError(msg)
        parts[name] = value
    missing = [name for name in ("Credential", "SignedHeaders") if not parts.get(name)]
    if missing:
        msg = f"Authorization header requires {' and '.join(missing)}."
        raise IncompleteSignatureError(msg)
    return _claim(parts["Credential"], parts["SignedHeaders"])


def _time_of_date(date: str | None, claim: Claim) -> str:
    """Give the time of a header Date, which a client may sign in the place of X-Amz-Date."""
    if date is None:
        msg = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        raise IncompleteSignatureError(msg)
    if "date" not in claim.names:
        msg = "'Date' must be a signed header."
        raise IncompleteSignatureError(msg)
    if date[:1].isdecimal():
        return date
    try:
        time = parsedate_to_datetime(date)
        # RFC 5322's -0000 is UTC as well.
        return (time if time.tzinfo is None else time.astimezone(dt.UTC)).strftime(TIME_FORMAT)
    except (ValueError, OverflowError) as error:
        msg = f"Date must be a time of RFC 7231 or of ISO 8601, not {date[:_SHOWN_CHARS_MAX]!r}."
        raise IncompleteSignatureError(msg) from error


def _parse_query(request: Request) -> Signature:
    parameters = {}
    for each in request.query.split("&"):
        name, _, value = each.partition("=")
        parameters[unquote(name)] = unquote(value)
    names = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    values = [parameters.get(f"X-Amz-{name}", "") for name in names]
    missing = [f"X-Amz-{name}" for name, value in zip(names, values, strict=True) if not value]
    if missing:
        msg = f"The query requires {', '.join(missing)}."
        raise IncompleteSignatureError(msg)
    algorithm, credential, time, expires, signed_headers, digest = values
    if algorithm != ALGORITHM:
        msg = f"X-Amz-Algorithm must be {ALGORITHM}."
        raise IncompleteSignatureError(msg)
    is_number = expires.isascii() and expires.isdecimal() and len(expires) <= _REGION_CHARS_MAX
    if not is_number or int(expires) > _PRESIGNED_S_MAX:
        msg = f"X-Amz-Expires must be a number of seconds, at most {_PRESIGNED_S_MAX}."
        raise IncompleteSignatureError(msg)
    headers = request.headers
    stated = parameters.get("X-Amz-Content-Sha256")
    payload = headers.get("x-amz-content-sha256", stated)
    has_token = "X-Amz-Security-Token" in parameters or "x-amz-security-token" in headers
    claim = _claim(credential, signed_headers)
    return _checked(Signature(claim, time, digest, payload, int(expires), has_token), headers)


def _claim(credential: str, signed_headers: str) -> Claim:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != _TERMINATOR or not parts[0]:  # noqa: PLR2004 - key, date, region, service, end
        msg = (
            "Credential must have the form <access key>/<date>/<region>/<service>/aws4_request,"
            f" not {credential[:_SHOWN_CHARS_MAX]!r}."
        )
        raise IncompleteSignatureError(msg)
    key_id, date, region, service, _ = parts
    is_word = region.isascii() and region.replace("-", "").isalnum()
    if not is_word or len(region) > _REGION_CHARS_MAX:
        msg = "Credential should be scoped to a valid region: letters, digits and '-'."
        raise IncompleteSignatureError(msg)
    names = tuple(signed_headers.split(";"))
    if "host" not in names:
        msg = "'Host' must be a signed header."
        raise IncompleteSignatureError(msg)
    scope = f"{date}/{region}/{service}/{_TERMINATOR}"
    return Claim(key_id, date, region, service, scope, signed_headers, names)


def _checked(signature: Signature, headers: Mapping[str, str]) -> Signature:
    claim, digest = signature.claim, signature.digest
    if not digest:
        msg = "Authorization header requires Signature."
        raise IncompleteSignatureError(msg)
    if _DIGEST.fullmatch(digest) is None:
        msg = "Signature must be 64 hexadecimal digits in lower case."
        raise IncompleteSignatureError(msg)
    if not signature.time.startswith(f"{claim.date}T"):
        msg = (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from"
            f" HTTP: {claim.date[:_SHOWN_CHARS_MAX]!r} and {signature.time[:_SHOWN_CHARS_MAX]!r}."
        )
        raise IncompleteSignatureError(msg)
    if "x-amz-target" in headers and "x-amz-target" not in claim.names:
        msg = "'X-Amz-Target' must be a signed header."
        raise IncompleteSignatureError(msg)
    return signature


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = [(name, value) for name, _, value in (each.partition("=") for each in query.split("&"))]
    return [pair for pair in pairs if pair[0] != "X-Amz-Signature"]


def _query_as_received(query: str) -> str:
    return "&".join([f"{name}={value}" for name, value in sorted(_pairs(query))]) if query else ""


def _encoded(text: str) -> str:
    # A plus is a space to us, as in forms.
    plain = unquote_plus(text, errors="surrogateescape")
    return quote(plain.encode("utf-8", "surrogateescape"), safe="-_.~")
