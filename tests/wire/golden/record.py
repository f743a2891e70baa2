"""Record what a version of botocore sends, without a network: `python record.py > FILE.json`.

Run with the Python of an environment that has only that botocore:

    python -m venv /tmp/v && /tmp/v/bin/pip install botocore==1.34.162
    /tmp/v/bin/python record.py > botocore-1.34.162.json
"""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
from typing import Any

import botocore
from botocore import UNSIGNED
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.session import Session

INSTANT = dt.datetime(2023, 11, 14, 22, 13, 20, 123_456, tzinfo=dt.UTC)
ARN = "arn:aws:sagemaker:us-east-1:123456789012:experiment-trial-component/run"
KEPT_HEADERS = ("content-type", "content-length", "amz-sdk-invocation-id", "amz-sdk-request")


def item(value: object = 0.5, timestamp: object = 1_700_000_000, **more: object) -> dict[str, Any]:
    """Make an item of MetricData."""
    return {"MetricName": "loss", "Timestamp": timestamp, "Value": value, **more}


PUTS: dict[str, list[dict[str, Any]]] = {
    "whole seconds": [item(), item(timestamp=0)],
    "a datetime with microseconds": [item(timestamp=INSTANT)],
    "half a second": [item(timestamp=1_700_000_000.5)],
    "ISO and numeric strings": [item(timestamp="2023-11-14T22:13:20.123456Z")],
    "before 1970": [item(timestamp=-1)],
    "the non-finite": [item(math.nan), item(math.inf), item(-math.inf)],
    "booleans": [item(value=True, Step=True), item(value=False, Step=False)],
    "the ends of float64": [item(1e308), item(5e-324), item(-0.0), item(0.1), item(2**70)],
    "steps": [item(Step=step) for step in (0, 1, 2**31 - 1, 2**31, 2**53 - 1, 2**63, 2**70)],
    "names": [
        {**item(), "MetricName": name} for name in ("val/loss:ε", "😀", 'q"\\', "\x01", "a\nb")
    ],
}


def record() -> dict[str, Any]:
    """Send everything into a hook and note what would have gone out."""
    client = Session().create_client(
        "sagemaker-metrics",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:1/base/",
        config=Config(signature_version=UNSIGNED),
    )
    sent: list[Any] = []

    def catch(request: Any, **_: object) -> AWSResponse:
        sent.append(request)
        response = AWSResponse(request.url, 200, {}, None)
        response._content = b"{}"
        return response

    client.meta.events.register("before-send", catch)
    names = []
    for name, data in PUTS.items():
        names.append(name)
        client.batch_put_metrics(TrialComponentName="run", MetricData=data)
    if hasattr(client, "batch_get_metrics"):  # 1.34 has none
        names.append("a get")
        _get(client)
    return {
        "client": f"botocore {botocore.__version__}",
        "requests": {name: _as_json(each) for name, each in zip(names, sent, strict=True)},
    }


def _get(client: Any) -> None:
    query = {"ResourceArn": ARN, "MetricName": "loss", "MetricStat": "Last"}
    query |= {"Period": "IterationNumber", "XAxisType": "IterationNumber"}
    client.batch_get_metrics(MetricQueries=[query, {**query, "Start": 0, "End": 2**40}])


def _as_json(request: Any) -> dict[str, Any]:
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    return {
        "method": request.method,
        "path": request.url.removeprefix("http://127.0.0.1:1"),
        "headers": {name: headers[name] for name in KEPT_HEADERS if name in headers},
        "body": _text(request.body),
    }


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    json.dump(record(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
