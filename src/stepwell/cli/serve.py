"""`stepwell serve`: run the service."""

from __future__ import annotations

import math
import os
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path

import typer

from stepwell.cli import banner
from stepwell.cli.options import (
    AuthMode,
    ClockSkew,
    Data,
    Host,
    Insecure,
    KeyFile,
    Level,
    LimitChanges,
    LimitProfile,
    LogLevel,
    Port,
    TlsCert,
    TlsKey,
    Workers,
    data_folder,
    named_by,
)
from stepwell.model.limits import Limits, Profile, parse_limit
from stepwell.server import run
from stepwell.server.settings import Settings

_LIMIT_PREFIX = "STEPWELL_LIMIT_"


def serve(  # noqa: PLR0913 - one parameter an option
    context: typer.Context,
    data: Data = None,
    host: Host = "127.0.0.1",
    port: Port = 7837,
    workers: Workers = 1,
    limits: LimitProfile = Profile.STEPWELL,
    limit: LimitChanges = None,
    auth: AuthMode = None,
    insecure: Insecure = False,  # noqa: FBT002 - typer's way
    key_file: KeyFile = None,
    clock_skew: ClockSkew = 300.0,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    log_level: LogLevel = Level.INFO,
) -> None:
    """Run the service."""
    settings = Settings(
        data=data_folder(data).absolute(),
        host=host,
        port=port,
        workers=workers,
        profile=limits,
        limit_changes=_limit_changes(limits, os.environ, limit or ()),
        log_level=log_level.value,
        auth=auth,
        is_insecure=insecure,
        key_file=key_file,
        clock_skew_s=clock_skew,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    if not math.isfinite(clock_skew):
        msg = f"{clock_skew} is not a number of seconds"
        raise typer.BadParameter(msg, param_hint=named_by(context, "clock_skew"))
    if (tls_cert is None) != (tls_key is None):
        given, missing = ("tls_cert", "--tls-key") if tls_key is None else ("tls_key", "--tls-cert")
        msg = f"a certificate and its key go together: {missing} is missing"
        raise typer.BadParameter(msg, param_hint=named_by(context, given))
    if tls_cert is not None and tls_key is not None:
        _check_tls(context, tls_cert, tls_key)
    run.run(settings, banner.announce)


def _check_tls(context: typer.Context, cert: Path, key: Path) -> None:
    """Load a certificate and its key, as the server will.

    Raises:
        typer.BadParameter: they are not to be read, or do not fit each other.
    """
    for name, path in (("tls_cert", cert), ("tls_key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            msg = f"{path}: {error.strerror}"
            raise typer.BadParameter(msg, param_hint=named_by(context, name)) from error
    try:
        # An empty password, lest OpenSSL asks for one on the terminal, in each worker.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            msg = f"{key} is not the key of the certificate {cert}"
        else:
            msg = f"{cert} and {key} are not a certificate and its key in PEM, without a password"
        raise typer.BadParameter(msg, param_hint=named_by(context, "tls_cert")) from error


def _limit_changes(
    profile: Profile, environ: Mapping[str, str], options: Iterable[str]
) -> dict[str, int | None]:
    """Gather changed limits: variables first, then options, which win.

    Raises:
        typer.BadParameter: one makes no sense; it names what was written.
    """
    given = [
        (variable, variable.removeprefix(_LIMIT_PREFIX).lower(), text)
        for variable, text in environ.items()
        if variable.startswith(_LIMIT_PREFIX)
    ]
    given += [
        ("--limit", name.strip(), text)
        for name, _, text in (each.partition("=") for each in options)
    ]
    changes = {}
    for source, name, text in given:
        try:
            changes[name] = parse_limit(text)
        except ValueError as error:
            msg = f"limit {name}: {text!r} is not a number or 'none'"
            raise typer.BadParameter(msg, param_hint=f"'{source}'") from error
        try:
            Limits.of(profile, {name: changes[name]})
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint=f"'{source}'") from error
    return changes
