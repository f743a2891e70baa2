"""Experiments and trials: every member comes back, names, updates, the order of deletes."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ARN

Refused = Callable[..., str]

TAGS = [{"Key": "b", "Value": "1"}, {"Key": "a", "Value": ""}]
METADATA = {"CommitId": "c0ffee", "Repository": "r", "GeneratedBy": "g", "ProjectId": "p"}


def is_now(time_: Any) -> bool:
    """Say whether a time is one of the last minute."""
    age = dt.datetime.now(dt.UTC) - time_
    return dt.timedelta(seconds=-1) < age < dt.timedelta(minutes=1)


def test_an_experiment_comes_back(api: Any, name: str, members_of: Any) -> None:
    """All that an experiment was created with is described; so are the times and its ARN."""
    arn = f"{ARN}experiment/{name}"
    created = api.create_experiment(
        ExperimentName=name, DisplayName="Shown", Description="Two\nlines", Tags=TAGS
    )
    assert members_of(created) == {"ExperimentArn": arn}
    found = members_of(api.describe_experiment(ExperimentName=name))
    assert is_now(found.pop("CreationTime"))
    assert is_now(found.pop("LastModifiedTime"))
    assert found == {
        "ExperimentName": name,
        "ExperimentArn": arn,
        "DisplayName": "Shown",
        "Description": "Two\nlines",
        "CreatedBy": {},
        "LastModifiedBy": {},
    }
    assert api.list_tags(ResourceArn=arn)["Tags"] == TAGS


def test_a_trial_comes_back(api: Any, name: str, members_of: Any) -> None:
    """All that a trial was created with is described, its experiment's name among it."""
    arn = f"{ARN}experiment-trial/{name}-t"
    api.create_experiment(ExperimentName=f"{name}-E")
    created = api.create_trial(
        TrialName=f"{name}-t",
        ExperimentName=f"{name}-E",
        DisplayName="Shown",
        MetadataProperties=METADATA,
        Tags=TAGS,
    )
    assert members_of(created) == {"TrialArn": arn}
    found = members_of(api.describe_trial(TrialName=f"{name}-t"))
    assert is_now(found.pop("CreationTime"))
    assert is_now(found.pop("LastModifiedTime"))
    assert found == {
        "TrialName": f"{name}-t",
        "TrialArn": arn,
        "DisplayName": "Shown",
        "ExperimentName": f"{name}-E",
        "MetadataProperties": METADATA,
        "CreatedBy": {},
        "LastModifiedBy": {},
    }
    assert api.list_tags(ResourceArn=arn)["Tags"] == TAGS


def test_the_name_is_shown_where_no_other_is_given(api: Any, name: str) -> None:
    """DisplayName is the name until it is set."""
    api.create_experiment(ExperimentName=name)
    api.create_trial(TrialName=name, ExperimentName=name)
    assert api.describe_experiment(ExperimentName=name)["DisplayName"] == name
    trial = api.describe_trial(TrialName=name)
    assert trial["DisplayName"] == name
    assert "MetadataProperties" not in trial
    assert "Description" not in api.describe_experiment(ExperimentName=name)
    (shown,) = api.list_trials(ExperimentName=name)["TrialSummaries"]
    assert shown["DisplayName"] == name


def test_updates_change_what_they_name(api: Any, name: str, members_of: Any) -> None:
    """An update changes the members that it has, and the time of the last change."""
    api.create_experiment(ExperimentName=name, DisplayName="a", Description="b")
    before = api.describe_experiment(ExperimentName=name)
    api.update_experiment(ExperimentName=name, Description="")
    after = api.describe_experiment(ExperimentName=name)
    assert (after["DisplayName"], after["Description"]) == ("a", "")
    assert after["CreationTime"] == before["CreationTime"]
    assert after["LastModifiedTime"] > before["LastModifiedTime"]
    answer = api.update_experiment(ExperimentName=name.upper(), DisplayName="c")
    assert members_of(answer) == {"ExperimentArn": f"{ARN}experiment/{name}"}
    assert api.describe_experiment(ExperimentName=name)["DisplayName"] == "c"
    api.create_trial(TrialName=name, ExperimentName=name, MetadataProperties=METADATA)
    answer = api.update_trial(TrialName=name.upper(), DisplayName="d")
    assert members_of(answer) == {"TrialArn": f"{ARN}experiment-trial/{name}"}
    trial = api.describe_trial(TrialName=name)
    assert (trial["DisplayName"], trial["MetadataProperties"]) == ("d", METADATA)


