"""Fetches pages out of the phases of the property that is sorted by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import sqlalchemy as sa

from stepwell.catalog.paging import Page, Paging, Place, fetch_page, place_after
from stepwell.catalog.search.forms import Phase


def fetch(connection: sa.Connection, phases: Sequence[Phase], paging: Paging) -> Page:
    """Fetch a page, however many rows have to be looked at."""
    found = _Found(paging)
    for index, wanted in found.wanted(len(phases)):
        found.add(connection, phases[index], index, wanted)
    return found.page()


def fetch_near(
    connection: sa.Connection,
    phases: Sequence[Phase],
    all_phases: Sequence[Phase],
    paging: Paging,
    tried_max: int,
) -> Page | None:
    """Fetch a page; None where it is not full by the time that so many rows were tried.

    Args:
        connection: the transaction.
        phases: the rows that are wanted.
        all_phases: the same with those between them that are not.
        paging: which page.
        tried_max: rows to try in each phase.
    """
    found = _Found(paging)
    for index, wanted in found.wanted(len(phases)):
        whole = all_phases[index]
        until = place_after(
            connection, whole.query, whole.by, whole.number, replace(wanted, limit=tried_max)
        )
        found.add(connection, phases[index], index, replace(wanted, until=until))
        if until is not None and not found.is_full:
            return None
    return found.page()


class _Found:
    """What was found for a page so far, and one row more, which shows whether there is another."""

    def __init__(self, paging: Paging) -> None:
        self._paging = paging
        self._rows: list[sa.Row[tuple[object, ...]]] = []
        self._places: list[Place] = []

    @property
    def is_full(self) -> bool:
        return len(self._rows) > self._paging.limit

    def wanted(self, count: int) -> Iterator[tuple[int, Paging]]:
        """Say what is wanted of each of so many phases, until the page is full."""
        after = self._paging.after
        first = 0 if after is None else after.phase
        for index in range(first, count):
            if not self.is_full:
                limit = self._paging.limit + 1 - len(self._rows)
                place = after if index == first else None
                yield index, replace(self._paging, limit=limit, after=place)

    def add(self, connection: sa.Connection, phase: Phase, index: int, wanted: Paging) -> None:
        """Fetch what is wanted of one phase."""
        rows = fetch_page(connection, phase.query, phase.by, phase.number, wanted).rows
        self._rows += rows
        self._places += [Place(row._by, row._number, index) for row in rows]  # noqa: SLF001

    def page(self) -> Page:
        """Give the page, and where it ends if there is another."""
        limit = self._paging.limit
        return Page(self._rows[:limit], self._places[limit - 1] if self.is_full else None)
