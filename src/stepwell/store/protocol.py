"""The contract that every store keeps. `stepwell.testing.store_contract` tests it.

A store is synchronous and thread-safe: `append` is called by one thread at a time, everything else
by any thread at any time, and several processes may share one store. The rules:

- `append` returns once its puts are durable, and what it returned is in every read that starts
  after that, in every process. A crash leaves each put there whole or not at all.
- A put whose id was committed before, for the same component and owner, is answered with the first
  answer and not stored again (rule 2); with other content, every item gets CONFLICT_ERROR.
- Points are never merged with one another and keep their order of arrival (rule 1).
- A question that cannot be answered is an error, never an empty or a shorter answer.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np

from stepwell.model.errors import QueryError, StoreError
from stepwell.model.names import Component
from stepwell.model.points import Float64Array, Int64Array, Outcome, Points, Put
from stepwell.model.rows import Rows
from stepwell.model.summaries import MetricSummary

ColumnName = Literal["steps", "timestamps_us", "values"]


class SeriesKey(NamedTuple):
    """Which series: one metric of one trial component."""

    component: Component
    metric: str


class TimeRange(NamedTuple):
    """A half-open range of timestamps in microseconds."""

    start_us: int
    stop_us: int


class StepRange(NamedTuple):
    """A half-open range of steps. Points without a step are in none."""

    start: int
    stop: int


class ColumnTypes(NamedTuple):
    """Types in which a series' columns can be given without changing one bit of a number."""

    steps: np.dtype[np.int32] | np.dtype[np.int64]
    timestamps_us: np.dtype[np.int64]
    values: np.dtype[np.float32] | np.dtype[np.float64]


class Series(Protocol):
    """One series as it stood at one instant. Holds encoded bytes; decodes when asked.

    `count` is known without decoding. The methods may be called by one thread at a time.
    """

    @property
    def count(self) -> int:
        """Count the points of this read (those within its range, if it had one)."""

    @property
    def count_without_step(self) -> int:
        """Count the whole series' points that have no step, within a range or not."""

    @property
    def types(self) -> ColumnTypes:
        """Give the narrowest types that are known to hold the whole series, within a range or not.

        Nothing is decoded for it, so a store may know of none but the widest.
        """

    def points(self) -> Points:
        """Decode all of it. Raises `DamagedSeriesError`."""

    def column(self, name: ColumnName) -> Iterator[Int64Array | Float64Array]:
        """Decode one column piece by piece, in order of arrival. Raises `DamagedSeriesError`."""


class Extent(NamedTuple):
    """What is known of some consecutive points of a series without decoding them.

    `step_min > step_max` where no point has a step.
    """

    points: int
    without_step: int
    step_min: int
    step_max: int
    timestamp_min_us: int
    timestamp_max_us: int
    nan: int
    plus: int
    minus: int


class Piece(Protocol):
    """Some consecutive points of a series, as they lie in the store."""

    @property
    def extent(self) -> Extent:
        """Say what is known of them."""

    @property
    def identity(self) -> Hashable | None:
        """Tell these very points from any others of this store, forever; None: they may change."""


class Outline(NamedTuple):
    """A series as pieces, in order of arrival, none of them decoded."""

    pieces: Sequence[Piece]

    @property
    def points(self) -> int:
        """Count the series' points."""
        return sum(piece.extent.points for piece in self.pieces)

    @property
    def without_step(self) -> int:
        """Count the series' points that have no step."""
        return sum(piece.extent.without_step for piece in self.pieces)


class Loaded(Protocol):
    """A piece's points, in memory. Columns are decoded when they are asked for; do not change them.

    One thread at a time.
    """

    def column(self, name: ColumnName) -> Int64Array | Float64Array:
        """Decode one column. Raises `DamagedSeriesError`."""


class Blocks(NamedTuple):
    """A piece's points by blocks of x, each 2**level of steps or of microseconds wide.

    Only of pieces whose values are all finite, whose points all have steps, and whose steps never
    go back; blocks of timestamps only where those never go back either. A row's `bucket` is the
    number of its block, x >> level.
    """

    level: int
    rows: Rows


class View(Protocol):
    """Some series as of one instant, looked at piece by piece. For one thread at a time."""

    @property
    def outlines(self) -> Sequence[Outline | QueryError | StoreError]:
        """Give the series in the order asked for, or the error in the place of one."""

    def load(self, pieces: Sequence[Piece]) -> list[Loaded | StoreError]:
        """Read pieces of this view. Where one cannot be read, its error stands in its place."""

    def blocks(self, pieces: Sequence[Piece], column: ColumnName) -> list[Blocks | None]:
        """Give pieces of one series by blocks of steps or timestamps, where the store has that."""


