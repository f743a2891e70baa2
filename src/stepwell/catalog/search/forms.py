"""The forms that a property takes in SQL: a column of the entity's row, or values beside it.

Each gives a condition that is cheap for one row, a way to look rows up in an index, and an order.
What is not there matches nothing but NotExists, and comes last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from stepwell.catalog.search.expressions import ORDERED, Filter, Operator

Compare = Callable[[sa.ColumnElement[Any], Filter], sa.ColumnElement[bool]]
#: What an index can look up, if it holds the column.
_LOOKED_UP = ORDERED | {Operator.EQUALS, Operator.IN}


@dataclass(frozen=True)
class Phase:
    """Rows that are sorted by one column; a list by a property is some phases one after another.

    `number` is the row's number, where the index that keeps the order has it.
    """

    query: sa.Select[Any]
    by: sa.ColumnElement[Any]
    number: sa.ColumnElement[int]


class Property(Protocol):
    """A property of the rows of one table."""

    def matches(self, asked: Filter) -> sa.ColumnElement[bool]:
        """Give the condition that a filter means, cheap for one row.

        Raises:
            ConstraintError: the filter makes no sense.
        """

    def candidates(self, asked: Filter) -> list[sa.Select[int]]:
        """Select the numbers of all rows that fit, and perhaps others, by one index each.

        None at all means that there is no index for this.

        Raises:
            ConstraintError: the filter makes no sense.
        """

    def phases(
        self, query: sa.Select[Any], *, is_few: bool, bounds: Sequence[Filter] = ()
    ) -> list[Phase]:
        """Split a query into rows that have the property and those that do not, the same for few.

        Args:
            query: the rows.
            is_few: there are so few that they are better looked at one by one.
            bounds: filters on this very property that all rows of the query fit: where an index
                begins and ends.
        """


@dataclass(frozen=True)
class OwnColumn:
    """A column of the entity's row.

    Attributes:
        table: the entity's.
        column: what is compared, and sorted by.
        compare: how.
        is_nullable: rows may have no such value.
        indexed_for: the account in whose part of an index it is looked up; empty for no index.
    """

    table: sa.Table
    column: sa.ColumnElement[Any]
    compare: Compare
    is_nullable: bool = False
    indexed_for: str = ""

    def matches(self, asked: Filter) -> sa.ColumnElement[bool]:
        """Compare the column. See `Property.matches`."""
        if asked.operator is Operator.EXISTS:
            return self.column.is_not(None)
        if asked.operator is Operator.NOT_EXISTS:
            return self.column.is_(None)
        return self.compare(self.column, asked)

    def candidates(self, asked: Filter) -> list[sa.Select[int]]:
        """Look the column up. See `Property.candidates`."""
        if not self.indexed_for or asked.operator not in _LOOKED_UP:
            return []
        is_ours = self.table.c.account == self.indexed_for
        return [sa.select(self.table.c.id).where(is_ours, self.matches(asked))]

    def phases(
        self,
        query: sa.Select[Any],
        *,
        is_few: bool,  # noqa: ARG002
        bounds: Sequence[Filter] = (),  # noqa: ARG002 - the query's own conditions are on the column
    ) -> list[Phase]:
        """Sort by the column. See `Property.phases`."""
        number = self.table.c.id
        if not self.is_nullable:
            return [Phase(query, self.column, number)]
        return [
            Phase(query.where(self.column.is_not(None)), self.column, number),
            Phase(query.where(self.column.is_(None)), number, number),
        ]


@dataclass(frozen=True)
class Beside:
    """Values in another table.

    Attributes:
        owner: the entity's number in its own table.
        id: the entity's number: what rows are told apart by.
        number: what `owner` is in the other table.
        chosen: which of the other table's rows it is about.
        compare: compares one of those rows; one of the conditions must hold.
        sort_by: columns to sort by, one phase each.
        source: the other table, joined with what it needs.
        lookup: all rows beside any entity, with the entity's number, where an index finds them.
        is_list: there may be several rows for one entity.
    """

    owner: sa.ColumnElement[int]
    id: sa.ColumnElement[int]
    number: sa.ColumnElement[int]
    chosen: sa.ColumnElement[bool]
    compare: Callable[[Filter], list[sa.ColumnElement[bool]]]
    sort_by: tuple[sa.ColumnElement[Any], ...]
    source: sa.FromClause
    lookup: sa.Select[int] | None = None
    is_list: bool = False

    def matches(self, asked: Filter) -> sa.ColumnElement[bool]:
        """Look for a row that fits. See `Property.matches`."""
        if asked.operator is Operator.EXISTS:
            return self._has()
        if asked.operator is Operator.NOT_EXISTS:
            return sa.not_(self._has())
        if asked.operator is Operator.NOT_EQUALS and self.is_list:
            equal = Filter(asked.name, Operator.EQUALS, asked.value)
            return sa.and_(self._has(), sa.not_(self._has(*self.compare(equal))))
        return self._has(sa.or_(*self.compare(asked)))

    def candidates(self, asked: Filter) -> list[sa.Select[int]]:
        """Look the other table's rows up. See `Property.candidates`."""
        if self.lookup is None or asked.operator not in _LOOKED_UP:
            return []
        return [self.lookup.where(self.chosen, each) for each in self.compare(asked)]

    def phases(
        self, query: sa.Select[Any], *, is_few: bool, bounds: Sequence[Filter] = ()
    ) -> list[Phase]:
        """Sort by the values that are there. See `Property.phases`."""
        if is_few or self.is_list:
            values = [self._value(column) for column in self.sort_by]
            there = [Phase(query.where(each.is_not(None)), each, self.id) for each in values]
            absent: list[sa.ColumnElement[bool]] = [each.is_(None) for each in values]
        else:
            joined = query.join(self.source, sa.and_(self.number == self.owner, self.chosen))
            within = [each for each in bounds if each.operator in _LOOKED_UP]
            joined = joined.where(*(sa.or_(*self.compare(each)) for each in within))
            # The same number as the entity's, where it is the owner: the index has it.
            number = self.number if self.owner is self.id else self.id
            there = [Phase(joined.where(each.is_not(None)), each, number) for each in self.sort_by]
            absent = [sa.not_(self._has(each.is_not(None))) for each in self.sort_by]
            if within:
                # What fits them has the property: nobody need look for rows without it.
                return there
        return [*there, Phase(query.where(*absent), self.id, self.id)]

    def _has(self, *conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return self._rows(sa.literal(1)).where(*conditions).correlate(self.owner.table).exists()

    def _value(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """Give the value to sort by: of several the least."""
        value = sa.func.min(column) if self.is_list else column
        return self._rows(value).correlate(self.owner.table).scalar_subquery()

    def _rows(self, what: sa.ColumnElement[Any]) -> sa.Select[Any]:
        return (
            sa.select(what).select_from(self.source).where(self.number == self.owner, self.chosen)
        )


@dataclass(frozen=True)
class Absent:
    """A property that AWS has and entities here never have."""

    table: sa.Table

    def matches(self, asked: Filter) -> sa.ColumnElement[bool]:
        """Match nothing but NotExists. See `Property.matches`."""
        return sa.true() if asked.operator is Operator.NOT_EXISTS else sa.false()

    def candidates(self, asked: Filter) -> list[sa.Select[int]]:  # noqa: ARG002
        """Look nothing up. See `Property.candidates`."""
        return []

    def phases(
        self,
        query: sa.Select[Any],
        *,
        is_few: bool,  # noqa: ARG002
        bounds: Sequence[Filter] = (),  # noqa: ARG002
    ) -> list[Phase]:
        """Leave the order to the rows' numbers. See `Property.phases`."""
        return [Phase(query, self.table.c.id, self.table.c.id)]
