"""`stepwell backup` and `stepwell restore`: a folder into one file and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from stepwell.cli.options import Data, data_folder
from stepwell.store.sqlite.backing_up import backup_folder, restore_folder

_File = Annotated[Path, typer.Argument(help="The backup, a tar archive.")]


def backup(file: _File, data: Data = None) -> None:
    """Write a consistent copy of the data into FILE. The server may go on running."""
    size = backup_folder(data_folder(data), file)
    Console().print(f"wrote {file} ({size:,} bytes)", highlight=False, soft_wrap=True)


def restore(file: _File, data: Data = None) -> None:
    """Unpack the backup FILE into a data folder that is empty or missing."""
    folder = data_folder(data)
    restore_folder(file, folder)
    Console().print(f"restored {file} into {folder}", highlight=False, soft_wrap=True)
