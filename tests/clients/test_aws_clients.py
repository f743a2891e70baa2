"""Unmodified AWS clients put and get: boto3 of three ages, and the AWS CLI.

Each lives in a folder of its own under .clients/, which `make test` fills.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".clients"
SCRIPT = Path(__file__).with_name("put_get.py")
STAMP_S = 1_795_435_200


def environment(client: str, endpoint: str) -> dict[str, str]:
    """Give an environment in which Python finds one client and nothing of ours.

    boto3 1.34 knows BatchPutMetrics only. Its code is left alone; for getting, it reads the newer
    description of the service, as AWS_DATA_PATH allows.
    """
    folder = CLIENTS / client
    # Not a skip: a run without the clients would say that they work.
    assert folder.is_dir(), f"{folder} is missing; `make clients` makes it"
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder),
        "HOME": str(folder),
        "AWS_ENDPOINT_URL_SAGEMAKER_METRICS": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_DATA_PATH": str(CLIENTS / "boto3-1.40" / "botocore" / "data")
        if client == "boto3-1.34"
        else "",
    }


def run(command: list[str | Path], env: dict[str, str]) -> Any:
    """Run a client and decode the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, *command], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.mark.parametrize("version", ["1.34", "1.40", "1.44"])
def test_boto3_puts_and_gets(version: str, endpoint: str) -> None:
    """Every value comes back, errors are read, whatever dialect this boto3 speaks."""
    component = f"boto3-{version.replace('.', '-')}"
    seen = run([SCRIPT, endpoint, component], environment(f"boto3-{version}", endpoint))
    assert seen["put"] == []
    assert len(seen["request_id"]) == 36
    by_step, by_minute, part, unknown = seen["got"]
    assert by_step[:2] == ["Complete", [0, 1, 2, 3, 4, 5]]
    values = [0.5, math.nan, math.inf, -math.inf, -0.0, 1e300]
    assert [str(value) for value in by_step[2]] == [str(value) for value in values]
    assert by_minute == ["Complete", [STAMP_S * 1000], [6.0]]
    assert part == ["Complete", [4, 5], [-0.0, 1e300]]
    assert unknown == ["ValidationError", [], []]
    assert [code for code, _ in seen["codes"]] == ["ValidationException"] * 2
    assert all("trialComponentName" in message for _, message in seen["codes"])
    assert seen["refused"] == [{"Code": "VALIDATION_ERROR", "MetricIndex": 0}]


def test_the_aws_cli_puts_and_gets(endpoint: str) -> None:
    """`aws sagemaker-metrics` works with nothing but the endpoint set."""
    env = environment("awscli", endpoint)
    cli: list[str | Path] = ["-m", "awscli", "sagemaker-metrics"]
    point = "MetricName=loss,Timestamp=2026-11-23T12:00:00Z,Step=7"
    put = run(
        [
            *cli,
            "batch-put-metrics",
            "--trial-component-name",
            "from-cli",
            "--metric-data",
            f"{point},Value=0.25",
            f"{point},Value=NaN",
        ],
        env,
    )
    assert put == {"Errors": []}
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:experiment-trial-component/from-cli"
    query = {
        "MetricName": "loss",
        "ResourceArn": arn,
        "MetricStat": "Max",
        "Period": "IterationNumber",
        "XAxisType": "IterationNumber",
    }
    got = run([*cli, "batch-get-metrics", "--metric-queries", json.dumps([query])], env)
    assert got == {
        "MetricQueryResults": [{"Status": "Complete", "XAxisValues": [7], "MetricValues": [0.25]}]
    }


def test_a_failed_cli_call_tells_the_rule(endpoint: str) -> None:
    """The CLI prints the code and our message."""
    command = ["-m", "awscli", "sagemaker-metrics", "batch-put-metrics", "--trial-component-name"]
    done = subprocess.run(
        [sys.executable, *command, "a_b", "--metric-data", "MetricName=a,Timestamp=1,Value=1"],
        env=environment("awscli", endpoint),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "ValidationException" in done.stderr
    assert "trialComponentName" in done.stderr
