"""The properties that can be searched and sorted by, each as SQL.

A property is a column of the entity's own row, or values in a table beside it (parameters, metrics,
tags, artifacts, parents). What is not there matches nothing but NotExists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from stepwell.catalog.search.expressions import Filter, Operator
from stepwell.catalog.search.values import (
    compare_either,
    compare_name,
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
from stepwell.model.experiments import Kind

Compare = Callable[[sa.ColumnElement[Any], Filter], sa.ColumnElement[bool]]


@dataclass(frozen=True)
class Phase:
    """Rows that are sorted by one column; a list by a property is some phases one after another."""

    query: sa.Select[Any]
    by: sa.ColumnElement[Any] | None


class Property(Protocol):
    """A property of the rows of one table."""

    def matches(self, asked: Filter) -> sa.ColumnElement[bool]:
        """Give the condition that a filter means. Raises ConstraintError: it makes no sense."""

    def phases(self, query: sa.Select[Any]) -> list[Phase]:
        """Split a query into rows that have the property and those that do not."""


@dataclass(frozen=True)
class OwnColumn:
    """A column of the entity's row."""

    column: sa.ColumnElement[Any]
    compare: Compare
    is_nullable: bool = False

    def matches(self, asked: Filter) -> sa.ColumnElement[bool]:
        """Compare the column. See `Property.matches`."""
        if asked.operator is Operator.EXISTS:
            return self.column.is_not(None)
        if asked.operator is Operator.NOT_EXISTS:
            return self.column.is_(None)
        return self.compare(self.column, asked)

    def phases(self, query: sa.Select[Any]) -> list[Phase]:
        """Sort by the column. See `Property.phases`."""
        if not self.is_nullable:
            return [Phase(query, self.column)]
        return [
            Phase(query.where(self.column.is_not(None)), self.column),
            Phase(query.where(self.column.is_(None)), None),
        ]


@dataclass(frozen=True)
class Beside:
    """Values in another table.

    Attributes:
        owner: the entity's number in its own table.
        number: the same in the other table.
        chosen: which of the other table's rows it is about.
        compare: compares one of those rows.
        sort_by: columns to sort by, one phase each.
        source: the other table, joined with what it needs.
        is_list: there may be several rows for one entity.
    """

    owner: sa.ColumnElement[int]
    number: sa.ColumnElement[int]
    chosen: sa.ColumnElement[bool]
    compare: Callable[[Filter], sa.ColumnElement[bool]]
    sort_by: tuple[sa.ColumnElement[Any], ...]
    source: sa.FromClause
    is_list: bool = False

    def matches(self, asked: Filter) -> sa.ColumnElement[bool]:
        """Look for a row that fits. See `Property.matches`."""
        if asked.operator is Operator.EXISTS:
            return self.owner.in_(self._rows())
        if asked.operator is Operator.NOT_EXISTS:
            return self.owner.not_in(self._rows())
        if asked.operator is Operator.NOT_EQUALS and self.is_list:
            equal = Filter(asked.name, Operator.EQUALS, asked.value)
            return sa.and_(
                self.owner.in_(self._rows()),
                self.owner.not_in(self._rows(self.compare(equal))),
            )
        return self.owner.in_(self._rows(self.compare(asked)))

    def phases(self, query: sa.Select[Any]) -> list[Phase]:
        """Sort by the values that are there. See `Property.phases`."""
        if self.is_list:
            least = (
                sa.select(sa.func.min(self.sort_by[0]))
                .select_from(self.source)
                .where(self.chosen, self.number == self.owner)
                .scalar_subquery()
            )
            return [
                Phase(query.where(self.owner.in_(self._rows())), least),
                Phase(query.where(self.owner.not_in(self._rows())), None),
            ]
        joined = query.join(self.source, sa.and_(self.number == self.owner, self.chosen))
        there = sa.or_(*(column.is_not(None) for column in self.sort_by))
        return [
            *(Phase(joined.where(column.is_not(None)), column) for column in self.sort_by),
            Phase(query.where(self.owner.not_in(self._rows(there))), None),
        ]

    def _rows(self, *conditions: sa.ColumnElement[bool]) -> sa.Select[Any]:
        return sa.select(self.number).select_from(self.source).where(self.chosen, *conditions)


@dataclass(frozen=True)
class Absent:
    """A property that AWS has and entities here never have."""

    def matches(self, asked: Filter) -> sa.ColumnElement[bool]:
        """Match nothing but NotExists. See `Property.matches`."""
        return sa.true() if asked.operator is Operator.NOT_EXISTS else sa.false()

    def phases(self, query: sa.Select[Any]) -> list[Phase]:
        """Leave the order to the rows' numbers. See `Property.phases`."""
        return [Phase(query, None)]


_STATISTICS = {
    "Min": "min",
    "Max": "max",
    "Avg": "avg",
    "StdDev": "std_dev",
    "Last": "last",
    "Count": "count",
}
_METADATA = ("CommitId", "Repository", "GeneratedBy", "ProjectId")


