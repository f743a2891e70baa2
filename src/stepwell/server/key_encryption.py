"""The key-encryption key: where it comes from. Never from the data folder.

It is in STEPWELL_KEY_ENCRYPTION_KEY (32 bytes in base64), or in a file of mode 0600: the one that
`--key-file` names, else `stepwell/key-encryption.key` in the user's configuration directory.
"""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from stepwell.model.errors import KeyEncryptionError

VARIABLE = "STEPWELL_KEY_ENCRYPTION_KEY"
_KEY_BYTES = 32
_FILE_CHARS_MAX = 1024


def default_key_file() -> Path:
    """Give the file that is used when none is named."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "stepwell" / "key-encryption.key"


def load(key_file: Path | None, data: Path, *, make: bool = False) -> AESGCM:
    """Load the key; with `make`, make its file where there is none.

    Args:
        key_file: where it is; None: the default place.
        data: the data folder, which the file must not be in.
        make: whether a new one will do, because no secret is encrypted yet.

    Raises:
        KeyEncryptionError: there is none, it is malformed, lies in the data folder, or others can
            read it.
    """
    text = os.environ.get(VARIABLE)
    if text is not None:
        return _cipher(text, f"the variable {VARIABLE}")
    path = key_file or default_key_file()
    if path.resolve().is_relative_to(data.resolve()):
        msg = (
            f"{path}: the key-encryption key is in the data folder, so that who steals the one has"
            " the other; name another place by --key-file"
        )
        raise KeyEncryptionError(msg)
    try:
        if make and not path.exists():
            _make(path)
        with path.open(encoding="ascii") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                msg = f"{path}: its mode is {mode:04o}, so others can read it; make it 0600"
                raise KeyEncryptionError(msg)
            text = file.read(_FILE_CHARS_MAX)
    except FileNotFoundError as error:
        msg = (
            f"{path}: the key-encryption key is not there. Name its file by --key-file, or put it"
            f" into {VARIABLE}. If it is lost, revoke all access keys and create new ones"
        )
        raise KeyEncryptionError(msg) from error
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: the key-encryption key cannot be read: {error}"
        raise KeyEncryptionError(msg) from error
    return _cipher(text, str(path))


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n")
        os.fsync(file)
    finally:
        os.close(file)
    try:
        # Unlike a rename, a link does not replace the key that another process has just made.
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
    # Without it a crash could leave keys that nothing can decrypt.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _cipher(text: str, where: str) -> AESGCM:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        msg = f"{where}: the key-encryption key must be {_KEY_BYTES} bytes in base64"
        raise KeyEncryptionError(msg)
    return AESGCM(key)