def test_names_are_found_in_any_case_and_shown_as_created(
    api: Any, name: str, refused: Refused
) -> None:
    """A name is one name however it is spelled; what it was created as is what is shown."""
    shown = f"My-{name}"
    api.create_experiment(ExperimentName=shown)
    api.create_trial(TrialName=shown, ExperimentName=shown.upper())
    for spelled in (shown.lower(), shown.upper(), shown.swapcase()):
        assert api.describe_experiment(ExperimentName=spelled)["ExperimentName"] == shown
        trial = api.describe_trial(TrialName=spelled)
        assert (trial["TrialName"], trial["ExperimentName"]) == (shown, shown)
        assert len(api.list_trials(ExperimentName=spelled)["TrialSummaries"]) == 1
        message = refused("ValidationException", api.create_experiment, ExperimentName=spelled)
        assert message == f"Experiment with name ({spelled}) already exists."
        message = refused(
            "ValidationException", api.create_trial, TrialName=spelled, ExperimentName=shown
        )
        assert message == f"Trial with name ({spelled}) already exists."
    assert api.describe_experiment(ExperimentName=shown)["ExperimentArn"].endswith(f"/{shown}")


def test_one_name_for_each_kind(api: Any, name: str) -> None:
    """An experiment, a trial and a component of one name are three things."""
    api.create_experiment(ExperimentName=name)
    api.create_trial(TrialName=name, ExperimentName=name)
    api.create_trial_component(TrialComponentName=name)
    api.delete_trial(TrialName=name)
    assert api.describe_experiment(ExperimentName=name)["ExperimentName"] == name
    assert api.describe_trial_component(TrialComponentName=name)["TrialComponentName"] == name


