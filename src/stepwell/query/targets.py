"""When a series first got somewhere: the time to a target."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stepwell.model.errors import StepwellError
from stepwell.model.points import NO_STEP
from stepwell.store.protocol import Outline, View


class Reached(NamedTuple):
    """The first point, by timestamp and then by order of arrival, that is beyond a value."""

    step: int | None
    timestamp_us: int
    value: float


def first_beyond(view: View, outline: Outline, target: float, *, is_below: bool) -> Reached | None:
    """Find the first point whose value is less than a target, or greater. NaN never is.

    Raises:
        StoreError: a piece cannot be read.
    """
    found: Reached | None = None
    for piece in outline.pieces:
        extent = piece.extent
        if extent.nan == extent.points:
            continue
        if found is not None and extent.timestamp_min_us >= found.timestamp_us:
            continue
        (loaded,) = view.load([piece])
        if isinstance(loaded, StepwellError):
            raise loaded
        values = loaded.column("values")
        beyond = np.flatnonzero(values < target if is_below else values > target)
        if not len(beyond):
            continue
        times = loaded.column("timestamps_us")
        index = int(beyond[np.argmin(times[beyond])])
        time_us = int(times[index])
        if found is None or time_us < found.timestamp_us:
            step = int(loaded.column("steps")[index])
            found = Reached(None if step == NO_STEP else step, time_us, float(values[index]))
    return found
