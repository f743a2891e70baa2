"""Sessions: what the cookie of someone who signed in says, and how it is known to be ours.

A cookie names an access key, when it ends, and a fingerprint of the key's secret, under a MAC whose
key all workers share. Nothing is kept of it on the server: a cookie is worth nothing once its key
is revoked, has expired, or has another secret. The token against foreign pages is a MAC of the
cookie.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from typing import NamedTuple

from stepwell.catalog import settings
from stepwell.catalog.database import Database

COOKIE = "stepwell_session"
SESSION_S = 12 * 3600
_MAC_BYTES = 32
_COOKIE_CHARS_MAX = 1000


_KEY = "session-key"


def cookies_of(database: Database) -> Cookies:
    """Make and read cookies with the key that all workers share, and make it where it is missing.

    Raises:
        StoreUnavailableError: the catalog is away.
    """
    with database.write() as connection:
        return Cookies(settings.get_or_make(connection, _KEY, lambda: os.urandom(32)))


class Session(NamedTuple):
    """What a cookie says."""

    key_id: str
    ends_s: int
    fingerprint: str


class Cookies:
    """Makes and reads cookies with one key."""

    def __init__(self, key: bytes) -> None:
        """Hold the key."""
        self._key = key

    def make(self, key_id: str, secret: str, now_s: float) -> str:
        """Make the cookie of a session that begins now."""
        session = [key_id, int(now_s) + SESSION_S, self._fingerprint(key_id, secret)]
        payload = json.dumps(session).encode()
        return base64.urlsafe_b64encode(self._mac(b"cookie", payload) + payload).decode()

    def read(self, cookie: str, now_s: float) -> Session | None:
        """Read a cookie; None for one that is not ours or whose session is over."""
        if len(cookie) > _COOKIE_CHARS_MAX:
            return None
        try:
            raw = base64.urlsafe_b64decode(cookie.encode())
        except (ValueError, binascii.Error):
            return None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(b"cookie", payload)):
            return None
        session = Session(*json.loads(payload))
        return session if now_s < session.ends_s else None

    def fits(self, session: Session, secret: str) -> bool:
        """Say whether a session was begun with the secret that its key has now."""
        expected = self._fingerprint(session.key_id, secret)
        return hmac.compare_digest(session.fingerprint, expected)

    def csrf(self, cookie: str) -> str:
        """Give the token that changes of a session must show."""
        return self._mac(b"csrf", cookie.encode()).hex()[:32]

    def _fingerprint(self, key_id: str, secret: str) -> str:
        return self._mac(b"secret", f"{key_id}\n{secret}".encode()).hex()

    def _mac(self, what: bytes, content: bytes) -> bytes:
        return hmac.new(self._key, what + b"\n" + content, hashlib.sha256).digest()
