"""Artifacts, actions and contexts, and the edges between entities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ARN, Service

Refused = Callable[..., str]
Pages = Callable[..., list[Any]]

METADATA = {"CommitId": "c0ffee", "Repository": "r", "GeneratedBy": "g", "ProjectId": "p"}
TAGS = [{"Key": "k", "Value": "v"}]


def comparable(found: Any) -> Any:
    """Take away what every answer has its own of: metadata and times."""
    left_out = {"ResponseMetadata", "CreationTime", "LastModifiedTime"}
    return {key: value for key, value in found.items() if key not in left_out}


def artifact(api: Any, uri: str, kind: str = "T", **more: Any) -> str:
    """Make an artifact and give its ARN."""
    made = api.create_artifact(Source={"SourceUri": uri}, ArtifactType=kind, **more)
    arn: str = made["ArtifactArn"]
    return arn


def test_an_artifact_comes_back(api: Any, name: str) -> None:
    """All that an artifact was created with is described, listed and can be changed."""
    types = [{"SourceIdType": "S3ETag", "Value": "e"}, {"SourceIdType": "Custom", "Value": ""}]
    members = {
        "ArtifactName": name,
        "Source": {"SourceUri": f"s3://{name}", "SourceTypes": types},
        "ArtifactType": "DataSet",
        "Properties": {"a": "1", "b": ""},
    }
    arn = api.create_artifact(**members, MetadataProperties=METADATA, Tags=TAGS)["ArtifactArn"]
    assert arn.startswith(f"{ARN}artifact/")
    assert len(arn.rpartition("/")[2]) == 32
    common = {**members, "ArtifactArn": arn, "CreatedBy": {}, "LastModifiedBy": {}}
    found = api.describe_artifact(ArtifactArn=arn)
    assert comparable(found) == {**common, "MetadataProperties": METADATA}
    assert found["CreationTime"] == found["LastModifiedTime"]
    (listed,) = api.list_artifacts(SourceUri=f"s3://{name}")["ArtifactSummaries"]
    shown = ("ArtifactArn", "ArtifactName", "Source", "ArtifactType")
    assert comparable(listed) == {member: common[member] for member in shown}
    answer = api.update_artifact(
        ArtifactArn=arn,
        ArtifactName=f"{name}-new",
        Properties={"b": "2", "c": "3", "d": "4"},
        PropertiesToRemove=["a", "d", "no"],
    )
    assert answer["ArtifactArn"] == arn
    found = api.describe_artifact(ArtifactArn=arn)
    assert found["Properties"] == {"b": "2", "c": "3"}
    assert found["ArtifactName"] == f"{name}-new"
    assert found["LastModifiedTime"] > found["CreationTime"]
    assert api.list_tags(ResourceArn=arn)["Tags"] == TAGS
    assert api.delete_artifact(ArtifactArn=arn)["ArtifactArn"] == arn
    with pytest.raises(api.exceptions.ResourceNotFound):
        api.describe_artifact(ArtifactArn=arn)


@pytest.mark.parametrize("word", ["Action", "Context"])
def test_an_action_and_a_context_come_back(api: Any, name: str, word: str) -> None:
    """All members of an action and of a context come back; both are found in any case."""
    lower = word.lower()
    create, describe, update, delete, list_ = (
        getattr(api, f"{verb}_{lower}{'s' if verb == 'list' else ''}")
        for verb in ("create", "describe", "update", "delete", "list")
    )
    shown = f"My-{name}" if word == "Action" else f"My_{name}"
    members: dict[str, Any] = {
        f"{word}Name": shown,
        "Source": {"SourceUri": f"s3://{name}", "SourceType": "type", "SourceId": "id"},
        f"{word}Type": "Training",
        "Description": "several\nlines",
        "Properties": {"a": "1"},
    }
    if word == "Action":
        members |= {"Status": "Unknown", "MetadataProperties": METADATA}
    arn = f"{ARN}{lower}/{shown}"
    assert create(**members, Tags=TAGS)[f"{word}Arn"] == arn
    for key in (shown, shown.upper(), arn):
        found = describe(**{f"{word}Name": key})
        assert comparable(found) == {
            **members,
            f"{word}Arn": arn,
            "CreatedBy": {},
            "LastModifiedBy": {},
        }
    # The pattern of an action's name lets any ARN through.
    other = f"{ARN}context/{shown}" if word == "Action" else f"{ARN}context/no"
    with pytest.raises(api.exceptions.ResourceNotFound):
        describe(**{f"{word}Name": other})
    (listed,) = list_(SourceUri=f"s3://{name}")[f"{word}Summaries"]
    summary = {f"{word}Arn", f"{word}Name", "Source", f"{word}Type"}
    assert comparable(listed).keys() == summary | ({"Status"} if word == "Action" else set())
    change: dict[str, Any] = {"Description": "", "Properties": {"a": "2", "b": "3"}}
    if word == "Action":
        change["Status"] = "Completed"
    answer = update(**{f"{word}Name": shown.lower()}, **change, PropertiesToRemove=["b"])
    assert answer[f"{word}Arn"] == arn
    found = describe(**{f"{word}Name": shown})
    assert (found["Description"], found["Properties"]) == ("", {"a": "2"})
    assert found.get("Status") == change.get("Status")
    assert delete(**{f"{word}Name": shown.upper()})[f"{word}Arn"] == arn
    for call in (describe, update, delete):
        with pytest.raises(api.exceptions.ResourceNotFound) as caught:
            call(**{f"{word}Name": shown})
        assert f"{word} '{arn}' does not exist." in str(caught.value)


def test_what_makes_two_artifacts_one(api: Any, name: str, refused: Refused) -> None:
    """An artifact is its source: URI and source types in whatever order; its name is not."""
    uri = f"s3://{name}"
    one, two = ({"SourceIdType": "MD5Hash", "Value": value} for value in ("1", "2"))
    arns = [
        api.create_artifact(Source={"SourceUri": uri, **types}, ArtifactType="T")["ArtifactArn"]
        for types in (
            {},
            {"SourceTypes": [one]},
            {"SourceTypes": [two]},
            {"SourceTypes": [one, two]},
            {"SourceTypes": [{"SourceIdType": "Custom", "Value": "1"}]},
        )
    ]
    assert len(set(arns)) == 5
    for types in ({"SourceTypes": [two, one]}, {"SourceTypes": []}):
        message = refused(
            "ValidationException",
            api.create_artifact,
            ArtifactName="other",
            Source={"SourceUri": uri, **types},
            ArtifactType="Other",
        )
        assert "already exists" in message
    artifact(api, uri.upper(), ArtifactName="same")
    artifact(api, f"{uri}/", ArtifactName="same")
    assert len(api.list_artifacts(SourceUri=uri)["ArtifactSummaries"]) == 5
    deleted = api.delete_artifact(Source={"SourceUri": uri, "SourceTypes": [two, one]})
    assert deleted["ArtifactArn"] == arns[3]
    assert len(api.list_artifacts(SourceUri=uri)["ArtifactSummaries"]) == 4


def test_an_artifact_is_deleted_by_one_of_two(api: Any, name: str, refused: Refused) -> None:
    """DeleteArtifact takes an ARN or a source, exactly one of them."""
    arn = artifact(api, f"s3://{name}")
    both = {"ArtifactArn": arn, "Source": {"SourceUri": f"s3://{name}"}}
    for members in (both, {}):
        refused("ValidationException", api.delete_artifact, "Exactly one", **members)
    assert api.describe_artifact(ArtifactArn=arn)["ArtifactArn"] == arn


def test_names_are_taken_once(api: Any, name: str, refused: Refused) -> None:
    """An action's and a context's name is taken in any case; each kind has names of its own."""
    source = {"SourceUri": "s3://b"}
    for word, create in (("Action", api.create_action), ("Context", api.create_context)):
        members = {"Source": source, f"{word}Type": "T"}
        create(**{f"{word}Name": name}, **members)
        refused(
            "ValidationException",
            create,
            "already exists",
            **{f"{word}Name": name.upper()},
            **members,
        )


def test_properties_are_limited(api: Any, name: str, refused: Refused) -> None:
    """An entity has at most 30 properties, however many updates they come in."""
    arn = artifact(api, f"s3://{name}", Properties={f"k{number}": "" for number in range(30)})
    refused(
        "ValidationException", api.update_artifact, ArtifactArn=arn, Properties={"one more": ""}
    )
    api.update_artifact(ArtifactArn=arn, Properties={"one more": ""}, PropertiesToRemove=["k0"])
    assert len(api.describe_artifact(ArtifactArn=arn)["Properties"]) == 30


def test_filters_of_lists(api: Any, name: str) -> None:
    """Artifacts, actions and contexts are listed by source and by type."""
    uri = f"s3://{name}/" + "long" * 100
    for number, kind in enumerate(("A", "A", "B")):
        source = {"SourceUri": f"{uri}{number % 2}"}
        types = [{"SourceIdType": "Custom", "Value": str(number)}]
        api.create_artifact(Source={**source, "SourceTypes": types}, ArtifactType=f"{name}{kind}")
        api.create_action(ActionName=f"{name}-{number}", Source=source, ActionType=f"{name}{kind}")
        api.create_context(
            ContextName=f"{name}-{number}", Source=source, ContextType=f"{name}{kind}"
        )
    for word, list_ in (
        ("Artifact", api.list_artifacts),
        ("Action", api.list_actions),
        ("Context", api.list_contexts),
    ):

        def count(list_: Any = list_, word: str = word, **members: Any) -> int:
            return len(list_(**members)[f"{word}Summaries"])

        assert count(SourceUri=f"{uri}0") == 2
        assert count(SourceUri=f"{uri}1") == 1
        assert count(SourceUri=uri) == 0
        assert count(**{f"{word}Type": f"{name}A"}) == 2
        assert count(**{f"{word}Type": f"{name}a"}) == 0
        assert count(SourceUri=f"{uri}0", **{f"{word}Type": f"{name}B"}) == 1


@pytest.fixture
def ends(service: Service, name: str) -> dict[str, str]:
    """Make one entity of each kind that an edge may have at its end; give their ARNs."""
    api, source = service.api, {"SourceUri": f"s3://{name}"}
    return {
        "Experiment": api.create_experiment(ExperimentName=name)["ExperimentArn"],
        "TrialComponent": api.create_trial_component(TrialComponentName=name)["TrialComponentArn"],
        "DataSet": artifact(api, f"s3://{name}", "DataSet", ArtifactName=f"{name}-a"),
        "Approval": api.create_action(ActionName=name, Source=source, ActionType="Approval")[
            "ActionArn"
        ],
        "Endpoint": api.create_context(ContextName=name, Source=source, ContextType="Endpoint")[
            "ContextArn"
        ],
    }


def test_edges_between_every_two_kinds(
    api: Any, ends: dict[str, str], name: str, every_page: Pages
) -> None:
    """Any kind goes with any other, and an edge is listed with both ends' names and types."""
    names = {**dict.fromkeys(ends, name), "DataSet": f"{name}-a"}
    made = []
    for source_type, source in ends.items():
        for destination_type, destination in ends.items():
            if source == destination:
                continue
            pair = {"SourceArn": source, "DestinationArn": destination}
            assert comparable(api.add_association(**pair, AssociationType="Produced")) == pair
            made.append(
                {
                    **pair,
                    "SourceType": source_type,
                    "DestinationType": destination_type,
                    "SourceName": names[source_type],
                    "DestinationName": names[destination_type],
                    "AssociationType": "Produced",
                    "CreatedBy": {},
                }
            )
    for member in ("SourceArn", "DestinationArn"):
        for arn in ends.values():
            found = every_page(
                api.list_associations,
                "AssociationSummaries",
                MaxResults=3,
                SortOrder="Ascending",
                **{member: arn},
            )
            assert [comparable(each) for each in found] == [
                each for each in made if each[member] == arn
            ]


