"""Accounts, trial components and ARNs: how they are spelled and parsed.

Source: CONTRACT part B rule 12, and the patterns of the service model 2022-09-30.
"""

from __future__ import annotations

import re
import string
from typing import NamedTuple

DEFAULT_ACCOUNT = "000000000000"
DEFAULT_REGION = "us-east-1"

COMPONENT_NAME_CHARS_MAX = 120
METRIC_NAME_CHARS_MAX = 255
ARN_CHARS_MAX = 2048

#: As the model has it since 2024 (lower case), after folding. Matched with `fullmatch`.
COMPONENT_NAME = re.compile(r"[a-z0-9](?:-*[a-z0-9]){0,119}")
COMPONENT_NAME_PATTERN = "^[a-z0-9](-*[a-z0-9]){0,119}"
#: `.+` in the model: anything but a line terminator, at least one character.
METRIC_NAME = re.compile("[^\n\r\u0085\u2028\u2029]+")
ARN = re.compile(r"arn:aws[a-z\-]*:sagemaker:([a-z0-9\-]*):([0-9]{12}):([a-z\-]+)/(.+)")

TRAINING_JOB_SUFFIX = "-aws-training-job"
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


class Component(NamedTuple):
    """A trial component's identity: its account and its folded name."""

    account: str
    name: str


def fold(name: str) -> str:
    """Fold a component's name. Only ASCII: the Kelvin sign is no k, though its lower case is."""
    return name.lower() if name.isascii() else name


def fold_ascii(text: str) -> str:
    """Fold the ASCII letters of any text; the others stay, as they do in SQLite."""
    return text.translate(_LOWER)


def is_component_name(name: str) -> bool:
    """Say whether a folded name fits the model's pattern and length."""
    return len(name) <= COMPONENT_NAME_CHARS_MAX and COMPONENT_NAME.fullmatch(name) is not None


def is_metric_name(name: str) -> bool:
    """Say whether a metric's name fits: 1..255 characters, no line end, valid Unicode."""
    if not 1 <= len(name) <= METRIC_NAME_CHARS_MAX or METRIC_NAME.fullmatch(name) is None:
        return False
    return name.isascii() or not any("\ud800" <= char <= "\udfff" for char in name)


def component_of_arn(arn: str) -> str | None:
    """Give the folded name of the trial component that an ARN means, or None.

    Region and account are not compared (rule 12). `training-job/<job>` means the component
    `<job>-aws-training-job`, which is also the one whose source is that job: the API cannot give a
    component a source, so it follows from the name alone (see `server.control.documents`).
    """
    return component_of_training_job(arn) or name_in_arn(arn, "experiment-trial-component")


def component_of_training_job(arn: str) -> str | None:
    """Give the folded name of the component that is of a training job, or None: not one's ARN."""
    job = name_in_arn(arn, "training-job")
    return None if job is None else job + TRAINING_JOB_SUFFIX


def name_in_arn(arn: str, kind: str) -> str | None:
    """Give the folded name in an ARN of a kind, whatever its region and account, or None."""
    match = ARN.fullmatch(arn) if len(arn) <= ARN_CHARS_MAX else None
    if match is None or match.group(3) != kind:
        return None
    name = fold(match.group(4))
    # Half a surrogate pair could not even be looked up.
    return None if any("\ud800" <= char <= "\udfff" for char in name) else name
