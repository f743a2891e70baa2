"""Runs a search: the condition, the pages, the count, the suggestions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from stepwell.catalog.entities import Work
from stepwell.catalog.paging import Page, Paging, Place, fetch_page
from stepwell.catalog.search import properties
from stepwell.catalog.search.expressions import (
    PARTS_MAX,
    WITHOUT_VALUE,
    Expression,
    Filter,
    NestedFilters,
    Operator,
)
from stepwell.catalog.search.properties import PARENTS, TABLES
from stepwell.catalog.search.values import compare_name
from stepwell.catalog.tables import component, experiment, metric_summary, parameter, tag, trial
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import Kind

#: Hits that are counted exactly. Beyond, a search of everything would cost what everything costs.
HITS_MAX = 10_000
_SUGGESTIONS_MAX = 100
_METRICS = "Metrics."


def uses_metrics(expression: Expression, sort_by: str) -> bool:
    """Say whether a search looks at metrics, whose summaries must be fresh then."""
    return any(name.startswith(_METRICS) for name in {sort_by, *expression.names()})


def search(
    work: Work, kind: Kind, expression: Expression, sort_by: str, paging: Paging
) -> tuple[Page, int, bool]:
    """Fetch a page of the rows that an expression fits.

    Returns the page, the number of hits, and whether that number is exact.

    Raises:
        ConstraintError: an unknown property, or a value or an operator that does not go with it.
    """
    if expression.size() > PARTS_MAX:
        msg = f"The search has {expression.size()} filters and expressions; at most {PARTS_MAX}"
        raise ConstraintError(msg)
    table = TABLES[kind]
    where = sa.and_(table.c.account == work.author.account, _condition(kind, expression))
    page = _fetch(work.connection, kind, _rows(kind).where(where), sort_by, paging)
    counted = sa.select(table.c.id).where(where).limit(HITS_MAX + 1).subquery()
    hits = work.connection.scalar(sa.select(sa.func.count()).select_from(counted)) or 0
    return page, min(hits, HITS_MAX), hits <= HITS_MAX


def suggest(work: Work, kind: Kind, hint: str) -> list[str]:
    """List properties whose names contain a hint, without regard to case; the fixed ones first."""
    found = properties.fixed_names(kind)
    table = TABLES[kind]
    owned = sa.select(table.c.id).where(table.c.account == work.author.account)
    is_ours = sa.and_(tag.c.entity_kind == kind.value, tag.c.entity_id.in_(owned))
    sources: list[tuple[str, sa.ColumnElement[str], sa.ColumnElement[bool]]] = [
        ("Tags.", tag.c.key, is_ours)
    ]
    if kind is Kind.COMPONENT:
        sources += [
            ("Parameters.", parameter.c.name, parameter.c.component_id.in_(owned)),
            (_METRICS, metric_summary.c.metric, metric_summary.c.component_id.in_(owned)),
        ]
    for prefix, column, condition in sources:
        query = sa.select(column).where(condition).distinct().order_by(column)
        rest = hint.lower().removeprefix(prefix.lower())
        if rest and not prefix.lower().startswith(hint.lower()):
            query = query.where(column.icontains(rest, autoescape=True))
        names = work.connection.scalars(query.limit(_SUGGESTIONS_MAX))
        found += [prefix + name for name in names]
    return [name for name in found if hint.lower() in name.lower()][:_SUGGESTIONS_MAX]


def _rows(kind: Kind) -> sa.Select[Any]:
    if kind is Kind.TRIAL:
        # A name of its own: the search itself may join the experiment as well.
        parent = experiment.alias("parent")
        return sa.select(trial, parent.c.name.label("experiment_name")).join(
            parent, parent.c.id == trial.c.experiment_id
        )
    return sa.select(TABLES[kind])


def _fetch(
    connection: sa.Connection, kind: Kind, query: sa.Select[Any], sort_by: str, paging: Paging
) -> Page:
    """Fetch a page out of the phases of the property that is sorted by."""
    number = TABLES[kind].c.id
    phases = properties.find(kind, sort_by).phases(query)
    first = 0 if paging.after is None else paging.after.phase
    # One more than the page shows whether there is another.
    rows_max = paging.limit + 1
    rows: list[sa.Row[Any]] = []
    places: list[Place] = []
    for index in range(first, len(phases)):
        phase = phases[index]
        wanted = replace(
            paging,
            limit=rows_max - len(rows),
            after=paging.after if index == first else None,
        )
        by = number if phase.by is None else phase.by
        found = fetch_page(connection, phase.query, by, number, wanted).rows
        rows += found
        places += [Place(row._by, row._number, index) for row in found]  # noqa: SLF001
        if len(rows) == rows_max:
            return Page(rows[: paging.limit], places[paging.limit - 1])
    return Page(rows, None)


def _condition(kind: Kind, expression: Expression) -> sa.ColumnElement[bool]:
    conditions = [_matches(kind, each) for each in expression.filters]
    conditions += [_nested(kind, each) for each in expression.nested]
    conditions += [_condition(kind, each) for each in expression.parts]
    if not conditions:
        return sa.true()
    return sa.or_(*conditions) if expression.is_any else sa.and_(*conditions)


def _matches(kind: Kind, asked: Filter) -> sa.ColumnElement[bool]:
    if asked.operator not in WITHOUT_VALUE and asked.value is None:
        msg = f"The filter on {asked.name} needs a Value for operator {asked.operator}"
        raise ConstraintError(msg)
    return properties.find(kind, asked.name).matches(asked)


def _nested(kind: Kind, nested: NestedFilters) -> sa.ColumnElement[bool]:
    """Find components of which one parent fits all filters."""
    if kind is not Kind.COMPONENT or nested.name != "Parents":
        msg = f"Unknown nested property name: {nested.name}"
        raise ConstraintError(msg)
    conditions: list[sa.ColumnElement[bool]] = []
    for asked in nested.filters:
        column = PARENTS.get(asked.name.removeprefix("Parents."))
        if column is None:
            msg = f"Unknown property name: {asked.name}"
            raise ConstraintError(msg)
        if asked.operator in WITHOUT_VALUE:
            conditions.append(sa.true() if asked.operator is Operator.EXISTS else sa.false())
        elif asked.value is None:
            msg = f"The filter on {asked.name} needs a Value for operator {asked.operator}"
            raise ConstraintError(msg)
        else:
            conditions.append(compare_name(column, asked))
    beside = properties.parent(PARENTS["TrialName"])
    members = sa.select(beside.number).select_from(beside.source).where(*conditions)
    return component.c.id.in_(members)