@pytest.mark.parametrize(
    "sort_by", ["SourceArn", "DestinationArn", "SourceType", "DestinationType", "CreationTime"]
)
def test_orders_of_edges(
    api: Any, ends: dict[str, str], name: str, sort_by: str, every_page: Pages
) -> None:
    """Edges are sorted by an end's ARN or type, or by time, over pages."""
    arns = [*ends.values(), *(artifact(api, f"s3://{name}/{n}") for n in range(3))]
    hub, type_ = artifact(api, f"s3://{name}/hub", f"{name}-hub"), f"{name}-hub"
    for arn in arns:
        pair = {"SourceArn": arn, "DestinationArn": hub}
        if sort_by.startswith("Destination"):
            pair = {"SourceArn": hub, "DestinationArn": arn}
        api.add_association(**pair)
    own = "SourceType" if sort_by.startswith("Destination") else "DestinationType"
    for order in ("Ascending", "Descending"):
        found = every_page(
            api.list_associations,
            "AssociationSummaries",
            SortBy=sort_by,
            SortOrder=order,
            MaxResults=2,
            **{own: type_},
        )
        keys = [each[sort_by] for each in found]
        assert keys == sorted(keys, reverse=order == "Descending")
        assert len({(each["SourceArn"], each["DestinationArn"]) for each in found}) == len(arns)


