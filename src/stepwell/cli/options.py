"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stepwell.server.settings import default_data_folder

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="STEPWELL_DATA",
        help="The data folder. Default: stepwell/ in the user's data directory.",
    ),
]


KeyFile = Annotated[
    Path | None,
    typer.Option(
        envvar="STEPWELL_KEY_FILE",
        help="The file of the key that encrypts secrets. Default: stepwell/key-encryption.key in"
        " the user's configuration directory. STEPWELL_KEY_ENCRYPTION_KEY wins over both.",
    ),
]


def data_folder(data: Path | None) -> Path:
    """Give the folder that was named, or the default one."""
    return default_data_folder() if data is None else data
