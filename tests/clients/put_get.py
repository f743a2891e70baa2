"""Run by each AWS client's own Python: puts, gets and fails with boto3, and prints what it saw.

Not a test module: `test_aws_clients` runs it with one version of boto3 on the path.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
import warnings

warnings.simplefilter("ignore")  # Old versions speak of their own end.

import boto3  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:experiment-trial-component/"
STAMP = dt.datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=dt.UTC)


def main(endpoint: str, component: str) -> None:
    """Put points in every form that boto3 has, get them back, and provoke errors."""
    client = boto3.client(
        "sagemaker-metrics",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
    )
    values = [0.5, math.nan, math.inf, -math.inf, -0.0, 1e300]
    put = client.batch_put_metrics(
        TrialComponentName=component,
        MetricData=[
            {"MetricName": "loss", "Timestamp": STAMP, "Step": step, "Value": value}
            for step, value in enumerate(values)
        ],
    )
    base = {"ResourceArn": ARN + component, "MetricName": "loss"}
    by_step = {"Period": "IterationNumber", "XAxisType": "IterationNumber"}
    got = client.batch_get_metrics(
        MetricQueries=[
            {**base, **by_step, "MetricStat": "Last"},
            {**base, "MetricStat": "Count", "Period": "OneMinute", "XAxisType": "Timestamp"},
            {**base, **by_step, "MetricStat": "Last", "Start": 4, "End": 6},
            {**base, **by_step, "MetricStat": "Last", "ResourceArn": ARN + "nobody"},
        ]
    )["MetricQueryResults"]
    codes = []
    for name in ("bad name", "x" * 121):
        try:
            client.batch_put_metrics(
                TrialComponentName=name,
                MetricData=[{"MetricName": "loss", "Timestamp": STAMP, "Value": 1.0}],
            )
        except ClientError as error:
            codes.append([error.response["Error"]["Code"], error.response["Error"]["Message"]])
    refused = client.batch_put_metrics(
        TrialComponentName=component,
        MetricData=[
            {"MetricName": "x" * 256, "Timestamp": STAMP, "Value": 1.0},
            {"MetricName": "accuracy", "Timestamp": STAMP, "Value": True},
        ],
    )
    result = {
        "put": put.get("Errors"),
        "request_id": put["ResponseMetadata"]["RequestId"],
        "got": [
            [each["Status"], each["XAxisValues"], [float(v) for v in each["MetricValues"]]]
            for each in got
        ],
        "codes": codes,
        "refused": refused["Errors"],
    }
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
