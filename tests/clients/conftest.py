"""What tests of signed clients share: a server that wants signatures, and clients' folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

CLIENTS = Path(__file__).parents[2] / ".clients"


def folder_of(client: str) -> Path:
    """Give a client's folder. Not a skip: a run without it would say that the client works."""
    folder = CLIENTS / client
    assert folder.is_dir(), f"{folder} is missing; `make clients` makes it"
    return folder


class Signed(NamedTuple):
    """A server that wants signatures: its address, and the variables of a key for it."""

    endpoint: str
    variables: dict[str, str]


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    """Give a server with keys."""
    folder = tmp_path_factory.mktemp("signed")
    env = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config")}
    stepwell = [sys.executable, "-m", "stepwell.cli.main"]
    data = ["--data", str(folder / "data")]
    created = subprocess.run(
        [*stepwell, "keys", "create", *data, "--json"], env=env, capture_output=True, check=True
    )
    key = json.loads(created.stdout)
    command = [*stepwell, "serve", *data, "--port", "0"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stdout or () if "http://" in line)
            address = next(word for word in line.split() if word.startswith("http://"))
            yield Signed(
                address,
                {
                    "AWS_ENDPOINT_URL_SAGEMAKER": address,
                    "AWS_ENDPOINT_URL_SAGEMAKER_METRICS": address,
                    "AWS_ENDPOINT_URL_STS": address,
                    "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
                    "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_REGION": "us-east-1",
                },
            )
        finally:
            process.terminate()
            process.communicate()
