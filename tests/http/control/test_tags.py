"""Tags of every kind of entity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ARN, Service

Refused = Callable[..., str]


@pytest.fixture
def arns(api: Any, name: str) -> dict[str, str]:
    """Make one entity of each kind; give their ARNs."""
    source = {"SourceUri": f"s3://{name}"}
    return {
        "experiment": api.create_experiment(ExperimentName=name)["ExperimentArn"],
        "trial": api.create_trial(TrialName=name, ExperimentName=name)["TrialArn"],
        "component": api.create_trial_component(TrialComponentName=name)["TrialComponentArn"],
        "artifact": api.create_artifact(Source=source, ArtifactType="T")["ArtifactArn"],
        "action": api.create_action(ActionName=name, Source=source, ActionType="T")["ActionArn"],
        "context": api.create_context(ContextName=name, Source=source, ContextType="T")[
            "ContextArn"
        ],
    }


def tag(key: str, value: str) -> dict[str, str]:
    """Make a tag."""
    return {"Key": key, "Value": value}


def test_tags_of_every_kind(api: Any, arns: dict[str, str], members_of: Any) -> None:
    """Tags are added, replaced by key, listed in the order of adding, and removed by key."""
    for arn in arns.values():
        assert api.list_tags(ResourceArn=arn)["Tags"] == []
        answer = api.add_tags(ResourceArn=arn, Tags=[tag("b", "1"), tag("a", "")])
        assert answer["Tags"] == [tag("b", "1"), tag("a", "")]
        answer = api.add_tags(ResourceArn=arn, Tags=[tag("C", "3"), tag("b", "2"), tag("c", "4")])
        wanted = [tag("b", "2"), tag("a", ""), tag("C", "3"), tag("c", "4")]
        assert answer["Tags"] == wanted
        assert members_of(api.list_tags(ResourceArn=arn, MaxResults=50)) == {"Tags": wanted}
        assert members_of(api.delete_tags(ResourceArn=arn, TagKeys=["a", "c", "no"])) == {}
        assert api.list_tags(ResourceArn=arn)["Tags"] == [tag("b", "2"), tag("C", "3")]
        api.delete_tags(ResourceArn=arn, TagKeys=["b", "C"])
        assert api.list_tags(ResourceArn=arn)["Tags"] == []


def test_fifty_tags(api: Any, arns: dict[str, str], refused: Refused) -> None:
    """A resource has up to 50 tags, with one key each; more is refused as a whole."""
    arn = arns["experiment"]
    most = [tag(f"k{number}", "v" * 256) for number in range(50)]
    api.add_tags(ResourceArn=arn, Tags=most)
    refused("ValidationException", api.add_tags, "50", ResourceArn=arn, Tags=[tag("new", "")])
    refused(
        "ValidationException",
        api.add_tags,
        ResourceArn=arn,
        Tags=[tag("k0", "changed"), tag("new", "")],
    )
    assert api.list_tags(ResourceArn=arn)["Tags"] == most
    api.add_tags(ResourceArn=arn, Tags=[tag("k0", "changed")])
    assert api.list_tags(ResourceArn=arn)["Tags"][0] == tag("k0", "changed")
    assert "NextToken" not in api.list_tags(ResourceArn=arn)


def test_a_key_twice(api: Any, arns: dict[str, str], refused: Refused) -> None:
    """Two tags of one key in one request are AWS's `Duplicate tag key`, and nothing is added."""
    for arn in arns.values():
        message = refused(
            "ValidationException", api.add_tags, ResourceArn=arn, Tags=[tag("a", "1"), tag("a", "")]
        )
        assert message == "Duplicate tag key"
        assert api.list_tags(ResourceArn=arn)["Tags"] == []


def test_tags_that_a_pattern_allows(api: Any, arns: dict[str, str], refused: Refused) -> None:
    """Letters, digits and blanks of any script, and a few signs; nothing else."""
    arn = arns["trial"]
    odd = [tag("ключ ٣ 鍵", "Ω x_.:/=+-@"), tag(" ", "\u00a0"), tag("sagemaker:a", "run")]
    api.add_tags(ResourceArn=arn, Tags=odd)
    assert api.list_tags(ResourceArn=arn)["Tags"] == odd
    for bad in ("%", "a'b", "a\nb", "a\0b", '"', "\N{GRINNING FACE}", "a;b", "{}"):
        for made in (tag(bad, "v"), tag("k", bad)):
            refused("ValidationException", api.add_tags, "'tags.1.", ResourceArn=arn, Tags=[made])


def test_tags_go_with_their_entity(api: Any, arns: dict[str, str], name: str) -> None:
    """What is deleted has no tags, and neither has what is made again under its name."""
    for arn in arns.values():
        api.add_tags(ResourceArn=arn, Tags=[tag("a", "1")])
    source = {"SourceUri": f"s3://{name}"}
    api.delete_artifact(ArtifactArn=arns["artifact"])
    api.delete_action(ActionName=name)
    api.delete_context(ContextName=name)
    api.delete_trial_component(TrialComponentName=name)
    api.delete_trial(TrialName=name)
    api.delete_experiment(ExperimentName=name)
    for arn in arns.values():
        for call in (
            lambda arn=arn: api.list_tags(ResourceArn=arn),
            lambda arn=arn: api.add_tags(ResourceArn=arn, Tags=[tag("a", "1")]),
            lambda arn=arn: api.delete_tags(ResourceArn=arn, TagKeys=["a"]),
        ):
            with pytest.raises(api.exceptions.ResourceNotFound):
                call()
    again = api.create_artifact(Source=source, ArtifactType="T")["ArtifactArn"]
    assert again == arns["artifact"]
    api.create_experiment(ExperimentName=name)
    for arn in (again, arns["experiment"]):
        assert api.list_tags(ResourceArn=arn)["Tags"] == []


def test_resources_without_tags(api: Any, arns: dict[str, str], refused: Refused) -> None:
    """An ARN of what is not kept here, or that is none, is refused; region and account are not."""
    for arn in ("arn", "arn:aws:s3:::bucket", "arn:aws:sagemaker:us-east-1:12:experiment/a"):
        refused("ValidationException", api.list_tags, "'resourceArn'", ResourceArn=arn)
    refused("ValidationException", api.list_tags, ResourceArn=f"{ARN}training-job/a")
    api.add_tags(ResourceArn=arns["context"], Tags=[tag("a", "1")])
    elsewhere = arns["context"].replace("us-east-1:000000000000", "cn-north-1:123456789012")
    assert api.list_tags(ResourceArn=elsewhere)["Tags"] == [tag("a", "1")]


def test_tags_are_searched(service: Service, arns: dict[str, str], name: str) -> None:
    """A tag is found from the moment that it is added until it is removed, by its last value."""
    del arns
    arn = f"{ARN}experiment-trial-component/{name}"
    asked = (f"Tags.{name}", "Equals", "one")
    assert service.found(asked) == []
    service.api.add_tags(ResourceArn=arn, Tags=[tag(name, "one")])
    assert service.found(asked) == [name]
    service.api.add_tags(ResourceArn=arn, Tags=[tag(name, "two")])
    assert service.found(asked) == []
    assert service.found((f"Tags.{name}", "Exists", None)) == [name]
    service.api.delete_tags(ResourceArn=arn, TagKeys=[name])
    assert service.found((f"Tags.{name}", "Exists", None)) == []
