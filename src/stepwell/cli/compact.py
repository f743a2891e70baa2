"""`stepwell compact`: bring a folder into its smallest form, with or without a running server."""

from __future__ import annotations

import contextlib

from rich.console import Console

from stepwell.catalog.database import Database, sqlite_url
from stepwell.cli.options import Data, data_folder
from stepwell.store.sqlite.folder import CATALOG_FILE
from stepwell.store.sqlite.maintenance import compact_folder, folder_bytes


def compact(data: Data = None) -> None:
    """Compact everything, merge small chunks, and give free space back."""
    folder = data_folder(data)
    before = folder_bytes(folder)
    report = compact_folder(folder)
    catalog = folder / CATALOG_FILE
    if catalog.exists():
        with contextlib.closing(Database(sqlite_url(catalog), migrates=False)) as database:
            database.give_space_back()
    Console().print(
        f"compacted {report.points:,} points, wrote {report.chunks_written:,} chunks;"
        f" {before:,} -> {folder_bytes(folder):,} bytes",
        highlight=False,
    )
