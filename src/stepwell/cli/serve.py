"""`stepwell serve`: run the service."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping

import typer
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.syntax import Syntax

from stepwell import __version__
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
    if not math.isfinite(clock_skew):
        msg = f"{clock_skew} is not a number of seconds"
        raise typer.BadParameter(msg, param_hint="--clock-skew")
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
