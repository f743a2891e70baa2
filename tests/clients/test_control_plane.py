"""boto3 of three ages and the AWS CLI on the control plane, signed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import Signed, folder_of

SCRIPT = Path(__file__).with_name("control.py")
CLIENT_S = 120
COUNT = 23
#: 2026-11-23T12:00:00Z; this CLI prints times as they come.
STARTED_S = 1_795_435_200


def run(
    client: str, signed: Signed, command: list[str], *, succeeds: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a client that knows nothing but the endpoints and a key."""
    folder = folder_of(client)
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder),
        "HOME": str(folder),
        **signed.variables,
    }
    done = subprocess.run(
        [sys.executable, *command],
        env=env,
        capture_output=True,
        text=True,
        timeout=CLIENT_S,
        check=False,
    )
    assert (done.returncode == 0) is succeeds, done.stderr[-5000:]
    return done


@pytest.mark.parametrize("version", ["1.34", "1.40", "1.44"])
def test_boto3_page_by_page(version: str, signed: Signed) -> None:
    """boto3 makes, lists and searches by its paginators, reads errors, and deletes all of it."""
    prefix = f"b{version.replace('.', '-')}"
    seen = json.loads(run(f"boto3-{version}", signed, [str(SCRIPT), prefix]).stdout)
    key = signed.variables["AWS_ACCESS_KEY_ID"]
    assert seen == {
        "sizes": [10, 10, 3],
        "listed": sorted(f"{prefix}-{number}" for number in range(COUNT)),
        "found": [number / 8 for number in range(COUNT) if number % 2],
        "found_sizes": [10, 1],
        "experiment": [f"{prefix}-Exp", "grüß 漢字"],
        "created_by": {"Arn": f"arn:aws:iam::000000000000:user/{key}", "PrincipalId": key},
        "errors": [
            ["ClientError", "ValidationException"],
            ["ResourceNotFound", "ResourceNotFound"],
            ["ClientError", "ValidationException"],
            ["ClientError", "UnknownOperationException"],
        ],
        "left": 0,
    }


def aws(signed: Signed, operation: str, *options: str, **members: Any) -> Any:
    """Run the AWS CLI; give what it prints, or what it says is wrong."""
    command = ["-m", "awscli", "sagemaker", operation, *options]
    if members:
        command += ["--cli-input-json", json.dumps(members)]
    done = run("awscli", signed, command)
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_the_aws_cli(signed: Signed) -> None:
    """`aws sagemaker` makes, pages, searches and deletes, with its shorthand and its own paging."""
    aws(signed, "create-experiment", "--experiment-name", "Cli-Exp", "--description", "d")
    aws(signed, "create-trial", "--trial-name", "cli-trial", "--experiment-name", "cli-exp")
    for number in range(3):
        aws(
            signed,
            "create-trial-component",
            *("--trial-component-name", f"cli-{number}"),
            *("--parameters", f"lr={{NumberValue={number / 4}}},name={{StringValue=x}}"),
            *("--status", "PrimaryStatus=Failed,Message=oh"),
            *("--start-time", "2026-11-23T12:00:00Z"),
            *("--tags", "Key=a,Value=b"),
        )
        ends = ("--trial-component-name", f"cli-{number}", "--trial-name", "cli-trial")
        aws(signed, "associate-trial-component", *ends)
    found = aws(signed, "describe-trial-component", "--trial-component-name", "CLI-2")
    assert found["Parameters"] == {"lr": {"NumberValue": 0.5}, "name": {"StringValue": "x"}}
    assert found["Status"] == {"PrimaryStatus": "Failed", "Message": "oh"}
    assert found["StartTime"] == STARTED_S
    by_name = ("--trial-name", "cli-trial", "--sort-by", "Name")
    listed = aws(signed, "list-trial-components", *by_name, "--page-size", "2")
    names = [each["TrialComponentName"] for each in listed["TrialComponentSummaries"]]
    assert names == ["cli-2", "cli-1", "cli-0"]
    assert "NextToken" not in listed
    part = aws(signed, "list-trial-components", *by_name, "--page-size", "2", "--max-items", "1")
    assert len(part["TrialComponentSummaries"]) == 1
    assert part["NextToken"]
    asked = {"Name": "Parameters.lr", "Operator": "GreaterThan", "Value": "0.2"}
    results = aws(
        signed,
        "search",
        Resource="ExperimentTrialComponent",
        SearchExpression={"Filters": [asked]},
        SortBy="Parameters.lr",
    )["Results"]
    assert [each["TrialComponent"]["TrialComponentName"] for each in results] == ["cli-2", "cli-1"]
    command = ["-m", "awscli", "sagemaker", "create-experiment", "--experiment-name", "cli-exp"]
    failed = run("awscli", signed, command, succeeds=False)
    assert "ValidationException" in failed.stderr
    assert "Experiment with name (cli-exp) already exists." in failed.stderr
    for number in range(3):
        ends = ("--trial-component-name", f"cli-{number}", "--trial-name", "cli-trial")
        aws(signed, "disassociate-trial-component", *ends)
        aws(signed, "delete-trial-component", "--trial-component-name", f"cli-{number}")
    aws(signed, "delete-trial", "--trial-name", "cli-trial")
    aws(signed, "delete-experiment", "--experiment-name", "cli-exp")
    assert aws(signed, "list-experiments") == {"ExperimentSummaries": []}
