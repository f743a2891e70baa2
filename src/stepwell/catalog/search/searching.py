"""Runs a search: the condition, the page, the count."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from stepwell.catalog.entities import Work
from stepwell.catalog.paging import FEW_MAX, Page, Paging, fetch_few
from stepwell.catalog.search import conditions, properties
from stepwell.catalog.search.conditions import Driver
from stepwell.catalog.search.expressions import PARTS_MAX, Expression
from stepwell.catalog.search.pages import fetch, fetch_near
from stepwell.catalog.search.properties import TABLES
from stepwell.catalog.tables import experiment, trial
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import Kind

#: What is counted at most where an index alone can count it.
HITS_MAX = 10_000
#: What has more than `FEW_MAX` hits in an account of more rows than these is not counted to its
#: end: a page would cost what everything costs.
COUNTED_MAX = 2_000
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
        page = fetch(work.connection, order.phases(rows, is_few=False), paging)
        return page, *_count_all(work.connection, ours)
    driver = None
    candidates = conditions.candidates(work, kind, expression)
    if candidates is not None:
        few: list[int] | None = _fitting(work, table, condition, candidates)
    else:
        driver = conditions.driver(work, kind, expression)
        few = _few(work, ours.where(condition), ours, driver)
    if few is not None:
        found = _rows(kind).where(table.c.id.in_(few))
        return fetch(work.connection, order.phases(found, is_few=True), paging), len(few), True
    hits = _count_many(work.connection, ours, condition)
    bounds = [] if expression.is_any else [one for one in expression.filters if one.name == sort_by]
    phases = order.phases(rows.where(condition), is_few=False, bounds=bounds)
    if driver is not None and driver.is_some:
        # If they do not lie near, which is soon seen, they are better sorted.
        whole = order.phases(rows, is_few=False, bounds=bounds)
        for tried_max in (FEW_MAX // 2, 2 * FEW_MAX):
            near = fetch_near(work.connection, phases, whole, paging, tried_max)
            if near is not None:
                return near, *hits
        phases = order.phases(_driven(rows, work, driver, is_distinct=True), is_few=True)
    return fetch(work.connection, phases, paging), *hits


def _fitting(
    work: Work, table: sa.Table, condition: sa.ColumnElement[bool], candidates: list[int]
) -> list[int]:
    """Fetch the numbers of the candidates that fit."""
    # Accounts are compared here: a database may well look an account up rather than the numbers.
    query = sa.select(table.c.id, table.c.account).where(table.c.id.in_(candidates), condition)
    rows = work.connection.execute(query)
    return [row.id for row in rows if row.account == work.author.account]


def _few(
    work: Work, fitting: sa.Select[int], ours: sa.Select[int], driver: Driver | None
) -> list[int] | None:
    """Fetch the numbers of the rows that fit; None where they are more than a few."""
    if driver is None:
        return fetch_few(work.connection, fitting)
    if driver.is_exact and _is_alone(work, driver.kind):
        # That they are too many for candidates has shown it.
        return None
    # Each once, but without gathering them first: a few are enough.
    return fetch_few(work.connection, _driven(ours, work, driver).distinct())


def _is_alone(work: Work, kind: Kind) -> bool:
    """Say whether all rows are one account's; indexes of what hangs on rows know no accounts."""
    account = TABLES[kind].c.account
    return all(
        work.connection.scalar(sa.select(account).where(is_other).limit(1)) is None
        for is_other in (account < work.author.account, account > work.author.account)
    )


def _driven(
    rows: sa.Select[Any], work: Work, driver: Driver, *, is_distinct: bool = False
) -> sa.Select[Any]:
    """Select those of an account's rows that fit, beginning at an index that has all of them."""
    condition = conditions.condition(driver.kind, driver.rest, work.author)
    numbers = driver.numbers.subquery()
    if is_distinct:
        numbers = sa.select(numbers.c[0]).distinct().subquery()
    return rows.join(numbers, numbers.c[0] == TABLES[driver.kind].c.id).where(condition)


def _count_all(connection: sa.Connection, ours: sa.Select[int]) -> tuple[int, bool]:
    """Count an account's rows up to a bound, and say whether these are all."""
    some = ours.limit(HITS_MAX + 1).subquery()
    count = connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0
    return min(count, HITS_MAX), count <= HITS_MAX


def _count_many(
    connection: sa.Connection, ours: sa.Select[int], condition: sa.ColumnElement[bool]
) -> tuple[int, bool]:
    """Count the rows that fit, which are more than a few, and say whether these are all."""
    if connection.scalar(ours.offset(COUNTED_MAX).limit(1)) is not None:
        return FEW_MAX, False
    hits = connection.scalar(ours.where(condition).with_only_columns(sa.func.count())) or 0
    return hits, True


def _rows(kind: Kind) -> sa.Select[Any]:
    if kind is Kind.TRIAL:
        # A name of its own: the search itself may join the experiment as well.
        parent = experiment.alias("parent")
        return sa.select(trial, parent.c.name.label("experiment_name")).join(
            parent, parent.c.id == trial.c.experiment_id
        )
    return sa.select(TABLES[kind])
