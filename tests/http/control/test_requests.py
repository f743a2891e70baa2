"""Requests as they come: targets, bodies, wordings of errors, and texts with anything in them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ARN, Service

Refused = Callable[..., str]

JSON_1_1 = "application/x-amz-json-1.1"

#: What breaks a program that puts a text together with others, or cuts it where it should not.
TEXTS = [
    "' OR 1=1 --",
    '"; DROP TABLE experiment; --',
    "100%",
    "a_b",
    "\\",
    "\\' %_ \\\\",
    "NUL\0inside",
    "\0",
    "line\nline\r\n\ttab",
    "\u2028\u2029\x85\x7f\x01",
    "grüß \N{GRINNING FACE} 漢字",
    "e\u0301",
    "\u00e9",
    "\u202eright to left",
    "\ufeff",
    "\ufffe\uffff",
    '{"NumberValue": 1}',
    "null",
    "NaN",
    "  blanks  ",
    "a,b",
    "$1 ? :name %s {0}",
    "x" * 256,
    "",
]


def post(service: Service, target: str | None, body: bytes, kind: str | None = JSON_1_1) -> Any:
    """Send a body under a target."""
    headers = {} if target is None else {"X-Amz-Target": target}
    if kind is not None:
        headers["Content-Type"] = kind
    return service.server.request("POST", "/", body, headers)


def error_of(reply: Any, status: int, code: str) -> str:
    """Check an error's form, which both kinds of clients must be able to read; give its message."""
    assert reply.status == status, reply
    assert reply.headers["x-amzn-errortype"] == code
    assert re.fullmatch(r"[0-9a-f-]{36}", reply.headers["x-amzn-requestid"])
    document = reply.json()
    assert document.keys() == {"__type", "message"}
    assert document["__type"] == code
    message: str = document["message"]
    return message


@pytest.mark.parametrize(
    "target",
    [
        "SageMaker.CreateTrainingJob",
        "SageMaker.ListModels",
        "SageMaker.BatchPutMetrics",
        "SageMaker.listexperiments",
        "SageMaker.",
        "ListExperiments",
        "DynamoDB_20120810.ListTables",
        "\xff",
    ],
)
def test_unknown_operations(service: Service, target: str) -> None:
    """An operation that is not here is an UnknownOperationException that says where to look."""
    message = error_of(post(service, target, b"{}"), 404, "UnknownOperationException")
    assert "docs/sagemaker.md" in message


def test_an_operation_that_boto3_knows(api: Any) -> None:
    """boto3 sees the code of an operation that is not here, and does not try again."""
    with pytest.raises(api.exceptions.ClientError) as caught:
        api.list_training_jobs()
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


@pytest.mark.parametrize("path", ["/", "/base/", "/a/b"])
def test_a_post_without_a_target(service: Service, path: str) -> None:
    """Without a target there is no operation."""
    reply = service.server.request("POST", path, b"{}", {"Content-Type": JSON_1_1})
    error_of(reply, 404, "UnknownOperationException")


@pytest.mark.parametrize(
    "kind",
    [
        JSON_1_1,
        "application/json",
        "application/x-amz-json-1.0",
        "text/plain",
        "application/xml; charset=utf-16",
        "application/octet-stream",
        "multipart/form-data",
        "",
        None,
    ],
)
def test_any_content_type(service: Service, kind: str | None) -> None:
    """Clients differ in what they call the body: it is read as JSON whatever they say."""
    reply = post(service, "SageMaker.ListExperiments", b'{"MaxResults": 1}', kind)
    assert reply.status == 200
    assert reply.headers["content-type"] == JSON_1_1
    broken = post(service, "SageMaker.ListExperiments", b"<a/>", kind)
    error_of(broken, 400, "SerializationException")


