"""The SageMaker SDK v2 and v3, and JavaScript, unmodified, against a server that wants signatures.

S3, which the SDK needs for files and charts, is moto's.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".clients"
SCRIPT = Path(__file__).with_name("sagemaker_run.py")
START_S = 60
SDK_S = 240

STEPS = list(range(25))


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


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    """Give the address of an S3, moto's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder_of("moto"))}
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def wait_for(port: int) -> None:
    """Wait until something listens."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            assert time.monotonic() < deadline, "moto's server does not start"
            time.sleep(0.1)


def folder_of(client: str) -> Path:
    """Give a client's folder. Not a skip: a run without it would say that the client works."""
    folder = CLIENTS / client
    assert folder.is_dir(), f"{folder} is missing; `make clients` makes it"
    return folder


def run_sdk(version: str, signed: Signed, storage: str, home: Path) -> dict[str, Any]:
    """Run the script with one version of the SDK."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder_of(f"sagemaker-{version}")),
        "HOME": str(home),
        "AWS_ENDPOINT_URL_S3": storage,
        **signed.variables,
    }
    done = subprocess.run(
        [sys.executable, SCRIPT, version],
        env=env,
        capture_output=True,
        text=True,
        timeout=SDK_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    seen: dict[str, Any] = json.loads(done.stdout[done.stdout.index('{"failure"') :])
    return seen


@pytest.mark.parametrize("version", ["2", "3"])
def test_run_in_all_its_forms(version: str, signed: Signed, storage: str, tmp_path: Path) -> None:
    """What `Run` logged comes back: parameters, curves, summaries, charts, status; then it goes."""
    seen = run_sdk(version, signed, storage, tmp_path)
    assert seen["failure"] == "raised"
    assert seen["listed"] == ["fails", "run-a", "run-b"]
    assert seen["curve"] == ["Complete", STEPS, [1 / (step + 1) for step in STEPS]]
    run = seen["described"]["run-a"]
    assert run["Status"]["PrimaryStatus"] == "Completed"
    assert run["Parameters"] == {
        "lr": {"NumberValue": 0.125},
        "optimizer": {"StringValue": "adam"},
        "layers": {"NumberValue": 5.0},
        "augment": {"NumberValue": 1.0},
        "resumed": {"StringValue": "yes"},
    }
    assert run["InputArtifacts"]["data"] == {"MediaType": "text/csv", "Value": "s3://bucket/data"}
    assert run["OutputArtifacts"]["script"]["Value"].startswith(f"s3://artifacts-{version}/")
    metrics = {each["MetricName"]: each for each in run["Metrics"]}
    assert metrics["loss"]["Count"] == len(STEPS)
    assert (metrics["loss"]["Max"], metrics["loss"]["Min"]) == (1.0, 1 / 25)
    assert metrics["loss"]["Last"] == 1 / 25
    assert metrics["accuracy"]["Avg"] == 0.625
    assert metrics["late"]["Last"] == 3.0
    assert len(seen["described"]["fails"]["Status"]["Message"]) == 1024
    assert seen["described"]["fails"]["Status"]["PrimaryStatus"] == "Failed"
    assert seen["associated"] == ["ConfusionMatrix", "PrecisionRecallCurve", "ROCCurve"]
    assert seen["rows"] == ["digits-exp-fails", "digits-exp-run-a", "digits-exp-run-b"]
    assert {"lr", "loss - Last", "Experiments", "Trials"} <= set(seen["columns"])
    assert seen["left"] == [0, 0, 0]


def test_several_processes_in_one_run(signed: Signed) -> None:
    """Eight processes that log into one run at once lose and double nothing."""
    script = (
        "import boto3, sys, time\n"
        "client = boto3.client('sagemaker-metrics')\n"
        "for step in range(50):\n"
        "    client.batch_put_metrics(TrialComponentName='many', MetricData=[{'MetricName': 'loss',"
        " 'Timestamp': time.time(), 'Step': step, 'Value': float(sys.argv[1])}])\n"
    )
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder_of("boto3-1.44")),
        **signed.variables,
    }
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        runs = [
            pool.submit(
                subprocess.run, [sys.executable, "-c", script, str(rank)], env=env, check=True
            )
            for rank in range(8)
        ]
        for each in runs:
            each.result()
    read = (
        "import boto3, json\n"
        "found = boto3.client('sagemaker').describe_trial_component(TrialComponentName='many')\n"
        "print(json.dumps(found['Metrics'][0], default=str))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", read], env=env, check=True, capture_output=True, text=True
    )
    metric = json.loads(done.stdout)
    assert (metric["Count"], metric["Min"], metric["Max"]) == (400, 0.0, 7.0)
    assert metric["Avg"] == pytest.approx(3.5)


def test_javascript(signed: Signed) -> None:
    """`@aws-sdk/client-sagemaker` creates, lists by pages, describes, searches, reads errors."""
    node = shutil.which("node", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert node is not None, "there is no node; requirements/dev.txt installs one"
    folder = folder_of("javascript")
    script = shutil.copy(Path(__file__).with_name("control.mjs"), folder)
    env = {"PATH": os.environ["PATH"], **signed.variables}
    done = subprocess.run(
        [node, script], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    newest_first = [f"js-{number}" for number in range(11, -1, -1)]
    assert [len(page) for page in seen["listed"]] == [5, 5, 2]
    assert [name for page in seen["listed"] for name in page] == newest_first
    assert seen["started"] == 1_795_435_200_123
    assert seen["parameters"] == {
        "lr": {"NumberValue": 0.375},
        "name": {"StringValue": "grüß \N{GRINNING FACE}"},
    }
    assert seen["found"] == ["js-9", "js-10", "js-11"]
    (taken, taken_message, status), (broken, broken_message, _) = seen["errors"]
    assert (taken, broken, status) == ("ValidationException", "ValidationException", 400)
    assert "already exists" in taken_message
    assert "'experimentName'" in broken_message
