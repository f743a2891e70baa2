"""`stepwell info`: what a folder holds."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stepwell.cli.options import Data, data_folder
from stepwell.store.sqlite.maintenance import folder_size


def info(
    data: Data = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print points, series, bytes and bytes a point."""
    folder = data_folder(data)
    size = asdict(folder_size(folder))
    size["bytes_per_point"] = round(size["bytes"] / size["points"], 3) if size["points"] else None
    if as_json:
        sys.stdout.write(json.dumps({"data": str(folder), **size}) + "\n")
        return
    table = Table("", str(folder), show_edge=False)
    for name, value in size.items():
        text = "-" if value is None else f"{value:,}"
        table.add_row(name.replace("_", " "), text)
    Console().print(table)
