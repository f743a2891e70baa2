"""Whose a request is: signatures checked against the access keys, or anyone's where that is off."""

from __future__ import annotations

import datetime as dt
import functools
import time
from collections.abc import Callable
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stepwell.catalog import keys
from stepwell.catalog.database import Database
from stepwell.catalog.keys import AccessKey
from stepwell.model.access import ANYONE, Identity, role_for
from stepwell.model.errors import (
    AccessDeniedError,
    IncompleteSignatureError,
    RequestExpiredError,
    RequestSkewedError,
    SignatureError,
    UnrecognizedClientError,
)
from stepwell.model.names import DEFAULT_REGION
from stepwell.server.asgi import Scope
from stepwell.wire import sigv4

SAGEMAKER = "sagemaker"
STS = "sts"
#: A key that was revoked stops working within this time, in every worker.
_KEYS_KEPT_S = 1.0
#: A key that is not known is looked up again, but not more often than this.
_LOOK_AGAIN_S = 0.05
_TIME_FORMAT = "%Y%m%dT%H%M%SZ"


class Authenticator(Protocol):
    """Says whose a request is."""

    def identify(self, scope: Scope, body: bytes, service: str = SAGEMAKER) -> Identity:
        """Give a request's identity.

        Raises:
            AuthenticationError: it has none that counts.
        """


def allow(identity: Identity, operation: str) -> None:
    """Let an operation pass, or refuse it.

    Raises:
        AccessDeniedError: the identity's role does not cover it.
    """
    needed = role_for(operation)
    if not identity.role.covers(needed):
        msg = (
            f"Access key {identity.key_id} has the role {identity.role} and is not authorized to"
            f" perform {operation}, which needs the role {needed}."
        )
        raise AccessDeniedError(msg)


class NoAuthentication:
    """Everyone is the same, in the account of all zeros. Signatures are not looked at."""

    def identify(self, scope: Scope, body: bytes, service: str = SAGEMAKER) -> Identity:
        """Give the one identity, in the region that a signature names."""
        del body, service
        for name, value in scope["headers"]:
            if name == b"authorization":
                parts = value.split(b"/", 4)
                if len(parts) == 5 and parts[2] and parts[2] != DEFAULT_REGION.encode():  # noqa: PLR2004 - as in sigv4
                    return ANYONE._replace(region=_region(parts[2]))
        return ANYONE


