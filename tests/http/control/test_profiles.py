"""Both profiles of limits on the control plane, and limits that are set one by one."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Service

if TYPE_CHECKING:
    from tests.http.conftest import StartServer

Refused = Callable[..., str]

TRIALS_MAX = 300
COMPONENTS_MAX = 50


@pytest.fixture(scope="module")
def aws(start_server: StartServer, make_service: Callable[..., Service]) -> Service:
    """Give a server of the profile aws."""
    return make_service(start_server("--limits", "aws"))


@pytest.fixture(scope="module")
def tiny(start_server: StartServer, make_service: Callable[..., Service]) -> Service:
    """Give a server of which some limits are small, and all others those of stepwell."""
    limits = {
        "trials_per_experiment": 2,
        "components_per_trial": 3,
        "artifacts_per_account": 4,
        "contexts_per_account": 2,
        "associations_per_account": 3,
        "creates_components": 0,
    }
    pairs = [("--limit", f"{name}={value}") for name, value in limits.items()]
    return make_service(start_server(*itertools.chain.from_iterable(pairs)))


def fill(service: Service, name: str, trials: int, components: int) -> None:
    """Make an experiment with trials, the first one with components."""
    api = service.api
    api.create_experiment(ExperimentName=name)
    for number in range(trials):
        api.create_trial(TrialName=f"{name}-{number}", ExperimentName=name)
    for number in range(components):
        api.create_trial_component(TrialComponentName=f"{name}-{number}")
        api.associate_trial_component(TrialComponentName=f"{name}-{number}", TrialName=f"{name}-0")


@pytest.mark.parametrize(
    ("which", "trials", "components"),
    [("aws", TRIALS_MAX, COMPONENTS_MAX), ("tiny", 2, 3)],
)
def test_trials_and_components_are_limited(
    request: pytest.FixtureRequest,
    name: str,
    which: str,
    trials: int,
    components: int,
    refused: Refused,
) -> None:
    """One too many is a ResourceLimitExceeded in AWS's words, and room can be made."""
    service: Service = request.getfixturevalue(which)
    api = service.api
    fill(service, name, trials, components)
    message = refused(
        "ResourceLimitExceeded", api.create_trial, TrialName=f"{name}-x", ExperimentName=name
    )
    assert message == (
        "The account-level service limit 'Total number of trials allowed in a single experiment,"
        f" excluding those automatically created by SageMaker' is {trials} Trials, with current"
        f" utilization of {trials} Trials and a request delta of 1 Trials."
    )
    with pytest.raises(api.exceptions.ResourceLimitExceeded):
        api.create_trial(TrialName=f"{name}-x", ExperimentName=name)
    api.create_trial_component(TrialComponentName=f"{name}-x")
    message = refused(
        "ResourceLimitExceeded",
        api.associate_trial_component,
        TrialComponentName=f"{name}-x",
        TrialName=f"{name}-0",
    )
    assert f"is {components} TrialComponents" in message
    # What is in there already changes nothing, other trials have room, and room can be made.
    api.associate_trial_component(TrialComponentName=f"{name}-0", TrialName=f"{name}-0")
    api.associate_trial_component(TrialComponentName=f"{name}-x", TrialName=f"{name}-1")
    api.disassociate_trial_component(TrialComponentName=f"{name}-0", TrialName=f"{name}-0")
    api.associate_trial_component(TrialComponentName=f"{name}-x", TrialName=f"{name}-0")
    api.disassociate_trial_component(TrialComponentName=f"{name}-x", TrialName=f"{name}-1")
    api.delete_trial(TrialName=f"{name}-1")
    api.create_trial(TrialName=f"{name}-x", ExperimentName=name)


def test_a_taken_name_comes_before_a_limit(tiny: Service, name: str, refused: Refused) -> None:
    """Run asks for its trial again and again: that it already exists must be the answer."""
    fill(tiny, name, 2, 0)
    message = refused(
        "ValidationException", tiny.api.create_trial, TrialName=f"{name}-1", ExperimentName=name
    )
    assert "already exists" in message