def test_a_base_path(service: Service, name: str) -> None:
    """An endpoint with a base path, as behind a proxy, reaches the same operations."""
    body = json.dumps({"ExperimentName": name}).encode()
    headers = {"X-Amz-Target": "SageMaker.CreateExperiment", "Content-Type": JSON_1_1}
    assert service.server.request("POST", "/base/", body, headers).status == 200
    assert service.api.describe_experiment(ExperimentName=name)["ExperimentName"] == name


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'"a"', b"{}{}", b"1"])
def test_bodies_that_are_no_object(service: Service, body: bytes) -> None:
    """What is no JSON object is a SerializationException; nothing at all lacks the members."""
    reply = post(service, "SageMaker.CreateExperiment", body)
    if body:
        error_of(reply, 400, "SerializationException")
    else:
        assert "'experimentName'" in error_of(reply, 400, "ValidationException")


def test_wrong_types(service: Service) -> None:
    """A member of the wrong JSON type is named in a SerializationException."""
    for members, path in (
        ({"ExperimentName": 5}, "experimentName"),
        ({"ExperimentName": "a", "Tags": {}}, "tags"),
        ({"ExperimentName": "a", "Tags": [{"Key": [], "Value": ""}]}, "tags.1.member.key"),
    ):
        reply = service.server.control("CreateExperiment", members)
        assert path in error_of(reply, 400, "SerializationException")


def test_several_problems_in_one_message(api: Any, refused: Refused) -> None:
    """All members that break a rule are named at once, with their count, in AWS's words."""
    message = refused(
        "ValidationException",
        api.create_trial_component,
        TrialComponentName="a_b",
        DisplayName="-",
        Status={"PrimaryStatus": "Done"},
        Parameters={"p" * 321: {"StringValue": "v" * 2501}},
        InputArtifacts={"a": {"MediaType": "text", "Value": "v" * 2049}},
    )
    assert message.startswith("7 validation errors detected: ")
    pattern = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,119}"
    fails = "failed to satisfy constraint: "
    for part in (
        f"at 'trialComponentName' {fails}Member must satisfy regular expression pattern: {pattern}",
        f"Value '-' at 'displayName' {fails}",
        f"Value 'Done' at 'status.primaryStatus' {fails}Member must satisfy enum value set: [",
        f"at 'parameters' {fails}Map keys must satisfy constraint",
        f".member.stringValue' {fails}Member must have length less than or equal to 2500",
        "'inputArtifacts.a.member.mediaType'",
        "'inputArtifacts.a.member.value'",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("operation", "members", "path", "values"),
    [
        ("search", {"Resource": "x"}, "resource", ["ExperimentTrialComponent", "Experiment"]),
        (
            "update_trial_component",
            {"TrialComponentName": "a", "Status": {"PrimaryStatus": "x"}},
            "status.primaryStatus",
            ["InProgress", "Completed", "Failed", "Stopping", "Stopped"],
        ),
        ("list_trials", {"SortOrder": "x"}, "sortOrder", ["Ascending", "Descending"]),
        ("list_associations", {"SortBy": "x"}, "sortBy", ["SourceArn", "DestinationType"]),
        ("list_associations", {"AssociationType": "x"}, "associationType", ["DerivedFrom"]),
        ("query_lineage", {"Direction": "x"}, "direction", ["Both", "Ascendants", "Descendants"]),
    ],
)
def test_the_wording_of_enums(
    api: Any,
    operation: str,
    members: dict[str, Any],
    path: str,
    values: list[str],
    refused: Refused,
) -> None:
    """A value outside an enum is refused in the very words that AWS is known for."""
    message = refused("ValidationException", getattr(api, operation), **members)
    start = (
        f"1 validation error detected: Value 'x' at '{path}' failed to satisfy constraint:"
        " Member must satisfy enum value set: ["
    )
    assert message.startswith(start)
    shown = message.removeprefix(start).rstrip("]").split(", ")
    assert set(values) <= set(shown)


