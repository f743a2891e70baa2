"""What an expression means in SQL: a condition on each row, and the rows worth looking at.

The condition is cheap for one row and could be tried on every one of them. Where an index knows the
few rows that can fit at all, these are looked up first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import sqlalchemy as sa

from stepwell.catalog.entities import Work
from stepwell.catalog.paging import FEW_MAX, are_some, look_up_few
from stepwell.catalog.search import properties
from stepwell.catalog.search.expressions import (
    WITHOUT_VALUE,
    Expression,
    Filter,
    NestedFilters,
    Operator,
)
from stepwell.catalog.search.properties import PARENTS
from stepwell.catalog.search.values import compare_name
from stepwell.catalog.tables import component
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import Author, Kind

#: So few are not worth another look into another index.
_ENOUGH = 50


def condition(kind: Kind, expression: Expression, author: Author) -> sa.ColumnElement[bool]:
    """Give the condition that an expression means.

    Raises:
        ConstraintError: an unknown property, or a value or an operator that does not go with it.
    """
    conditions = [_matches(kind, each, author) for each in expression.filters]
    conditions += [_nested(kind, each, author) for each in expression.nested]
    conditions += [condition(kind, each, author) for each in expression.parts]
    if not conditions:
        return sa.true()
    return sa.or_(*conditions) if expression.is_any else sa.and_(*conditions)


def candidates(work: Work, kind: Kind, expression: Expression) -> list[int] | None:
    """Look up the rows that can fit, and perhaps others; None: too many, or no index has them."""
    looks = _looks(work, kind, expression)
    if not expression.is_any:
        best: list[int] | None = None
        for look in looks:
            found = look()
            if found is not None and (best is None or len(found) < len(best)):
                best = found
            if best is not None and len(best) <= _ENOUGH:
                break
        return best
    union: set[int] = set()
    for look in looks:
        found = look()
        if found is None or len(union := union.union(found)) > FEW_MAX:
            return None
    return list(union) if expression.size() else None


def narrowed(work: Work, kind: Kind, expression: Expression) -> list[sa.Select[int]]:
    """Select all rows that can fit, by an index each, where these are some; else nothing."""
    if expression.is_any:
        return []
    for asked in expression.filters:
        selects = properties.find(kind, asked.name, work.author).candidates(asked)
        if selects and all(are_some(work.connection, each) for each in selects):
            return selects
    for nested in expression.nested:
        numbers = _lookup_of_nested(work, nested)
        if numbers is not None and are_some(work.connection, numbers):
            return [numbers]
    return []


def _looks(
    work: Work, kind: Kind, expression: Expression
) -> Iterator[Callable[[], list[int] | None]]:
    """List what each part of an expression can look up."""
    for asked in expression.filters:
        yield partial(_candidates_of_filter, work, kind, asked)
    for nested in expression.nested:
        yield partial(_candidates_of_nested, work, nested)
    for part in expression.parts:
        yield partial(candidates, work, kind, part)


def _candidates_of_filter(work: Work, kind: Kind, asked: Filter) -> list[int] | None:
    found: list[int] | None = None
    for numbers in properties.find(kind, asked.name, work.author).candidates(asked):
        few = look_up_few(work.connection, numbers)
        if few is None:
            return None
        found = few if found is None else found + few
    return found


def _matches(kind: Kind, asked: Filter, author: Author) -> sa.ColumnElement[bool]:
    found = properties.find(kind, asked.name, author)
    _check_value(asked)
    return found.matches(asked)


def _nested(kind: Kind, nested: NestedFilters, author: Author) -> sa.ColumnElement[bool]:
    """Find components of which one parent fits all filters."""
    if kind is not Kind.COMPONENT or nested.name != "Parents":
        msg = f"Unknown nested property name: {nested.name}"
        raise ConstraintError(msg)
    beside = properties.parent(PARENTS["TrialName"], author)
    return (
        sa.select(sa.literal(1))
        .select_from(beside.source)
        .where(beside.number == component.c.id, *map(_of_one_parent, nested.filters))
        .correlate(component)
        .exists()
    )


def _candidates_of_nested(work: Work, nested: NestedFilters) -> list[int] | None:
    numbers = _lookup_of_nested(work, nested)
    return None if numbers is None else look_up_few(work.connection, numbers)


def _lookup_of_nested(work: Work, nested: NestedFilters) -> sa.Select[int] | None:
    for asked in nested.filters:
        if asked.operator in {Operator.EQUALS, Operator.IN}:
            lookup = properties.parent(_column_of_parent(asked), work.author).lookup
            if lookup is not None:
                return lookup.where(*map(_of_one_parent, nested.filters))
    return None


def _of_one_parent(asked: Filter) -> sa.ColumnElement[bool]:
    column = _column_of_parent(asked)
    _check_value(asked)
    if asked.operator in WITHOUT_VALUE:
        # A parent always has its two names.
        return sa.true() if asked.operator is Operator.EXISTS else sa.false()
    return compare_name(column, asked)


def _column_of_parent(asked: Filter) -> sa.ColumnElement[str]:
    column = PARENTS.get(asked.name.removeprefix("Parents."))
    if column is None:
        msg = f"Unknown property name: {asked.name}"
        raise ConstraintError(msg)
    return column


def _check_value(asked: Filter) -> None:
    if asked.operator not in WITHOUT_VALUE and asked.value is None:
        msg = f"The filter on {asked.name} needs a Value for operator {asked.operator}"
        raise ConstraintError(msg)
