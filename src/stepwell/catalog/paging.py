"""Pages of a list, by keyset: no row twice and none left out while others come and go.

A page goes on after the last row's place: the value that the list is sorted by, then the row's
number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

#: Numbers and texts: what a place in a list is made of.
Sortable = str | int | float | None
#: Up to so many rows are looked at one by one and then sorted. Where there may be more, an index
#: keeps the order and rows are tried along it until the page is full: a page costs the same then.
FEW_MAX = 1000
#: Up to so many rows that an index finds are sorted by the database all the same: they may lie at
#: the far end of the order, such as those of one old experiment. Sorting these takes some 20 ms.
SOME_MAX = 5_000


class Place(NamedTuple):
    """Where a page ended: its last row's sort value and number.

    `phase` counts the parts of a list that is sorted in several (see `search.properties.Phase`).
    """

    value: Sortable
    id: int
    phase: int = 0


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
) -> Page:
    """Fetch a page of a query.

    Args:
        connection: the transaction.
        query: selects the rows, filtered but not sorted.
        by: what to sort by; every row has it.
        number: the row's number, which breaks ties.
        paging: which page.
    """
    place = (by.label("_by"), number.label("_number"))
    query = query.add_columns(*place).limit(paging.limit + 1)
    if paging.after is not None:
        query = query.where(_beyond(by, number, paging.after, paging))
    if paging.is_descending:
        query = query.order_by(by.desc(), number.desc())
    else:
        query = query.order_by(by, number)
    rows = connection.execute(query).all()
    if len(rows) <= paging.limit:
        return Page(rows, None)
    rows = rows[: paging.limit]
    return Page(rows, Place(rows[-1]._by, rows[-1]._number))  # noqa: SLF001 - our own labels


def fetch_few(connection: sa.Connection, numbers: sa.Select[int]) -> list[int] | None:
    """Fetch rows' numbers, each once; None where there are more than a few."""
    found = connection.scalars(numbers.limit(FEW_MAX + 1)).all()
    return list(dict.fromkeys(found)) if len(found) <= FEW_MAX else None


def look_up_few(connection: sa.Connection, numbers: sa.Select[int]) -> list[int] | None:
    """Do the same where an index finds them: to look twice costs less than to fetch in vain."""
    if connection.scalar(numbers.offset(FEW_MAX).limit(1)) is not None:
        return None
    return fetch_few(connection, numbers)


def are_some(connection: sa.Connection, numbers: sa.Select[int]) -> bool:
    """Say whether an index finds no more than some."""
    return connection.scalar(numbers.offset(SOME_MAX).limit(1)) is None


def _beyond(
    by: sa.ColumnElement[Any], number: sa.ColumnElement[int], after: Place, paging: Paging
) -> sa.ColumnElement[bool]:
    tie = sa.and_(
        by == after.value, number < after.id if paging.is_descending else number > after.id
    )
    beyond = by < after.value if paging.is_descending else by > after.value
    # Says the same once more, in the form that lets an index begin at the right place.
    bound = by <= after.value if paging.is_descending else by >= after.value
    return sa.and_(bound, sa.or_(beyond, tie))
