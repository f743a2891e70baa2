"""Decides before a server listens whether requests must be signed, and refuses what is not safe."""

from __future__ import annotations

import ipaddress
import time
from pathlib import Path

import msgspec

from stepwell.catalog import keys
from stepwell.catalog.database import Database, sqlite_url
from stepwell.model.errors import UnsafeError
from stepwell.server import key_encryption
from stepwell.server.auth import Authenticator, Keys, NoAuthentication, SignatureAuthentication
from stepwell.server.settings import Auth, Settings
from stepwell.store.sqlite.folder import CATALOG_FILE, SERVER_LOCK, Folder


def decided(settings: Settings) -> Settings:
    """Give the settings with `auth` decided: keys where there are any or others can reach us.

    Raises:
        UnsafeError: others could use the server without a key, or nobody could use it at all.
        KeyEncryptionError: the keys' secrets cannot be read.
    """
    database = Database(catalog_url(settings))
    try:
        with database.read() as connection:
            known = keys.list_all(connection)
            has_keys = any(key.is_valid(time.time_ns() // 1000) for key in known)
            is_sealed = any(key.revoked_us is None for key in known)
            auth = settings.auth
            if auth is None:
                is_open = is_loopback(settings.host) or settings.is_insecure
                auth = Auth.OFF if is_open and not known else Auth.KEYS
            if auth is Auth.KEYS and is_sealed:
                # A wrong key-encryption key is better seen now than by the first client.
                encryption = key_encryption.load(settings.key_file, settings.data)
                keys.check_encryption(connection, encryption)
    finally:
        database.close()
    if not is_loopback(settings.host) and not settings.is_insecure:
        if auth is Auth.OFF:
            msg = (
                f"--auth off lets everyone who reaches {settings.host} read and change everything;"
                " use keys, listen on 127.0.0.1, or say --insecure"
            )
            raise UnsafeError(msg)
        if not has_keys:
            msg = (
                f"to listen on {settings.host} there must be an access key: make one by `stepwell"
                f" keys create --data {settings.data}`, or say --insecure to let everyone in"
            )
            raise UnsafeError(msg)
    return msgspec.structs.replace(settings, auth=auth)


def open_server(data: Path) -> bool:
    """Say whether a running server has a folder that asks nobody for a key.

    A server notes in its lock's file how it was started; the note of one that is gone stays there,
    but not its lock.
    """
    try:
        note = (data / SERVER_LOCK).read_text()
    except OSError:
        return False
    if note != note_of(Auth.OFF):
        return False
    with Folder(data, create=False).lock(SERVER_LOCK) as lock:
        return not lock.acquire()


def note_of(auth: Auth | None) -> str:
    """Give what a server leaves in its lock's file."""
    return f"auth {auth}\n"


def authenticator(settings: Settings, database: Database) -> Authenticator:
    """Make what identifies requests, for settings that are decided.

    Raises:
        KeyEncryptionError: the key-encryption key is missing or unsafe.
    """
    if settings.auth is not Auth.KEYS:
        return NoAuthentication()
    with database.read() as connection:
        make = not keys.list_sealed(connection)
    encryption = key_encryption.load(settings.key_file, settings.data, make=make)
    return SignatureAuthentication(Keys(database, encryption), settings.clock_skew_s)


def catalog_url(settings: Settings) -> str:
    """Give the catalog's URL: a file in the data folder."""
    return sqlite_url(settings.data / CATALOG_FILE)


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
