"""Whose a request is: signatures checked against the access keys, or anyone's where that is off."""

from __future__ import annotations

import datetime as dt
import functools
import logging
import time
from collections.abc import Callable
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stepwell.catalog import keys
from stepwell.catalog.database import Database
from stepwell.catalog.keys import AccessKey, SealedKey
from stepwell.model.access import ANYONE, Identity, role_for
from stepwell.model.errors import (
    AccessDeniedError,
    IncompleteSignatureError,
    KeyEncryptionError,
    RequestExpiredError,
    RequestSkewedError,
    SignatureError,
    UnrecognizedClientError,
)
from stepwell.model.names import DEFAULT_REGION
from stepwell.server.asgi import Scope
from stepwell.wire import quick_sigv4, sigv4

logger = logging.getLogger(__name__)

SAGEMAKER = "sagemaker"
STS = "sts"
#: How old a worker's knowledge of the keys may be. A key that was revoked stops working within this
#: time; the promise is a second.
_KEYS_KEPT_S = 0.5
#: What does not fit is looked up again at once, since a key may be new. Where the catalog has
#: changed meanwhile that is so only so often in a second (some ten milliseconds of work), so that
#: wrong requests stay cheap.
_LOOKS_AGAIN_PER_S = 100
#: Characters of a canonical request that are shown to a client whose signature does not match.
_SHOWN_CHARS_MAX = 4096


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
    """The access keys as one worker knows them: at most `_KEYS_KEPT_S` behind the catalog.

    The catalog says cheaply whether any key has changed, and only then all are read again. Used by
    the event loop alone.
    """

    def __init__(
        self,
        database: Database,
        encryption: AESGCM,
        clock: Callable[[], float] = time.monotonic,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Know nothing yet."""
        self._database = database
        self._encryption = encryption
        self._clock = clock
        self._now_us = now_us
        self._catalog_state = database.watch()
        self._state: object = None
        self._version: bytes | None = None
        self._sealed: dict[str, SealedKey] = {}
        self._opened: dict[SealedKey, str] = {}
        self._told: set[SealedKey] = set()
        self._looked = self._counted_since = float("-inf")
        self._looks_again = 0

    def find(self, key_id: str) -> tuple[AccessKey, str] | None:
        """Give a valid key and its secret.

        Raises:
            StoreUnavailableError: the catalog is away.
            KeyEncryptionError: the secret cannot be decrypted.
        """
        if self._clock() - self._looked > _KEYS_KEPT_S:
            self._look()
        elif key_id not in self._sealed:
            self._look_again()
        sealed = self._sealed.get(key_id)
        if sealed is None or not sealed.key.is_valid(self._now_us()):
            return None
        secret = self._opened.get(sealed)
        if secret is None:
            secret = self._opened[sealed] = self._open(sealed)
        return sealed.key, secret

    def has_news(self) -> bool:
        """Look whether a key has changed just now: a secret that does not fit may be a new one.

        Raises:
            StoreUnavailableError: the catalog is away.
        """
        before = self._version
        self._look_again()
        return self._version != before

    def _look_again(self) -> None:
        now = self._clock()
        if now - self._counted_since >= 1:
            self._counted_since, self._looks_again = now, 0
        if self._looks_again < _LOOKS_AGAIN_PER_S and self._look():
            self._looks_again += 1

    def _look(self) -> bool:
        """Bring this up to the catalog; say whether that had to be read."""
        started = self._clock()
        # Before it is read: what is committed in between is seen the next time.
        state = self._catalog_state()
        if state == self._state:
            self._looked = started
            return False
        with self._database.read() as connection:
            version = keys.version(connection)
            if version != self._version or version is None:
                self._sealed = {each.key.id: each for each in keys.list_sealed(connection)}
                # Secrets that were replaced are forgotten.
                current = set(self._sealed.values())
                self._opened = {key: text for key, text in self._opened.items() if key in current}
                self._version = version
        self._looked, self._state = started, state
        return True

    def _open(self, sealed: SealedKey) -> str:
        try:
            return keys.unseal(self._encryption, sealed)
        except KeyEncryptionError as error:
            if sealed not in self._told:
                self._told.add(sealed)
                logger.error("%s", error)  # noqa: TRY400 - it says all that there is to say
            raise


class SignatureAuthentication:
    """Signatures of the service's own access keys (SigV4)."""

    def __init__(self, known: Keys, skew_s: float, now_s: Callable[[], float] = time.time) -> None:
        """Hold the keys and the clock skew that is let pass, in seconds."""
        self._keys = known
        self._skew_s = skew_s
        self._now_s = now_s

    @property
    def keys(self) -> Keys:
        """Give the keys, for those who show them in another way."""
        return self._keys

    def identify(self, scope: Scope, body: bytes, service: str = SAGEMAKER) -> Identity:
        """Verify a request's signature. See `Authenticator.identify`.

        Nothing is computed over the body before the key is known and the time is right.
        """
        seen = quick_sigv4.glance(
            scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], body
        )
        if (
            seen is not None
            and seen.claim.service == service
            and abs(self._now_s() - _seconds(seen.time)) <= self._skew_s
        ):
            known = self._keys.find(seen.claim.key_id)
            if known is not None and quick_sigv4.is_genuine(seen, known[1]):
                return _identity(known[0], seen.claim)
        return self._identify_any(scope, body, service)

    def _identify_any(self, scope: Scope, body: bytes, service: str) -> Identity:
        request = sigv4.Request(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            sigv4.headers_of(scope["headers"]),
            body,
            scope["headers"],
        )
        signature = sigv4.parse(request)
        claim = signature.claim
        if claim.service != service:
            msg = f"Credential should be scoped to correct service: {service!r}."
            raise SignatureError(msg)
        if signature.has_token:
            msg = (
                "The security token included in the request is invalid: Stepwell has no temporary"
                " credentials. Sign with an access key of `stepwell keys create` alone, without"
                " AWS_SESSION_TOKEN."
            )
            raise UnrecognizedClientError(msg)
        self._check_time(signature)
        key, secret = self._find(claim.key_id)
        if not sigv4.is_genuine(request, signature, secret):
            if not self._keys.has_news():
                raise SignatureError(_mismatch(request, signature))
            key, secret = self._find(claim.key_id)
            if not sigv4.is_genuine(request, signature, secret):
                raise SignatureError(_mismatch(request, signature))
        if not sigv4.is_payload_intact(request, signature):
            msg = "The request's body is not the one whose SHA-256 X-Amz-Content-Sha256 states."
            raise SignatureError(msg)
        return _identity(key, claim)

    def _find(self, key_id: str) -> tuple[AccessKey, str]:
        found = self._keys.find(key_id)
        if found is None:
            msg = (
                "The security token included in the request is invalid: there is no valid access"
                f" key {key_id[:128]!r} (it may have expired or been revoked)."
            )
            raise UnrecognizedClientError(msg)
        return found

    def _check_time(self, signature: sigv4.Signature) -> None:
        age_s = self._now_s() - _seconds(signature.time)
        if signature.expires_s is not None and age_s > signature.expires_s:
            until = f"it was signed at {signature.time} for {signature.expires_s} s"
            msg = f"Request has expired: {until}."
            raise RequestExpiredError(msg)
        is_old = signature.expires_s is None and age_s > self._skew_s
        if is_old or age_s < -self._skew_s:
            now = dt.datetime.fromtimestamp(self._now_s(), dt.UTC).strftime(sigv4.TIME_FORMAT)
            msg = (
                f"Signature {'expired' if is_old else 'not yet current'}: it was made at"
                f" {signature.time}, and the server's time is {now}; they may differ by"
                f" {self._skew_s:g} s. Set the client's clock."
            )
            raise RequestSkewedError(msg)


