"""`stepwell compact`: bring a folder into its smallest form, with or without a running server."""

from __future__ import annotations

from rich.console import Console

from stepwell.cli.options import Data, data_folder
from stepwell.store.sqlite.maintenance import compact_folder


def compact(data: Data = None) -> None:
    """Compact everything, merge small chunks, and give free space back."""
    report = compact_folder(data_folder(data))
    Console().print(
        f"compacted {report.points:,} points, wrote {report.chunks_written:,} chunks;"
        f" {report.bytes_before:,} -> {report.bytes_after:,} bytes",
        highlight=False,
    )
