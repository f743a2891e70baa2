"""Run by each boto3's own Python: the control plane page by page, signed; prints what it saw.

Not a test module: `test_control_plane` runs it with one version of boto3 on the path, the endpoints
in the environment. The prefix of all names keeps versions apart.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

warnings.simplefilter("ignore")  # Old versions speak of their own end.

import boto3  # noqa: E402

COUNT = 23
COMPONENT = "ExperimentTrialComponent"


def make(client: Any, prefix: str) -> None:
    """Make an experiment with a trial and more components than two pages hold."""
    client.create_experiment(ExperimentName=f"{prefix}-Exp", Description="grüß 漢字")
    client.create_trial(TrialName=f"{prefix}-trial", ExperimentName=f"{prefix}-exp")
    for number in range(COUNT):
        name = f"{prefix}-{number}"
        client.create_trial_component(
            TrialComponentName=name,
            Parameters={"lr": {"NumberValue": number / 8}},
            Tags=[{"Key": "parity", "Value": str(number % 2)}],
        )
        client.associate_trial_component(TrialComponentName=name, TrialName=f"{prefix}-trial")


def pages(client: Any, operation: str, member: str, **members: Any) -> list[list[Any]]:
    """List through boto3's paginator, ten to a page."""
    paginator = client.get_paginator(operation)
    options = {"PageSize": 10}
    return [page[member] for page in paginator.paginate(**members, PaginationConfig=options)]


def main(prefix: str) -> None:
    """Make, list, search, describe, delete."""
    client = boto3.client("sagemaker")
    make(client, prefix)
    listed = pages(
        client,
        "list_trial_components",
        "TrialComponentSummaries",
        ExperimentName=f"{prefix}-exp",
        SortBy="Name",
        SortOrder="Ascending",
    )
    filters = [
        {"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": f"{prefix}-EXP"},
        {"Name": "Tags.parity", "Operator": "Equals", "Value": "1"},
    ]
    found = pages(
        client,
        "search",
        "Results",
        Resource=COMPONENT,
        SearchExpression={"Filters": filters},
        SortBy="Parameters.lr",
        SortOrder="Ascending",
    )
    experiment = client.describe_experiment(ExperimentName=f"{prefix}-exp")
    errors = []
    for call, members in (
        (client.create_experiment, {"ExperimentName": f"{prefix}-EXP"}),
        (client.describe_trial, {"TrialName": "no"}),
        (client.delete_experiment, {"ExperimentName": f"{prefix}-exp"}),
        (client.list_models, {}),
    ):
        try:
            call(**members)
        except client.exceptions.ClientError as error:
            errors.append([type(error).__name__, error.response["Error"]["Code"]])
    for number in range(COUNT):
        name = f"{prefix}-{number}"
        client.disassociate_trial_component(TrialComponentName=name, TrialName=f"{prefix}-trial")
        client.delete_trial_component(TrialComponentName=name)
    client.delete_trial(TrialName=f"{prefix}-trial")
    client.delete_experiment(ExperimentName=f"{prefix}-exp")
    seen = {
        "sizes": [len(page) for page in listed],
        "listed": [each["TrialComponentName"] for page in listed for each in page],
        "found": [
            each["TrialComponent"]["Parameters"]["lr"]["NumberValue"]
            for page in found
            for each in page
        ],
        "found_sizes": [len(page) for page in found],
        "experiment": [experiment["ExperimentName"], experiment["Description"]],
        "created_by": experiment["CreatedBy"]["IamIdentity"],
        "errors": errors,
        "left": len(client.search(Resource=COMPONENT)["Results"]),
    }
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1])
