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

from stepwell.catalog import components, progress, summaries
from stepwell.catalog.components import Maps
from stepwell.catalog.database import Database
from stepwell.catalog.entities import Work
from stepwell.model.errors import StoreError, StoreUnavailableError, UnknownComponentError
from stepwell.model.experiments import Tag, TrialComponent
from stepwell.model.names import Component, fold
from stepwell.model.summaries import MetricSummary
from stepwell.store.protocol import Change, Feed, Reader

logger = logging.getLogger(__name__)

_PROGRESS = "components"
_SUMMARIES = "summaries"
#: Few enough that nobody waits long for the transaction, even where each has 1,000 metrics.
_COMPONENTS_AT_ONCE = 50
_STAMPS_AT_ONCE = 1000


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
        new = [each for each in changed if self._refreshed.get(each.component) != each.stamp]
        # After the look at what changed, so that the catalog knows all of it.
        self.follow()
        new = self._not_refreshed(new)
        for first in range(0, len(new), _COMPONENTS_AT_ONCE):
            some = new[first : first + _COMPONENTS_AT_ONCE]
            while some:
                some = self._refresh(some)
        if new_mark > mark:
            with self._database.write() as connection:
                if progress.mark(connection, _SUMMARIES) < new_mark:
                    progress.note(connection, _SUMMARIES, new_mark)
        self._refreshed = {each.component: each.stamp for each in changed}

    def _not_refreshed(self, changed: Sequence[Change]) -> list[Change]:
        """Leave out what another process has refreshed, such as the compacting one."""
        left = []
        with self._database.read() as connection:
            for first in range(0, len(changed), _STAMPS_AT_ONCE):
                some = changed[first : first + _STAMPS_AT_ONCE]
                stored = summaries.stamps(connection, [each.component for each in some])
                left += [
                    each
                    for each in some
                    if each.component in stored
                    and stored[each.component].stamp != summaries.cut(each.stamp)
                ]
        return left

    def _refresh(self, changed: Sequence[Change]) -> list[Change]:
        """Refresh some components; give those that another process has written meanwhile.

        Summing up takes longer than writing, so it is done outside of the transaction: nobody
        waits for it. What another process wrote meanwhile may be newer, and is not written over.
        """
        wanted = {each.component: each for each in changed}
        with self._database.read() as connection:
            before = summaries.stamps(connection, wanted)
        found = self._summed_up([component for component in wanted if component in before])
        with self._database.write(is_derived=True) as connection:
            now = summaries.stamps(connection, found)
            others = [each for each in found if each in now and now[each] != before[each]]
            mine = {each: found[each] for each in found if now.get(each) == before[each]}
            if mine:
                summaries.replace(connection, mine)
                summaries.note(
                    connection, {each: (before[each], wanted[each].stamp) for each in mine}
                )
        return self._not_refreshed([wanted[each] for each in others])

    def _summed_up(self, changed: Sequence[Component]) -> dict[Component, list[MetricSummary]]:
        found = {}
        for component, answer in zip(changed, self._feed.summaries(changed), strict=True):
            if isinstance(answer, StoreUnavailableError):
                raise answer
            if isinstance(answer, StoreError):
                # One damaged chunk must not end every search: what was known of it stays.
                logger.error("a trial component cannot be summarised: %s", answer)
            else:
                found[component] = answer
        return found

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

    def __init__(self, store: Reader, database: Database) -> None:
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
