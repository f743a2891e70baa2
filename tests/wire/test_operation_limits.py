"""Every limit of every operation of the control plane: kept to the character, and named."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from stepwell.model.errors import SerializationError, ValidationError
from stepwell.wire.control import decode_control
from stepwell.wire.operations import OPERATIONS

from .samples import breaches, edges, full, mistyped, with_unknown

every_operation = pytest.mark.parametrize("name", OPERATIONS)


def decode(name: str, document: Any) -> dict[str, Any]:
    """Decode an operation's input, sent as JSON text."""
    request = decode_control(f"SageMaker.{name}", json.dumps(document).encode())
    assert request.operation == name
    return request.members


def problems_of(name: str, document: Any) -> tuple[str, ...]:
    """Give what is wrong with an input that is refused."""
    with pytest.raises(ValidationError) as caught:
        decode(name, document)
    return caught.value.problems


@every_operation
def test_what_breaks_a_limit_by_one(name: str) -> None:
    """Each rule of each member, broken by as little as can be, is named with the member's path."""
    tried = 0
    for breach in breaches(OPERATIONS[name].input):
        problems = problems_of(name, breach.value)
        wanted = (f" at '{breach.path}' failed to satisfy constraint: ", breach.rule)
        assert any(all(part in each for part in wanted) for each in problems), (breach, problems)
        tried += 1
    assert tried or not OPERATIONS[name].input.members


@every_operation
def test_what_lies_on_a_limit(name: str) -> None:
    """The longest, shortest, most, fewest, largest and smallest that a limit allows is taken."""
    shape = OPERATIONS[name].input
    for document in edges(shape):
        problems: list[str] = []
        shape.read(document, "", problems)
        assert not problems
        decode(name, document)


@every_operation
def test_everything_at_once(name: str) -> None:
    """An input with every member there is gives every member back, under AWS's names."""
    document = full(OPERATIONS[name].input)
    assert decode(name, document).keys() == document.keys()


@every_operation
@pytest.mark.parametrize("unknown", [1, None, "\ud800", [[{}]], {"Tags": 5}])
def test_unknown_members(name: str, unknown: Any) -> None:
    """Members that the API does not have change nothing, at any level, whatever is in them."""
    shape = OPERATIONS[name].input
    document = full(shape)
    assert decode(name, with_unknown(shape, document, unknown)) == decode(name, document)


@every_operation
def test_wrong_types(name: str) -> None:
    """A wrong JSON type, at any level, is a SerializationException that names the member."""
    for document, path in mistyped(OPERATIONS[name].input):
        with pytest.raises(SerializationError, match=re.escape(f"The member {path} must be ")):
            decode(name, document)


def test_the_walk_misses_nothing() -> None:
    """The walk over CreateTrialComponent breaks the rules that a reader finds in the API's pages.

    It is written out, so that a walk which passes members over is noticed.
    """
    walked = {
        (breach.path, *re.findall(r"\d+$", breach.rule))
        for breach in breaches(OPERATIONS["CreateTrialComponent"].input)
    }
    wanted = {
        *(("trialComponentName", length) for length in ("1", "120")),
        *(("displayName", length) for length in ("1", "120")),
        *(("startTime", "1970"), ("endTime", "1970")),
        *((f"metadataProperties.{each}", "1024") for each in ("commitId", "repository")),
        *((f"metadataProperties.{each}", "1024") for each in ("generatedBy", "projectId")),
        *(("tags", "50"), ("tags.2.member.key", "1"), ("tags.2.member.key", "128")),
        ("tags.2.member.value", "256"),
        *(("parameters", number) for number in ("300", "320")),
        ("parameters.k.member.stringValue", "2500"),
        *(
            (kind, number)
            for kind in ("inputArtifacts", "outputArtifacts")
            for number in ("60", "128")
        ),
        *((f"{kind}Artifacts.k.member.value", "2048") for kind in ("input", "output")),
        *((f"{kind}Artifacts.k.member.mediaType", "64") for kind in ("input", "output")),
    }
    assert {each for each in walked if len(each) == 2} == wanted
    others = {each[0] for each in walked if len(each) == 1}
    assert {"status.primaryStatus", "parameters.k.member", "tags.2.member.value"} <= others
    assert {"parameters.k.member.numberValue", "inputArtifacts.k.member.mediaType"} <= others