def test_filters_of_edges(api: Any, ends: dict[str, str], name: str) -> None:
    """Edges are listed by either end, its type, the edge's type and its time."""
    kinds = ["ContributedTo", "AssociatedWith", "DerivedFrom", "Produced", "SameAs"]
    targets = [artifact(api, f"s3://{name}/{kind}", f"{name}{kind}") for kind in kinds]
    source = ends["TrialComponent"]
    for kind, target in zip(kinds, targets, strict=True):
        api.add_association(SourceArn=source, DestinationArn=target, AssociationType=kind)
    plain = artifact(api, f"s3://{name}/plain", f"{name}plain")
    api.add_association(SourceArn=source, DestinationArn=plain)

    def found(**members: Any) -> set[str]:
        page = api.list_associations(**members)["AssociationSummaries"]
        return {each["DestinationArn"] for each in page}

    assert found(SourceArn=source) == {*targets, plain}
    for kind, target in zip(kinds, targets, strict=True):
        assert found(SourceArn=source, AssociationType=kind) == {target}
        assert found(DestinationType=f"{name}{kind}") == {target}
        assert found(SourceArn=source, DestinationArn=target) == {target}
        assert found(SourceType="TrialComponent", DestinationType=f"{name}{kind}") == {target}
        assert found(SourceType="DataSet", DestinationType=f"{name}{kind}") == set()
    (edge,) = api.list_associations(DestinationArn=plain)["AssociationSummaries"]
    assert "AssociationType" not in edge
    later = edge["CreationTime"]
    assert plain in found(SourceArn=source, CreatedAfter=later)
    assert plain not in found(SourceArn=source, CreatedBefore=later)
    elsewhere = source.replace("us-east-1:000000000000", "eu-west-1:123456789012")
    assert found(SourceArn=elsewhere) == {*targets, plain}


