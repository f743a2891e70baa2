"""Shapes that several operations share; each limit of the service model stands here once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stepwell.wire.shapes import (
    Integer,
    ListOf,
    MapOf,
    Pattern,
    Shape,
    String,
    Structure,
    Timestamp,
    in_categories,
)


@dataclass(frozen=True)
class Operation:
    """An operation: its name, its input, and the errors that its model names."""

    name: str
    input: Structure
    errors: tuple[str, ...] = ()


def operation(name: str, members: Mapping[str, Shape], *errors: str) -> Operation:
    """Make an operation. A member whose name ends in `*` is required."""
    return Operation(name, structure(members), errors)


def structure(members: Mapping[str, Shape], *, is_union: bool = False) -> Structure:
    """Make a structure. A member whose name ends in `*` is required."""
    return Structure(
        {name.removesuffix("*"): shape for name, shape in members.items()},
        tuple(name.removesuffix("*") for name in members if name.endswith("*")),
        is_union,
    )


NOT_FOUND = "ResourceNotFound"
LIMIT = "ResourceLimitExceeded"
CONFLICT = "ConflictException"

_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,119}"
_ARN = r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:[0-9]{12}:"
_KINDS = "(experiment|experiment-trial|experiment-trial-component|artifact|action|context)"
_CONTEXT = r"[a-zA-Z0-9]([-_]*[a-zA-Z0-9]){0,119}"
_TAG = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"


ENTITY_NAME = String(1, 120, Pattern.of(_NAME))
ENTITY_NAME_OR_ARN = String(1, 256, Pattern.of(rf"({_ARN}{_KINDS}\/)?({_NAME})"))
CONTEXT_NAME = String(1, 120, Pattern.of(_CONTEXT))
CONTEXT_NAME_OR_ARN = String(1, 256, Pattern.of(rf"({_ARN}context\/)?({_CONTEXT})"))
LINEAGE_GROUP_NAME_OR_ARN = String(1, 256, Pattern.of(rf"({_ARN}lineage-group\/)?({_NAME})"))
ARTIFACT_ARN = String(0, 256, Pattern.of(rf"{_ARN}artifact/.*"))
ASSOCIATION_ARN = String(
    0,
    256,
    Pattern.of(rf"{_ARN}(experiment|experiment-trial-component|artifact|action|context)/.*"),
)
RESOURCE_ARN = String(0, 256, Pattern.of(r"arn:aws[a-z-]*:sagemaker:[a-z0-9-]*:[0-9]{12}:.+"))

# The model's pattern for free text is `.*`; people write several lines, so only lengths count.
DESCRIPTION = String(0, 3072)
SOURCE_URI = String(1, 2048)
TEXT_40 = String(0, 40)
TEXT_256 = String(0, 256)
TIMESTAMP = Timestamp()
NEXT_TOKEN = String(0, 8192)
MAX_RESULTS = Integer(1, 100)
SORT_ORDER = String(choices=("Ascending", "Descending"))
BY_NAME_OR_TIME = String(choices=("Name", "CreationTime"))

_tag = Pattern(_TAG, lambda text: in_categories(text, "LZN", "_.:/=+-@"))
TAG_KEY = String(1, 128, _tag)
TAG_VALUE = String(0, 256, _tag)
TAGS = ListOf(structure({"Key*": TAG_KEY, "Value*": TAG_VALUE}), 0, 50)

_METADATA_VALUE = String(0, 1024)
METADATA = structure(
    dict.fromkeys(("CommitId", "Repository", "GeneratedBy", "ProjectId"), _METADATA_VALUE)
)
PROPERTY = String(0, 2500)
PROPERTIES = MapOf(PROPERTY, PROPERTY, 0, 30)
PROPERTIES_TO_REMOVE = ListOf(PROPERTY)

#: What every list of entities takes.
LIST: dict[str, Shape] = {
    "CreatedAfter": TIMESTAMP,
    "CreatedBefore": TIMESTAMP,
    "SortBy": BY_NAME_OR_TIME,
    "SortOrder": SORT_ORDER,
    "NextToken": NEXT_TOKEN,
    "MaxResults": MAX_RESULTS,
}