def test_no_number_is_too_many_by_default(service: Service, name: str) -> None:
    """The profile stepwell takes one more trial and component than AWS does."""
    fill(service, name, TRIALS_MAX + 1, COMPONENTS_MAX + 1)
    assert (
        len(service.api.list_trials(ExperimentName=name, MaxResults=100)["TrialSummaries"]) == 100
    )
    found = service.search(("Parents.TrialName", "Equals", f"{name}-0"))
    assert found["TotalHits"]["Value"] == COMPONENTS_MAX + 1


def test_lineage_is_limited(tiny: Service, name: str, refused: Refused) -> None:
    """Artifacts, contexts and associations of an account are counted, where a limit is set."""
    api = tiny.api
    arns = [
        api.create_artifact(Source={"SourceUri": f"s3://{name}/{number}"}, ArtifactType="T")[
            "ArtifactArn"
        ]
        for number in range(4)
    ]
    source = {"SourceUri": f"s3://{name}"}
    limit = "ResourceLimitExceeded"
    message = refused(limit, api.create_artifact, Source=source, ArtifactType="T")
    assert "'Total number of artifacts' is 4" in message
    for number in range(2):
        api.create_context(ContextName=f"{name}-{number}", Source=source, ContextType="T")
    refused(limit, api.create_context, "is 2", ContextName=name, Source=source, ContextType="T")
    for destination in arns[1:]:
        api.add_association(SourceArn=arns[0], DestinationArn=destination)
    pair = {"SourceArn": arns[1], "DestinationArn": arns[2]}
    refused(limit, api.add_association, "is 3", **pair)
    # Actions have no limit on AWS.
    for number in range(6):
        api.create_action(ActionName=f"{name}-{number}", Source=source, ActionType="T")
    api.delete_association(SourceArn=arns[0], DestinationArn=arns[1])
    api.add_association(**pair)


@pytest.mark.parametrize("which", ["aws", "tiny"])
def test_puts_to_unknown_components(request: pytest.FixtureRequest, name: str, which: str) -> None:
    """Where puts make no components, those that the API creates are put to, and no others."""
    service: Service = request.getfixturevalue(which)
    item = {"MetricName": "loss", "Timestamp": dt.datetime.now(dt.UTC), "Value": 1.0}

    def put() -> list[Any]:
        errors: list[Any] = service.metrics.batch_put_metrics(
            TrialComponentName=name, MetricData=[item]
        )["Errors"]
        return errors

    assert put() == [{"Code": "VALIDATION_ERROR", "MetricIndex": 0}]
    with pytest.raises(service.api.exceptions.ResourceNotFound):
        service.api.describe_trial_component(TrialComponentName=name)
    service.api.create_trial_component(TrialComponentName=f"{name}".upper())
    assert put() == []
    (found,) = service.api.describe_trial_component(TrialComponentName=name)["Metrics"]
    assert found["Count"] == 1
    service.api.delete_trial_component(TrialComponentName=name)
    assert put() == [{"Code": "VALIDATION_ERROR", "MetricIndex": 0}]


def test_names_are_folded_by_the_api_in_both_profiles(
    aws: Service, name: str, refused: Refused
) -> None:
    """The profile aws refuses upper case in puts only: the API's names may have it."""
    shown = f"My-{name}"
    aws.api.create_trial_component(TrialComponentName=shown)
    found = aws.api.describe_trial_component(TrialComponentName=shown.lower())
    assert found["TrialComponentName"] == shown
    item = {"MetricName": "loss", "Timestamp": time.time(), "Value": 1.0}
    refused(
        "ValidationException",
        aws.metrics.batch_put_metrics,
        TrialComponentName=shown,
        MetricData=[item],
    )
    put = aws.metrics.batch_put_metrics(TrialComponentName=shown.lower(), MetricData=[item])
    assert put["Errors"] == []
