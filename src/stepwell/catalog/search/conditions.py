"""What an expression means in SQL: a condition on each row, and the rows worth looking at.

The condition is cheap for one row and could be tried on every one of them. Where an index knows the
few rows that can fit at all, these are looked up first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import sqlalchemy as sa

from stepwell.catalog.entities import Work
from stepwell.catalog.paging import FEW_MAX, Numbers, are_some, look_up_few
from stepwell.catalog.search import properties
from stepwell.catalog.search.expressions import (
    WITHOUT_VALUE,
    Expression,
    Filter,
    NestedFilters,
    Operator,
)
from stepwell.catalog.search.forms import Beside
from stepwell.catalog.search.properties import PARENTS
from stepwell.catalog.search.values import compare_name
from stepwell.catalog.tables import component
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import Author, Kind

#: So few are not worth another look into another index.
_ENOUGH = 50


@dataclass(frozen=True)
class Driver:
    """An index that has all rows that can fit.

    Attributes:
        kind: of which entities.
        numbers: theirs, and perhaps those of others; some come twice.
        rest: what remains to be tried of the expression.
        is_some: they are more than a few, but not very many.
        is_exact: all of them fit that are the account's, and each comes once.
    """

    kind: Kind
    numbers: Numbers
    rest: Expression
    is_some: bool
    is_exact: bool


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


def driver(work: Work, kind: Kind, expression: Expression) -> Driver | None:
    """Choose an index that has all rows that fit, where it has more than a few; None: none has.

    The first that has not very many is as good as any.
    """
    if expression.is_any:
        return None
    first: Driver | None = None
    for selects, rest, is_list in _lookups(work, kind, expression):
        if not selects:
            continue
        numbers = sa.union_all(*selects) if len(selects) > 1 else selects[0]
        is_some = are_some(work.connection, numbers)
        made = Driver(kind, numbers, rest, is_some, is_exact=not (is_list or rest.size()))
        if is_some:
            return made
        first = first or made
    return first


def _lookups(
    work: Work, kind: Kind, expression: Expression
) -> Iterator[tuple[list[sa.Select[int]], Expression, bool]]:
    """List what each part of an expression is looked up by, and the expression without it.

    The last says whether an entity can come twice.
    """
    filters = expression.filters
    for index, asked in enumerate(filters):
        rest = replace(expression, filters=filters[:index] + filters[index + 1 :])
        found = properties.find(kind, asked.name, work.author)
        is_list = isinstance(found, Beside) and found.is_list
        yield found.candidates(asked), rest, is_list
    for nested in expression.nested:
        yield _lookup_of_nested(work, nested), expression, True
    for part in expression.parts:
        if not part.is_any:
            for selects, _, is_list in _lookups(work, kind, part):
                yield selects, expression, is_list


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
    for numbers in _lookup_of_nested(work, nested):
        return look_up_few(work.connection, numbers)
    return None


def _lookup_of_nested(work: Work, nested: NestedFilters) -> list[sa.Select[int]]:
    for asked in nested.filters:
        if asked.operator in {Operator.EQUALS, Operator.IN}:
            lookup = properties.parent(_column_of_parent(asked), work.author).lookup
            if lookup is not None:
                return [lookup.where(*map(_of_one_parent, nested.filters))]
    return []


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
