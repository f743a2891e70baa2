"""The tables of operations say what the service model says that boto3 brings along."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from stepwell.wire.operations import OPERATIONS
from stepwell.wire.shapes import (
    INT32_FIRST,
    INT32_LAST,
    Boolean,
    Double,
    Integer,
    ListOf,
    MapOf,
    Recursive,
    Shape,
    String,
    Structure,
    Timestamp,
)

ROOT = Path(__file__).parents[2]
MODEL = ROOT / ".clients/boto3-1.44/botocore/data/sagemaker/2017-07-24/service-2.json.gz"
#: Free text: people write several lines, which these patterns do not take (members.py says so).
FREE = {".*", ".+", None}
#: Unions of the API that boto3's copy of the model has as plain structures: its documentation says
#: of both members that one excludes the other, and the Rust SDK has an enum there.
UNIONS = {"TrialComponentParameterValue"}
#: CONTRACT part A, section 5.
NAMES = {
    *(f"{verb}Experiment" for verb in ("Create", "Describe", "Update", "Delete")),
    *(f"{verb}Trial" for verb in ("Create", "Describe", "Update", "Delete")),
    *(f"{verb}TrialComponent" for verb in ("Create", "Describe", "Update", "Delete")),
    *(f"{verb}TrialComponent" for verb in ("Associate", "Disassociate")),
    *(f"{verb}Artifact" for verb in ("Create", "Describe", "Update", "Delete")),
    *(f"{verb}Action" for verb in ("Create", "Describe", "Update", "Delete")),
    *(f"{verb}Context" for verb in ("Create", "Describe", "Update", "Delete")),
    *(f"{verb}Association" for verb in ("Add", "Delete")),
    *(f"{verb}Tags" for verb in ("Add", "List", "Delete")),
    *("ListExperiments", "ListTrials", "ListTrialComponents", "ListArtifacts", "ListActions"),
    *("ListContexts", "ListAssociations", "ListLineageGroups", "DescribeLineageGroup"),
    *("GetLineageGroupPolicy", "QueryLineage", "Search", "GetSearchSuggestions"),
}


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    """Give the service model of the newest boto3 that is tested with."""
    # Not a skip: a run without the model would say that the tables agree with it.
    assert MODEL.is_file(), f"{MODEL} is missing; `make clients` makes it"
    with gzip.open(MODEL) as file:
        decoded: dict[str, Any] = json.load(file)
    return decoded


def modelled(  # noqa: PLR0911 - one case a kind
    shapes: dict[str, Any], name: str, above: tuple[str, ...] = ()
) -> Any:
    """Describe a shape of the model."""
    if name in above:
        return "itself"
    shape, above = shapes[name], (*above, name)
    size = (shape.get("min", 0), shape.get("max"))
    match shape["type"]:
        case "string":
            pattern = shape.get("pattern")
            choices = tuple(shape.get("enum", ()))
            return ("string", *size, choices, None if pattern in FREE else pattern)
        case "integer":
            return ("integer", shape.get("min", INT32_FIRST), shape.get("max", INT32_LAST))
        case "list":
            return ("list", *size, modelled(shapes, shape["member"]["shape"], above))
        case "map":
            key = modelled(shapes, shape["key"]["shape"], above)
            return ("map", *size, key, modelled(shapes, shape["value"]["shape"], above))
        case "structure":
            members = {
                member: modelled(shapes, each["shape"], above)
                for member, each in shape["members"].items()
            }
            required = set(shape.get("required", ()))
            return ("structure", members, required, name in UNIONS or shape.get("union", False))
        case simple:
            return (simple,)


def tabled(shape: Shape, above: tuple[int, ...] = ()) -> Any:  # noqa: PLR0911 - one case a kind
    """Describe a shape of the tables in the same way."""
    match shape:
        case Recursive():
            return "itself" if id(shape) in above else tabled(shape.shape, (*above, id(shape)))
        case String():
            pattern = shape.pattern.spelled if shape.pattern else None
            return ("string", shape.min, shape.max, shape.choices, pattern)
        case Integer():
            return ("integer", shape.min, shape.max)
        case ListOf():
            return ("list", shape.min, shape.max, tabled(shape.shape, above))
        case MapOf():
            key, value = tabled(shape.key, above), tabled(shape.shape, above)
            return ("map", shape.min, shape.max, key, value)
        case Structure():
            members = {name: tabled(each, above) for name, each in shape.members.items()}
            return ("structure", members, set(shape.required), shape.is_union)
    return ({Boolean: "boolean", Double: "double", Timestamp: "timestamp"}[type(shape)],)


def test_the_operations_are_those_of_the_contract() -> None:
    """No operation is missing, none is there that nobody wrote down, and each knows its name."""
    assert OPERATIONS.keys() == NAMES
    assert all(operation.name == name for name, operation in OPERATIONS.items())


@pytest.mark.parametrize("name", sorted(NAMES))
def test_inputs(model: dict[str, Any], name: str) -> None:
    """Members, what is required, lengths, counts, bounds, enums, patterns and unions agree."""
    shape = model["operations"][name]["input"]["shape"]
    assert tabled(OPERATIONS[name].input) == modelled(model["shapes"], shape)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_errors(model: dict[str, Any], name: str) -> None:
    """The errors that the model names for an operation are those of the table."""
    errors = {each["shape"] for each in model["operations"][name].get("errors", ())}
    assert set(OPERATIONS[name].errors) == errors
