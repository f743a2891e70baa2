"""Run by the SageMaker SDK v3's own Python: its resource classes, page by page; prints what it saw.

Not a test module: `test_sagemaker` runs it with the SDK on the path, the endpoints in the
environment.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from typing import Any

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

from sagemaker.core.resources import Experiment, Trial, TrialComponent  # noqa: E402
from sagemaker.core.shapes import (  # noqa: E402
    MetricQuery,
    RawMetricData,
    TrialComponentParameterValue,
    TrialComponentStatus,
)

#: Numbers begin at 1: the SDK's shapes lose every 0 on the way out.
COUNT = 23
POINTS = 7


def make() -> Any:
    """Make an experiment, a trial, and more components than a page has; give one of them."""
    Experiment.create(experiment_name="Core-Exp", description="made by v3")
    Trial.create(trial_name="core-trial", experiment_name="Core-Exp")
    for number in range(COUNT):
        component = TrialComponent.create(
            trial_component_name=f"core-{number}",
            parameters={"lr": TrialComponentParameterValue(number_value=(number + 1) / 8)},
        )
        component.associate_trail(trial_name="core-trial")
    return component


def main() -> None:
    """Create, get, list, update, put, get curves, delete."""
    component = make()
    listed = [
        each.trial_component_name
        for each in TrialComponent.get_all(trial_name="core-trial", sort_order="Ascending")
    ]
    component.update(
        status=TrialComponentStatus(primary_status="Completed", message="done"),
        parameters={"more": TrialComponentParameterValue(string_value="yes")},
    )
    component.batch_put_metrics(
        metric_data=[
            RawMetricData(
                metric_name="loss", timestamp=str(int(time.time())), step=step, value=step / 2
            )
            for step in range(1, POINTS + 1)
        ]
    )
    found = TrialComponent.get(trial_component_name="CORE-22")
    curve = TrialComponent.batch_get_metrics(
        metric_queries=[
            MetricQuery(
                metric_name="loss",
                resource_arn=found.trial_component_arn,
                metric_stat="Avg",
                period="IterationNumber",
                x_axis_type="IterationNumber",
            )
        ]
    ).metric_query_results[0]
    experiment = Experiment.get(experiment_name="core-exp")
    experiment.update(description="changed")
    experiment.refresh()
    seen = {
        "listed": listed,
        "status": [found.status.primary_status, found.status.message],
        "lr": found.parameters["lr"].number_value,
        "more": found.parameters["more"].string_value,
        "created_by": found.created_by.iam_identity.principal_id,
        "metrics": [
            [each.metric_name, each.count, each.min, each.max, each.last, each.avg]
            for each in found.metrics
        ],
        "curve": [curve.status, curve.x_axis_values, curve.metric_values],
        "experiment": [experiment.experiment_name, experiment.description],
    }
    for name in listed:
        each = TrialComponent.get(trial_component_name=name)
        each.disassociate_trail(trial_name="core-trial")
        each.delete()
    Trial.get(trial_name="core-trial").delete()
    experiment.delete()
    seen["left"] = [
        len([*TrialComponent.get_all()]),
        len([*Trial.get_all()]),
        len([*Experiment.get_all()]),
    ]
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
