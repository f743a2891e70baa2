"""Points of many series piece by piece, in order, some in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stepwell.model.errors import StepwellError
from stepwell.query.digests import OnAxis, on_axis
from stepwell.query.frames import Spread
from stepwell.query.grids import Place
from stepwell.store.protocol import Loaded, Piece, View

#: Points that are in memory at a time, with their x: about 60 MB.
_LOADED_POINTS_MAX = 2_000_000


class Wanted(NamedTuple):
    """A piece to look at, and the number and the place of its series."""

    number: int
    piece: Piece
    place: Place


def load(
    view: View, wanted: Sequence[Wanted], spread: Spread
) -> Iterator[tuple[int, OnAxis | StepwellError]]:
    """Give each piece's points that are on the axis, with the number of its series, in order."""

    def decoded(
        item: tuple[Wanted, Loaded | StepwellError],
    ) -> tuple[int, OnAxis | StepwellError]:
        each, loaded = item
        if isinstance(loaded, StepwellError):
            return each.number, loaded
        try:
            return each.number, on_axis(loaded, each.piece.extent, each.place)
        except StepwellError as error:
            return each.number, error

    batch: list[Wanted] = []
    points = 0
    for each in [*wanted, None]:
        if batch and (each is None or points >= _LOADED_POINTS_MAX):
            loaded = view.load([one.piece for one in batch])
            yield from spread(decoded, zip(batch, loaded, strict=True))
            batch, points = [], 0
        if each is not None:
            batch.append(each)
            points += each.piece.extent.points
