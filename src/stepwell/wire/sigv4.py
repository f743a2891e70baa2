"""AWS Signature Version 4, the verifying side, stage by stage. No key store and no clock in here.

Source: "Signature Version 4 signing process" of the AWS General Reference; botocore's signer is the
oracle of the tests. What is signed is the request as received: its raw path (normalised and encoded
once more, as services other than S3 have it), its raw query, the headers that are named, and the
body's SHA-256. A proxy must leave all of these as they are.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import posixpath
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, unquote

from stepwell.model.errors import IncompleteSignatureError, MissingAuthenticationError

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_TERMINATOR = "aws4_request"
_PRESIGNED_S_MAX = 604_800
_HEX = frozenset("0123456789abcdef")
_SHA256_CHARS = 64

Headers = Sequence[tuple[bytes, bytes]]


class Request(NamedTuple):
    """What of an HTTP request is signed: `path` and `query` raw, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Signature(NamedTuple):
    """A request's claim: by whom, when, for what, and the signature itself.

    `expires_s` is None in the header form.
    """

    key_id: str
    date: str
    region: str
    service: str
    time: str
    signed_headers: str
    signature: str
    expires_s: int | None

    @property
    def scope(self) -> str:
        """Give the credential scope."""
        return f"{self.date}/{self.region}/{self.service}/{_TERMINATOR}"


