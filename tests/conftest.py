"""What several folders of tests share: a real server process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a server with default settings, for tests that share it politely."""
    data: Path = tmp_path_factory.mktemp("shared-server")
    command = [sys.executable, "-m", "stepwell.cli.main", "serve", "--data", data, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stdout or ())
            address = next(line for line in lines if "http://" in line)
            yield next(word for word in address.split() if word.startswith("http://"))
        finally:
            process.terminate()
            process.communicate()
