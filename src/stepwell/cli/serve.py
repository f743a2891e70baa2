"""`stepwell serve`: run the service."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.syntax import Syntax

from stepwell import __version__
from stepwell.cli.options import Data, KeyFile, data_folder
from stepwell.model.limits import Profile, parse_limit
from stepwell.server import run
from stepwell.server.access import is_loopback
from stepwell.server.settings import Auth, Settings

_LIMIT_PREFIX = "STEPWELL_LIMIT_"
_LIMIT_HINT = f"--limit / {_LIMIT_PREFIX}*"

SNIPPET = """\
import boto3, time
metrics = boto3.client("sagemaker-metrics", region_name="us-east-1",
    endpoint_url="{address}",
    aws_access_key_id="any", aws_secret_access_key="any")
metrics.batch_put_metrics(TrialComponentName="my-run", MetricData=[
    {{"MetricName": "loss", "Timestamp": time.time(), "Step": step,
     "Value": 1 / (step + 1)}} for step in range(10)])
arn = "arn:aws:sagemaker:us-east-1:000000000000:experiment-trial-component/"
print(metrics.batch_get_metrics(MetricQueries=[{{
    "ResourceArn": arn + "my-run", "MetricName": "loss", "MetricStat": "Last",
    "Period": "IterationNumber", "XAxisType": "IterationNumber",
}}])["MetricQueryResults"])
"""


def serve(  # noqa: PLR0913 - one parameter an option
    data: Data = None,
    host: Annotated[
        str, typer.Option(envvar="STEPWELL_HOST", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            envvar="STEPWELL_PORT",
            min=0,
            max=65535,
            help="The port; 0 takes a free one.",
        ),
    ] = 7837,
    workers: Annotated[
        int,
        typer.Option(envvar="STEPWELL_WORKERS", min=1, max=256, help="Worker processes."),
    ] = 1,
    limits: Annotated[
        Profile, typer.Option(envvar="STEPWELL_LIMITS", help="Whose limits hold.")
    ] = Profile.STEPWELL,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Change a single limit; may be repeated. Also STEPWELL_LIMIT_<NAME>.",
        ),
    ] = None,
    auth: Annotated[
        Auth | None,
        typer.Option(
            envvar="STEPWELL_AUTH",
            help="Whether requests must be signed. Default: keys, but off on loopback as long as"
            " there is no key.",
        ),
    ] = None,
    insecure: Annotated[  # noqa: FBT002 - typer's way
        bool,
        typer.Option(
            "--insecure",
            envvar="STEPWELL_INSECURE",
            help="Listen beyond this machine although everyone may do everything.",
        ),
    ] = False,
    key_file: KeyFile = None,
    clock_skew: Annotated[
        float,
        typer.Option(
            envvar="STEPWELL_CLOCK_SKEW",
            min=0,
            metavar="SECONDS",
            help="How far a client's clock may differ.",
        ),
    ] = 300.0,
    tls_cert: Annotated[
        Path | None,
        typer.Option(envvar="STEPWELL_TLS_CERT", help="Serve https with this certificate (PEM)."),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(envvar="STEPWELL_TLS_KEY", help="The certificate's private key (PEM)."),
    ] = None,
    log_level: Annotated[
        str,
        typer.Option(envvar="STEPWELL_LOG_LEVEL", help="The least level that is logged."),
    ] = "info",
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
    run.run(settings, _announce)


def _access(settings: Settings) -> str:
    if settings.auth is Auth.KEYS:
        return "requests must be signed by an access key (`stepwell keys create` makes one)"
    if is_loopback(settings.host):
        return "no keys: everyone on this machine may do everything"
    return "[bold red]no keys: everyone who reaches it may do everything[/]"


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


def _announce(settings: Settings, address: str) -> None:
    console = Console()
    console.print(
        Panel.fit(
            f"[bold]Stepwell {__version__}[/bold] listens on [bold cyan]{escape(address)}[/]\n"
            f"data in [cyan]{escape(str(settings.data))}[/], limits: {settings.profile.value},"
            f" workers: {settings.workers}\n"
            f"{_access(settings)}\n"
            "stop with Ctrl-C; /healthz, /readyz and /metrics tell how it is",
            border_style="cyan",
        )
    )
    console.print("Put and get from Python (pip install boto3):\n", style="dim")
    snippet = SNIPPET.format(address=address)
    if console.is_terminal:
        # Neither cropped nor wrapped: it is there to be copied.
        console.print(Syntax("", "python").highlight(snippet), soft_wrap=True)
    else:
        console.file.write(snippet)
    console.file.flush()
