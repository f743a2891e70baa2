"""Hot points: out of rows, by series, into columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stepwell.model.points import Points
from stepwell.store.sqlite.hot import POINT, HotRow, PointArray, unpack_points

#: From this many series on, sorting points once is quicker than to look through them for each.
_SORTED_SERIES_MIN = 16


def not_compacted(
    files: Sequence[tuple[int, list[HotRow]]], compacted: dict[int, int]
) -> PointArray:
    """Keep the rows that no chunk holds, in order of arrival."""
    rows = [row for slot, part in files for row in part if row.seq > compacted.get(slot, 0)]
    if len(files) > 1:
        rows.sort(key=lambda row: row.seq)
    return unpack_points(row.points for row in rows)


def picked(points: PointArray, wanted: set[int]) -> dict[int, Points]:
    """Pick some series' points out of a component's; a series without any is missing."""
    if not len(points):
        return {}
    if len(wanted) >= _SORTED_SERIES_MIN:
        return {
            # Copied, so that one series that is held does not hold all others.
            series: Points(part.steps.copy(), part.timestamps_us.copy(), part.values.copy())
            for series, part in by_series(points)
            if series in wanted
        }
    return {
        series: columns_of(points[chosen])
        for series in wanted
        if (chosen := points["series"] == series).any()
    }


def by_series(points: PointArray) -> Iterator[tuple[int, Points]]:
    """Split hot points by series, each in order of arrival. The columns are views of others."""
    if not len(points):
        return
    series = points["series"] - points["series"].min()
    if series.max() <= np.iinfo(np.uint16).max:
        # numpy sorts these by radix, in a third of the time.
        series = series.astype(np.uint16)
    order = np.argsort(series, kind="stable")
    # Column by column: taking whole points one by one costs three times as much.
    numbers, *columns = (np.ascontiguousarray(points[name])[order] for name in POINT.names or ())
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    stops = np.append(starts[1:], len(points))
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        yield int(numbers[start]), Points(*(column[start:stop] for column in columns))


def columns_of(points: PointArray) -> Points:
    """Give hot points (of one series) as columns."""
    return Points(*(np.ascontiguousarray(points[name]) for name in POINT.names[1:]))  # type: ignore[index]
