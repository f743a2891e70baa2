"""Summaries of series, from the chunks' own summaries and the hot points.

No chunk is decoded, but where squares of its values leave float64's range.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from stepwell.model.errors import DamagedSeriesError, StoreError, StoreUnavailableError
from stepwell.model.names import Component
from stepwell.model.points import Points
from stepwell.model.statistics import Moments
from stepwell.model.summaries import Finite, MetricSummary, Part, deviation_of, part_of
from stepwell.store.sqlite.chunk_file import ChunkFile, check_sequence
from stepwell.store.sqlite.chunks import decode_chunk
from stepwell.store.sqlite.hot import PointArray
from stepwell.store.sqlite.hot_points import by_series

#: What statistics need of a chunk.
_PARTS = (
    "SELECT series, first_index, count, nan_count, inf_count, inf_negative_count, finite_min,"
    " finite_max, mean, m2, last, timestamp_max FROM chunk WHERE series IN ({})"
    " ORDER BY series, first_index"
)


class PartRow(NamedTuple):
    """A chunk's place in its series, and its summary as statistics need it."""

    first_index: int
    part: Part


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
        stored, totals = _parts_of(chunks, numbers), chunks.totals(numbers)
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


def _parts_of(chunks: ChunkFile, series: Sequence[int]) -> dict[int, list[PartRow]]:
    found: dict[int, list[PartRow]] = {}
    for rows in chunks.rows_of_many(_PARTS, series):
        for row in rows:
            found.setdefault(row[0], []).append(PartRow(row[1], _part_of_row(row[2:])))
    return found


def _part_of_row(row: tuple[Any, ...]) -> Part:
    count, nan_count, plus, minus, finite_min, finite_max, mean, m2, last, timestamp_max = row
    finite = None
    if mean is not None:
        moments = Moments(count - nan_count - plus - minus, mean, math.inf if m2 is None else m2)
        finite = Finite(finite_min, finite_max, moments)
    return Part(count, plus, minus, finite, math.nan if last is None else last, timestamp_max)


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
