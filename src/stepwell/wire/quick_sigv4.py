"""A shortcut to `sigv4` for the one form in which SDKs sign nearly everything.

That is: in the header, over a plain path without a query, each header once, straight to us, the
body's hash not stated. It works on the bytes as they came and takes half the time. It only ever
says yes; whatever it does not recognise, and every refusal and its reason, is `sigv4`'s to decide.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from stepwell.model.errors import AuthenticationError
from stepwell.wire import sigv4
from stepwell.wire.sigv4 import Claim

if TYPE_CHECKING:
    from hashlib import _Hash

_PATHS = frozenset({b"/", b"/BatchPutMetrics", b"/BatchGetMetrics"})
#: With any of these a request is not of the one form.
_OTHER_FORMS = frozenset(
    {
        *(b"x-amz-content-sha256", b"x-amz-security-token"),
        *(b"x-forwarded-host", b"x-forwarded-prefix"),
    }
)
_CONSTANT_BYTES_MAX = 1024
_BLOCK_BYTES = 64


class _Form(NamedTuple):
    """What an Authorization header says besides its signature, as bytes."""

    claim: Claim
    names: tuple[bytes, ...]
    day: str
    signed_headers: bytes


class Glance(NamedTuple):
    """A request of the one form, whose key, time and signature are still to be checked."""

    claim: Claim
    time: str
    digest: str
    head: bytes
    body: bytes


def glance(
    method: str, path: bytes, query: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes
) -> Glance | None:
    """Look whether a request is of the one form; None: it is not."""
    found = dict(headers)
    if query or path not in _PATHS or len(found) != len(headers):
        return None
    constant, _, digest = found.get(b"authorization", b"").partition(b"Signature=")
    if len(constant) > _CONSTANT_BYTES_MAX or not _OTHER_FORMS.isdisjoint(found):
        return None
    form = _form(constant)
    if form is None or (b"x-amz-target" in found and b"x-amz-target" not in form.names):
        return None
    time = found.get(b"x-amz-date", b"").decode("latin-1")
    if not time.startswith(form.day):
        return None
    lines = b"".join([b"%b:%b\n" % (name, found.get(name, b"")) for name in form.names])
    head = b"%b\n%b\n\n%b\n%b\n" % (method.encode(), path, lines, form.signed_headers)
    return Glance(form.claim, time, digest.decode("latin-1"), head, body)


def is_genuine(seen: Glance, secret: str) -> bool:
    """Say whether a request was signed with a secret; a no is to be asked of `sigv4` again."""
    if not seen.digest.isascii():
        return False
    claim = seen.claim
    canonical = seen.head + hashlib.sha256(seen.body).hexdigest().encode()
    digest = hashlib.sha256(canonical).hexdigest()
    inner, outer = (each.copy() for each in _keyed(secret, claim.date, claim.region, claim.service))
    inner.update(f"{sigv4.ALGORITHM}\n{seen.time}\n{claim.scope}\n{digest}".encode())
    outer.update(inner.digest())
    return hmac.compare_digest(outer.hexdigest(), seen.digest)


@functools.lru_cache(maxsize=1024)
def _form(constant: bytes) -> _Form | None:
    """Parse an Authorization header without its signature: the same for all requests of a day."""
    try:
        claim = sigv4.claim_of_header(constant.decode("latin-1"))
    except AuthenticationError:
        return None
    if not {"host", "x-amz-date"} <= set(claim.names):
        return None
    names = tuple(name.encode("latin-1") for name in claim.names)
    return _Form(claim, names, f"{claim.date}T", claim.signed_headers.encode("latin-1"))


@functools.lru_cache(maxsize=1024)
def _keyed(secret: str, date: str, region: str, service: str) -> tuple[_Hash, _Hash]:
    """Begin the two hashes of an HMAC (RFC 2104): copying them is twice as fast as a new one."""
    key = sigv4.signing_key(secret, date, region, service).ljust(_BLOCK_BYTES, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in key) for pad in (0x36, 0x5C))
    return hashlib.sha256(inner), hashlib.sha256(outer)
