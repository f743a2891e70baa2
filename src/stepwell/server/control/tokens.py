"""Page tokens: where a listing goes on, readable by nobody and valid for that listing only.

A token is the place (see `catalog.paging`) and a MAC over it and everything that the listing was
asked with: operation, account, filters and sorting. Another listing's or account's token, and one
that was touched, is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from stepwell.catalog.paging import Place
from stepwell.model.errors import ValidationError

_MAC_BYTES = 16


class Tokens:
    """Makes and reads tokens with one key, which all workers share."""

    def __init__(self, key: bytes) -> None:
        """Hold the key."""
        self._key = key

    def encode(self, place: Place, scope: bytes) -> str:
        """Make a token for a place in a listing."""
        # Python's own, because a list may be sorted by infinities, which JSON does not have.
        payload = json.dumps(list(place), separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(payload, scope) + payload).decode()

    def decode(self, token: str, scope: bytes) -> Place:
        """Read a token.

        Raises:
            ValidationError: it is not one of this listing.
        """
        try:
            raw = base64.urlsafe_b64decode(token.encode())
        except (ValueError, binascii.Error) as error:
            raise _refusal() from error
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload, scope)):
            raise _refusal()
        return Place(*json.loads(payload))

    def _mac(self, payload: bytes, scope: bytes) -> bytes:
        digest = hmac.new(self._key, hashlib.sha256(scope).digest() + payload, hashlib.sha256)
        return digest.digest()[:_MAC_BYTES]


def _refusal() -> ValidationError:
    problem = (
        "Value at 'nextToken' failed to satisfy constraint: Member must be a token that this very"
        " listing has returned"
    )
    return ValidationError([problem])
