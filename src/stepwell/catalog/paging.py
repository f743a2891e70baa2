"""Pages of a list, by keyset: no row twice and none left out while others come and go.

A page goes on after the last row's place: the value that the list is sorted by, then the row's
number. Rows without that value come last, in either direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

#: Numbers and texts: what a place in a list is made of.
Sortable = str | int | float | None


class Place(NamedTuple):
    """Where a page ended: its last row's sort value and number."""

    value: Sortable
    id: int


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page: how many rows, after which place, in which direction."""

    limit: int
    after: Place | None = None
    is_descending: bool = True


class Page(NamedTuple):
    """Rows, and the place to go on from (None: that was the last page)."""

    rows: Sequence[sa.Row[Any]]
    end: Place | None


def fetch_page(
    connection: sa.Connection,
    query: sa.Select[Any],
    by: sa.ColumnElement[Any],
    number: sa.ColumnElement[int],
    paging: Paging,
    *,
    is_nullable: bool = False,
) -> Page:
    """Fetch a page of a query.

    Args:
        connection: the transaction.
        query: selects the rows, filtered but not sorted.
        by: what to sort by.
        number: the row's number, which breaks ties.
        paging: which page.
        is_nullable: rows may have no value to sort by.
    """
    place = (by.label("_by"), number.label("_number"))
    query = query.add_columns(*place).limit(paging.limit + 1)
    if paging.after is not None:
        query = query.where(_beyond(by, number, paging, is_nullable=is_nullable))
    if is_nullable:
        # Not NULLS LAST: not every database has it, and an index could not serve it.
        query = query.order_by(sa.case((by.is_(None), 1), else_=0))
    if paging.is_descending:
        query = query.order_by(by.desc(), number.desc())
    else:
        query = query.order_by(by, number)
    rows = connection.execute(query).all()
    if len(rows) <= paging.limit:
        return Page(rows, None)
    rows = rows[: paging.limit]
    return Page(rows, Place(rows[-1]._by, rows[-1]._number))  # noqa: SLF001 - our own labels


def _beyond(
    by: sa.ColumnElement[Any], number: sa.ColumnElement[int], paging: Paging, *, is_nullable: bool
) -> sa.ColumnElement[bool]:
    after = paging.after
    assert after is not None  # noqa: S101 - for the type checker
    beyond_number = number < after.id if paging.is_descending else number > after.id
    if after.value is None:
        return sa.and_(by.is_(None), beyond_number)
    beyond = by < after.value if paging.is_descending else by > after.value
    beyond = sa.or_(beyond, sa.and_(by == after.value, beyond_number))
    if not is_nullable:
        # Says the same once more, in the form that lets an index begin at the right place.
        bound = by <= after.value if paging.is_descending else by >= after.value
        return sa.and_(bound, beyond)
    return sa.or_(beyond, by.is_(None))