def test_an_edge_is_there_once(api: Any, ends: dict[str, str], refused: Refused) -> None:
    """Two entities are associated once in each direction, whatever the type; none with itself."""
    pair = {"SourceArn": ends["DataSet"], "DestinationArn": ends["TrialComponent"]}
    back = {"SourceArn": ends["TrialComponent"], "DestinationArn": ends["DataSet"]}
    api.add_association(**pair, AssociationType="ContributedTo")
    for kind in ("ContributedTo", "Produced"):
        refused(
            "ValidationException",
            api.add_association,
            "already exists",
            **pair,
            AssociationType=kind,
        )
    api.add_association(**back)
    own = {"SourceArn": ends["DataSet"], "DestinationArn": ends["DataSet"]}
    refused("ValidationException", api.add_association, "itself", **own)
    assert comparable(api.delete_association(**pair)) == pair
    with pytest.raises(api.exceptions.ResourceNotFound):
        api.delete_association(**pair)
    assert len(api.list_associations(**back)["AssociationSummaries"]) == 1


def test_edges_to_nothing(api: Any, ends: dict[str, str], name: str) -> None:
    """An end that does not exist is ResourceNotFound, on either side, in every operation."""
    nothing = f"{ARN}artifact/{name}"
    for pair in (
        {"SourceArn": nothing, "DestinationArn": ends["DataSet"]},
        {"SourceArn": ends["DataSet"], "DestinationArn": nothing},
    ):
        for call in (api.add_association, api.delete_association, api.list_associations):
            with pytest.raises(api.exceptions.ResourceNotFound):
                call(**pair)


def test_the_order_of_deletes(api: Any, ends: dict[str, str], refused: Refused, name: str) -> None:
    """What has edges cannot be deleted, as an artifact; a component's and experiment's go along."""
    for kind in ("TrialComponent", "Experiment", "Approval", "Endpoint"):
        api.add_association(SourceArn=ends[kind], DestinationArn=ends["DataSet"])
    for call, members in (
        (api.delete_artifact, {"ArtifactArn": ends["DataSet"]}),
        (api.delete_action, {"ActionName": name}),
        (api.delete_context, {"ContextName": name}),
    ):
        refused("ValidationException", call, "1 or more associations", **members)
    api.delete_trial_component(TrialComponentName=name)
    api.delete_experiment(ExperimentName=name)
    left = api.list_associations(DestinationArn=ends["DataSet"])["AssociationSummaries"]
    assert {each["SourceType"] for each in left} == {"Approval", "Endpoint"}
    for kind in ("Approval", "Endpoint"):
        api.delete_association(SourceArn=ends[kind], DestinationArn=ends["DataSet"])
    api.delete_artifact(ArtifactArn=ends["DataSet"])
    api.delete_action(ActionName=name)
    api.delete_context(ContextName=name)
    # What is made anew under the old names has none of the old edges.
    made = api.create_trial_component(TrialComponentName=name)["TrialComponentArn"]
    assert api.list_associations(SourceArn=made)["AssociationSummaries"] == []
