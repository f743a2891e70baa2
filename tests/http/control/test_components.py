"""Trial components: every member, the maps, trials they are in, and those that a put makes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ARN, NOW

Refused = Callable[..., str]

STARTED = dt.datetime.fromtimestamp(NOW + 0.25, dt.UTC)
EVERYTHING: dict[str, Any] = {
    "DisplayName": "Shown",
    "Status": {"PrimaryStatus": "Stopping", "Message": "wird beendet …"},
    "StartTime": STARTED,
    "EndTime": STARTED + dt.timedelta(hours=1, microseconds=1),
    "Parameters": {
        "lr": {"NumberValue": 0.1},
        "layers": {"NumberValue": 3.0},
        "largest": {"NumberValue": 1.7976931348623157e308},
        "zero": {"NumberValue": -0.0},
        "optimizer": {"StringValue": "adam"},
        "number as text": {"StringValue": "0.1"},
        "": {"StringValue": ""},
    },
    "InputArtifacts": {"data": {"MediaType": "text/csv", "Value": "s3://b/in"}},
    "OutputArtifacts": {"model": {"Value": "s3://b/out"}, "": {"Value": ""}},
    "MetadataProperties": {"CommitId": "c0ffee"},
}


def test_a_component_comes_back(api: Any, name: str, members_of: Any) -> None:
    """All that a component was created with is described, by its name and by its ARN."""
    arn = f"{ARN}experiment-trial-component/{name}"
    tags = [{"Key": "a", "Value": "1"}]
    created = api.create_trial_component(TrialComponentName=name, Tags=tags, **EVERYTHING)
    assert members_of(created) == {"TrialComponentArn": arn}
    found = members_of(api.describe_trial_component(TrialComponentName=name))
    assert members_of(api.describe_trial_component(TrialComponentName=arn)) == found
    other = arn.replace("us-east-1:000000000000", "eu-west-1:123456789012")
    assert members_of(api.describe_trial_component(TrialComponentName=other)) == found
    assert found.pop("CreationTime") == found.pop("LastModifiedTime")
    assert found == {
        **EVERYTHING,
        "TrialComponentName": name,
        "TrialComponentArn": arn,
        "CreatedBy": {},
        "LastModifiedBy": {},
        "Metrics": [],
    }
    assert api.list_tags(ResourceArn=arn)["Tags"] == tags


def test_the_least_component(api: Any, name: str, members_of: Any) -> None:
    """A component of nothing but a name has empty maps, and no status."""
    api.create_trial_component(TrialComponentName=name)
    found = members_of(api.describe_trial_component(TrialComponentName=name))
    assert found.pop("CreationTime") == found.pop("LastModifiedTime")
    assert found == {
        "TrialComponentName": name,
        "TrialComponentArn": f"{ARN}experiment-trial-component/{name}",
        "DisplayName": name,
        "CreatedBy": {},
        "LastModifiedBy": {},
        "Parameters": {},
        "InputArtifacts": {},
        "OutputArtifacts": {},
        "Metrics": [],
    }


def test_a_summary_has_all_but_the_maps(api: Any, name: str) -> None:
    """A list's entry has the members that the model gives it, and no other."""
    api.create_experiment(ExperimentName=name)
    api.create_trial(TrialName=name, ExperimentName=name)
    api.create_trial_component(TrialComponentName=name, **EVERYTHING)
    api.associate_trial_component(TrialComponentName=name, TrialName=name)
    (found,) = api.list_trial_components(TrialName=name)["TrialComponentSummaries"]
    assert found.pop("CreationTime") == found.pop("LastModifiedTime")
    assert found == {
        "TrialComponentName": name,
        "TrialComponentArn": f"{ARN}experiment-trial-component/{name}",
        "DisplayName": "Shown",
        "Status": EVERYTHING["Status"],
        "StartTime": EVERYTHING["StartTime"],
        "EndTime": EVERYTHING["EndTime"],
        "CreatedBy": {},
        "LastModifiedBy": {},
    }


