"""Train a classifier on handwritten digits twice and watch it through Stepwell, with plain boto3.

    python examples/digits.py                                  # starts a server of its own
    python examples/digits.py --endpoint http://127.0.0.1:7837 # uses one that runs

Needs boto3, scikit-learn and plotext. The training loop is what anyone would write for Amazon
SageMaker; only `endpoint_url` differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import plotext
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

BATCH = 64
ARN = "arn:aws:sagemaker:us-east-1:000000000000:experiment-trial-component/"
METRICS = ("train:loss", "train:accuracy", "weights:norm")

Point = dict[str, Any]


def client(endpoint: str) -> Any:
    """Make the client; the keys can be anything until a server asks for them."""
    return boto3.client(
        "sagemaker-metrics",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


def train(metrics: Any, component: str, learning_rate: float, epochs: int) -> list[Point]:
    """Train with mini-batches, put metrics at each step, and return every point that was put."""
    images, labels = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        images / 16.0, labels, test_size=0.25, random_state=0
    )
    model = MLPClassifier(
        hidden_layer_sizes=(64,), learning_rate_init=learning_rate, random_state=0
    )
    rng = np.random.default_rng(0)
    classes = np.unique(labels)
    logged: list[Point] = []
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(x_train))
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            model.partial_fit(x_train[batch], y_train[batch], classes=classes)
            chances = model.predict_proba(x_train[batch])
            values = {
                "train:loss": log_loss(y_train[batch], chances, labels=classes),
                "train:accuracy": float((chances.argmax(axis=1) == y_train[batch]).mean()),
                "weights:norm": float(np.linalg.norm(model.coefs_[0])),
            }
            logged += put(metrics, component, step, values)
            step += 1
        logged += put(metrics, component, step - 1, {"test:accuracy": model.score(x_test, y_test)})
    return logged


def put(metrics: Any, component: str, step: int, values: dict[str, float]) -> list[Point]:
    """Put the metrics of one step."""
    now = time.time()
    data = [
        {"MetricName": name, "Timestamp": now, "Step": step, "Value": value}
        for name, value in values.items()
    ]
    answer = metrics.batch_put_metrics(TrialComponentName=component, MetricData=data)
    if answer["Errors"]:
        raise RuntimeError(answer["Errors"])
    return data


def get(metrics: Any, components: list[str], names: list[str], **form: str) -> dict[str, Any]:
    """Get every metric of every component in one form: statistic, period and axis."""
    keys = [(component, name) for component in components for name in names]
    answer = metrics.batch_get_metrics(
        MetricQueries=[
            {"ResourceArn": ARN + component, "MetricName": name, **form} for component, name in keys
        ]
    )
    results = {}
    for (component, name), result in zip(keys, answer["MetricQueryResults"], strict=True):
        if result["Status"] != "Complete":
            raise RuntimeError(result)
        results[f"{component} {name}"] = [result["XAxisValues"], result["MetricValues"]]
    return results


def plot(title: str, curves: dict[str, Any], name: str, x_label: str) -> None:
    """Draw one metric of all components in the terminal."""
    plotext.clear_figure()
    for key, (x, values) in curves.items():
        component, _, metric = key.partition(" ")
        if metric == name:
            origin = x[0] if x_label == "seconds" else 0
            scale = 1000 if x_label == "seconds" else 1
            plotext.plot([(each - origin) / scale for each in x], values, label=component)
    plotext.title(f"{name}: {title}")
    plotext.xlabel(x_label)
    plotext.plot_size(90, 18)
    plotext.theme("clear")
    plotext.show()


@contextlib.contextmanager
def server(endpoint: str | None) -> Iterator[str]:
    """Give the endpoint that was named, or that of a server which lives as long as the block."""
    if endpoint is not None:
        yield endpoint
        return
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "stepwell.cli.main", "serve", "--data", data]
        process = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True)
        try:
            # The address stands in the first line that names one.
            lines = iter(process.stdout or ())
            address = next(line for line in lines if "http://" in line)
            yield next(word for word in address.split() if word.startswith("http://"))
        finally:
            process.terminate()
            process.communicate()


def main() -> None:
    """Train with two learning rates, get the curves back in three forms, and plot them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", help="a running server; default: start one")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--json", type=Path, help="write what was put and what came back")
    arguments = parser.parse_args()
    with server(arguments.endpoint) as endpoint:
        metrics = client(endpoint)
        rates = {"digits-slow": 0.0005, "digits-fast": 0.02}
        logged = {
            component: train(metrics, component, rate, arguments.epochs)
            for component, rate in rates.items()
        }
        names = [*METRICS, "test:accuracy"]
        every_step = {"Period": "IterationNumber", "XAxisType": "IterationNumber"}
        over_time = {"Period": "IterationNumber", "XAxisType": "Timestamp"}
        minutes = {"Period": "OneMinute", "XAxisType": "Timestamp"}
        got = {
            "Last by step": get(metrics, list(rates), names, MetricStat="Last", **every_step),
            "Last over time": get(metrics, list(rates), names, MetricStat="Last", **over_time),
            "Avg by minute": get(metrics, list(rates), names, MetricStat="Avg", **minutes),
        }
    for name in names:
        plot("every step", got["Last by step"], name, "step")
    plot("over time", got["Last over time"], "train:loss", "seconds")
    for key, (_, values) in got["Avg by minute"].items():
        sys.stdout.write(f"{key}, mean of each minute: {[round(value, 4) for value in values]}\n")
    put_count = sum(map(len, logged.values()))
    sys.stdout.write(f"{put_count} points put, 3 x {len(rates) * len(names)} curves got back\n")
    if arguments.json:
        arguments.json.write_text(json.dumps({"logged": logged, "got": got}))


if __name__ == "__main__":
    main()