def _stamped(table: sa.Table) -> dict[str, Property]:
    return {
        "CreationTime": OwnColumn(table.c.created_us, compare_time),
        "LastModifiedTime": OwnColumn(table.c.modified_us, compare_time),
        "CreatedBy.IamIdentity.PrincipalId": OwnColumn(table.c.created_by, compare_text),
        "LastModifiedBy.IamIdentity.PrincipalId": OwnColumn(table.c.modified_by, compare_text),
        # Whoever gave no name sees the entity's own.
        "DisplayName": OwnColumn(
            sa.func.coalesce(table.c.display_name, table.c.name), compare_text
        ),
    }


def _arn(table: sa.Table, kind: Kind) -> Property:
    """An ARN is found by the name in it; region and account are not compared (rule 12)."""

    def compare(column: sa.ColumnElement[Any], asked: Filter) -> sa.ColumnElement[bool]:
        value = (asked.value or "").rpartition(f":{kind}/")[2]
        return compare_name(column, Filter(asked.name, asked.operator, value))

    return OwnColumn(table.c.name_key, compare)


def _metadata(table: sa.Table) -> dict[str, Property]:
    return {
        f"MetadataProperties.{name}": OwnColumn(
            table.c.metadata[name].as_string(), compare_text, is_nullable=True
        )
        for name in _METADATA
    }


_parents = membership.join(trial, trial.c.id == membership.c.trial_id).join(
    experiment, experiment.c.id == trial.c.experiment_id
)


def parent(column: sa.ColumnElement[Any]) -> Beside:
    """Give a property of the trials that a component is in."""
    return Beside(
        component.c.id,
        membership.c.component_id,
        sa.true(),
        lambda asked: compare_name(column, asked),
        (column,),
        _parents,
        is_list=True,
    )


PARENTS: dict[str, sa.ColumnElement[Any]] = {
    "TrialName": trial.c.name_key,
    "ExperimentName": experiment.c.name_key,
}

TABLES: dict[Kind, sa.Table] = {
    Kind.EXPERIMENT: experiment,
    Kind.TRIAL: trial,
    Kind.COMPONENT: component,
}
_FIXED: dict[Kind, dict[str, Property]] = {
    Kind.EXPERIMENT: {
        "ExperimentName": OwnColumn(experiment.c.name_key, compare_name),
        "ExperimentArn": _arn(experiment, Kind.EXPERIMENT),
        "Description": OwnColumn(experiment.c.description, compare_text, is_nullable=True),
        "Source.SourceArn": Absent(),
        **_stamped(experiment),
    },
    Kind.TRIAL: {
        "TrialName": OwnColumn(trial.c.name_key, compare_name),
        "TrialArn": _arn(trial, Kind.TRIAL),
        "ExperimentName": Beside(
            trial.c.experiment_id,
            experiment.c.id,
            sa.true(),
            lambda asked: compare_name(experiment.c.name_key, asked),
            (experiment.c.name_key,),
            experiment,
        ),
        "Source.SourceArn": Absent(),
        **_metadata(trial),
        **_stamped(trial),
    },
    Kind.COMPONENT: {
        "TrialComponentName": OwnColumn(component.c.name_key, compare_name),
        "TrialComponentArn": _arn(component, Kind.COMPONENT),
        "Status.PrimaryStatus": OwnColumn(component.c.status, compare_text, is_nullable=True),
        "Status.Message": OwnColumn(component.c.status_message, compare_text, is_nullable=True),
        "StartTime": OwnColumn(component.c.start_us, compare_time, is_nullable=True),
        "EndTime": OwnColumn(component.c.end_us, compare_time, is_nullable=True),
        **{f"Parents.{name}": parent(column) for name, column in PARENTS.items()},
        **_metadata(component),
        **_stamped(component),
    },
}


def find(kind: Kind, name: str) -> Property:
    """Find a property by its name.

    Raises:
        ConstraintError: there is none of that name.
    """
    fixed = _FIXED[kind].get(name)
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
    msg = f"Unknown property name: {name}"
    raise ConstraintError(msg)


def fixed_names(kind: Kind) -> list[str]:
    """List the properties whose names do not depend on what is stored."""
    return sorted(_FIXED[kind])


def _parameter(name: str) -> Property:
    table = parameter.c
    return Beside(
        component.c.id,
        table.component_id,
        table.name == name,
        lambda asked: compare_either(table.number, table.text, asked),
        (table.number, table.text_key),
        parameter,
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
        table.component_id,
        sa.and_(table.metric == metric, column.is_not(None)),
        lambda asked: compare(column, asked),
        (column,),
        metric_summary,
    )


def _tag(kind: Kind, key: str) -> Property:
    return Beside(
        TABLES[kind].c.id,
        tag.c.entity_id,
        sa.and_(tag.c.entity_kind == kind.value, tag.c.key == key),
        lambda asked: compare_text(tag.c.value, asked),
        (tag.c.value,),
        tag,
    )


def _artifact(name: str, *, is_output: bool) -> Property:
    table = component_artifact.c
    return Beside(
        component.c.id,
        table.component_id,
        sa.and_(table.is_output == int(is_output), table.name == name),
        lambda asked: compare_text(table.value, asked),
        (table.value,),
        component_artifact,
    )