def test_updates_merge_then_remove(api: Any, name: str) -> None:
    """Entries are merged into each map, then keys are removed: one in both is gone."""
    api.create_trial_component(TrialComponentName=name, **EVERYTHING)
    answer = api.update_trial_component(
        TrialComponentName=name.upper(),
        Parameters={
            "lr": {"StringValue": "a"},
            "new": {"NumberValue": 2.0},
            "both": {"NumberValue": 1.0},
        },
        ParametersToRemove=["both", "layers", "largest", "zero", "never there", ""],
        InputArtifacts={"more": {"Value": "m"}, "data": {"Value": "other"}},
        InputArtifactsToRemove=["more"],
        OutputArtifacts={"third": {"MediaType": "a/b", "Value": "3"}},
        OutputArtifactsToRemove=["model"],
    )
    assert answer["TrialComponentArn"] == f"{ARN}experiment-trial-component/{name}"
    found = api.describe_trial_component(TrialComponentName=name)
    assert found["Parameters"] == {
        "lr": {"StringValue": "a"},
        "new": {"NumberValue": 2.0},
        "optimizer": {"StringValue": "adam"},
        "number as text": {"StringValue": "0.1"},
    }
    assert found["InputArtifacts"] == {"data": {"Value": "other"}}
    assert found["OutputArtifacts"] == {
        "": {"Value": ""},
        "third": {"MediaType": "a/b", "Value": "3"},
    }
    assert found["LastModifiedTime"] > found["CreationTime"]
    for member in ("DisplayName", "Status", "StartTime", "EndTime", "MetadataProperties"):
        assert found[member] == EVERYTHING[member]


def test_thousands_of_keys_to_remove(api: Any, name: str) -> None:
    """The model does not limit how many keys are removed, nor does a database's statement."""
    api.create_trial_component(TrialComponentName=name, **EVERYTHING)
    many = [f"k{number}" for number in range(40_000)]
    api.update_trial_component(
        TrialComponentName=name,
        ParametersToRemove=[*many, "lr"],
        InputArtifactsToRemove=[*many, "data"],
        OutputArtifactsToRemove=["model", *many],
    )
    found = api.describe_trial_component(TrialComponentName=name)
    assert found["Parameters"].keys() == EVERYTHING["Parameters"].keys() - {"lr"}
    assert (found["InputArtifacts"], found["OutputArtifacts"]) == ({}, {"": {"Value": ""}})


def test_the_arn_of_something_else(api: Any, name: str) -> None:
    """An ARN whose kind is another one does not find the component of its name."""
    api.create_experiment(ExperimentName=name)
    api.create_trial_component(TrialComponentName=name)
    for kind in ("experiment", "experiment-trial", "artifact", "action", "context"):
        with pytest.raises(api.exceptions.ResourceNotFound):
            api.describe_trial_component(TrialComponentName=f"{ARN}{kind}/{name}")


def test_empty_maps_clear_nothing(api: Any, name: str) -> None:
    """The SDK sends empty maps whenever it saves; what is there stays."""
    api.create_trial_component(TrialComponentName=name, **EVERYTHING)
    api.update_trial_component(
        TrialComponentName=name,
        Parameters={},
        InputArtifacts={},
        OutputArtifacts={},
        ParametersToRemove=[],
        InputArtifactsToRemove=[],
        OutputArtifactsToRemove=[],
    )
    found = api.describe_trial_component(TrialComponentName=name)
    assert {member: found[member] for member in EVERYTHING} == EVERYTHING


def test_status_and_times_are_overwritten(api: Any, name: str) -> None:
    """A new status stands for the old one, message and all; a time for a time."""
    api.create_trial_component(TrialComponentName=name, **EVERYTHING)
    for status in (
        {"PrimaryStatus": "Failed", "Message": "x" * 1024},
        {"PrimaryStatus": "Completed"},
    ):
        later = STARTED + dt.timedelta(days=1)
        api.update_trial_component(
            TrialComponentName=name, Status=status, StartTime=later, EndTime=later
        )
        found = api.describe_trial_component(TrialComponentName=name)
        assert found["Status"] == status
        assert (found["StartTime"], found["EndTime"]) == (later, later)