def _identity(key: AccessKey, claim: sigv4.Claim) -> Identity:
    return Identity(key.account, key.id, key.role, claim.region)


@functools.lru_cache(maxsize=256)
def _seconds(time_text: str) -> float:
    """Parse a signature's time. Most requests of a second say the same.

    Raises:
        IncompleteSignatureError: it has another form.
    """
    try:
        moment = dt.datetime.strptime(time_text, sigv4.TIME_FORMAT).replace(tzinfo=dt.UTC)
    except ValueError as error:
        msg = "The request's date must have the form YYYYMMDD'T'HHMMSS'Z'."
        raise IncompleteSignatureError(msg) from error
    return moment.timestamp()


def _mismatch(request: sigv4.Request, signature: sigv4.Signature) -> str:
    reading = sigv4.readings(request)[0]
    payload = sigv4.payload_of(request, signature)
    canonical = sigv4.canonical_request(reading, signature, payload)
    return (
        "The request signature we calculated does not match the signature you provided. Check your"
        " AWS Secret Access Key and signing method.\n\nThe Canonical String for this request should"
        f" have been\n'{canonical[:_SHOWN_CHARS_MAX]}'\n\nThe String-to-Sign should have been\n"
        f"'{sigv4.string_to_sign(signature, canonical)}'\n"
    )


def _region(raw: bytes) -> str:
    text = raw.decode("latin-1")
    return text if text.isascii() and text.replace("-", "").isalnum() else DEFAULT_REGION
