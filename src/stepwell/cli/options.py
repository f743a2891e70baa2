"""The options of `stepwell serve`, and those that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stepwell.model.limits import Profile
from stepwell.server.settings import Auth, default_data_folder


class Level(StrEnum):
    """The levels of log lines."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="STEPWELL_DATA",
        help="The data folder. Default: stepwell/ in the user's data directory.",
    ),
]


KeyFile = Annotated[
    Path | None,
    typer.Option(
        envvar="STEPWELL_KEY_FILE",
        help="The key-encryption key's file. Default: in the user's configuration directory.",
    ),
]


Host = Annotated[str, typer.Option(envvar="STEPWELL_HOST", help="The address to listen on.")]
Port = Annotated[
    int,
    typer.Option(envvar="STEPWELL_PORT", min=0, max=65535, help="The port; 0 takes a free one."),
]
Workers = Annotated[
    int, typer.Option(envvar="STEPWELL_WORKERS", min=1, max=256, help="Worker processes.")
]
LimitProfile = Annotated[Profile, typer.Option(envvar="STEPWELL_LIMITS", help="Whose limits hold.")]
LimitChanges = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Change a single limit; may be repeated. Also STEPWELL_LIMIT_<NAME>.",
    ),
]
AuthMode = Annotated[
    Auth | None,
    typer.Option(
        envvar="STEPWELL_AUTH",
        help="Whether requests must be signed. Default: keys, but off on loopback as long as there"
        " is no key.",
    ),
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure",
        envvar="STEPWELL_INSECURE",
        help="Listen beyond this machine although everyone may do everything.",
    ),
]
ClockSkew = Annotated[
    float,
    typer.Option(
        envvar="STEPWELL_CLOCK_SKEW",
        min=0,
        metavar="SECONDS",
        help="How far a client's clock may differ.",
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(envvar="STEPWELL_TLS_CERT", help="Serve https with this certificate (PEM)."),
]
TlsKey = Annotated[
    Path | None,
    typer.Option(envvar="STEPWELL_TLS_KEY", help="The certificate's private key (PEM)."),
]
LogLevel = Annotated[
    Level,
    typer.Option(
        envvar="STEPWELL_LOG_LEVEL", case_sensitive=False, help="The least level that is logged."
    ),
]


def data_folder(data: Path | None) -> Path:
    """Give the folder that was named, or the default one."""
    return default_data_folder() if data is None else data


def named_by(context: typer.Context, parameter: str) -> str:
    """Name a parameter of the running command as its value was given: by option or by variable."""
    (found,) = (each for each in context.command.params if each.name == parameter)
    source = context.get_parameter_source(parameter)
    is_variable = source is not None and source.name == "ENVIRONMENT"
    return f"'{found.envvar if is_variable else found.opts[0]}'"
