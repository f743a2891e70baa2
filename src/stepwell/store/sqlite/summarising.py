"""Summaries of series, from the chunks' own summaries and the hot points.

No chunk is decoded, but where squares of its values leave float64's range.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import reduce

import numpy as np

from stepwell.model.errors import DamagedSeriesError, StoreError, StoreUnavailableError
from stepwell.model.names import Component
from stepwell.model.points import Points
from stepwell.model.summaries import MetricSummary, Part, deviation_of, part_of
from stepwell.store.sqlite.chunks import ChunkFile, PartRow, check_sequence, decode_chunk
from stepwell.store.sqlite.compaction import by_series
from stepwell.store.sqlite.hot import PointArray


def summarise_component(
    component: Component, series: dict[str, int], chunks: ChunkFile, hot: PointArray
) -> list[MetricSummary] | StoreError:
    """Summarise a component's series that have points, in the order of `series`.

    Args:
        component: whose they are.
        series: names to numbers.
        chunks: the chunk file, in a read transaction.
        hot: the component's points that no chunk holds.
    """
    subject = f"Trial component {component.name!r}"
    waiting = dict(by_series(hot))
    found = []
    try:
        numbers = sorted(series.values())
        stored, totals = chunks.parts_of(numbers), chunks.totals(numbers)
        for metric, number in series.items():
            # In the message below, if it is this one that is damaged.
            subject = f"Metric {metric!r} of trial component {component.name!r}"
            rows, points = stored.get(number, ()), waiting.get(number)
            part = _part(rows, totals.get(number, 0), points)
            # A name can be registered by a put that then failed.
            if part is not None:
                std_dev = None if part.tells_deviation else _deviation(number, chunks, points)
                found.append(part.summary(metric, std_dev))
    except DamagedSeriesError as error:
        return DamagedSeriesError(f"{subject} is damaged: {error}.")
    except sqlite3.Error as error:
        return StoreUnavailableError(str(error))
    return found


def _part(rows: Sequence[PartRow], total: int, hot: Points | None) -> Part | None:
    """Merge a series' chunks, all of which must be there, with its hot points."""
    check_sequence([(first_index, part.count) for first_index, part in rows], total)
    parts = [part for _, part in rows]
    if hot is not None:
        parts.append(part_of(hot))
    return reduce(Part.then, parts) if parts else None


def _deviation(number: int, chunks: ChunkFile, hot: Points | None) -> float:
    parts = [decode_chunk(chunk).values for chunk in chunks.chunks_of(number)]
    if hot is not None:
        parts.append(hot.values)
    return deviation_of(np.concatenate(parts))