def test_maps_grow_up_to_their_limits(api: Any, name: str, refused: Refused) -> None:
    """Updates within their limits do not take a map past it; what is refused changes nothing."""
    api.create_trial_component(TrialComponentName=name)
    numbers = {f"p{number}": {"NumberValue": float(number)} for number in range(300)}
    artifacts = {f"a{number}": {"Value": "v"} for number in range(60)}
    api.update_trial_component(
        TrialComponentName=name,
        Parameters=numbers,
        InputArtifacts=artifacts,
        OutputArtifacts=artifacts,
    )
    for member, one in (
        ("Parameters", {"one more": {"NumberValue": 1.0}}),
        ("InputArtifacts", {"one more": {"Value": "v"}}),
        ("OutputArtifacts", {"one more": {"Value": "v"}}),
    ):
        refused(
            "ValidationException",
            api.update_trial_component,
            member,
            "at most",
            TrialComponentName=name,
            DisplayName="changed",
            **{member: one},
        )
    # With one less, there is room for one more.
    api.update_trial_component(
        TrialComponentName=name,
        Parameters={"one more": {"NumberValue": 1.0}},
        ParametersToRemove=["p0"],
    )
    found = api.describe_trial_component(TrialComponentName=name)
    assert found["DisplayName"] == name
    assert found["InputArtifacts"] == found["OutputArtifacts"] == artifacts
    del numbers["p0"]
    assert found["Parameters"] == {**numbers, "one more": {"NumberValue": 1.0}}


def test_a_value_has_one_member(service: Any, name: str) -> None:
    """A parameter with both members, or none, is refused; what goes out has exactly one."""
    for value in ({"StringValue": "1", "NumberValue": 1}, {}, {"Unknown": 1}):
        reply = service.server.control(
            "CreateTrialComponent", {"TrialComponentName": name, "Parameters": {"lr": value}}
        )
        assert reply.status == 400
        assert reply.json()["__type"] == "ValidationException"
        assert "at 'parameters.lr.member'" in reply.json()["message"]
        assert "exactly one of StringValue, NumberValue" in reply.json()["message"]
    parameters = {"a": {"NumberValue": True}, "b": {"NumberValue": 1}, "c": {"StringValue": "1"}}
    made = {"TrialComponentName": name, "Parameters": parameters}
    assert service.server.control("CreateTrialComponent", made).status == 200
    found = service.server.control("DescribeTrialComponent", {"TrialComponentName": name}).json()
    assert found["Parameters"] == {
        "a": {"NumberValue": 1.0},
        "b": {"NumberValue": 1.0},
        "c": {"StringValue": "1"},
    }


def test_associations(api: Any, name: str, members_of: Any) -> None:
    """A component may be in many trials; twice is once, and taking out what is not in is fine."""
    for experiment in ("1", "2"):
        api.create_experiment(ExperimentName=f"{name}-{experiment}")
        api.create_trial(TrialName=f"{name}-{experiment}", ExperimentName=f"{name}-{experiment}")
    api.create_trial_component(TrialComponentName=name)
    for trial in ("1", "2", "2"):
        ends = {"TrialComponentName": name.upper(), "TrialName": f"{name}-{trial}".upper()}
        assert members_of(api.associate_trial_component(**ends)) == {
            "TrialComponentArn": f"{ARN}experiment-trial-component/{name}",
            "TrialArn": f"{ARN}experiment-trial/{name}-{trial}",
        }
    listed = api.list_trials(TrialComponentName=name)["TrialSummaries"]
    assert sorted(each["TrialName"] for each in listed) == [f"{name}-1", f"{name}-2"]
    for experiment in ("1", "2"):
        found = api.list_trial_components(ExperimentName=f"{name}-{experiment}")
        assert [each["TrialComponentName"] for each in found["TrialComponentSummaries"]] == [name]
    both = api.list_trials(TrialComponentName=name, ExperimentName=f"{name}-1")["TrialSummaries"]
    assert [each["TrialName"] for each in both] == [f"{name}-1"]
    for _ in range(2):
        ends = {"TrialComponentName": name, "TrialName": f"{name}-1"}
        assert members_of(api.disassociate_trial_component(**ends)) == {
            "TrialComponentArn": f"{ARN}experiment-trial-component/{name}",
            "TrialArn": f"{ARN}experiment-trial/{name}-1",
        }
    listed = api.list_trials(TrialComponentName=name)["TrialSummaries"]
    assert [each["TrialName"] for each in listed] == [f"{name}-2"]


