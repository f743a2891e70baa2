"""The summaries of runs' series as columns, remembered: what metrics are ranked by."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from stepwell.model.errors import StoreError, StoreUnavailableError
from stepwell.model.names import Component
from stepwell.query.ranking import SeriesTable
from stepwell.store.protocol import Reader

#: Series whose summaries are remembered: about 64 bytes each.
_SERIES_MAX = 500_000
#: Runs that are summarised at a time: others get a turn in between.
_RUNS_AT_ONCE = 20


class SeriesTables:
    """Summaries of runs as tables, remembered until a run gets points. Safe for threads."""

    def __init__(self, store: Reader) -> None:
        """Remember nothing yet."""
        self._store = store
        self._known: OrderedDict[tuple[int, int], SeriesTable] = OrderedDict()
        self._series = 0
        self._lock = threading.Lock()
        #: One object a name, of which there are as many as there are metrics, not as series.
        self._names: dict[str, str] = {}

    def of(self, components: Sequence[Component]) -> list[SeriesTable]:
        """Give the tables of those runs that have points and can be read.

        Raises:
            StoreUnavailableError: nothing can be read.
        """
        overviews = self._store.overviews(components)
        stamped = [
            (component, overview.stamp)
            for component, overview in zip(components, overviews, strict=True)
            if overview is not None
        ]
        found: dict[tuple[int, int], SeriesTable] = {}
        with self._lock:
            for _, stamp in stamped:
                table = self._known.get(stamp)
                if table is not None:
                    self._known.move_to_end(stamp)
                    found[stamp] = table
        missing = [each for each in stamped if each[1] not in found]
        for first in range(0, len(missing), _RUNS_AT_ONCE):
            some = missing[first : first + _RUNS_AT_ONCE]
            answers = self._store.summaries([component for component, _ in some])
            for (_, stamp), summaries in zip(some, answers, strict=True):
                if isinstance(summaries, StoreUnavailableError):
                    raise summaries
                if not isinstance(summaries, StoreError):
                    found[stamp] = self._remember(stamp, SeriesTable.of(summaries))
        return [found[stamp] for _, stamp in stamped if stamp in found]

    def _remember(self, stamp: tuple[int, int], table: SeriesTable) -> SeriesTable:
        with self._lock:
            if len(self._names) > _SERIES_MAX:
                self._names.clear()
            names = [self._names.setdefault(name, name) for name in table.metrics]
            table = SeriesTable(names, table.values, table.counts)
            if stamp not in self._known:
                self._known[stamp] = table
                self._series += len(names)
            while self._series > _SERIES_MAX and len(self._known) > 1:
                _, oldest = self._known.popitem(last=False)
                self._series -= len(oldest.metrics)
        return table