@pytest.mark.parametrize(
    ("operation", "word", "kind", "members"),
    [
        ("describe_experiment", "Experiment", "experiment", {"ExperimentName": "no"}),
        ("update_experiment", "Experiment", "experiment", {"ExperimentName": "no"}),
        ("delete_experiment", "Experiment", "experiment", {"ExperimentName": "no"}),
        ("list_trials", "Experiment", "experiment", {"ExperimentName": "no"}),
        ("list_trial_components", "Experiment", "experiment", {"ExperimentName": "no"}),
        ("create_trial", "Experiment", "experiment", {"TrialName": "t", "ExperimentName": "no"}),
        ("describe_trial", "Trial", "experiment-trial", {"TrialName": "no"}),
        ("update_trial", "Trial", "experiment-trial", {"TrialName": "no"}),
        ("delete_trial", "Trial", "experiment-trial", {"TrialName": "no"}),
        ("list_trial_components", "Trial", "experiment-trial", {"TrialName": "no"}),
        *(
            (operation, "TrialComponent", "experiment-trial-component", members)
            for operation, members in (
                ("describe_trial_component", {"TrialComponentName": "no"}),
                ("update_trial_component", {"TrialComponentName": "no"}),
                ("delete_trial_component", {"TrialComponentName": "no"}),
                ("list_trials", {"TrialComponentName": "no"}),
                ("associate_trial_component", {"TrialComponentName": "no", "TrialName": "no"}),
                ("disassociate_trial_component", {"TrialComponentName": "no", "TrialName": "no"}),
            )
        ),
    ],
)
def test_what_is_not_there(
    api: Any, operation: str, word: str, kind: str, members: dict[str, str]
) -> None:
    """Whatever names what is not there gets ResourceNotFound, in AWS's words, as an exception."""
    with pytest.raises(api.exceptions.ResourceNotFound) as caught:
        getattr(api, operation)(**members)
    error = caught.value.response["Error"]
    assert error["Message"] == f"{word} '{ARN}{kind}/no' does not exist."
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_order_of_deletes(api: Any, name: str, refused: Refused, members_of: Any) -> None:
    """What has something linked to it cannot be deleted; from the bottom up, all of it goes."""
    api.create_experiment(ExperimentName=name, Tags=TAGS)
    for trial in ("1", "2"):
        api.create_trial(TrialName=f"{name}-{trial}", ExperimentName=name, Tags=TAGS)
        api.create_trial_component(TrialComponentName=f"{name}-{trial}", Tags=TAGS)
        api.associate_trial_component(
            TrialComponentName=f"{name}-{trial}", TrialName=f"{name}-{trial}"
        )
    refused("ValidationException", api.delete_experiment, "1 or more trials", ExperimentName=name)
    refused("ValidationException", api.delete_trial, "linked to 1 or more", TrialName=f"{name}-1")
    message = refused(
        "ValidationException", api.delete_trial_component, TrialComponentName=f"{name}-1"
    )
    arn = f"{ARN}experiment-trial-component/{name}-1"
    assert message == (
        f"TrialComponent '{arn}' is linked to 1 or more trials and cannot be deleted."
    )
    for trial in ("1", "2"):
        ends = {"TrialComponentName": f"{name}-{trial}", "TrialName": f"{name}-{trial}"}
        api.disassociate_trial_component(**ends)
        deleted = api.delete_trial_component(TrialComponentName=f"{name}-{trial}".upper())
        arn = f"{ARN}experiment-trial-component/{name}-{trial}"
        assert members_of(deleted) == {"TrialComponentArn": arn}
        refused("ValidationException", api.delete_experiment, ExperimentName=name)
        deleted = api.delete_trial(TrialName=f"{name}-{trial}")
        assert members_of(deleted) == {"TrialArn": f"{ARN}experiment-trial/{name}-{trial}"}
    deleted = api.delete_experiment(ExperimentName=name)
    assert members_of(deleted) == {"ExperimentArn": f"{ARN}experiment/{name}"}
    with pytest.raises(api.exceptions.ResourceNotFound):
        api.describe_experiment(ExperimentName=name)


def test_what_is_made_again_is_new(api: Any, name: str) -> None:
    """A name is free after its deletion, and nothing of the old one hangs on the new one."""
    for _ in range(2):
        api.create_experiment(ExperimentName=name)
        arn = f"{ARN}experiment/{name}"
        assert api.list_tags(ResourceArn=arn)["Tags"] == []
        assert "Description" not in api.describe_experiment(ExperimentName=name)
        api.add_tags(ResourceArn=arn, Tags=TAGS)
        api.update_experiment(ExperimentName=name, Description="old")
        api.delete_experiment(ExperimentName=name)


def test_times_are_epoch_seconds(service: Any, name: str) -> None:
    """Times go out as numbers of seconds: milliseconds would have boto3 raise an error."""
    before = time.time()
    service.api.create_experiment(ExperimentName=name)
    reply = service.server.control("DescribeExperiment", {"ExperimentName": name})
    assert reply.headers["content-type"] == "application/x-amz-json-1.1"
    for member in ("CreationTime", "LastModifiedTime"):
        seconds = reply.json()[member]
        assert isinstance(seconds, float)
        assert before - 1 < seconds < time.time() + 1


def test_nothing_is_stored_of_what_is_refused(api: Any, name: str, refused: Refused) -> None:
    """A create that is refused on the way (two tags of one key) leaves nothing behind."""
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    create = {
        api.create_experiment: {"ExperimentName": name},
        api.create_trial_component: {"TrialComponentName": name, "Parameters": {}},
    }
    for function, members in create.items():
        message = refused("ValidationException", function, **members, Tags=twice)
        assert message == "Duplicate tag key"
        function(**members)
    refused(
        "ValidationException", api.create_trial, TrialName=name, ExperimentName=name, Tags=twice
    )
    with pytest.raises(api.exceptions.ResourceNotFound):
        api.describe_trial(TrialName=name)