def test_a_put_makes_the_same_thing(service: Any, name: str, members_of: Any) -> None:
    """A component that a put made is in progress, and can do all that a created one can."""
    api = service.api
    service.put(name.upper(), 1.0, 2.0)
    found = members_of(api.describe_trial_component(TrialComponentName=name))
    assert found["Status"] == {"PrimaryStatus": "InProgress"}
    assert (found["TrialComponentName"], found["DisplayName"]) == (name, name)
    created = {**found, "Status": None, "Metrics": []}
    api.create_trial_component(TrialComponentName=f"{name}-c")
    other = members_of(api.describe_trial_component(TrialComponentName=f"{name}-c"))
    assert other.keys() == created.keys() - {"Status"}
    for each in (name, f"{name}-c"):
        arn = f"{ARN}experiment-trial-component/{each}"
        api.create_experiment(ExperimentName=each)
        api.create_trial(TrialName=each, ExperimentName=each)
        api.associate_trial_component(TrialComponentName=each, TrialName=each)
        api.add_tags(ResourceArn=arn, Tags=[{"Key": "k", "Value": "v"}])
        api.update_trial_component(TrialComponentName=each, Parameters={"a": {"NumberValue": 1.0}})
        service.put(each, 3.0, first=2)
        assert service.found(("Parents.TrialName", "Equals", each)) == [each]
        listed = api.list_trial_components(TrialName=each)["TrialComponentSummaries"]
        assert [one["TrialComponentArn"] for one in listed] == [arn]
        api.disassociate_trial_component(TrialComponentName=each, TrialName=each)
        api.delete_trial_component(TrialComponentName=each)
        with pytest.raises(api.exceptions.ResourceNotFound):
            api.describe_trial_component(TrialComponentName=each)


def test_creating_what_a_put_has_made(service: Any, name: str, refused: Refused) -> None:
    """The first put takes the name: a create afterwards is told that it already exists."""
    service.put(name, 1.0)
    message = refused(
        "ValidationException",
        service.api.create_trial_component,
        TrialComponentName=name.upper(),
    )
    assert message == f"TrialComponent with name ({name.upper()}) already exists."


def test_a_put_finds_what_was_created(service: Any, name: str) -> None:
    """A put in lower case, as the SDK sends it, goes to the component however it was spelled."""
    shown = f"Run-{name}"
    service.api.create_trial_component(
        TrialComponentName=shown, Status={"PrimaryStatus": "Completed"}
    )
    service.put(shown.lower(), 1.0, 2.0)
    found = service.api.describe_trial_component(TrialComponentName=shown)
    assert found["TrialComponentName"] == shown
    assert found["Status"] == {"PrimaryStatus": "Completed"}
    assert [each["Count"] for each in found["Metrics"]] == [2]


def test_delete_takes_the_points_along(service: Any, name: str) -> None:
    """After a delete there are no points, and a component of that name begins anew."""
    for _ in range(2):
        service.put(name, 1.0, 2.0, 3.0)
        assert service.server.count(name) == 3
        service.api.delete_trial_component(TrialComponentName=name)
        (result,) = service.metrics.batch_get_metrics(
            MetricQueries=[
                {
                    "MetricName": "loss",
                    "ResourceArn": f"{ARN}experiment-trial-component/{name}",
                    "MetricStat": "Last",
                    "Period": "IterationNumber",
                    "XAxisType": "IterationNumber",
                }
            ]
        )["MetricQueryResults"]
        assert result["Status"] == "ValidationError"
        assert service.found(("TrialComponentName", "Equals", name)) == []
    service.api.create_trial_component(TrialComponentName=name)
    assert service.api.describe_trial_component(TrialComponentName=name)["Metrics"] == []


def test_a_training_jobs_component(api: Any, name: str) -> None:
    """A component `<job>-aws-training-job` has the job as its source and is found by it."""
    component = f"{name}-aws-training-job"
    api.create_trial_component(TrialComponentName=component)
    job = f"{ARN}training-job/{name}"
    source = {"SourceArn": job, "SourceType": "SageMakerTrainingJob"}
    found = api.describe_trial_component(TrialComponentName=component)
    assert found["Source"] == source
    assert found["Sources"] == [source]
    (listed,) = api.list_trial_components(SourceArn=job)["TrialComponentSummaries"]
    assert listed["TrialComponentSource"] == source
    for arn in (f"{ARN}training-job/no", f"{ARN}processing-job/{name}", "no ARN"):
        assert api.list_trial_components(SourceArn=arn)["TrialComponentSummaries"] == []


def test_at_most_one_filter(api: Any, name: str, refused: Refused) -> None:
    """ListTrialComponents takes one of its three filters."""
    api.create_experiment(ExperimentName=name)
    api.create_trial(TrialName=name, ExperimentName=name)
    three = {"ExperimentName": name, "TrialName": name, "SourceArn": f"{ARN}training-job/a"}
    for left_out in three:
        two = {member: value for member, value in three.items() if member != left_out}
        refused("ValidationException", api.list_trial_components, "Only one of", **two)
