"""`stepwell check`: verify every chunk, summary and count of a folder against its points."""

from __future__ import annotations

import typer
from rich.console import Console

from stepwell.cli.options import Data, data_folder
from stepwell.store.sqlite.checking import check_folder


def check(data: Data = None) -> None:
    """Verify every chunk, summary and count. Exit status 1 if anything is wrong."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    report = check_folder(data_folder(data))
    for problem in report.problems:
        console.print(problem)
    console.print(
        f"checked {report.chunks:,} chunks, {report.series:,} series, {report.points:,} points:"
        f" {len(report.problems)} problems"
    )
    if report.problems:
        raise typer.Exit(1)