def test_unknown_members_are_passed_over(service: Service, name: str) -> None:
    """Members that an operation does not have are ignored at every level, as AWS does."""
    made = {
        "TrialComponentName": name,
        "Unknown": {"a": [None]},
        "Status": {"PrimaryStatus": "Failed", "Unknown": 1},
        "Parameters": {"a": {"NumberValue": 1, "Unknown": 2}},
        "Tags": [{"Key": "k", "Value": "v", "Unknown": 3}],
        "Metrics": [{"MetricName": "m"}],
    }
    assert service.server.control("CreateTrialComponent", made).status == 200
    found = service.server.control(
        "DescribeTrialComponent", {"TrialComponentName": name, "Unknown": None}
    ).json()
    assert found["Status"] == {"PrimaryStatus": "Failed"}
    assert found["Parameters"] == {"a": {"NumberValue": 1.0}}
    assert found["Metrics"] == []


def test_names_that_are_none(service: Service) -> None:
    """A text that no name may be is refused wherever a name is asked for, and finds nothing."""
    for text in TEXTS:
        if re.fullmatch("[a-zA-Z0-9](-*[a-zA-Z0-9]){0,119}", text):
            continue
        for operation, member in (
            ("CreateExperiment", "ExperimentName"),
            ("DescribeExperiment", "ExperimentName"),
            ("DescribeTrial", "TrialName"),
            ("DescribeTrialComponent", "TrialComponentName"),
            ("DeleteTrialComponent", "TrialComponentName"),
            ("DescribeAction", "ActionName"),
            ("DescribeContext", "ContextName"),
        ):
            if member == "ContextName" and text == "a_b":
                continue
            reply = service.server.control(operation, {member: text})
            path = member[0].lower() + member[1:]
            assert f"'{path}'" in error_of(reply, 400, "ValidationException")


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_any_text_comes_back(api: Any, name: str, text: str) -> None:
    """Every field of free text gives back what was put into it, to the character."""
    api.create_experiment(ExperimentName=name, Description=text)
    assert api.describe_experiment(ExperimentName=name)["Description"] == text
    metadata = dict.fromkeys(("CommitId", "Repository", "GeneratedBy", "ProjectId"), text)
    api.create_trial(TrialName=name, ExperimentName=name, MetadataProperties=metadata)
    assert api.describe_trial(TrialName=name)["MetadataProperties"] == metadata
    members: dict[str, Any] = {
        "Status": {"PrimaryStatus": "Failed", "Message": text},
        "Parameters": {text: {"StringValue": text}, "beside": {"StringValue": "b"}},
        "InputArtifacts": {text[:128]: {"Value": text}},
        "OutputArtifacts": {text[:128]: {"Value": text}},
        "MetadataProperties": metadata,
    }
    api.create_trial_component(TrialComponentName=name, **members)
    found = api.describe_trial_component(TrialComponentName=name)
    assert {member: found[member] for member in members} == members
    api.update_trial_component(TrialComponentName=name, ParametersToRemove=[text])
    found = api.describe_trial_component(TrialComponentName=name)
    assert found["Parameters"] == {"beside": {"StringValue": "b"}}
    source = {"SourceUri": f"{name}{text}", "SourceType": text, "SourceId": text}
    properties = {text: text}
    for word, context in (("Action", {"MetadataProperties": metadata}), ("Context", {})):
        lower = word.lower()
        made = {"Source": source, f"{word}Type": text, "Properties": properties, **context}
        getattr(api, f"create_{lower}")(**{f"{word}Name": name}, Description=text, **made)
        found = getattr(api, f"describe_{lower}")(**{f"{word}Name": name})
        assert {member: found[member] for member in made} == made
        assert found["Description"] == text
        (listed,) = getattr(api, f"list_{lower}s")(SourceUri=source["SourceUri"])[
            f"{word}Summaries"
        ]
        assert listed["Source"] == source
    types = [{"SourceIdType": "Custom", "Value": text}]
    artifact = {
        "Source": {"SourceUri": f"{name}{text}", "SourceTypes": types},
        "ArtifactType": text,
        "Properties": properties,
    }
    arn = api.create_artifact(**artifact)["ArtifactArn"]
    found = api.describe_artifact(ArtifactArn=arn)
    assert {member: found[member] for member in artifact} == artifact


