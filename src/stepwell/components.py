"""Trial components as one thing: their points in the store, all else in the catalog.

A put makes its component in the store alone, so that no put waits for the catalog; the catalog
follows when it is next looked at (`Components.follow`), before any of its answers. What the API
creates is made in both. Transactions that make or delete components are writes of the catalog, and
come one after another: nothing can be made known again while it is being deleted.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from stepwell.catalog import components, progress, summaries
from stepwell.catalog.components import Maps
from stepwell.catalog.database import Database
from stepwell.catalog.entities import Work
from stepwell.model.errors import StoreError, StoreUnavailableError, UnknownComponentError
from stepwell.model.experiments import Tag, TrialComponent
from stepwell.model.names import Component, fold
from stepwell.model.summaries import MetricSummary
from stepwell.store.protocol import Feed, Store

logger = logging.getLogger(__name__)

_PROGRESS = "components"
_SUMMARIES = "summaries"
#: Few enough that nobody waits long for the transaction, even where each has 1,000 metrics.
_COMPONENTS_AT_ONCE = 50


class Following:
    """Brings the catalog up to the store. Safe for threads if the feed is."""

    def __init__(self, feed: Feed, database: Database) -> None:
        """Hold both; nothing is followed yet."""
        self._feed = feed
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
        if not self._feed.components_since(self._mark)[0]:
            return
        with self._database.write() as connection:
            mark = progress.mark(connection, _PROGRESS)
            while True:
                # Listed again within the transaction: one that is deleted meanwhile is not in it.
                created, mark = self._feed.components_since(mark)
                if not created:
                    break
                components.adopt(connection, created)
            progress.note(connection, _PROGRESS, mark)
        self._mark = mark

    def refresh_summaries(self) -> None:
        """Bring the catalog's table of summaries up to now, for a search that compares metrics.

        Raises:
            StoreUnavailableError: store or catalog are away.
        """
        with self._database.read() as connection:
            mark = progress.mark(connection, _SUMMARIES)
        changed, new_mark = self._feed.changed_since(mark)
        # Hot components come every time: those that got nothing since are passed over.
        new = [
            each.component for each in changed if self._refreshed.get(each.component) != each.stamp
        ]
        # After the look at what changed, so that the catalog knows all of it.
        self.follow()
        for first in range(0, len(new), _COMPONENTS_AT_ONCE):
            with self._database.write() as connection:
                # Summed up within the transaction: of two workers the later one writes what is
                # newer. Transactions are short, so that others get in between.
                self._write_summaries(connection, new[first : first + _COMPONENTS_AT_ONCE])
        if new_mark > mark:
            with self._database.write() as connection:
                if progress.mark(connection, _SUMMARIES) < new_mark:
                    progress.note(connection, _SUMMARIES, new_mark)
        self._refreshed = {each.component: each.stamp for each in changed}

    def _write_summaries(self, connection: sa.Connection, changed: Sequence[Component]) -> None:
        found = {}
        for component, answer in zip(changed, self._feed.summaries(changed), strict=True):
            if isinstance(answer, StoreUnavailableError):
                raise answer
            if isinstance(answer, StoreError):
                # One damaged chunk must not end every search: what was known of it stays.
                logger.error("a trial component cannot be summarised: %s", answer)
            else:
                found[component] = answer
        summaries.replace(connection, found)

    def summaries(self, account: str, names: Sequence[str]) -> list[list[MetricSummary]]:
        """Summarise every metric of some components, as of now.

        Raises:
            DamagedSeriesError: one of them cannot be summarised.
            StoreUnavailableError: nothing can be read.
        """
        wanted = [Component(account, fold(name)) for name in names]
        answers = []
        for answer in self._feed.summaries(wanted):
            if not isinstance(answer, list):
                raise answer
            answers.append(answer)
        return answers


class Components(Following):
    """Keeps store and catalog together. Safe for threads."""

    def __init__(self, store: Store, database: Database) -> None:
        """Hold both; nothing is followed yet."""
        super().__init__(store, database)
        self._store = store

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


def _identity(work: Work, name: str) -> Component:
    return Component(work.author.account, fold(name))
