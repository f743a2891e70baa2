"""Owns what is timed on the peers' side: one training job's points through each tool's own client.

It runs inside the peers' environment, as a file, and imports nothing of Stepwell or of the
benchmarks: only boto3 or MLflow. Building the arguments of the calls is not timed.

Arguments: client (`boto3` or `mlflow`), endpoint, points a call, name of the run, and what
else to do: `read` (one metric, afterwards), `create` (the component, before: moto wants it) or
`put` (nothing else). It writes one JSON object: the number of points, seconds to put them, seconds
to read one metric back or null.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import sys
import time
from typing import Any

METRICS = 10
STEPS = 10_000
START_SECONDS = 1_790_000_000
STEP_SECONDS = 0.25
READS = 3
READ_METRIC = "train:loss-00"
ACCOUNT_ARN = "arn:aws:sagemaker:us-east-1:000000000000:experiment-trial-component/"


def training_points() -> list[tuple[str, float, float, int]]:
    """Return (metric, time in seconds, value, step) of every point, step by step."""
    rng = random.Random(7837)
    points = []
    for step in range(STEPS):
        at = round(START_SECONDS + STEP_SECONDS * step + rng.uniform(0.0, 0.1), 3)
        for metric in range(METRICS):
            value = (2.0 * math.exp(-step / 3000.0) + 0.3) * (1.0 + rng.gauss(0.0, 0.08))
            points.append((f"train:loss-{metric:02d}", at, value, step))
    return points


def _boto3_client(service: str, endpoint: str) -> Any:
    # Imported here because the other client's run has no use for it.
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="benchmark",
    )


def put_boto3(endpoint: str, points_per_call: int, run: str) -> float:
    """Put every point with BatchPutMetrics; return the seconds."""
    client = _boto3_client("sagemaker-metrics", endpoint)
    items = [
        {"MetricName": metric, "Timestamp": at, "Value": value, "Step": step}
        for metric, at, value, step in training_points()
    ]
    calls = [
        items[start : start + points_per_call] for start in range(0, len(items), points_per_call)
    ]
    started = time.perf_counter()
    for call in calls:
        answer = client.batch_put_metrics(TrialComponentName=run, MetricData=call)
        if answer.get("Errors"):
            raise RuntimeError(answer)
    return time.perf_counter() - started


def get_boto3(endpoint: str, run: str) -> tuple[float, list[float]]:
    """Get one metric's last value at each step; return the seconds and the values."""
    client = _boto3_client("sagemaker-metrics", endpoint)
    query = {
        "MetricName": READ_METRIC,
        "ResourceArn": ACCOUNT_ARN + run,
        "MetricStat": "Last",
        "Period": "IterationNumber",
        "XAxisType": "IterationNumber",
    }
    times = []
    for _ in range(READS):
        started = time.perf_counter()
        result = client.batch_get_metrics(MetricQueries=[query])["MetricQueryResults"][0]
        times.append(time.perf_counter() - started)
    if result["Status"] != "Complete":
        raise RuntimeError(result)
    return statistics.median(times), result["MetricValues"]


def run_mlflow(endpoint: str, points_per_call: int, run: str) -> tuple[float, float, list[float]]:
    """Put with log_batch, read with get_metric_history; return both times and the values."""
    # Only the peers' environment has it.
    from mlflow import MlflowClient  # type: ignore[import-not-found]  # noqa: PLC0415
    from mlflow.entities import Metric  # type: ignore[import-not-found]  # noqa: PLC0415

    client = MlflowClient(tracking_uri=endpoint)
    run_id = client.create_run(client.create_experiment(run)).info.run_id
    items = [
        Metric(metric, value, round(at * 1000), step)
        for metric, at, value, step in training_points()
    ]
    calls = [
        items[start : start + points_per_call] for start in range(0, len(items), points_per_call)
    ]
    started = time.perf_counter()
    for call in calls:
        client.log_batch(run_id, metrics=call, synchronous=True)
    put_seconds = time.perf_counter() - started
    times = []
    for _ in range(READS):
        started = time.perf_counter()
        history = client.get_metric_history(run_id, READ_METRIC)
        times.append(time.perf_counter() - started)
    values = [metric.value for metric in sorted(history, key=lambda metric: metric.step)]
    return put_seconds, statistics.median(times), values


def _check(values: list[float]) -> None:
    expected = [value for metric, _, value, _ in training_points() if metric == READ_METRIC]
    if values != expected:
        message = f"{len(values)} values came back, or not those that were put ({len(expected)})"
        raise RuntimeError(message)


def main() -> None:
    """Run one client against one server and write the times."""
    client, endpoint, points_per_call, run, how = sys.argv[1:]
    read_seconds: float | None = None
    if client == "mlflow":
        put_seconds, read_seconds, values = run_mlflow(endpoint, int(points_per_call), run)
        _check(values)
    else:
        if how == "create":
            _boto3_client("sagemaker", endpoint).create_trial_component(TrialComponentName=run)
        put_seconds = put_boto3(endpoint, int(points_per_call), run)
        if how == "read":
            read_seconds, values = get_boto3(endpoint, run)
            _check(values)
    points = METRICS * STEPS
    json.dump(
        {"points": points, "put_seconds": put_seconds, "read_seconds": read_seconds}, sys.stdout
    )


if __name__ == "__main__":
    main()
