"""Run by a SageMaker SDK's own Python: its experiment tracking in all forms; prints what it saw.

Not a test module: `test_sagemaker` runs it with the SDK v2 or v3 on the path, the endpoints in the
environment.
"""

# ruff: noqa: PLC0415 - which module there is depends on the version
from __future__ import annotations

import json
import logging
import sys
import warnings
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import boto3  # noqa: E402

EXPERIMENT = "Digits-Exp"
POINTS = 25


def load(version: str) -> tuple[Any, ...]:
    """Import the SDK's names from where its version has them."""
    if version == "2":
        from sagemaker.analytics import ExperimentAnalytics
        from sagemaker.experiments import Run, list_runs, load_run
        from sagemaker.experiments.experiment import Experiment
        from sagemaker.session import Session
    else:
        from sagemaker.core.analytics import ExperimentAnalytics
        from sagemaker.core.experiments.experiment import Experiment
        from sagemaker.core.experiments.run import Run, list_runs, load_run
        from sagemaker.core.helper.session_helper import Session
    return Run, load_run, list_runs, Experiment, ExperimentAnalytics, Session


def log_run(sdk: tuple[Any, ...], session: Any, name: str) -> None:
    """Log a run with everything that it can have."""
    run_type = sdk[0]
    with run_type(
        experiment_name=EXPERIMENT,
        run_name=name,
        sagemaker_session=session,
        tags=[{"Key": "team", "Value": "vision"}],
    ) as run:
        run.log_parameter("lr", 0.125)
        run.log_parameters({"optimizer": "adam", "layers": 5, "augment": True})
        for step in range(POINTS):
            run.log_metric("loss", 1 / (step + 1), step=step)
        run.log_metric("accuracy", 0.5)
        run.log_metric("accuracy", 0.75)
        run.log_artifact("data", "s3://bucket/data", media_type="text/csv", is_output=False)
        run.log_confusion_matrix([0, 1, 1, 0], [0, 1, 0, 0], title="confusion")
        run.log_roc_curve([0, 1, 1, 0], [0.1, 0.9, 0.4, 0.2], title="roc")
        run.log_precision_recall([0, 1, 1, 0], [0.1, 0.9, 0.4, 0.2], title="recall")
        run.log_file(__file__, name="script")


def log_nested(sdk: tuple[Any, ...], session: Any) -> str:
    """Load the current run within its own block; a second `Run` in there is refused."""
    run_type, load_run = sdk[:2]
    names = {"experiment_name": EXPERIMENT, "run_name": "nest", "sagemaker_session": session}
    with run_type(**names) as outer:
        outer.log_metric("outer", 1.0)
        with load_run(sagemaker_session=session) as inner:
            inner.log_metric("inner", 2.0)
        try:
            with run_type(**names):
                return "allowed"
        except RuntimeError:
            return "refused"


def row_of(frame: Any, component: str) -> dict[str, float]:
    """Give the numbers of one component's row of a DataFrame."""
    row = frame[frame["TrialComponentName"] == component].iloc[0]
    columns = ["lr", "layers", "accuracy - Last"]
    columns += [f"loss - {each}" for each in ("Count", "Min", "Max", "Avg", "Last")]
    return {column: float(row[column]) for column in columns}


def main(version: str) -> None:
    """Log, load again, fail, list, read back, delete."""
    sdk = load(version)
    _, load_run, list_runs, experiment_type, analytics_type, session_type = sdk
    boto3.client("s3").create_bucket(Bucket=f"artifacts-{version}")
    session = session_type(default_bucket=f"artifacts-{version}")
    for name in ("Run-A", "run-b"):
        log_run(sdk, session, name)
    with load_run(
        experiment_name=EXPERIMENT.lower(), run_name="RUN-A", sagemaker_session=session
    ) as run:
        run.log_metric("late", 3.0, step=1)
        run.log_parameter("resumed", "yes")
    failure = ""
    try:
        with sdk[0](experiment_name=EXPERIMENT, run_name="fails", sagemaker_session=session):
            raise RuntimeError("x" * 3000)  # noqa: TRY301 - as a training does
    except RuntimeError:
        failure = "raised"
    nested = log_nested(sdk, session)
    listed = list_runs(experiment_name=EXPERIMENT.lower(), sagemaker_session=session)
    client = boto3.client("sagemaker")
    described = {}
    for run in ("run-a", "run-b", "fails", "nest"):
        answer = client.describe_trial_component(TrialComponentName=f"digits-exp-{run}")
        del answer["ResponseMetadata"]
        described[run] = answer
    arn = described["run-a"]["TrialComponentArn"]
    result = boto3.client("sagemaker-metrics").batch_get_metrics(
        MetricQueries=[
            {
                "ResourceArn": arn,
                "MetricName": "loss",
                "MetricStat": "Last",
                "Period": "IterationNumber",
                "XAxisType": "IterationNumber",
            }
        ]
    )["MetricQueryResults"][0]
    frame = analytics_type(experiment_name="digits-exp", sagemaker_session=session).dataframe()
    associated = client.list_associations(SourceArn=arn)["AssociationSummaries"]
    experiment_type.load("DIGITS-exp", sagemaker_session=session)._delete_all(action="--force")
    seen = {
        "failure": failure,
        "nested": nested,
        "frame": row_of(frame, "digits-exp-run-a"),
        "listed": sorted(run.run_name for run in listed),
        "described": described,
        "curve": [result["Status"], result["XAxisValues"], result["MetricValues"]],
        "columns": sorted(frame.columns),
        "rows": sorted(frame["TrialComponentName"]),
        "associated": sorted(each["DestinationType"] for each in associated),
        "left": [
            len(client.list_experiments()["ExperimentSummaries"]),
            len(client.list_trials()["TrialSummaries"]),
            len(client.list_trial_components()["TrialComponentSummaries"]),
        ],
    }
    sys.stdout.write(json.dumps(seen, default=str))


if __name__ == "__main__":
    main(sys.argv[1])
