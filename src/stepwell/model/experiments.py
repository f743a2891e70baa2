"""Experiments, trials and trial components as the catalog keeps them. Times are microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from stepwell.model.names import DEFAULT_REGION

#: What AWS calls the source of a trial component that is a training job's.
TRAINING_JOB_SOURCE = "SageMakerTrainingJob"


class Kind(StrEnum):
    """The kinds of entities, as they stand in ARNs."""

    EXPERIMENT = "experiment"
    TRIAL = "experiment-trial"
    COMPONENT = "experiment-trial-component"
    ARTIFACT = "artifact"
    ACTION = "action"
    CONTEXT = "context"


class Status(StrEnum):
    """A trial component's primary status."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"


class Author(NamedTuple):
    """Who asks, as far as it shows: in ARNs and in CreatedBy. `key_id` is empty without keys."""

    account: str
    key_id: str = ""
    region: str = DEFAULT_REGION

    def arn(self, kind: Kind, name: str) -> str:
        """Give an entity's ARN: the account's, in the region that was asked in (rule 12)."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:{kind}/{name}"

    def training_job_arn(self, job: str) -> str:
        """Give the ARN of a training job, which a component may be of."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:training-job/{job}"

    def user_arn(self, key_id: str) -> str:
        """Give the ARN that an access key has as a user."""
        return f"arn:aws:iam::{self.account}:user/{key_id}"


@dataclass(frozen=True, slots=True)
class Stamp:
    """When, and by which access key, an entity was made and last changed."""

    created_us: int
    created_by: str
    modified_us: int
    modified_by: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment: what trials belong to."""

    id: int
    name: str
    display_name: str
    description: str | None
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial of one experiment."""

    id: int
    name: str
    display_name: str
    experiment_name: str
    metadata: Mapping[str, str]
    stamp: Stamp


class ArtifactValue(NamedTuple):
    """An input or output artifact of a component: a URI, or any text, and its media type."""

    value: str
    media_type: str | None


class Parent(NamedTuple):
    """A trial that a component is in, and the trial's experiment."""

    trial_name: str
    experiment_name: str


@dataclass(frozen=True, slots=True)
class TrialComponent:
    """A trial component. Its maps are empty where only its own row was read (lists)."""

    id: int
    name: str
    display_name: str
    status: str | None
    status_message: str | None
    start_us: int | None
    end_us: int | None
    metadata: Mapping[str, str]
    stamp: Stamp
    parameters: Mapping[str, str | float] = field(default_factory=dict)
    inputs: Mapping[str, ArtifactValue] = field(default_factory=dict)
    outputs: Mapping[str, ArtifactValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of an entity."""

    key: str
    value: str
