"""Trial components as one thing: their points in the store, all else in the catalog.

A put makes its component in the store alone, so that no put waits for the catalog; the catalog
follows when it is next looked at (`Components.follow`), before any of its answers. What the API
creates is made in both. Transactions that make or delete components are writes of the catalog, and
come one after another: nothing can be made known again while it is being deleted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from stepwell.catalog import components, progress, summaries
from stepwell.catalog.components import Maps
from stepwell.catalog.database import Database
from stepwell.catalog.entities import Work
from stepwell.model.errors import StoreUnavailableError, UnknownComponentError
from stepwell.model.experiments import Tag, TrialComponent
from stepwell.model.names import Component, fold
from stepwell.model.summaries import MetricSummary
from stepwell.store.protocol import Store

_PROGRESS = "components"
_SUMMARIES = "summaries"
_COMPONENTS_AT_ONCE = 500


class Components:
    """Keeps store and catalog together. Safe for threads."""

    def __init__(self, store: Store, database: Database) -> None:
        """Hold both; nothing is followed yet."""
        self._store = store
        self._database = database
        #: Up to where the catalog is known to have followed. A smaller mark only costs a look.
        self._mark = 0
        #: What this process has refreshed of components whose points are hot, and at which stamp.
        self._refreshed: dict[Component, int] = {}

    def follow(self) -> None:
        """Make the components of answered puts known to the catalog. Cheap where there are none.

        Raises:
            StoreUnavailableError: store or catalog are away.
        """
        if not self._store.components_since(self._mark)[0]:
            return
        with self._database.write() as connection:
            mark = self._adopt(connection)
        self._mark = mark

    def create(
        self, work: Work, values: Mapping[str, Any], maps: Maps, with_tags: Sequence[Tag]
    ) -> None:
        """Create a component, known to puts when this returns.

        Raises:
            AlreadyExistsError: the name is taken.
        """
        components.create(work, values, maps, with_tags)
        self._store.create(_identity(work, values["name"]))

    def delete(self, work: Work, name: str) -> TrialComponent:
        """Delete a component and its points (rule 14). A crash in between leaves the points gone.

        Raises:
            NotFoundError: there is none of that name.
            ConstraintError: it is in a trial.
        """
        found = components.delete(work, name)
        with contextlib.suppress(UnknownComponentError):
            self._store.delete(_identity(work, found.name))
        return found

    def refresh_summaries(self) -> None:
        """Bring the catalog's table of summaries up to now, for a search that compares metrics.

        Raises:
            StoreUnavailableError: store or catalog are away.
        """
        with self._database.write() as connection:
            mark = progress.mark(connection, _SUMMARIES)
            changed, new_mark = self._store.changed_since(mark)
            # Only now: what has changed is known to the catalog then, however new it is.
            self._adopt(connection)
            # Hot components come every time: those that got nothing since are passed over.
            new = [each for each in changed if self._refreshed.get(each.component) != each.stamp]
            for first in range(0, len(new), _COMPONENTS_AT_ONCE):
                some = [each.component for each in new[first : first + _COMPONENTS_AT_ONCE]]
                for component, found in zip(some, self._store.summaries(some), strict=True):
                    if isinstance(found, list):
                        summaries.replace(connection, component, found)
                    elif isinstance(found, StoreUnavailableError):
                        # Not damaged but busy: it must not count as refreshed.
                        raise found
            if new_mark != mark:
                progress.note(connection, _SUMMARIES, new_mark)
        self._refreshed = {each.component: each.stamp for each in changed}

    def _adopt(self, connection: sa.Connection) -> int:
        """Make all components of the store known, and give the mark up to which they are."""
        first = mark = progress.mark(connection, _PROGRESS)
        while True:
            # Listed within the transaction: one that is deleted meanwhile is not in it.
            created, mark = self._store.components_since(mark)
            if not created:
                break
            components.adopt(connection, created)
        if mark != first:
            progress.note(connection, _PROGRESS, mark)
        return mark

    def summaries(self, account: str, names: Sequence[str]) -> list[list[MetricSummary]]:
        """Summarise every metric of some components, as of now.

        Raises:
            DamagedSeriesError: one of them cannot be summarised.
            StoreUnavailableError: nothing can be read.
        """
        wanted = [Component(account, fold(name)) for name in names]
        answers = []
        for answer in self._store.summaries(wanted):
            if not isinstance(answer, list):
                raise answer
            answers.append(answer)
        return answers


def _identity(work: Work, name: str) -> Component:
    return Component(work.author.account, fold(name))