def headers_of(headers: Headers) -> dict[str, str]:
    """Give headers by name; several of one name are joined as they are signed."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def parse(request: Request) -> Signature:
    """Read the signature of a request, in its header or its query.

    Raises:
        MissingAuthenticationError: it has none.
        IncompleteSignatureError: it is malformed.
    """
    header = request.headers.get("authorization")
    if header is not None:
        return _parse_header(header, request.headers)
    if "X-Amz-Signature=" in request.query or "X-Amz-Credential=" in request.query:
        return _parse_query(request.query)
    msg = "Missing Authentication Token: the request is not signed."
    raise MissingAuthenticationError(msg)


def canonical_request(request: Request, signature: Signature) -> str:
    """Give the first stage: what is signed, in canonical form."""
    headers = request.headers
    lines = []
    for name in signature.signed_headers.split(";"):
        value = headers.get(name, "")
        # Nearly always there is nothing to fold.
        if "  " in value or value.strip() != value:
            value = ",".join(" ".join(each.split()) for each in value.split(","))
        lines.append(f"{name}:{value}\n")
    return (
        f"{request.method}\n{canonical_path(request.path)}\n{canonical_query(request.query)}\n"
        f"{''.join(lines)}\n{signature.signed_headers}\n{payload_hash(request)}"
    )


def string_to_sign(signature: Signature, canonical: str) -> str:
    """Give the second stage."""
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return f"{ALGORITHM}\n{signature.time}\n{signature.scope}\n{digest}"


@functools.lru_cache(maxsize=1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Give the third stage: the key of a day, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, _TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def is_genuine(request: Request, signature: Signature, secret: str) -> bool:
    """Say whether a request was signed with a secret."""
    to_sign = string_to_sign(signature, canonical_request(request, signature))
    key = signing_key(secret, signature.date, signature.region, signature.service)
    wanted = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return hmac.compare_digest(wanted.encode(), signature.signature.encode())


def canonical_path(path: str) -> str:
    """Normalise a raw path and encode it once more."""
    if path.isascii() and path.replace("/", "").isalnum() and "//" not in path:
        return path
    # posixpath keeps two leading slashes and drops a trailing one.
    normal = "/" + posixpath.normpath(path or "/").lstrip("/")
    if path.endswith("/") and normal != "/":
        normal += "/"
    return quote(normal, safe="/~")


def canonical_query(query: str) -> str:
    """Sort a raw query's parameters, each encoded in the one way that is canonical."""
    if not query:
        return ""
    pairs = []
    for each in query.split("&"):
        name, _, value = each.partition("=")
        if each and name != "X-Amz-Signature":
            pairs.append((_encoded(name), _encoded(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def payload_hash(request: Request) -> str:
    """Give what stands for the body: the header's word if there is one, else the body's SHA-256."""
    stated = request.headers.get("x-amz-content-sha256")
    return hashlib.sha256(request.body).hexdigest() if stated is None else stated


def is_payload_intact(request: Request) -> bool:
    """Say whether the body is the one that the header states, if it states one."""
    stated = request.headers.get("x-amz-content-sha256")
    if stated is None or stated == UNSIGNED_PAYLOAD:
        return True
    return hmac.compare_digest(
        hashlib.sha256(request.body).hexdigest().encode(), stated.encode("latin-1")
    )


def _parse_header(header: str, headers: Mapping[str, str]) -> Signature:
    algorithm, _, rest = header.strip().partition(" ")
    if algorithm != ALGORITHM:
        msg = f"Unsupported authorization type: {algorithm[:40]!r} is not {ALGORITHM}."
        raise IncompleteSignatureError(msg)
    parts = {}
    for each in rest.split(","):
        name, _, value = each.strip().partition("=")
        parts[name] = value
    missing = [name for name in ("Credential", "SignedHeaders", "Signature") if not parts.get(name)]
    if missing:
        msg = f"Authorization header requires {', '.join(missing)}."
        raise IncompleteSignatureError(msg)
    time = headers.get("x-amz-date")
    if time is None:
        msg = "Authorization header requires existence of the X-Amz-Date header."
        raise IncompleteSignatureError(msg)
    return _checked(parts["Credential"], time, parts["SignedHeaders"], parts["Signature"], None)


def _parse_query(query: str) -> Signature:
    parameters = {}
    for each in query.split("&"):
        name, _, value = each.partition("=")
        parameters[unquote(name)] = unquote(value)
    names = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    values = [parameters.get(f"X-Amz-{name}", "") for name in names]
    missing = [f"X-Amz-{name}" for name, value in zip(names, values, strict=True) if not value]
    if missing:
        msg = f"The query requires {', '.join(missing)}."
        raise IncompleteSignatureError(msg)
    algorithm, credential, time, expires, signed_headers, signature = values
    if algorithm != ALGORITHM:
        msg = f"X-Amz-Algorithm must be {ALGORITHM}."
        raise IncompleteSignatureError(msg)
    if (
        not expires.isascii()
        or not expires.isdecimal()
        or len(expires) > len(str(_PRESIGNED_S_MAX))
    ):
        msg = f"X-Amz-Expires must be a number of seconds, at most {_PRESIGNED_S_MAX}."
        raise IncompleteSignatureError(msg)
    expires_s = int(expires)
    if expires_s > _PRESIGNED_S_MAX:
        msg = f"X-Amz-Expires must be at most {_PRESIGNED_S_MAX} seconds."
        raise IncompleteSignatureError(msg)
    return _checked(credential, time, signed_headers, signature, expires_s)


def _checked(
    credential: str, time: str, signed_headers: str, signature: str, expires_s: int | None
) -> Signature:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != _TERMINATOR:  # noqa: PLR2004 - key, date, region, service, end
        msg = (
            "Credential must have the form <access key>/<date>/<region>/<service>/aws4_request,"
            f" not {credential[:200]!r}."
        )
        raise IncompleteSignatureError(msg)
    key_id, date, region, service, _ = parts
    if not time.startswith(f"{date}T"):
        msg = "Date in Credential scope does not match the date of the request."
        raise IncompleteSignatureError(msg)
    if len(signature) != _SHA256_CHARS or not _HEX.issuperset(signature):
        msg = "Signature must be 64 hexadecimal digits in lower case."
        raise IncompleteSignatureError(msg)
    names = signed_headers.split(";")
    if "host" not in names:
        msg = "'Host' must be a signed header."
        raise IncompleteSignatureError(msg)
    return Signature(key_id, date, region, service, time, signed_headers, signature, expires_s)


def _encoded(text: str) -> str:
    return quote(
        unquote(text, errors="surrogateescape").encode("utf-8", "surrogateescape"), safe="-_.~"
    )