class Keys:
    """The access keys as one worker knows them: at most `_KEYS_KEPT_S` behind the catalog."""

    def __init__(
        self,
        database: Database,
        encryption: AESGCM,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Know nothing yet."""
        self._database = database
        self._encryption = encryption
        self._clock = clock
        self._known: dict[str, tuple[AccessKey, str]] = {}
        self._looked = float("-inf")

    def find(self, key_id: str) -> tuple[AccessKey, str] | None:
        """Give a valid key and its secret.

        Raises:
            StoreUnavailableError: the catalog is away.
            KeyEncryptionError: the secrets cannot be decrypted.
        """
        age = self._clock() - self._looked
        if age > _KEYS_KEPT_S or (key_id not in self._known and age > _LOOK_AGAIN_S):
            now_us = time.time_ns() // 1000
            with self._database.read() as connection:
                self._known = keys.with_secrets(connection, self._encryption, now_us)
            self._looked = self._clock()
        found = self._known.get(key_id)
        if found is not None and found[0].is_valid(time.time_ns() // 1000):
            return found
        return None


class SignatureAuthentication:
    """Signatures of the service's own access keys (SigV4)."""

    def __init__(self, known: Keys, skew_s: float, now_s: Callable[[], float] = time.time) -> None:
        """Hold the keys and the clock skew that is let pass, in seconds."""
        self._keys = known
        self._skew_s = skew_s
        self._now_s = now_s

    def identify(self, scope: Scope, body: bytes, service: str = SAGEMAKER) -> Identity:
        """Verify a request's signature. See `Authenticator.identify`."""
        request = sigv4.Request(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            sigv4.headers_of(scope["headers"]),
            body,
        )
        signature = sigv4.parse(request)
        self._check_scope(request, signature, service)
        self._check_time(signature)
        found = self._keys.find(signature.key_id)
        if found is None:
            msg = (
                "The security token included in the request is invalid: there is no valid access"
                f" key {signature.key_id[:128]!r} (it may have expired or been revoked)."
            )
            raise UnrecognizedClientError(msg)
        key, secret = found
        if not sigv4.is_genuine(request, signature, secret) or not sigv4.is_payload_intact(request):
            raise SignatureError(_mismatch(request, signature))
        return Identity(key.account, key.id, key.role, signature.region or DEFAULT_REGION)

    def _check_scope(
        self, request: sigv4.Request, signature: sigv4.Signature, service: str
    ) -> None:
        if signature.service != service:
            msg = f"Credential should be scoped to correct service: {service!r}."
            raise SignatureError(msg)
        if not signature.region.isascii() or not signature.region.replace("-", "").isalnum():
            msg = "Credential should be scoped to a valid region."
            raise SignatureError(msg)
        signed = signature.signed_headers.split(";")
        if "x-amz-target" in request.headers and "x-amz-target" not in signed:
            msg = "'X-Amz-Target' must be a signed header."
            raise IncompleteSignatureError(msg)
        if signature.expires_s is None and "x-amz-date" not in signed:
            msg = "'X-Amz-Date' must be a signed header."
            raise IncompleteSignatureError(msg)
        if "x-amz-security-token" in request.headers or "X-Amz-Security-Token=" in request.query:
            msg = (
                "The security token included in the request is invalid: Stepwell has no temporary"
                " credentials. Sign with an access key of `stepwell keys create` alone, without"
                " AWS_SESSION_TOKEN."
            )
            raise UnrecognizedClientError(msg)

    def _check_time(self, signature: sigv4.Signature) -> None:
        age_s = self._now_s() - _seconds(signature.time)
        if signature.expires_s is not None and age_s > signature.expires_s:
            until = f"it was signed at {signature.time} for {signature.expires_s} s"
            msg = f"Request has expired: {until}."
            raise RequestExpiredError(msg)
        is_old = signature.expires_s is None and age_s > self._skew_s
        if is_old or age_s < -self._skew_s:
            now = dt.datetime.fromtimestamp(self._now_s(), dt.UTC).strftime(_TIME_FORMAT)
            msg = (
                f"Signature {'expired' if is_old else 'not yet current'}: it was made at"
                f" {signature.time}, and the server's time is {now}; they may differ by"
                f" {self._skew_s:g} s. Set the client's clock."
            )
            raise RequestSkewedError(msg)


@functools.lru_cache(maxsize=256)
def _seconds(time_text: str) -> float:
    """Parse a signature's time. Most requests of a second say the same.

    Raises:
        IncompleteSignatureError: it has another form.
    """
    try:
        return dt.datetime.strptime(time_text, _TIME_FORMAT).replace(tzinfo=dt.UTC).timestamp()
    except ValueError as error:
        msg = "The request's date must have the form YYYYMMDD'T'HHMMSS'Z'."
        raise IncompleteSignatureError(msg) from error


def _mismatch(request: sigv4.Request, signature: sigv4.Signature) -> str:
    canonical = sigv4.canonical_request(request, signature)
    return (
        "The request signature we calculated does not match the signature you provided. Check your"
        " AWS Secret Access Key and signing method.\n\nThe Canonical String for this request should"
        f" have been\n'{canonical}'\n\nThe String-to-Sign should have been\n"
        f"'{sigv4.string_to_sign(signature, canonical)}'\n"
    )


def _region(raw: bytes) -> str:
    text = raw.decode("latin-1")
    return text if text.isascii() and text.replace("-", "").isalnum() else DEFAULT_REGION
