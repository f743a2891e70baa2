"""Put a whole sweep into a running server: sixteen trainings with everything that happens to them.

    python examples/sweep.py --endpoint http://127.0.0.1:7837          # some seconds
    python examples/sweep.py --endpoint http://127.0.0.1:7837 --live   # one run goes on for ever

Needs boto3 and numpy. The curves are made, not trained, so that the Studio can be tried at once:
learning rates and seeds, a run that diverges to NaN, one that was resumed, one that is stalled.
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
import zlib
from dataclasses import dataclass, replace
from typing import Any

import boto3
import numpy as np
from numpy.typing import NDArray

STEPS = 6000
EVERY_EVALUATION = 100
SECONDS_A_STEP = 0.35
POINTS_A_PUT = 5000
EXPERIMENT = "resnet-sweep"

Curve = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True)
class Training:
    """One run: what it was called with and what happens to it."""

    name: str
    learning_rate: float
    optimizer: str
    seed: int
    batch_size: int = 256
    fate: str = ""
    progress: float = 1.0
    status: str = "Completed"

    @property
    def parameters(self) -> dict[str, Any]:
        """Give the parameters as the control plane takes them."""
        numbers = {
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "weight_decay": 0.05,
        }
        texts = {"optimizer": self.optimizer, "model": "resnet50", "dataset": "imagenet-100"}
        return {name: {"NumberValue": value} for name, value in numbers.items()} | {
            name: {"StringValue": value} for name, value in texts.items()
        }


def sweep() -> list[Training]:
    """Give the sixteen trainings, oldest first."""
    found = [
        Training(f"{optimizer}-{rate}-s{seed}", float(rate), optimizer, seed)
        for optimizer, rate in (
            ("sgd", "1e-1"),
            ("sgd", "3e-2"),
            ("adamw", "1e-3"),
            ("adamw", "3e-4"),
        )
        for seed in (1, 2, 3)
    ]
    return [
        *found,
        Training("adamw-1e-2-s1", 0.01, "adamw", 1, fate="diverges", status="Failed"),
        Training("adamw-1e-3-resumed", 0.001, "adamw", 4, fate="resumed"),
        Training("adamw-3e-3-s1", 0.003, "adamw", 1, 512, "spikes", 0.55, "InProgress"),
        Training("adamw-2e-3-s1", 0.002, "adamw", 1, 512, "", 0.72, "InProgress"),
    ]


def curves(training: Training, steps: int = STEPS) -> dict[str, Curve]:
    """Make the metrics of one training."""
    rng = np.random.default_rng(zlib.crc32(training.name.encode()))
    step = np.arange(int(steps * training.progress))
    part = step / steps
    quality = 0.35 * abs(
        np.log10(training.learning_rate / (0.05 if training.optimizer == "sgd" else 1e-3))
    )
    floor = 0.32 + 0.3 * quality + 0.02 * rng.normal()
    noise = rng.normal(size=len(step)) * 0.16 * (1.1 - 0.7 * part)
    loss = floor + (4.6 - floor) * np.exp(-part * (9 - 5 * quality)) + noise * np.exp(-0.4 * part)
    loss = np.maximum(loss + (0.1 * np.sin(part * 40) * np.exp(-4 * part)), 0.02)
    norm = 0.8 + 2.5 * np.exp(-part * 6) + np.abs(rng.normal(size=len(step))) * 0.5
    rate = training.learning_rate * np.minimum(1, part / 0.05) * 0.5 * (1 + np.cos(np.pi * part))
    if training.fate == "spikes":
        for at in (900, 901, 2200, 2750):
            loss[at] *= rng.uniform(12, 30)
            norm[at] *= 60
    if training.fate == "diverges":
        last = int(0.42 * len(step))
        loss[last - 250 : last] *= np.exp(np.linspace(0, 3.2, 250))
        norm[last - 250 : last] *= np.exp(np.linspace(0, 6, 250))
        loss[last:] = np.nan
        norm[last:] = np.inf
    accuracy = np.clip(1 - 0.21 * loss + rng.normal(size=len(step)) * 0.02, 0, 1)
    evaluated = step[EVERY_EVALUATION - 1 :: EVERY_EVALUATION]
    smooth = np.convolve(np.nan_to_num(loss, nan=4.6), np.ones(50) / 50, mode="same")[evaluated]
    gap = 0.05 + 0.18 * evaluated / steps
    made = {
        "train/loss": loss,
        "train/accuracy": accuracy,
        "train/grad_norm": norm,
        "train/learning_rate": rate,
        "system/gpu_utilization": np.clip(93 + 4 * rng.normal(size=len(step)), 0, 100),
        "system/images_per_second": 2900
        + 60 * rng.normal(size=len(step))
        - 900 * (step % 1500 < 12),
        "system/gpu_memory_gb": np.full(len(step), 31.4) + 0.2 * (step > 40),
    }
    found = {name: (step, values) for name, values in made.items()}
    found["val/loss"] = (evaluated, smooth + gap + 0.02 * rng.normal(size=len(evaluated)))
    found["val/accuracy"] = (evaluated, np.clip(1 - 0.2 * smooth - 0.3 * gap, 0, 1))
    found["val/top5"] = (evaluated, np.clip(1 - 0.07 * smooth - 0.1 * gap, 0, 1))
    if training.fate == "resumed":
        # A checkpoint from 500 steps before is where it went on.
        cut = int(0.6 * steps)
        for name, (at, values) in list(found.items()):
            again = (at >= cut - 500) & (at < cut)
            found[name] = (
                np.concatenate([at[at < cut], at[again], at[at >= cut]]),
                np.concatenate([values[at < cut], values[again] * 1.02, values[at >= cut]]),
            )
    return found


def put(
    endpoint: str, component: str, metric: str, curve: Curve, span: tuple[float, float]
) -> None:
    """Put one curve over a span of time, thousands of points a request."""
    steps, values = curve
    start, end = span
    seconds = (end - start) / max(1, len(steps) - 1)
    for at in range(0, len(steps), POINTS_A_PUT):
        points = [
            {
                "MetricName": metric,
                "Timestamp": start + (at + index) * seconds,
                "Step": int(step),
                "Value": float(value) if np.isfinite(value) else spelled(value),
            }
            for index, (step, value) in enumerate(
                zip(steps[at : at + POINTS_A_PUT], values[at : at + POINTS_A_PUT], strict=True)
            )
        ]
        post(endpoint, {"TrialComponentName": component, "MetricData": points})


def spelled(value: float) -> str:
    """Spell what JSON has no number for."""
    return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def post(endpoint: str, body: dict[str, Any]) -> None:
    """Send one BatchPutMetrics; any HTTP client will do."""
    request = urllib.request.Request(
        endpoint + "/BatchPutMetrics",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request) as answer:
        errors = json.load(answer).get("Errors")
    if errors:
        raise RuntimeError(errors)


def create(sagemaker: Any, training: Training, start: float, end: float) -> None:
    """Make the run with its parameters and tags, in the experiment."""
    ending = {} if training.status == "InProgress" else {"EndTime": end}
    sagemaker.create_trial_component(
        TrialComponentName=training.name,
        Status={"PrimaryStatus": training.status},
        StartTime=start,
        Parameters=training.parameters,
        Tags=[{"Key": "team", "Value": "vision"}],
        **ending,
    )
    sagemaker.associate_trial_component(
        TrialComponentName=training.name, TrialName=EXPERIMENT + "-trial"
    )


def client(endpoint: str) -> Any:
    """Make the client; the keys can be anything until a server asks for them."""
    return boto3.client(
        "sagemaker",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


def begin(sagemaker: Any) -> str:
    """Make the experiment; where it is there from before, say what to add to the runs' names."""
    try:
        sagemaker.describe_experiment(ExperimentName=EXPERIMENT)
    except sagemaker.exceptions.ResourceNotFound:
        sagemaker.create_experiment(ExperimentName=EXPERIMENT)
        sagemaker.create_trial(TrialName=EXPERIMENT + "-trial", ExperimentName=EXPERIMENT)
        return ""
    return time.strftime("%Y%m%d-%H%M%S")


