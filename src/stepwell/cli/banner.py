"""What `stepwell serve` says when it listens: where, with which data, and an example to paste.

The example runs as it is pasted, whatever the server was told: with keys it takes them from the
environment, and where a put does not create its component, it creates one first.
"""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.syntax import Syntax

from stepwell import __version__
from stepwell.server.access import is_loopback
from stepwell.server.settings import Auth, Settings

_SNIPPET = """\
import boto3, time
at = dict(region_name="us-east-1", endpoint_url="{address}"{credentials})
{name}metrics = boto3.client("sagemaker-metrics", **at)
print(metrics.batch_put_metrics(TrialComponentName=name, MetricData=[
    {{"MetricName": "loss", "Timestamp": time.time(), "Step": step,
     "Value": 1 / (step + 1)}} for step in range({count})])["Errors"])
arn = "arn:aws:sagemaker:us-east-1:000000000000:experiment-trial-component/"
print(metrics.batch_get_metrics(MetricQueries=[{{
    "ResourceArn": arn + name, "MetricName": "loss", "MetricStat": "Last",
    "Period": "IterationNumber", "XAxisType": "IterationNumber",
}}])["MetricQueryResults"])
"""
_ANY_KEY = """,
    aws_access_key_id="any", aws_secret_access_key="any\""""
_NAME = 'name = "my-run"\n'
#: Of its own each time: what is there already cannot be created again.
_NEW_NAME = """\
name = f"my-run-{time.time_ns()}"  # these limits want it to be created first
boto3.client("sagemaker", **at).create_trial_component(TrialComponentName=name)
"""
_POINTS = 10


def announce(settings: Settings, address: str) -> None:
    """Print the first screen."""
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
    needs = "pip install boto3"
    if settings.auth is Auth.KEYS:
        needs += "; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: a key"
    console.print(f"Put and get from Python ({needs}):\n", style="dim", highlight=False)
    text = snippet(settings, address)
    if console.is_terminal:
        # Neither cropped nor wrapped: it is there to be copied.
        console.print(Syntax("", "python").highlight(text), soft_wrap=True)
    else:
        console.file.write(text)
    console.file.flush()


def snippet(settings: Settings, address: str) -> str:
    """Give an example that runs against a server with these settings, which are decided."""
    limits = settings.limits()
    return _SNIPPET.format(
        address=address,
        credentials="" if settings.auth is Auth.KEYS else _ANY_KEY,
        name=_NAME if limits.creates_components else _NEW_NAME,
        count=min(_POINTS, limits.points_per_put, limits.step_max + 1),
    )


def _access(settings: Settings) -> str:
    if settings.auth is Auth.KEYS:
        return "requests must be signed by an access key (`stepwell keys create` makes one)"
    if is_loopback(settings.host):
        return "no keys: everyone on this machine may do everything"
    return "[bold red]no keys: everyone who reaches it may do everything[/]"
