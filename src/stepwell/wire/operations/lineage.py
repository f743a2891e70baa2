"""Artifacts, actions, contexts and the edges between them: what their operations take."""

from __future__ import annotations

from stepwell.wire.operations.members import (
    ARTIFACT_ARN,
    ASSOCIATION_ARN,
    CONFLICT,
    CONTEXT_NAME,
    CONTEXT_NAME_OR_ARN,
    DESCRIPTION,
    ENTITY_NAME,
    ENTITY_NAME_OR_ARN,
    LIMIT,
    LINEAGE_GROUP_NAME_OR_ARN,
    LIST,
    METADATA,
    NOT_FOUND,
    PROPERTIES,
    PROPERTIES_TO_REMOVE,
    PROPERTY,
    SOURCE_URI,
    TAGS,
    TEXT_40,
    TEXT_256,
    TIMESTAMP,
    operation,
    structure,
)
from stepwell.wire.shapes import Boolean, Integer, ListOf, MapOf, Shape, String

_ARTIFACT_SOURCE = structure(
    {
        "SourceUri*": SOURCE_URI,
        "SourceTypes": ListOf(
            structure(
                {
                    "SourceIdType*": String(choices=("MD5Hash", "S3ETag", "S3Version", "Custom")),
                    "Value*": TEXT_256,
                }
            )
        ),
    }
)
_ARTIFACT_PROPERTIES = MapOf(PROPERTY, String(0, 4096), 0, 30)
_SOURCE = structure({"SourceUri*": SOURCE_URI, "SourceType": TEXT_256, "SourceId": TEXT_256})
_ACTION_STATUS = String(
    choices=("Unknown", "InProgress", "Completed", "Failed", "Stopping", "Stopped")
)
_EDGE = String(choices=("ContributedTo", "AssociatedWith", "DerivedFrom", "Produced", "SameAs"))
_ENDS: dict[str, Shape] = {"SourceArn*": ASSOCIATION_ARN, "DestinationArn*": ASSOCIATION_ARN}
_CHANGES: dict[str, Shape] = {"Properties": PROPERTIES, "PropertiesToRemove": PROPERTIES_TO_REMOVE}

OPERATIONS = (
    operation(
        "CreateArtifact",
        {
            "ArtifactName": ENTITY_NAME,
            "Source*": _ARTIFACT_SOURCE,
            "ArtifactType*": TEXT_256,
            "Properties": _ARTIFACT_PROPERTIES,
            "MetadataProperties": METADATA,
            "Tags": TAGS,
        },
        LIMIT,
    ),
    operation("DescribeArtifact", {"ArtifactArn*": ARTIFACT_ARN}, NOT_FOUND),
    operation(
        "UpdateArtifact",
        {
            "ArtifactArn*": ARTIFACT_ARN,
            "ArtifactName": ENTITY_NAME,
            "Properties": _ARTIFACT_PROPERTIES,
            "PropertiesToRemove": PROPERTIES_TO_REMOVE,
        },
        CONFLICT,
        NOT_FOUND,
    ),
    operation(
        "DeleteArtifact", {"ArtifactArn": ARTIFACT_ARN, "Source": _ARTIFACT_SOURCE}, NOT_FOUND
    ),
    operation(
        "ListArtifacts",
        {
            **LIST,
            "SourceUri": SOURCE_URI,
            "ArtifactType": TEXT_256,
            "SortBy": String(choices=("CreationTime",)),
        },
        NOT_FOUND,
    ),
    operation("AddAssociation", {**_ENDS, "AssociationType": _EDGE}, NOT_FOUND, LIMIT),
    operation("DeleteAssociation", _ENDS, NOT_FOUND),
    operation(
        "ListAssociations",
        {
            **LIST,
            "SourceArn": ASSOCIATION_ARN,
            "DestinationArn": ASSOCIATION_ARN,
            "SourceType": TEXT_256,
            "DestinationType": TEXT_256,
            "AssociationType": _EDGE,
            "SortBy": String(
                choices=(
                    "SourceArn",
                    "DestinationArn",
                    "SourceType",
                    "DestinationType",
                    "CreationTime",
                )
            ),
        },
        NOT_FOUND,
    ),
    operation(
        "CreateAction",
        {
            "ActionName*": ENTITY_NAME,
            "Source*": _SOURCE,
            "ActionType*": TEXT_256,
            "Description": DESCRIPTION,
            "Status": _ACTION_STATUS,
            "Properties": PROPERTIES,
            "MetadataProperties": METADATA,
            "Tags": TAGS,
        },
        LIMIT,
    ),
    operation("DescribeAction", {"ActionName*": ENTITY_NAME_OR_ARN}, NOT_FOUND),
    operation(
        "UpdateAction",
        {
            "ActionName*": ENTITY_NAME,
            "Description": DESCRIPTION,
            "Status": _ACTION_STATUS,
            **_CHANGES,
        },
        CONFLICT,
        NOT_FOUND,
    ),
    operation("DeleteAction", {"ActionName*": ENTITY_NAME}, NOT_FOUND),
    operation("ListActions", {**LIST, "SourceUri": SOURCE_URI, "ActionType": TEXT_256}, NOT_FOUND),
    operation(
        "CreateContext",
        {
            "ContextName*": CONTEXT_NAME,
            "Source*": _SOURCE,
            "ContextType*": TEXT_256,
            "Description": DESCRIPTION,
            "Properties": PROPERTIES,
            "Tags": TAGS,
        },
        LIMIT,
    ),
    operation("DescribeContext", {"ContextName*": CONTEXT_NAME_OR_ARN}, NOT_FOUND),
    operation(
        "UpdateContext",
        {"ContextName*": CONTEXT_NAME, "Description": DESCRIPTION, **_CHANGES},
        CONFLICT,
        NOT_FOUND,
    ),
    operation("DeleteContext", {"ContextName*": CONTEXT_NAME}, NOT_FOUND),
    operation(
        "ListContexts", {**LIST, "SourceUri": SOURCE_URI, "ContextType": TEXT_256}, NOT_FOUND
    ),
    operation(
        "QueryLineage",
        {
            "StartArns": ListOf(ASSOCIATION_ARN, 0, 1),
            "Direction": String(choices=("Both", "Ascendants", "Descendants")),
            "IncludeEdges": Boolean(),
            "Filters": structure(
                {
                    "Types": ListOf(TEXT_40, 0, 5),
                    "LineageTypes": ListOf(
                        String(choices=("TrialComponent", "Artifact", "Context", "Action")), 0, 4
                    ),
                    "CreatedBefore": TIMESTAMP,
                    "CreatedAfter": TIMESTAMP,
                    "ModifiedBefore": TIMESTAMP,
                    "ModifiedAfter": TIMESTAMP,
                    "Properties": MapOf(TEXT_256, TEXT_256, 0, 5),
                }
            ),
            "MaxDepth": Integer(max=10),
            "MaxResults": Integer(max=50),
            "NextToken": String(0, 8192),
        },
        NOT_FOUND,
    ),
    operation("DescribeLineageGroup", {"LineageGroupName*": ENTITY_NAME}, NOT_FOUND),
    operation("ListLineageGroups", LIST),
    operation("GetLineageGroupPolicy", {"LineageGroupName*": LINEAGE_GROUP_NAME_OR_ARN}, NOT_FOUND),
)
