"""What operations of the control plane answer, request by request."""

from __future__ import annotations

import base64
import itertools
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Server

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:"
_names = itertools.count()


@pytest.fixture
def name() -> str:
    """Give a name that no other test uses."""
    return f"answers-{next(_names)}"


def ask(server: Server, operation: str, **members: Any) -> Any:
    """Ask for an operation; all but a 200 fails."""
    reply = server.control(operation, members)
    assert reply.status == 200, reply
    return reply.json()


def refused(server: Server, operation: str, **members: Any) -> str:
    """Ask for what must be refused as invalid, and give the message."""
    reply = server.control(operation, members)
    document = reply.json()
    assert (reply.status, document["__type"]) == (400, "ValidationException"), reply
    message: str = document["message"]
    return message


def test_arns_of_other_kinds(server: Server, name: str) -> None:
    """Whoever names a thing by the ARN of another kind is told so, whatever has that name."""
    source = {"SourceUri": "s3://bucket"}
    ask(server, "CreateTrialComponent", TrialComponentName=name)
    ask(server, "CreateAction", ActionName=name, ActionType="A", Source=source)
    ask(server, "CreateContext", ContextName=name, ContextType="C", Source=source)
    kinds = {
        "TrialComponent": "experiment-trial-component",
        "Action": "action",
        "Context": "context",
    }
    for word, own in kinds.items():
        for kind in ("experiment", "experiment-trial", *kinds.values()):
            members = {f"{word}Name": f"{ARN}{kind}/{name}"}
            if kind == own:
                found = ask(server, f"Describe{word}", **members)
                assert found[f"{word}Name"] == name
            else:
                reply = server.control(f"Describe{word}", members)
                assert reply.status == 400
                # Some patterns do not even let it through.
                assert reply.json()["__type"] in {"ResourceNotFound", "ValidationException"}


def test_a_status_with_a_message_only(server: Server, name: str) -> None:
    """A status that is only a message is shown as one, everywhere, and goes with the next one."""
    members = {"TrialComponentName": name}
    ask(server, "CreateTrialComponent", **members, Status={"Message": "waits for data"})
    assert ask(server, "DescribeTrialComponent", **members)["Status"] == {
        "Message": "waits for data"
    }
    arn = f"{ARN}experiment-trial-component/{name}"
    (listed,) = ask(server, "ListTrialComponents", SourceArn=arn)["TrialComponentSummaries"]
    assert listed["Status"] == {"Message": "waits for data"}
    ask(server, "UpdateTrialComponent", **members, Status={"PrimaryStatus": "Completed"})
    assert ask(server, "DescribeTrialComponent", **members)["Status"] == {
        "PrimaryStatus": "Completed"
    }


def test_any_number_of_keys_to_remove(server: Server, name: str) -> None:
    """A request may name more keys than a statement takes; those that are there go."""
    members = {"TrialComponentName": name}
    maps = {
        "Parameters": {"a": {"NumberValue": 1}, "b": {"StringValue": "1"}},
        "InputArtifacts": {"a": {"Value": "s3://a"}, "b": {"Value": "s3://b"}},
        "OutputArtifacts": {"a": {"Value": "s3://a"}, "b": {"Value": "s3://b"}},
    }
    ask(server, "CreateTrialComponent", **members, **maps)
    many = [*(str(number) for number in range(300_000)), "b"]
    ask(server, "UpdateTrialComponent", **members, **{f"{each}ToRemove": many for each in maps})
    found = ask(server, "DescribeTrialComponent", **members)
    assert {each: [*found[each]] for each in maps} == {each: ["a"] for each in maps}


@pytest.mark.parametrize("token", ["garbage", base64.b64encode(bytes(40)).decode()])
def test_made_up_tokens_where_there_is_one_page(server: Server, name: str, token: str) -> None:
    """A token that no listing has returned is refused where there is never a second page, too."""
    ask(server, "CreateTrialComponent", TrialComponentName=name)
    arn = f"{ARN}experiment-trial-component/{name}"
    for operation, members in (
        ("ListTags", {"ResourceArn": arn}),
        ("Search", {"Resource": "TrainingJob"}),
        ("ListLineageGroups", {}),
    ):
        ask(server, operation, **members)
        assert "'nextToken'" in refused(server, operation, **members, NextToken=token)


@pytest.mark.parametrize("prop", ["RunName", "SourceDetail.TrainingJob.TrainingJobName"])
def test_properties_that_nothing_has(server: Server, name: str, prop: str) -> None:
    """What AWS has and nothing here does can be asked for, and is never there."""
    ask(server, "CreateTrialComponent", TrialComponentName=name)
    for operator, is_found in (("NotExists", True), ("Exists", False), ("Equals", False)):
        value = {"Value": "a"} if operator == "Equals" else {}
        filters = [
            {"Name": "TrialComponentName", "Value": name},
            {"Name": prop, "Operator": operator, **value},
        ]
        members = {
            "Resource": "ExperimentTrialComponent",
            "SearchExpression": {"Filters": filters},
            "SortBy": prop,
        }
        assert bool(ask(server, "Search", **members)["Results"]) is is_found


@pytest.mark.parametrize(
    ("text", "asked", "is_found"),
    [
        ("ADAM", "dam", True),
        ("adam", "DAM", True),
        ("\u00c9t\u00e9", "\u00c9T", True),
        ("\u00c9t\u00e9", "\u00e9t", False),
        ("\u0130stanbul", "istan", False),
        ("stra\u00dfe", "STRASSE", False),
        ("\N{KELVIN SIGN}", "k", False),
    ],
)
def test_contains_looks_past_the_case_of_ascii(
    server: Server, name: str, text: str, asked: str, *, is_found: bool
) -> None:
    """Contains takes an ASCII letter for its other case, and no other letter for anything else."""
    parameters = {"p": {"StringValue": text}}
    ask(server, "CreateTrialComponent", TrialComponentName=name, Parameters=parameters)
    filters = [
        {"Name": "TrialComponentName", "Value": name},
        {"Name": "Parameters.p", "Operator": "Contains", "Value": asked},
    ]
    members = {"Resource": "ExperimentTrialComponent", "SearchExpression": {"Filters": filters}}
    assert bool(ask(server, "Search", **members)["Results"]) is is_found
