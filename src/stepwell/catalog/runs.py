"""Trial components as the Studio lists them: its filters and orders in the words of the search."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from stepwell.catalog.search.expressions import Expression, Filter, Operator
from stepwell.catalog.tables import component, membership, trial
from stepwell.model.errors import ValidationError
from stepwell.model.names import Component

_SORTED_BY = {
    "created": "CreationTime",
    "modified": "LastModifiedTime",
    "name": "TrialComponentName",
    "status": "Status.PrimaryStatus",
}
_STATISTICS = {"last": "Last", "min": "Min", "max": "Max"}


def expression_of(experiment: str, text: str, status: str) -> Expression:
    """Give the search for runs of an experiment, of a status, with a text in either of their names.

    An empty value leaves its filter out.
    """
    filters = []
    if experiment:
        filters.append(Filter("Parents.ExperimentName", Operator.EQUALS, experiment))
    if status:
        filters.append(Filter("Status.PrimaryStatus", Operator.EQUALS, status))
    parts: tuple[Expression, ...] = ()
    if text:
        names = ("TrialComponentName", "DisplayName")
        found = tuple(Filter(name, Operator.CONTAINS, text) for name in names)
        parts = (Expression(found, is_any=True),)
    return Expression(tuple(filters), parts=parts)


def property_of(sort: str) -> str:
    """Give the property that a list is sorted by.

    Raises:
        ValidationError: there is none of that name.
    """
    prefix, _, key = sort.partition(".")
    if not key and prefix in _SORTED_BY:
        return _SORTED_BY[prefix]
    if key and prefix == "parameters":
        return f"Parameters.{key}"
    if key and prefix == "metrics":
        metric, _, statistic = key.rpartition(".")
        if metric and statistic in _STATISTICS:
            return f"Metrics.{metric}.{_STATISTICS[statistic]}"
        # Said in full: the metric's own name may end like a statistic.
        return f"Metrics.{key}.Last"
    problem = (
        f"Value at 'sort' must be one of {', '.join(_SORTED_BY)}, parameters.<name> or"
        " metrics.<name>[.last|.min|.max]"
    )
    raise ValidationError([problem])


def modified_since(connection: sa.Connection, account: str, since_us: int) -> dict[Component, int]:
    """List an account's runs that were changed since a time, by whatever API, and when.

    Those that were merely made, or became known to the catalog, are not among them.
    """
    rows = connection.execute(
        sa.select(component.c.name_key, component.c.modified_us).where(
            component.c.account == account,
            component.c.modified_us >= since_us,
            component.c.modified_us != component.c.created_us,
        )
    )
    return {Component(account, row.name_key): row.modified_us for row in rows}


def count_by_experiment(connection: sa.Connection, experiments: Sequence[int]) -> dict[int, int]:
    """Count the runs in experiments' trials, by number; an experiment without any is left out."""
    runs = sa.func.count(membership.c.component_id.distinct())
    rows = connection.execute(
        sa.select(trial.c.experiment_id, runs)
        .join(membership, membership.c.trial_id == trial.c.id)
        .where(trial.c.experiment_id.in_(experiments))
        .group_by(trial.c.experiment_id)
    )
    return {row[0]: row[1] for row in rows}
