"""`stepwell serve`: run the service."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import typer

from stepwell.cli import banner
from stepwell.cli.options import (
    AuthMode,
    ClockSkew,
    Data,
    Host,
    Insecure,
    KeyFile,
    LimitChanges,
    LimitProfile,
    LogLevel,
    Port,
    TlsCert,
    TlsKey,
    Workers,
    data_folder,
)
from stepwell.model.limits import Profile, parse_limit
from stepwell.server import run
from stepwell.server.settings import Settings

_LIMIT_PREFIX = "STEPWELL_LIMIT_"
_LIMIT_HINT = f"--limit / {_LIMIT_PREFIX}*"


def serve(  # noqa: PLR0913 - one parameter an option
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
    log_level: LogLevel = "info",
) -> None:
    """Run the service."""
    settings = Settings(
        data=data_folder(data).absolute(),
        host=host,
        port=port,
        workers=workers,
        profile=limits,
        limit_changes=_limit_changes(os.environ, limit or ()),
        log_level=_level(log_level),
        auth=auth,
        is_insecure=insecure,
        key_file=key_file,
        clock_skew_s=clock_skew,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    try:
        settings.limits()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=_LIMIT_HINT) from error
    if (tls_cert is None) != (tls_key is None):
        msg = "--tls-cert and --tls-key go together"
        raise typer.BadParameter(msg, param_hint="--tls-cert")
    run.run(settings, banner.announce)


def _limit_changes(environ: Mapping[str, str], options: Iterable[str]) -> dict[str, int | None]:
    """Gather changed limits: variables first, then options, which win."""
    pairs = [
        (name.removeprefix(_LIMIT_PREFIX).lower(), text)
        for name, text in environ.items()
        if name.startswith(_LIMIT_PREFIX)
    ]
    pairs += [(name.strip(), text) for name, _, text in (each.partition("=") for each in options)]
    changes = {}
    for name, text in pairs:
        try:
            changes[name] = parse_limit(text)
        except ValueError as error:
            msg = f"limit {name}: {text!r} is not a number or 'none'"
            raise typer.BadParameter(msg, param_hint=_LIMIT_HINT) from error
    return changes


def _level(text: str) -> str:
    levels = ("debug", "info", "warning", "error", "critical")
    if text.lower() not in levels:
        msg = f"{text!r} is not one of {', '.join(levels)}"
        raise typer.BadParameter(msg, param_hint="--log-level")
    return text.lower()
