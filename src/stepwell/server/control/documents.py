"""Entities as AWS's documents. Members that are None are left out when they are encoded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stepwell.model.experiments import (
    TRAINING_JOB_SOURCE,
    ArtifactValue,
    Author,
    Experiment,
    Kind,
    Stamp,
    Tag,
    Trial,
    TrialComponent,
)
from stepwell.model.names import TRAINING_JOB_SUFFIX
from stepwell.model.summaries import MetricSummary


def seconds(time_us: int | None) -> float | None:
    """Give a time as AWS does: seconds since the epoch, with a fraction."""
    return None if time_us is None else time_us / 1_000_000


def experiment_document(author: Author, experiment: Experiment) -> dict[str, Any]:
    """Describe an experiment."""
    return {
        "ExperimentName": experiment.name,
        "ExperimentArn": author.arn(Kind.EXPERIMENT, experiment.name),
        "DisplayName": experiment.display_name,
        "Description": experiment.description,
        **stamp_members(author, experiment.stamp),
    }


def trial_document(author: Author, trial: Trial) -> dict[str, Any]:
    """Describe a trial."""
    return {
        "TrialName": trial.name,
        "TrialArn": author.arn(Kind.TRIAL, trial.name),
        "DisplayName": trial.display_name,
        "ExperimentName": trial.experiment_name,
        "MetadataProperties": dict(trial.metadata) or None,
        **stamp_members(author, trial.stamp),
    }


def component_document(
    author: Author, component: TrialComponent, metrics: Sequence[MetricSummary]
) -> dict[str, Any]:
    """Describe a trial component, with the summaries of its metrics."""
    source = component_source(author, component.name)
    arn = author.arn(Kind.COMPONENT, component.name)
    return {
        **component_head(author, component),
        "Source": source,
        "Sources": None if source is None else [source],
        "Parameters": {
            name: {"StringValue": value} if isinstance(value, str) else {"NumberValue": value}
            for name, value in component.parameters.items()
        },
        "InputArtifacts": _artifacts(component.inputs),
        "OutputArtifacts": _artifacts(component.outputs),
        "MetadataProperties": dict(component.metadata) or None,
        "Metrics": [_metric(arn, each) for each in metrics],
    }


def component_head(author: Author, component: TrialComponent) -> dict[str, Any]:
    """Give the members of a component that lists have too."""
    return {
        "TrialComponentName": component.name,
        "TrialComponentArn": author.arn(Kind.COMPONENT, component.name),
        "DisplayName": component.display_name,
        "Status": _status(component),
        "StartTime": seconds(component.start_us),
        "EndTime": seconds(component.end_us),
        **stamp_members(author, component.stamp),
    }


def _status(component: TrialComponent) -> dict[str, Any] | None:
    """Give a status: either of its members may have been set without the other."""
    members = {"PrimaryStatus": component.status, "Message": component.status_message}
    return None if all(each is None for each in members.values()) else members


def component_source(author: Author, name: str) -> dict[str, str] | None:
    """Give the training job that a component is of, as its name tells (rule 12)."""
    if not name.lower().endswith(TRAINING_JOB_SUFFIX):
        return None
    job = name[: -len(TRAINING_JOB_SUFFIX)]
    return {"SourceArn": author.training_job_arn(job), "SourceType": TRAINING_JOB_SOURCE}


def stamp_members(author: Author, stamp: Stamp) -> dict[str, Any]:
    """Say when, and by whom, an entity was made and last changed."""
    return {
        "CreationTime": seconds(stamp.created_us),
        "CreatedBy": user_document(author, stamp.created_by),
        "LastModifiedTime": seconds(stamp.modified_us),
        "LastModifiedBy": user_document(author, stamp.modified_by),
    }


def user_document(author: Author, key_id: str) -> dict[str, Any]:
    """Name an access key as AWS names a user; empty where there was none."""
    if not key_id:
        return {}
    return {"IamIdentity": {"Arn": author.user_arn(key_id), "PrincipalId": key_id}}


def tag_documents(tags: Sequence[Tag]) -> list[dict[str, str]]:
    """Give tags as AWS does."""
    return [{"Key": each.key, "Value": each.value} for each in tags]


def _artifacts(artifacts: Mapping[str, ArtifactValue]) -> dict[str, Any]:
    return {
        name: {"MediaType": each.media_type, "Value": each.value}
        for name, each in artifacts.items()
    }


def _metric(arn: str, summary: MetricSummary) -> dict[str, Any]:
    return {
        "MetricName": summary.metric,
        "SourceArn": arn,
        "TimeStamp": seconds(summary.timestamp_us),
        "Max": _finite(summary.max),
        "Min": _finite(summary.min),
        "Last": _finite(summary.last),
        "Count": summary.count,
        "Avg": _finite(summary.avg),
        "StdDev": _finite(summary.std_dev),
    }


def _finite(value: float) -> float | None:
    """JSON 1.1 has no way to say NaN: such a member is left out (rule 7)."""
    return value if math.isfinite(value) else None
