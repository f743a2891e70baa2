"""Experiments, trials and trial components: what their operations take."""

from __future__ import annotations

from stepwell.wire.operations.members import (
    CONFLICT,
    DESCRIPTION,
    ENTITY_NAME,
    ENTITY_NAME_OR_ARN,
    LIMIT,
    LIST,
    METADATA,
    NOT_FOUND,
    TAGS,
    TEXT_256,
    TIMESTAMP,
    operation,
    structure,
)
from stepwell.wire.shapes import Double, ListOf, MapOf, Pattern, Shape, String

_STATUS = structure(
    {
        "PrimaryStatus": String(
            choices=("InProgress", "Completed", "Failed", "Stopping", "Stopped")
        ),
        # SDK v3 sends an exception's whole text as its run's last call, and would lose its status.
        "Message": String(0, 1024, cuts=True),
    }
)
_PARAMETERS = MapOf(
    String(0, 320),
    structure({"StringValue": String(0, 2500), "NumberValue": Double()}, is_union=True),
    0,
    300,
)
_ARTIFACTS = MapOf(
    String(0, 128),
    structure(
        {"MediaType": String(0, 64, Pattern.of(r"[-\w]+\/[-\w+]+")), "Value*": String(0, 2048)}
    ),
    0,
    60,
)
_COMPONENT: dict[str, Shape] = {
    "TrialComponentName*": ENTITY_NAME,
    "DisplayName": ENTITY_NAME,
    "Status": _STATUS,
    "StartTime": TIMESTAMP,
    "EndTime": TIMESTAMP,
    "Parameters": _PARAMETERS,
    "InputArtifacts": _ARTIFACTS,
    "OutputArtifacts": _ARTIFACTS,
}
_KEYS = ListOf(String(0, 256))
_MEMBERSHIP = {"TrialComponentName*": ENTITY_NAME, "TrialName*": ENTITY_NAME}

OPERATIONS = (
    operation(
        "CreateExperiment",
        {
            "ExperimentName*": ENTITY_NAME,
            "DisplayName": ENTITY_NAME,
            "Description": DESCRIPTION,
            "Tags": TAGS,
        },
        LIMIT,
    ),
    operation("DescribeExperiment", {"ExperimentName*": ENTITY_NAME}, NOT_FOUND),
    operation(
        "UpdateExperiment",
        {"ExperimentName*": ENTITY_NAME, "DisplayName": ENTITY_NAME, "Description": DESCRIPTION},
        CONFLICT,
        NOT_FOUND,
    ),
    operation("DeleteExperiment", {"ExperimentName*": ENTITY_NAME}, NOT_FOUND),
    operation("ListExperiments", LIST),
    operation(
        "CreateTrial",
        {
            "TrialName*": ENTITY_NAME,
            "DisplayName": ENTITY_NAME,
            "ExperimentName*": ENTITY_NAME,
            "MetadataProperties": METADATA,
            "Tags": TAGS,
        },
        NOT_FOUND,
        LIMIT,
    ),
    operation("DescribeTrial", {"TrialName*": ENTITY_NAME}, NOT_FOUND),
    operation(
        "UpdateTrial", {"TrialName*": ENTITY_NAME, "DisplayName": ENTITY_NAME}, CONFLICT, NOT_FOUND
    ),
    operation("DeleteTrial", {"TrialName*": ENTITY_NAME}, NOT_FOUND),
    operation(
        "ListTrials",
        {"ExperimentName": ENTITY_NAME, "TrialComponentName": ENTITY_NAME, **LIST},
        NOT_FOUND,
    ),
    operation(
        "CreateTrialComponent",
        {**_COMPONENT, "MetadataProperties": METADATA, "Tags": TAGS},
        LIMIT,
    ),
    operation("DescribeTrialComponent", {"TrialComponentName*": ENTITY_NAME_OR_ARN}, NOT_FOUND),
    operation(
        "UpdateTrialComponent",
        {
            **_COMPONENT,
            "ParametersToRemove": _KEYS,
            "InputArtifactsToRemove": _KEYS,
            "OutputArtifactsToRemove": _KEYS,
        },
        CONFLICT,
        NOT_FOUND,
    ),
    operation("DeleteTrialComponent", {"TrialComponentName*": ENTITY_NAME}, NOT_FOUND),
    operation(
        "ListTrialComponents",
        {"ExperimentName": ENTITY_NAME, "TrialName": ENTITY_NAME, "SourceArn": TEXT_256, **LIST},
        NOT_FOUND,
    ),
    operation("AssociateTrialComponent", _MEMBERSHIP, NOT_FOUND, LIMIT),
    operation("DisassociateTrialComponent", _MEMBERSHIP, NOT_FOUND),
)
