"""The command `stepwell` with its subcommands; turns our errors into one line and exit status 1."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from stepwell import __version__
from stepwell.cli import backup, check, compact, info, keys, serve
from stepwell.model.errors import StepwellError

app = typer.Typer(
    name="stepwell",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A training-metrics service that speaks the SageMaker Metrics API.",
)
app.command("serve")(serve.serve)
app.command("compact")(compact.compact)
app.command("check")(check.check)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("info")(info.info)
app.add_typer(keys.app)


def _print_version(value: bool) -> None:  # noqa: FBT001 - typer's way
    if value:
        sys.stdout.write(f"stepwell {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(  # noqa: FBT001 - typer's way
        False,  # noqa: FBT003 - typer
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Print the version.",
    ),
) -> None:
    """Take the options that belong to no command."""
    del version


def run() -> None:
    """Run the command line; Ctrl-C ends it with status 130."""
    try:
        app()
    except StepwellError as error:
        Console(stderr=True).print(
            f"stepwell: {error}",
            style="bold red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        sys.exit(1)
