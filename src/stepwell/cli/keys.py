"""`stepwell keys`: create, list, revoke and rotate access keys, seen at once by a server."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stepwell.catalog import keys
from stepwell.catalog.database import Database, sqlite_url
from stepwell.catalog.keys import AccessKey
from stepwell.cli.options import Data, KeyFile, data_folder
from stepwell.model.access import Role
from stepwell.model.limits import TIMESTAMP_US_LAST
from stepwell.model.names import DEFAULT_ACCOUNT
from stepwell.server import key_encryption
from stepwell.server.access import open_server
from stepwell.store.sqlite.folder import CATALOG_FILE, Folder

app = typer.Typer(
    name="keys", no_args_is_help=True, help="Create, list, revoke and rotate access keys."
)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_KeyId = Annotated[str, typer.Argument(metavar="ACCESS_KEY_ID", help="The key's id.")]
_ACCOUNT = re.compile("[0-9]{12}")
_NAME_CHARS_MAX = 256
#: A name twice as wide as its characters, and everything else.
_TABLE_CHARS_MAX = 3 * _NAME_CHARS_MAX


@app.command()
def create(  # noqa: PLR0913 - one parameter an option
    data: Data = None,
    account: Annotated[
        str, typer.Option(help="The account, 12 digits, whose data the key is for.")
    ] = DEFAULT_ACCOUNT,
    role: Annotated[Role, typer.Option(help="What the key may do.")] = Role.WRITE,
    name: Annotated[str | None, typer.Option(help="A name, for people.")] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="An end: ISO 8601, or a span such as 90d or 12h."),
    ] = None,
    key_file: KeyFile = None,
    as_json: _Json = False,  # noqa: FBT002 - typer's way
) -> None:
    """Create an access key. Its secret is shown here and never again."""
    if _ACCOUNT.fullmatch(account) is None:
        msg = f"{account!r} is not 12 digits"
        raise typer.BadParameter(msg, param_hint="--account")
    if name is not None and (len(name) > _NAME_CHARS_MAX or not name.isprintable()):
        msg = f"a name has at most {_NAME_CHARS_MAX} characters, which can be printed"
        raise typer.BadParameter(msg, param_hint="--name")
    now_us = _now_us()
    expires_us = None if expires is None else _expiry_us(expires, now_us)
    with _writing(data) as connection:
        make = not keys.list_sealed(connection)
        encryption = key_encryption.load(key_file, data_folder(data), make=make)
        key, secret = keys.create(
            connection,
            encryption,
            now_us,
            account=account,
            role=role,
            name=name,
            expires_us=expires_us,
        )
    _show_secret(key, secret, as_json=as_json)
    if open_server(data_folder(data)):
        Console(stderr=True).print(
            "warning: a server that was started without authentication has this folder, and asks"
            " nobody for a key. It does from its next start on, unless told --auth off",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


@app.command("list")
def list_keys(data: Data = None, as_json: _Json = False) -> None:  # noqa: FBT002 - typer's way
    """List all keys, without their secrets."""
    with _opened(data, make=False) as database, database.read() as connection:
        found = keys.list_all(connection)
    now_us = _now_us()
    rows = [
        {
            "AccessKeyId": key.id,
            "Account": key.account,
            "Role": key.role.value,
            "Name": key.name,
            "Status": _status(key, now_us),
            "CreateDate": _iso(key.created_us),
            "Expires": _iso(key.expires_us),
        }
        for key in found
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("key", "account", "role", "name", "status", "created", "expires")
    for row in rows:
        table.add_row(*(escape(str(value or "")) for value in row.values()))
    # As wide as it is: nothing that is cut, an id above all, is of use.
    Console(width=_TABLE_CHARS_MAX).print(table)


@app.command()
def revoke(key_id: _KeyId, data: Data = None) -> None:
    """Make a key useless for good, in every worker within a second."""
    with _writing(data, make=False) as connection:
        keys.revoke(connection, key_id, _now_us())
    Console().print(f"revoked {key_id}", highlight=False)


@app.command()
def rotate(
    key_id: _KeyId,
    data: Data = None,
    key_file: KeyFile = None,
    as_json: _Json = False,  # noqa: FBT002 - typer's way
) -> None:
    """Give a key a new secret, shown here and never again; the old one stops working."""
    with _writing(data, make=False) as connection:
        encryption = key_encryption.load(key_file, data_folder(data))
        key, secret = keys.rotate(connection, encryption, key_id, _now_us())
    _show_secret(key, secret, as_json=as_json)


@contextlib.contextmanager
def _opened(data: Path | None, *, make: bool) -> Iterator[Database]:
    folder = Folder(data_folder(data), create=make)
    with contextlib.closing(Database(sqlite_url(folder.path / CATALOG_FILE))) as database:
        yield database


@contextlib.contextmanager
def _writing(data: Path | None, *, make: bool = True) -> Iterator[sa.Connection]:
    with _opened(data, make=make) as database, database.write() as connection:
        yield connection


def _show_secret(key: AccessKey, secret: str, *, as_json: bool) -> None:
    if as_json:
        document = {
            "AccessKeyId": key.id,
            "SecretAccessKey": secret,
            "Account": key.account,
            "Role": key.role.value,
        }
        typer.echo(json.dumps(document))
        return
    typer.echo(f"export AWS_ACCESS_KEY_ID={key.id}\nexport AWS_SECRET_ACCESS_KEY={secret}")
    Console(stderr=True).print(
        f"account {key.account}, role {key.role.value}; the secret is not shown again",
        style="dim",
        highlight=False,
    )


def _expiry_us(text: str, now_us: int) -> int:
    """Parse an end: a span from now, or a time (UTC where it names no zone).

    Raises:
        typer.BadParameter: neither, or a time that is over.
    """
    span = re.fullmatch("([0-9]{1,6})([smhdw])", text)
    try:
        if span is not None:
            units = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
            expires_us = now_us + int(span.group(1)) * units[span.group(2)] * 1_000_000
        else:
            time_ = dt.datetime.fromisoformat(text)
            time_ = time_.replace(tzinfo=time_.tzinfo or dt.UTC)
            expires_us = round(time_.timestamp() * 1e6)
    except (ValueError, OverflowError) as error:
        msg = f"{text!r} is neither a time in ISO 8601 nor a span such as 90d"
        raise typer.BadParameter(msg, param_hint="--expires") from error
    if expires_us > TIMESTAMP_US_LAST:
        msg = f"{text!r} ends after the year 9999"
        raise typer.BadParameter(msg, param_hint="--expires")
    if expires_us <= now_us:
        msg = f"{text!r} is over already"
        raise typer.BadParameter(msg, param_hint="--expires")
    return expires_us


def _status(key: AccessKey, now_us: int) -> str:
    if key.revoked_us is not None:
        return "revoked"
    return "active" if key.is_valid(now_us) else "expired"


def _iso(time_us: int | None) -> str | None:
    if time_us is None:
        return None
    # What other versions may have written is shown as the last instant that can be.
    since = dt.timedelta(microseconds=min(time_us, TIMESTAMP_US_LAST))
    return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + since).isoformat(timespec="seconds")


def _now_us() -> int:
    return time.time_ns() // 1000
