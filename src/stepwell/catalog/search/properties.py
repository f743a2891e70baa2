"""The properties that can be searched and sorted by: which there are, and where each is kept."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from stepwell.catalog.search.expressions import Filter, Operator
from stepwell.catalog.search.forms import Absent, Beside, Compare, OwnColumn, Property
from stepwell.catalog.search.values import (
    compare_either,
    compare_json_text,
    compare_name,
    compare_names,
    compare_number,
    compare_text,
    compare_time,
)
from stepwell.catalog.tables import (
    component,
    component_artifact,
    experiment,
    membership,
    metric_summary,
    parameter,
    tag,
    trial,
)
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import TRAINING_JOB_SOURCE, Author, Kind
from stepwell.model.names import TRAINING_JOB_SUFFIX, component_of_training_job, name_in_arn

_STATISTICS = {
    "Min": "min",
    "Max": "max",
    "Avg": "avg",
    "StdDev": "std_dev",
    "Last": "last",
    "Count": "count",
}
_METADATA = ("CommitId", "Repository", "GeneratedBy", "ProjectId")

TABLES: dict[Kind, sa.Table] = {
    Kind.EXPERIMENT: experiment,
    Kind.TRIAL: trial,
    Kind.COMPONENT: component,
}
PARENTS: dict[str, sa.ColumnElement[Any]] = {
    "TrialName": trial.c.name_key,
    "ExperimentName": experiment.c.name_key,
}
_parents = membership.join(trial, trial.c.id == membership.c.trial_id).join(
    experiment, experiment.c.id == trial.c.experiment_id
)


def find(kind: Kind, name: str, author: Author) -> Property:
    """Find a property by its name.

    Args:
        kind: of which entities.
        name: as it stands in requests.
        author: whose entities: it says what their ARNs are, and where indexes have them.

    Raises:
        ConstraintError: there is none of that name.
    """
    fixed = _fixed(kind, author._replace(key_id="")).get(name)
    if fixed is not None:
        return fixed
    prefix, _, key = name.partition(".")
    if key and prefix == "Tags":
        return _tag(kind, key)
    if key and kind is Kind.COMPONENT:
        if prefix == "Parameters":
            return _parameter(key)
        if prefix == "Metrics":
            return _metric(key)
        if prefix in {"InputArtifacts", "OutputArtifacts"}:
            return _artifact(key.removesuffix(".Value"), is_output=prefix == "OutputArtifacts")
        if prefix == "SourceDetail":
            # The job that a component is of, all of it: no jobs are kept here.
            return Absent(component)
    msg = f"Unknown property name: {name}"
    raise ConstraintError(msg)


def fixed_names(kind: Kind) -> list[str]:
    """List the properties whose names do not depend on what is stored."""
    return sorted(_fixed(kind, Author("")))


def parent(column: sa.ColumnElement[Any], author: Author) -> Beside:
    """Give a property of the trials that a component is in."""
    # By the one table's account alone, so that the search begins at that table's index.
    is_ours = column.table.c.account == author.account
    # The component's other parents, whose names are compared with the one that is at hand.
    one, of_trial, of_experiment = membership.alias(), trial.alias(), experiment.alias()
    other = (of_trial if column.table is trial else of_experiment).c.name_key
    comes_first = sa.or_(
        other < column, sa.and_(other == column, one.c.trial_id < membership.c.trial_id)
    )
    joined = one.join(of_trial, of_trial.c.id == one.c.trial_id).join(
        of_experiment, of_experiment.c.id == of_trial.c.experiment_id
    )
    has_lesser = (
        sa.select(sa.literal(1))
        .select_from(joined)
        .where(one.c.component_id == membership.c.component_id, comes_first)
        .correlate(membership, trial, experiment)
        .exists()
    )
    return Beside(
        component.c.id,
        component.c.id,
        membership.c.component_id,
        sa.true(),
        lambda asked: [compare_name(column, asked)],
        (column,),
        _parents,
        sa.select(membership.c.component_id).select_from(_parents).where(is_ours),
        is_list=True,
        least=sa.and_(is_ours, sa.not_(has_lesser)),
    )


#: Making them takes longer than looking a row up.
@lru_cache(maxsize=1000)
def _fixed(kind: Kind, author: Author) -> dict[str, Property]:
    if kind is Kind.EXPERIMENT:
        return {
            "ExperimentName": _name(experiment, author),
            "ExperimentArn": _arn(experiment, kind, author),
            "Description": OwnColumn(
                experiment, experiment.c.description, compare_text, is_nullable=True
            ),
            "Source.SourceArn": Absent(experiment),
            "Source.SourceType": Absent(experiment),
            **_stamped(experiment, author),
        }
    if kind is Kind.TRIAL:
        return {
            "TrialName": _name(trial, author),
            "TrialArn": _arn(trial, kind, author),
            "ExperimentName": _experiment_of_trial(author),
            "Source.SourceArn": Absent(trial),
            "Source.SourceType": Absent(trial),
            **_metadata(trial),
            **_stamped(trial, author),
        }
    return {
        "TrialComponentName": _name(component, author),
        "TrialComponentArn": _arn(component, kind, author),
        "Status.PrimaryStatus": _own(component.c.status, compare_text, author),
        "Status.Message": OwnColumn(
            component, component.c.status_message, compare_text, is_nullable=True
        ),
        "StartTime": _own(component.c.start_us, compare_time, author),
        "EndTime": _own(component.c.end_us, compare_time, author),
        "LineageGroupArn": Absent(component),
        "RunName": Absent(component),
        **{f"Parents.{name}": parent(column, author) for name, column in PARENTS.items()},
        **_source(author),
        **_metadata(component),
        **_stamped(component, author),
    }


def _name(table: sa.Table, author: Author) -> Property:
    return OwnColumn(table, table.c.name_key, compare_name, indexed_for=author.account)


def _own(column: sa.Column[Any], compare: Compare, author: Author) -> Property:
    """Give a column that an index of lists holds."""
    return OwnColumn(
        column.table,
        column,
        compare,
        is_nullable=bool(column.nullable),
        indexed_for=author.account,
    )


def _stamped(table: sa.Table, author: Author) -> dict[str, Property]:
    properties: dict[str, Property] = {
        "CreationTime": _own(table.c.created_us, compare_time, author),
        "LastModifiedTime": _own(table.c.modified_us, compare_time, author),
        # Whoever gave no name sees the entity's own.
        "DisplayName": OwnColumn(
            table, sa.func.coalesce(table.c.display_name, table.c.name), compare_text
        ),
    }
    for member, column in (
        ("CreatedBy", table.c.created_by),
        ("LastModifiedBy", table.c.modified_by),
    ):
        key_id = sa.func.nullif(column, "")
        arn = sa.literal(author.user_arn("")) + key_id
        properties[f"{member}.IamIdentity.PrincipalId"] = OwnColumn(
            table, key_id, compare_text, is_nullable=True
        )
        properties[f"{member}.IamIdentity.Arn"] = OwnColumn(
            table, arn, compare_text, is_nullable=True
        )
        for absent in ("UserProfileArn", "UserProfileName", "DomainId"):
            properties[f"{member}.{absent}"] = Absent(table)
    return properties


def _arn(table: sa.Table, kind: Kind, author: Author) -> Property:
    """An ARN is found by the name in it; region and account are not compared (rule 12)."""
    arn = sa.literal(author.arn(kind, "")) + table.c.name

    def compare(key: sa.ColumnElement[Any], asked: Filter) -> sa.ColumnElement[bool]:
        if asked.operator is Operator.CONTAINS:
            return compare_text(arn, asked)
        return compare_names(key, asked, lambda value: name_in_arn(value, kind))

    return OwnColumn(table, table.c.name_key, compare, indexed_for=author.account)


def _source(author: Author) -> dict[str, Property]:
    """Give the training job that a component is of, as its name tells (rule 12)."""
    key, name = component.c.name_key, component.c.name
    is_job = key.endswith(TRAINING_JOB_SUFFIX)
    job = sa.func.substr(name, 1, sa.func.length(name) - len(TRAINING_JOB_SUFFIX))
    arn = sa.case((is_job, sa.literal(author.training_job_arn("")) + job))
    kind = sa.case((is_job, sa.literal(TRAINING_JOB_SOURCE)))

    def compare(column: sa.ColumnElement[Any], asked: Filter) -> sa.ColumnElement[bool]:
        if asked.operator is Operator.CONTAINS:
            return compare_text(column, asked)
        return sa.and_(is_job, compare_names(key, asked, component_of_training_job))

    return {
        "Source.SourceArn": OwnColumn(
            component, arn, compare, is_nullable=True, indexed_for=author.account
        ),
        "Source.SourceType": OwnColumn(component, kind, compare_text, is_nullable=True),
    }


def _experiment_of_trial(author: Author) -> Property:
    joined = trial.join(experiment, experiment.c.id == trial.c.experiment_id)
    return Beside(
        trial.c.experiment_id,
        trial.c.id,
        experiment.c.id,
        sa.true(),
        lambda asked: [compare_name(experiment.c.name_key, asked)],
        (experiment.c.name_key,),
        experiment,
        sa.select(trial.c.id).select_from(joined).where(experiment.c.account == author.account),
    )


def _metadata(table: sa.Table) -> dict[str, Property]:
    return {
        f"MetadataProperties.{name}": OwnColumn(
            table, table.c.metadata[name].as_string(), compare_json_text, is_nullable=True
        )
        for name in _METADATA
    }


def _parameter(name: str) -> Property:
    table = parameter.c
    return Beside(
        component.c.id,
        component.c.id,
        table.component_id,
        table.name == name,
        lambda asked: compare_either(table.number, table.text, table.text_key, asked),
        (table.number, table.text_key),
        parameter,
        sa.select(table.component_id),
    )


def _metric(name: str) -> Property:
    """A metric's statistic: `Metrics.loss` is the last value, `Metrics.loss.Min` the least."""
    metric, _, statistic = name.rpartition(".")
    if not metric or statistic not in {*_STATISTICS, "TimeStamp"}:
        metric, statistic = name, "Last"
    table = metric_summary.c
    if statistic == "TimeStamp":
        column, compare = table.timestamp_us, compare_time
    else:
        column, compare = table[_STATISTICS[statistic]], compare_number
    return Beside(
        component.c.id,
        component.c.id,
        table.component_id,
        sa.and_(table.metric == metric, column.is_not(None)),
        lambda asked: [compare(column, asked)],
        (column,),
        metric_summary,
        sa.select(table.component_id),
    )


def _tag(kind: Kind, key: str) -> Property:
    number = TABLES[kind].c.id
    return Beside(
        number,
        number,
        tag.c.entity_id,
        sa.and_(tag.c.entity_kind == kind.value, tag.c.key == key),
        lambda asked: [compare_text(tag.c.value, asked)],
        (tag.c.value,),
        tag,
        sa.select(tag.c.entity_id),
    )


def _artifact(name: str, *, is_output: bool) -> Property:
    table = component_artifact.c
    return Beside(
        component.c.id,
        component.c.id,
        table.component_id,
        sa.and_(table.is_output == int(is_output), table.name == name),
        lambda asked: [compare_text(table.value, asked)],
        (table.value,),
        component_artifact,
    )
