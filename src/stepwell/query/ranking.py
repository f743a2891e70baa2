"""Which metrics are worth a look: by how much runs differ, by spikes, by what is not finite.

Scores are made of the summaries of series alone, so that thousands of metrics are ranked at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np

from stepwell.model.points import Float64Array, Int64Array
from stepwell.model.summaries import MetricSummary


class RankBy(StrEnum):
    """What metrics are ranked by."""

    DIFFERENCE = "difference"
    CHANGE = "change"
    NAN = "nan"
    SPIKE = "spike"


@dataclass(frozen=True, slots=True)
class SeriesTable:
    """Summaries of series as columns.

    Attributes:
        metrics: the name of each.
        values: float64[n, 5]: min, max, last, average and standard deviation. What is not finite
            is NaN.
        counts: int64[n, 3]: NaNs, infinities, and the last point's timestamp in microseconds.
    """

    metrics: Sequence[str]
    values: Float64Array
    counts: Int64Array

    @classmethod
    def of(cls, summaries: Sequence[MetricSummary]) -> Self:
        """Make a table of one run's summaries."""
        values = np.array(
            [(each.min, each.max, each.last, each.avg, each.std_dev) for each in summaries],
            np.float64,
        ).reshape(-1, 5)
        values[~np.isfinite(values)] = np.nan
        counts = np.array(
            [(each.nan, each.infinite, each.timestamp_us) for each in summaries], np.int64
        ).reshape(-1, 3)
        return cls([each.metric for each in summaries], values, counts)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A metric, its score, its latest point, and how many of its points are not finite."""

    metric: str
    score: float
    last_us: int
    nan: int
    infinite: int


def rank(runs: Sequence[SeriesTable], by: RankBy, metrics: Sequence[str] | None) -> list[Ranked]:
    """Rank the metrics of some runs, or those of a list that they have: the best first.

    Equal ones are by name.
    """
    wanted = None if metrics is None else set(metrics)
    numbers: dict[str, int] = {}
    codes = [
        [
            numbers.setdefault(name, len(numbers)) if wanted is None or name in wanted else -1
            for name in run.metrics
        ]
        for run in runs
    ]
    if not numbers:
        return []
    code = np.array([each for run in codes for each in run], np.int64)
    chosen = code >= 0
    code = code[chosen]
    values = np.concatenate([run.values for run in runs])[chosen]
    counts = np.concatenate([run.counts for run in runs])[chosen]
    size = len(numbers)
    nan = np.bincount(code, counts[:, 0], size).astype(np.int64)
    infinite = np.bincount(code, counts[:, 1], size).astype(np.int64)
    last_us = np.zeros(size, np.int64)
    np.maximum.at(last_us, code, counts[:, 2])
    match by:
        case RankBy.DIFFERENCE:
            score = _differences(code, values, size)
        case RankBy.CHANGE:
            score = last_us / 1000
        case RankBy.NAN:
            score = (nan + infinite).astype(np.float64)
        case RankBy.SPIKE:
            score = _spikes(code, values, size)
    names = list(numbers)
    order = sorted(range(size), key=lambda index: (-score[index], names[index]))
    return [
        Ranked(
            names[index],
            float(score[index]),
            int(last_us[index]),
            int(nan[index]),
            int(infinite[index]),
        )
        for index in order
    ]


def _differences(code: Int64Array, values: Float64Array, size: int) -> Float64Array:
    """Give the spread between runs over the spread within them.

    Between runs: how far their averages, their last values, and the ends of their envelopes are
    apart, whichever is most. Within: the root of the mean of their variances. Runs that are each
    constant and differ have no noise at all: their score is infinite.
    """
    apart = np.zeros(size)
    for column in range(4):
        known = np.isfinite(values[:, column])
        low, high = np.full(size, np.inf), np.full(size, -np.inf)
        np.minimum.at(low, code[known], values[known, column])
        np.maximum.at(high, code[known], values[known, column])
        with np.errstate(over="ignore", invalid="ignore"):
            spread = np.where(high > low, high - low, 0.0)
        apart = np.maximum(apart, spread)
    known = np.isfinite(values[:, 4])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        squares = np.bincount(code[known], values[known, 4] ** 2, size)
        noise = np.sqrt(squares / np.maximum(np.bincount(code[known], minlength=size), 1))
        score = np.where(apart > 0, apart / noise, 0.0)
    result: Float64Array = np.nan_to_num(score, nan=0.0, posinf=np.inf)
    return result


def _spikes(code: Int64Array, values: Float64Array, size: int) -> Float64Array:
    """Give how many standard deviations the farthest point of any run is from its average."""
    low, high, _, average, deviation = values.T
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        farthest = np.maximum(high - average, average - low) / deviation
    known = np.isfinite(farthest)
    score = np.zeros(size)
    np.maximum.at(score, code[known], farthest[known])
    return score
