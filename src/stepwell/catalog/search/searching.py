"""Runs a search: the condition, the pages, the count, the suggestions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from stepwell.catalog.entities import Work
from stepwell.catalog.paging import FEW_MAX, Page, Paging, Place, fetch_few, fetch_page
from stepwell.catalog.search import conditions, properties
from stepwell.catalog.search.expressions import PARTS_MAX, Expression
from stepwell.catalog.search.forms import Phase
from stepwell.catalog.search.properties import TABLES
from stepwell.catalog.tables import experiment, metric_summary, parameter, tag, trial
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import Kind

#: What is counted at most where an index alone can count it.
HITS_MAX = 10_000
#: Rows that are tried to count the hits. What has more than `FEW_MAX` hits in an account of more
#: rows than these is not counted to its end: a page would cost what everything costs.
TRIED_MAX = 2_000
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
    order = properties.find(kind, sort_by, work.author)
    condition = conditions.condition(kind, expression, work.author)
    ours = sa.select(table.c.id).where(table.c.account == work.author.account)
    rows = _rows(kind).where(table.c.account == work.author.account)
    if not expression.size():
        page = _fetch(work.connection, order.phases(rows, is_few=False), paging)
        return page, *_count_all(work.connection, ours)
    candidates = conditions.candidates(work, kind, expression)
    if candidates is None:
        narrowed = conditions.narrowed(work, kind, expression)
        if narrowed:
            is_one = sa.or_(*(table.c.id.in_(each) for each in narrowed))
            some = sa.and_(is_one, condition, _is_ours(table, work.author.account))
            phases = order.phases(_rows(kind).where(some), is_few=True)
            return _fetch(work.connection, phases, paging), *_count_all(
                work.connection, sa.select(table.c.id).where(some)
            )
    few = _few(work, table, condition, candidates)
    if few is not None:
        found = _rows(kind).where(table.c.id.in_(few))
        page = _fetch(work.connection, order.phases(found, is_few=True), paging)
        return page, len(few), True
    bounds = [] if expression.is_any else [one for one in expression.filters if one.name == sort_by]
    phases = order.phases(rows.where(condition), is_few=False, bounds=bounds)
    page = _fetch(work.connection, phases, paging)
    return page, *_count_some(work.connection, ours, condition)


def _few(
    work: Work, table: sa.Table, condition: sa.ColumnElement[bool], candidates: list[int] | None
) -> list[int] | None:
    """Fetch the numbers of the rows that fit; None where they are more than a few."""
    account = work.author.account
    if candidates is None:
        numbers = sa.select(table.c.id).where(table.c.account == account, condition)
        return fetch_few(work.connection, numbers)
    # Accounts are compared here: a database may well look an account up rather than the numbers.
    query = sa.select(table.c.id, table.c.account).where(table.c.id.in_(candidates), condition)
    return [row.id for row in work.connection.execute(query) if row.account == account]


def _is_ours(table: sa.Table, account: str) -> sa.ColumnElement[bool]:
    """Compare the account in a way that has no index: the rows are known by their numbers."""
    return sa.func.coalesce(table.c.account, "") == account


def _count_all(connection: sa.Connection, ours: sa.Select[int]) -> tuple[int, bool]:
    """Count rows up to a bound, and say whether these are all."""
    some = ours.limit(HITS_MAX + 1).subquery()
    count = connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0
    return min(count, HITS_MAX), count <= HITS_MAX


def _count_some(
    connection: sa.Connection, ours: sa.Select[int], condition: sa.ColumnElement[bool]
) -> tuple[int, bool]:
    """Count the rows that fit, which are more than a few, and say whether these are all."""
    is_all = connection.scalar(ours.offset(TRIED_MAX).limit(1)) is None
    number = ours.selected_columns[0]
    some = ours.limit(TRIED_MAX).subquery()
    fitting = sa.select(sa.func.count()).where(number.in_(sa.select(some.c.id)), condition)
    hits = connection.scalar(fitting) or 0
    return max(hits, FEW_MAX), is_all


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


def _fetch(connection: sa.Connection, phases: Sequence[Phase], paging: Paging) -> Page:
    """Fetch a page out of the phases of the property that is sorted by."""
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
        found = fetch_page(connection, phase.query, phase.by, phase.number, wanted).rows
        rows += found
        places += [Place(row._by, row._number, index) for row in found]  # noqa: SLF001
        if len(rows) == rows_max:
            return Page(rows[: paging.limit], places[paging.limit - 1])
    return Page(rows, None)