class Overview(NamedTuple):
    """What is known of all points of a trial component together. Times are its points'.

    While a component's `stamp` is the same, it has got no points. No two components have one stamp.
    """

    stamp: tuple[int, int]
    points: int
    metrics: int
    first_us: int
    last_us: int
    nan: int
    infinite: int


class NewComponent(NamedTuple):
    """A component, and when its first put, or its creation, came, and by which access key.

    `created_by` is empty where there was no key, and of what was made by `Store.create`.
    """

    component: Component
    created_us: int
    created_by: str = ""


class Change(NamedTuple):
    """A component that may have got points. While its stamp is the same, it has got none."""

    component: Component
    stamp: int


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """One series of a component: its name and its points so far."""

    metric: str
    count: int


class Feed(Protocol):
    """What others follow a store by."""

    def components_since(self, mark: int) -> tuple[list[NewComponent], int]:
        """List live components that were made after a mark (0: all), oldest first, some at a time.

        Returns them and the mark to go on from; an empty list means that there are no more. Every
        component that was known before the call is listed, sooner or later. One that was deleted
        and made again is a new one. Only the store understands its marks.

        Raises:
            StoreUnavailableError: nothing can be read.
        """

    def changed_since(self, mark: int) -> tuple[list[Change], int]:
        """List live components that may have got points after a mark (0: all), and the new mark.

        Every put that was answered before the call, and after the one that gave the mark, is told
        of. A component may be listed again and again without new points: its stamp then says so,
        to whoever remembers the one that it had. Deletions are not told of.

        Raises:
            StoreUnavailableError: nothing can be read.
        """

    def deletions(self) -> Mapping[Component, int]:
        """List components that were deleted within the last minute, and when (in microseconds).

        Raises:
            StoreUnavailableError: nothing can be read.
        """

    def summaries(
        self, components: Sequence[Component], metrics: Sequence[str] | None = None
    ) -> list[list[MetricSummary] | StoreError]:
        """Summarise every metric that has points of components, by name, as of this instant.

        With `metrics`, of these only.

        Costs what the number of metrics and chunks costs, not the points. An unknown component has
        no metrics. Where one cannot be read, its error stands in its place.

        Everything but Avg and StdDev is exact, apart from the sign of a zero. Those two are right
        to a few units in the last place of the values.

        Raises:
            StoreUnavailableError: nothing can be read at all.
        """


class Reader(Feed, Protocol):
    """A store as those see it who put nothing into it. See the module's rules."""

    def read(
        self, keys: Sequence[SeriesKey], within: TimeRange | StepRange | None = None
    ) -> list[Series | QueryError | StoreError]:
        """Read series, in the order asked for. A metric that is not there is an empty series.

        Where one cannot be read, its error stands in its place: `UnknownComponentError`,
        `DamagedSeriesError`.

        Raises:
            StoreUnavailableError: nothing can be read at all.
        """

    def view(self, keys: Sequence[SeriesKey]) -> AbstractContextManager[View]:
        """Look at series as of one instant, without reading their points yet.

        Raises:
            StoreUnavailableError: nothing can be read at all.
        """

    def overviews(self, components: Sequence[Component]) -> list[Overview | None]:
        """Sum up components' points, as of this instant; None for a component that has none.

        Costs little where nothing has changed since the last time.

        Raises:
            StoreUnavailableError: nothing can be read.
        """

    def count_metrics(self, components: Sequence[Component]) -> Mapping[str, int]:
        """Say how many of some components have a metric, for every metric, by name.

        Looks at no point: a name that was registered by a put that then failed is among them.

        Raises:
            StoreUnavailableError: nothing can be read.
        """

    def list_series(self, component: Component) -> list[SeriesInfo]:
        """List a component's series by name.

        Raises:
            UnknownComponentError: there is no such component.
        """

    def create(self, component: Component) -> None:
        """Make a component known without points; nothing happens where it exists. Durable.

        Raises:
            StoreUnavailableError: it could not be noted.
        """

    def has_component(self, component: Component) -> bool:
        """Say whether the component exists, that is, was put to and not deleted."""

    def delete(self, component: Component) -> None:
        """Delete a component's points, at once for readers; compaction gives the space back.

        Raises:
            UnknownComponentError: there is no such component.
        """

    def close(self) -> None:
        """Let go of files and threads. Nothing that was answered depends on it."""


class Store(Reader, Protocol):
    """Keeps points. See the module's rules."""

    def append(self, puts: Sequence[Put]) -> list[Outcome]:
        """Commit puts, all or none, and say what became of each.

        Raises:
            StoreUnavailableError: nothing was committed.
        """
