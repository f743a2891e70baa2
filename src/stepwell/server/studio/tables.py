"""Tables over many runs: the summaries of some metrics, and which metrics are worth a look."""

from __future__ import annotations

from stepwell.model.errors import StoreError
from stepwell.model.summaries import MetricSummary
from stepwell.query.ranking import RankBy, rank
from stepwell.server.studio.answers import (
    ColumnDocument,
    RankDocument,
    RankedDocument,
    SummariesDocument,
    number,
)
from stepwell.server.studio.requests import RankRequest, SummariesRequest, decode
from stepwell.server.studio.service import Answer, Asked, Endpoint, Studio, answer

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


ENDPOINTS = [
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
