"""What `stepwell serve` was told: one value that is handed to every worker process.

Options, and the variables `STEPWELL_*` behind them, are read by the CLI; workers get the result as
JSON in one variable, since they are new processes.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Self

import msgspec

from stepwell.model.limits import Limits, Profile

#: How a parent hands its settings to its workers. Not for people.
_HANDED_OVER = "STEPWELL_INTERNAL_SETTINGS"


class Auth(StrEnum):
    """How requests show whose they are."""

    KEYS = "keys"
    OFF = "off"


class Settings(msgspec.Struct, frozen=True):
    """All settings of a server.

    Attributes:
        data: the data folder.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        workers: worker processes.
        profile: whose limits hold.
        limit_changes: single limits that differ from the profile's.
        log_level: the least level that is logged.
        auth: whether requests must be signed; None: to be decided (see `access.decided`).
        is_insecure: listening beyond loopback without keys was asked for in so many words.
        key_file: where the key-encryption key is; None: the default place.
        clock_skew_s: seconds that a client's clock may differ.
        tls_cert: the server's certificate, to serve https; None: http.
        tls_key: its key.
        compaction_interval_s: seconds between two looks at what is to be compacted.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 7837
    workers: int = 1
    profile: Profile = Profile.STEPWELL
    limit_changes: dict[str, int | None] = {}
    log_level: str = "info"
    auth: Auth | None = None
    is_insecure: bool = False
    key_file: Path | None = None
    clock_skew_s: float = 300.0
    tls_cert: Path | None = None
    tls_key: Path | None = None
    compaction_interval_s: float = 1.0

    def limits(self) -> Limits:
        """Give the limits that hold. Raises ValueError for one that makes no sense."""
        return Limits.of(self.profile, self.limit_changes)

    def encode(self) -> bytes:
        """Write the settings as JSON, for another process of this server."""
        return msgspec.json.encode(self, enc_hook=str)

    @classmethod
    def decode(cls, content: bytes | str) -> Self:
        """Read what `encode` wrote."""
        return msgspec.json.decode(content, type=cls, dec_hook=lambda kind, value: kind(value))

    def hand_over(self) -> None:
        """Leave the settings where worker processes find them."""
        os.environ[_HANDED_OVER] = self.encode().decode()

    @classmethod
    def received(cls) -> Self:
        """Read what `hand_over` left."""
        return cls.decode(os.environ[_HANDED_OVER])


def default_data_folder() -> Path:
    """Give the folder that is used when none is named: under the user's data directory."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "stepwell"
