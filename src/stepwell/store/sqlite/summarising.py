"""Summaries of series, from the chunks' own summaries and the hot points.

No chunk is decoded, but where squares of its values leave float64's range.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable

import numpy as np

from stepwell.model.errors import DamagedSeriesError, StoreError, StoreUnavailableError
from stepwell.model.names import Component
from stepwell.model.points import Points
from stepwell.model.statistics import Moments
from stepwell.model.summaries import MetricSummary, Part, deviation_of, part_of
from stepwell.store.protocol import SeriesKey
from stepwell.store.sqlite.chunks import ChunkFile, Summary, check_sequence, decode_chunk
from stepwell.store.sqlite.compaction import by_series
from stepwell.store.sqlite.hot import PointArray


def summarise_component(
    component: Component, series: dict[str, int], chunks: ChunkFile, hot: PointArray
) -> list[MetricSummary] | StoreError:
    """Summarise a component's series that have points, by name.

    Args:
        component: whose they are.
        series: names to numbers.
        chunks: the chunk file, in a read transaction.
        hot: the component's points that no chunk holds.
    """
    waiting = dict(by_series(hot))
    found = []
    try:
        for metric, number in series.items():
            key = SeriesKey(component, metric)
            summary = _summarise(key, number, chunks, waiting.get(number))
            if summary is not None:
                found.append(summary)
    except DamagedSeriesError as error:
        return error
    except sqlite3.Error as error:
        return StoreUnavailableError(str(error))
    return found


def _summarise(
    key: SeriesKey, number: int, chunks: ChunkFile, hot: Points | None
) -> MetricSummary | None:
    try:
        stored = chunks.summaries_of(number)
        check_sequence([(first, each.count) for first, each in stored], chunks.total(number))
        part = _merged([_part(each) for _, each in stored], hot)
        if part is None:
            return None
        if part.is_exact:
            return part.summary(key.metric)
        return part.summary(key.metric, _deviation(number, chunks, hot))
    except DamagedSeriesError as error:
        msg = (
            f"Metric {key.metric!r} of trial component {key.component.name!r} is damaged: {error}."
        )
        raise DamagedSeriesError(msg) from error


def _merged(parts: Iterable[Part], hot: Points | None) -> Part | None:
    whole: Part | None = None
    for part in parts:
        whole = part if whole is None else whole.then(part)
    if hot is None:
        return whole
    return part_of(hot) if whole is None else whole.then(part_of(hot))


def _part(summary: Summary) -> Part:
    moments = None
    if summary.mean is not None:
        count = summary.count - summary.nan_count - summary.inf_count - summary.inf_negative_count
        m2 = math.inf if summary.m2 is None else summary.m2
        moments = Moments(count, summary.mean, m2)
    return Part(
        summary.count,
        (summary.inf_count, summary.inf_negative_count),
        summary.finite_min,
        summary.finite_max,
        moments,
        math.nan if summary.last is None else summary.last,
        summary.timestamp_max,
    )


def _deviation(number: int, chunks: ChunkFile, hot: Points | None) -> float:
    parts = [decode_chunk(chunk) for chunk in chunks.chunks_of(number)]
    if hot is not None:
        parts.append(hot)
    return deviation_of(
        Points(
            np.concatenate([part.steps for part in parts]),
            np.concatenate([part.timestamps_us for part in parts]),
            np.concatenate([part.values for part in parts]),
        )
    )
