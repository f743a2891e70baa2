"""Tables over many runs: the summaries of some metrics, and which metrics are worth a look."""

from __future__ import annotations

import math

from stepwell.model.errors import QueryError, StoreError, ValidationError
from stepwell.model.summaries import MetricSummary
from stepwell.query.ranking import RankBy, rank
from stepwell.query.targets import Reached, first_beyond
from stepwell.server.studio.answers import (
    ColumnDocument,
    RankDocument,
    RankedDocument,
    SummariesDocument,
    TargetDocument,
    TargetsDocument,
    number,
)
from stepwell.server.studio.requests import (
    RankRequest,
    SummariesRequest,
    TargetsRequest,
    decode,
)
from stepwell.server.studio.service import Answer, Asked, Endpoint, Studio, answer
from stepwell.store.protocol import SeriesKey

#: Runs that are summarised at a time: others get a turn in between.
_RUNS_AT_ONCE = 20


def _rank(studio: Studio, asked: Asked) -> Answer:
    request = decode(asked.body, RankRequest)
    tables = studio.tables.of([asked.component(run) for run in dict.fromkeys(request.runs)])
    found = rank(tables, RankBy(request.by), request.metrics)
    return answer(
        RankDocument(
            [
                RankedDocument(
                    each.metric, number(each.score), each.last_us / 1000, each.nan, each.infinite
                )
                for each in found
            ]
        )
    )


def _summaries(studio: Studio, asked: Asked) -> Answer:
    request = decode(asked.body, SummariesRequest)
    metrics = list(dict.fromkeys(request.metrics))
    columns = {name: ColumnDocument([], [], [], []) for name in metrics}
    for first in range(0, len(request.runs), _RUNS_AT_ONCE):
        some = request.runs[first : first + _RUNS_AT_ONCE]
        answers = studio.store.summaries([asked.component(run) for run in some], metrics)
        for summaries in answers:
            if isinstance(summaries, StoreError):
                raise summaries
            found: dict[str, MetricSummary] = {each.metric: each for each in summaries}
            for name, column in columns.items():
                each = found.get(name)
                column.last.append(None if each is None else number(each.last))
                column.min.append(None if each is None else number(each.min))
                column.max.append(None if each is None else number(each.max))
                column.count.append(0 if each is None else each.count)
    return answer(SummariesDocument(columns))


def _targets(studio: Studio, asked: Asked) -> Answer:
    request = decode(asked.body, TargetsRequest)
    bounds = [each for each in (request.below, request.above) if each is not None]
    if len(bounds) != 1 or not math.isfinite(bounds[0]):
        problem = "Value at 'below' or at 'above' must be a finite number, and the other one null"
        raise ValidationError([problem])
    components = [asked.component(run) for run in request.runs]
    overviews = studio.store.overviews(components)
    found: list[TargetDocument | None] = []
    for component, overview in zip(components, overviews, strict=True):
        if overview is None:
            found.append(None)
            continue
        with studio.store.view([SeriesKey(component, request.metric)]) as view:
            (outline,) = view.outlines
            if isinstance(outline, QueryError):
                found.append(None)
                continue
            if isinstance(outline, StoreError):
                raise outline
            is_below = request.below is not None
            reached = first_beyond(view, outline, bounds[0], is_below=is_below)
        found.append(None if reached is None else _target(reached, overview.first_us))
    return answer(TargetsDocument(found))


def _target(reached: Reached, first_us: int) -> TargetDocument:
    time_us = reached.timestamp_us
    return TargetDocument(
        reached.step, time_us / 1000, (time_us - first_us) / 1000, number(reached.value)
    )


ENDPOINTS = [
    Endpoint(
        "POST",
        "runs:targets",
        "QueryTargets",
        "Say when runs first got below, or above, a value of a metric.",
        _targets,
        TargetsRequest,
        TargetsDocument,
    ),
    Endpoint(
        "POST",
        "runs:summaries",
        "QuerySummaries",
        "Give the last, least and greatest values of some metrics of some runs, as columns.",
        _summaries,
        SummariesRequest,
        SummariesDocument,
    ),
    Endpoint(
        "POST",
        "metrics:rank",
        "QueryRank",
        "Rank metrics by how much runs differ, by the latest point, by NaN, or by spikes.",
        _rank,
        RankRequest,
        RankDocument,
    ),
]
