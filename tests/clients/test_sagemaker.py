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
from typing import Any

import pytest

from .conftest import Signed, folder_of

SCRIPT = Path(__file__).with_name("sagemaker_run.py")
START_S = 60
SDK_S = 240

RANK = Path(__file__).with_name("sagemaker_rank.py")
RESOURCES = Path(__file__).with_name("sagemaker_resources.py")
RANKS = 4

STEPS = list(range(25))


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


def run_script(version: str, signed: Signed, home: Path, *command: str, **more: str) -> str:
    """Run a script with one version of the SDK; give what it prints."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder_of(f"sagemaker-{version}")),
        "HOME": str(home),
        **signed.variables,
        **more,
    }
    done = subprocess.run(
        [sys.executable, *command],
        env=env,
        capture_output=True,
        text=True,
        timeout=SDK_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return done.stdout


def run_sdk(version: str, signed: Signed, storage: str, home: Path) -> dict[str, Any]:
    """Run the script of all that `Run` can do."""
    printed = run_script(version, signed, home, str(SCRIPT), version, AWS_ENDPOINT_URL_S3=storage)
    seen: dict[str, Any] = json.loads(printed[printed.index('{"failure"') :])
    return seen


@pytest.mark.parametrize("version", ["2", "3"])
def test_run_in_all_its_forms(version: str, signed: Signed, storage: str, tmp_path: Path) -> None:
    """What `Run` logged comes back: parameters, curves, summaries, charts, status; then it goes."""
    seen = run_sdk(version, signed, storage, tmp_path)
    assert seen["failure"] == "raised"
    assert seen["listed"] == ["fails", "nest", "run-a", "run-b"]
    assert seen["nested"] == "refused"
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
    nest = {each["MetricName"]: each["Last"] for each in seen["described"]["nest"]["Metrics"]}
    assert nest == {"outer": 1.0, "inner": 2.0}
    runs = ("fails", "nest", "run-a", "run-b")
    assert seen["rows"] == [f"digits-exp-{run}" for run in runs]
    assert {"lr", "loss - Last", "Experiments", "Trials"} <= set(seen["columns"])
    assert seen["frame"] == {
        "lr": 0.125,
        "layers": 5.0,
        "loss - Count": len(STEPS),
        "loss - Min": 1 / 25,
        "loss - Max": 1.0,
        "loss - Avg": pytest.approx(sum(1 / (step + 1) for step in STEPS) / len(STEPS)),
        "loss - Last": 1 / 25,
        "accuracy - Last": 0.75,
    }
    assert seen["left"] == [0, 0, 0]


@pytest.mark.parametrize("version", ["2", "3"])
def test_several_processes_in_one_run(version: str, signed: Signed, tmp_path: Path) -> None:
    """Processes that log into one `Run` at once lose and double nothing, parameters either."""
    run_script(version, signed, tmp_path, str(RANK), version, "-1")
    with concurrent.futures.ThreadPoolExecutor(RANKS) as pool:
        ranks = [
            pool.submit(run_script, version, signed, tmp_path, str(RANK), version, str(rank))
            for rank in range(RANKS)
        ]
        for each in ranks:
            each.result()
    read = (
        "import boto3, json\n"
        "found = boto3.client('sagemaker').describe_trial_component("
        f"TrialComponentName='ranks-{version}-many')\n"
        "print(json.dumps([found['Metrics'], found['Parameters'], found['Status']], default=str))\n"
    )
    metrics, parameters, status = json.loads(run_script(version, signed, tmp_path, "-c", read))
    summaries = {each["MetricName"]: each for each in metrics}
    everything = list(range(RANKS * len(STEPS)))
    shared = summaries.pop("shared")
    assert (shared["Count"], shared["Min"], shared["Max"]) == (len(everything), 0, everything[-1])
    assert shared["Avg"] == pytest.approx(sum(everything) / len(everything))
    assert summaries.keys() == {f"own-{rank}" for rank in range(RANKS)}
    for each in summaries.values():
        assert (each["Count"], each["Max"]) == (len(STEPS), STEPS[-1])
    assert parameters == {f"rank-{rank}": {"NumberValue": float(rank)} for rank in range(RANKS)}
    assert status["PrimaryStatus"] == "Completed"


def test_resources_page_by_page(signed: Signed, tmp_path: Path) -> None:
    """v3's resource classes create, list over pages, update, put, get curves, and delete."""
    seen = json.loads(run_script("3", signed, tmp_path, str(RESOURCES)))
    assert seen == {
        "listed": [f"core-{number}" for number in range(23)],
        "status": ["Completed", "done"],
        "lr": 23 / 8,
        "more": "yes",
        "created_by": signed.variables["AWS_ACCESS_KEY_ID"],
        "metrics": [["loss", 7, 0.5, 3.5, 3.5, 2.0]],
        "curve": ["Complete", [*range(1, 8)], [step / 2 for step in range(1, 8)]],
        "experiment": ["Core-Exp", "changed"],
        "left": seen["left"],
    }
    # What other tests have left is not of this one.
    assert seen["left"][0] < 23


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