def end(endpoint: str, training: Training, status: str) -> None:
    """Say that a run has ended."""
    client(endpoint).update_trial_component(
        TrialComponentName=training.name, Status={"PrimaryStatus": status}, EndTime=time.time()
    )


def put_sweep(endpoint: str, steps: int = STEPS, only: int | None = None) -> list[Training]:
    """Put the trainings, the last `only` of them, and return them."""
    sagemaker = client(endpoint)
    again = begin(sagemaker)
    trainings = [
        replace(each, name=f"{each.name}-{again}") if again else each
        for each in sweep()[-(only or 0) :]
    ]
    now = time.time()
    for index, training in enumerate(trainings):
        length = steps * training.progress * SECONDS_A_STEP
        # The two that still run have put their last point now, and four minutes ago.
        end = now - (len(trainings) - index) * 1500
        if training.status == "InProgress":
            end = now - (250 if training.fate == "spikes" else 1)
        create(sagemaker, training, end - length, end)
        for metric, curve in curves(training, steps).items():
            put(endpoint, training.name, metric, curve, (end - length, end))
    return trainings


def follow(endpoint: str, training: Training, points: int | None = None) -> None:
    """Go on with one run, a step at a time."""
    whole = curves(Training(training.name, training.learning_rate, training.optimizer, 1))
    loss = whole["train/loss"][1]
    at = int(STEPS * training.progress)
    stop = None if points is None else at + points
    while stop is None or at < stop:
        value = float(loss[min(at, len(loss) - 1)] + 0.02 * np.random.default_rng(at).normal())
        for name, each in (("train/loss", value), ("train/accuracy", max(0.0, 1 - 0.21 * value))):
            point = {"MetricName": name, "Timestamp": time.time(), "Step": at, "Value": each}
            post(endpoint, {"TrialComponentName": training.name, "MetricData": [point]})
        at += 1
        time.sleep(SECONDS_A_STEP)


def main() -> None:
    """Put the sweep, and go on where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--live", action="store_true", help="go on with one run until stopped")
    arguments = parser.parse_args()
    trainings = put_sweep(arguments.endpoint)
    if not arguments.live:
        end(arguments.endpoint, trainings[-1], "Completed")
        return
    try:
        follow(arguments.endpoint, trainings[-1])
    finally:
        end(arguments.endpoint, trainings[-1], "Stopped")


if __name__ == "__main__":
    main()
