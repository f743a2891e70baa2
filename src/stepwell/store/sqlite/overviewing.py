"""A component's points summed up: how many, of how many metrics, from when to when.

What its chunks hold is remembered until a round of compaction touches the component; hot points are
looked at each time.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import NamedTuple

import numpy as np

from stepwell.store.protocol import Overview
from stepwell.store.sqlite.chunk_file import ChunkFile
from stepwell.store.sqlite.hot import PointArray
from stepwell.store.sqlite.lookups import series_runs
from stepwell.store.sqlite.registry import Registry

#: Components that are remembered, by number; past that, the oldest are forgotten.
_KNOWN_MAX = 50_000
_INT64_LAST = 2**63 - 1
#: In which round each component last got chunks. Those that never did have none.
_VERSIONS = "SELECT component, version FROM touched WHERE component IN ({})"
#: What the chunks of series that are numbered one after another hold. Both go along an index.
_TOTALS = (
    "SELECT coalesce(sum(count), 0), min(timestamp_min), max(timestamp_max), sum(nan_count),"
    " sum(inf_count + inf_negative_count) FROM chunk WHERE series BETWEEN ? AND ?"
)
_SERIES = "SELECT count(*) FROM series_total WHERE series BETWEEN ? AND ?"
_KNOWN_SERIES = "SELECT series FROM series_total WHERE series IN ({})"


class Known(NamedTuple):
    """What the chunks of a component hold, as of a round of compaction."""

    version: int
    overview: Overview


#: Shared by threads: entries are whole, and a lost one is only made again.
KnownOverviews = MutableMapping[int, Known]

_NONE = Overview((0, 0), 0, 0, _INT64_LAST, -_INT64_LAST, 0, 0)


def overviews_of(
    chunks: ChunkFile,
    registry: Registry,
    known: KnownOverviews,
    hot: dict[int, PointArray],
) -> dict[int, Overview]:
    """Sum up components; those without points are left out.

    Args:
        chunks: the chunk file, in a read transaction.
        registry: for the components' series.
        known: what was summed up before.
        hot: the points that no chunk holds, of each component that is asked for.
    """
    versions = {
        row[0]: row[1] for rows in chunks.rows_of_many(_VERSIONS, list(hot)) for row in rows
    }
    found: dict[int, Overview] = {}
    for component, points in hot.items():
        version = versions.get(component, 0)
        stored = known.get(component)
        if stored is None or stored.version != version:
            stored = _stored(chunks, registry, component, version)
            known[component] = stored
            while len(known) > _KNOWN_MAX:
                known.pop(next(iter(known)), None)
        overview = stored.overview
        if len(points):
            overview = _with_hot(chunks, overview, points)
        if overview.points:
            found[component] = overview
    return found


def _stored(chunks: ChunkFile, registry: Registry, component: int, version: int) -> Known:
    total = _NONE
    for first, last in series_runs(registry, component):
        count, first_us, last_us, nan, infinite = chunks.db.execute(
            _TOTALS, (first, last)
        ).fetchone()
        if count:
            (series,) = chunks.db.execute(_SERIES, (first, last)).fetchone()
            total = Overview(
                total.stamp,
                total.points + count,
                total.metrics + series,
                min(total.first_us, first_us),
                max(total.last_us, last_us),
                total.nan + nan,
                total.infinite + infinite,
            )
    return Known(version, total._replace(stamp=(component, total.points)))


def _with_hot(chunks: ChunkFile, known: Overview, points: PointArray) -> Overview:
    values, times = points["value"], points["timestamp_us"]
    series = np.unique(points["series"]).tolist()
    stored = sum(map(len, chunks.rows_of_many(_KNOWN_SERIES, series)))
    return Overview(
        # Points are only ever added, so that their number tells whether any were.
        (known.stamp[0], known.points + len(points)),
        known.points + len(points),
        known.metrics + len(series) - stored,
        min(known.first_us, int(times.min())),
        max(known.last_us, int(times.max())),
        known.nan + int(np.count_nonzero(np.isnan(values))),
        known.infinite + int(np.count_nonzero(np.isinf(values))),
    )
