"""Access keys: ids, roles and encrypted secrets. Within the caller's transaction.

A secret is needed in the clear to verify a signature, so it cannot be hashed: it is encrypted with
AES-GCM under a key-encryption key that does not live in the catalog (see `server.key_encryption`).
What the key may do is authenticated with it: a row that was changed cannot be decrypted.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stepwell.catalog.tables import access_key, meta
from stepwell.model.access import Role
from stepwell.model.errors import KeyEncryptionError, UnknownKeyError

_NONCE_BYTES = 12
_ID_PREFIX = "SWAK"
_ID_BYTES = 10
_SECRET_BYTES = 30
#: The name in `meta` of what changes with the keys, so that workers see that they must look again.
_VERSION = "access-keys-version"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key without its secret. Times in microseconds."""

    id: str
    account: str
    role: Role
    name: str | None
    created_us: int
    expires_us: int | None
    revoked_us: int | None

    def is_valid(self, now_us: int) -> bool:
        """Say whether it works at a time."""
        is_expired = self.expires_us is not None and now_us >= self.expires_us
        return self.revoked_us is None and not is_expired


class SealedKey(NamedTuple):
    """An access key and its secret as it is stored."""

    key: AccessKey
    secret: bytes


def create(  # noqa: PLR0913 - what a key is
    connection: sa.Connection,
    encryption: AESGCM,
    now_us: int,
    *,
    account: str,
    role: Role,
    name: str | None = None,
    expires_us: int | None = None,
) -> tuple[AccessKey, str]:
    """Make a key; return it and its secret, which is never given again.

    Raises:
        KeyEncryptionError: the other keys were made with another key-encryption key, so that a
            server could not use all of them.
    """
    check_encryption(connection, encryption)
    number = base64.b32encode(secrets.token_bytes(_ID_BYTES)).decode()
    key = AccessKey(_ID_PREFIX + number, account, role, name, now_us, expires_us, None)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    connection.execute(
        sa.insert(access_key).values(
            id=key.id,
            account=account,
            role=role.value,
            name=name,
            created_us=now_us,
            expires_us=expires_us,
            secret=_sealed(encryption, key, secret),
        )
    )
    _changed(connection)
    return key, secret


def rotate(
    connection: sa.Connection, encryption: AESGCM, key_id: str, now_us: int
) -> tuple[AccessKey, str]:
    """Give a key a new secret; the old one stops working.

    Raises:
        UnknownKeyError: there is no such key that works.
        KeyEncryptionError: see `create`.
    """
    key = _get(connection, key_id)
    if not key.is_valid(now_us):
        msg = f"Access key {key_id} was revoked or has expired: make a new one."
        raise UnknownKeyError(msg)
    check_encryption(connection, encryption)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    connection.execute(
        sa.update(access_key)
        .where(access_key.c.id == key_id)
        .values(secret=_sealed(encryption, key, secret))
    )
    _changed(connection)
    return key, secret


def revoke(connection: sa.Connection, key_id: str, now_us: int) -> None:
    """Make a key useless for good.

    Raises:
        UnknownKeyError: there is no such key.
    """
    key = _get(connection, key_id)
    if key.revoked_us is None:
        connection.execute(
            sa.update(access_key).where(access_key.c.id == key_id).values(revoked_us=now_us)
        )
        _changed(connection)


def list_all(connection: sa.Connection) -> list[AccessKey]:
    """List all keys, the oldest first."""
    rows = connection.execute(
        sa.select(access_key).order_by(access_key.c.created_us, access_key.c.id)
    )
    return [_read(row) for row in rows]


def list_sealed(connection: sa.Connection) -> list[SealedKey]:
    """List all keys that were not revoked, with their secrets as they are stored."""
    rows = connection.execute(sa.select(access_key).where(access_key.c.revoked_us.is_(None)))
    return [SealedKey(_read(row), row.secret) for row in rows]


def unseal(encryption: AESGCM, sealed: SealedKey) -> str:
    """Decrypt a secret.

    Raises:
        KeyEncryptionError: the key-encryption key is another, or the row was changed.
    """
    nonce, encrypted = sealed.secret[:_NONCE_BYTES], sealed.secret[_NONCE_BYTES:]
    try:
        return encryption.decrypt(nonce, encrypted, _bound_to(sealed.key)).decode()
    except (InvalidTag, ValueError) as error:
        msg = (
            f"the secret of access key {sealed.key.id} cannot be decrypted: the key-encryption key"
            " is not the one that it was made with, or the catalog was changed"
        )
        raise KeyEncryptionError(msg) from error


def check_encryption(connection: sa.Connection, encryption: AESGCM) -> None:
    """Check that every key that was not revoked can be decrypted.

    Raises:
        KeyEncryptionError: one cannot.
    """
    for sealed in list_sealed(connection):
        unseal(encryption, sealed)


def version(connection: sa.Connection) -> bytes | None:
    """Give a value that differs after every change of a key; None where there never was one."""
    return connection.scalar(sa.select(meta.c.value).where(meta.c.name == _VERSION))


def _get(connection: sa.Connection, key_id: str) -> AccessKey:
    row = connection.execute(sa.select(access_key).where(access_key.c.id == key_id)).one_or_none()
    if row is None:
        msg = f"There is no access key {key_id!r}."
        raise UnknownKeyError(msg)
    return _read(row)


def _read(row: sa.Row[Any]) -> AccessKey:
    return AccessKey(
        row.id,
        row.account,
        Role(row.role),
        row.name,
        row.created_us,
        row.expires_us,
        row.revoked_us,
    )


def _sealed(encryption: AESGCM, key: AccessKey, secret: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + encryption.encrypt(nonce, secret.encode(), _bound_to(key))


def _changed(connection: sa.Connection) -> None:
    connection.execute(sa.delete(meta).where(meta.c.name == _VERSION))
    connection.execute(sa.insert(meta).values(name=_VERSION, value=secrets.token_bytes(16)))


def _bound_to(key: AccessKey) -> bytes:
    return f"{key.id}\n{key.account}\n{key.role}\n{key.expires_us}".encode()
