"""`stepwell check`: verify every chunk, summary and count of a folder, and its catalog."""

from __future__ import annotations

import typer
from rich.console import Console

from stepwell.catalog.checking import check_catalog
from stepwell.catalog.database import sqlite_url
from stepwell.cli.options import Data, data_folder
from stepwell.store.sqlite.checking import check_folder
from stepwell.store.sqlite.folder import CATALOG_FILE


def check(data: Data = None) -> None:
    """Verify chunks, summaries, counts and the catalog. Exit status 1 if anything is wrong."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    folder = data_folder(data)
    report = check_folder(folder)
    catalog = folder / CATALOG_FILE
    if catalog.exists():
        report.problems += check_catalog(sqlite_url(catalog))
    for problem in report.problems:
        console.print(problem)
    console.print(
        f"checked {report.chunks:,} chunks, {report.series:,} series, {report.points:,} points:"
        f" {len(report.problems)} problems"
    )
    if report.problems:
        raise typer.Exit(1)