@pytest.mark.parametrize("text", [text for text in TEXTS if text], ids=range(len(TEXTS) - 1))
def test_any_text_is_found_exactly(
    service: Service, name: str, text: str, refused: Refused
) -> None:
    """A search for a text finds it and nothing that merely looks like it, in every field."""
    beside = [text.swapcase(), text[:-1], f"{text}x", re.sub(r"[%_]", "z", text), "other"]
    names = {}
    for index, each in enumerate([text, *(each for each in beside if each != text)]):
        names[f"{name}-{index}"] = each
        service.api.create_trial_component(
            TrialComponentName=f"{name}-{index}",
            Status={"PrimaryStatus": "Failed", "Message": each},
            Parameters={"p": {"StringValue": each}},
            InputArtifacts={"a": {"Value": each}},
            OutputArtifacts={"a": {"Value": each}},
            MetadataProperties={"CommitId": each},
        )
    ours = ("TrialComponentName", "Contains", name)
    fields = (
        "Status.Message",
        "Parameters.p",
        "InputArtifacts.a",
        "OutputArtifacts.a",
        *(() if "\0" in text else ("MetadataProperties.CommitId",)),
    )
    for field in fields:
        if field != "Parameters.p" or not _is_number(text):
            assert service.found(ours, (field, "Equals", text)) == [f"{name}-0"]
        assert f"{name}-0" not in service.found(ours, (field, "NotEquals", text), MaxResults=100)
        if "\0" in text:
            contains = {"Filters": [{"Name": field, "Operator": "Contains", "Value": text}]}
            refused("ValidationException", service.search, "NUL", SearchExpression=contains)
            continue
        containing = [each for each in names if _lower(text) in _lower(names[each])]
        found = service.found(ours, (field, "Contains", text), MaxResults=100)
        assert sorted(found) == sorted(containing)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _lower(text: str) -> str:
    """Fold case as a search does."""
    return "".join(char.lower() if char.isascii() else char for char in text)


def test_keys_with_anything_in_them(service: Service, name: str) -> None:
    """A parameter is found under whatever key it has, dots and quotes and all."""
    keys = [text for text in TEXTS if text and len(text) < 200]
    service.api.create_trial_component(
        TrialComponentName=name,
        Parameters={key: {"NumberValue": float(index)} for index, key in enumerate(keys)},
    )
    for index, key in enumerate(keys):
        ours = ("TrialComponentName", "Equals", name)
        asked = (f"Parameters.{key}", "Equals", str(index))
        assert service.found(ours, asked, SortBy=f"Parameters.{key}") == [name]
        assert service.found(ours, (f"Parameters.{key}x", "Exists", None)) == []


def test_metrics_with_anything_in_their_names(service: Service, name: str) -> None:
    """A metric's name may hold what no line end is; its summary is found under it."""
    texts = [text for text in TEXTS if text and re.fullmatch(r"[^\n\r\x85\u2028\u2029]+", text)]
    for index, metric in enumerate(texts):
        if len(metric) < 256:
            service.put(name, float(index), metric=metric)
    found = service.api.describe_trial_component(TrialComponentName=name)["Metrics"]
    values = {each["MetricName"]: each["Last"] for each in found}
    for index, metric in enumerate(texts):
        if len(metric) >= 240:
            continue
        assert values[metric] == index
        asked = (f"Metrics.{metric}", "Equals", str(index))
        assert service.found(("TrialComponentName", "Equals", name), asked) == [name]


def test_arns_that_name_nothing(service: Service) -> None:
    """An ARN with a foreign kind, a broken account or a quote in it is refused, whatever asks."""
    for arn in ("arn", f"{ARN}model/a", "arn:aws:sagemaker:us-east-1:1:experiment/a", "'"):
        reply = service.server.control(
            "AddAssociation", {"SourceArn": arn, "DestinationArn": f"{ARN}artifact/a"}
        )
        assert "'sourceArn'" in error_of(reply, 400, "ValidationException")
    quoted = f"{ARN}artifact/' OR 1=1 --"
    reply = service.server.control("DescribeArtifact", {"ArtifactArn": quoted})
    error_of(reply, 400, "ResourceNotFound")
