"""Where steps stand on an axis of time: at the first point that has got so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stepwell.model.errors import StepwellError
from stepwell.model.points import NO_STEP, Int64Array
from stepwell.query.grids import Place
from stepwell.store.protocol import Outline, View

_NONE = np.iinfo(np.int64).max


def x_of_steps(
    view: View, outline: Outline, place: Place, steps: Sequence[int]
) -> list[int | None]:
    """Give the x of the first point, by step and then by time, at or after each step.

    None: no point got so far.

    Raises:
        StoreError: a piece cannot be read.
    """
    wanted = np.array(steps, np.int64)
    best_step = np.full(len(wanted), _NONE)
    best_x: Int64Array = np.zeros(len(wanted), np.int64)
    for piece in outline.pieces:
        extent = piece.extent
        if extent.without_step == extent.points or extent.step_max < wanted.min():
            continue
        (loaded,) = view.load([piece])
        if isinstance(loaded, StepwellError):
            raise loaded
        found, times = loaded.column("steps"), loaded.column("timestamps_us")
        order = np.lexsort((times, found))
        found, times = found[order], times[order]
        first = np.searchsorted(found, NO_STEP, side="right")
        found, times = found[first:], times[first:]
        index = np.searchsorted(found, wanted)
        reached = np.flatnonzero(index < len(found))
        index = index[reached]
        step, x = found[index], times[index] + place.offset
        is_better = (step < best_step[reached]) | (
            (step == best_step[reached]) & (x < best_x[reached])
        )
        best_step[reached[is_better]] = step[is_better]
        best_x[reached[is_better]] = x[is_better]
    return [
        None if step == _NONE else x
        for step, x in zip(best_step.tolist(), best_x.tolist(), strict=True)
    ]
