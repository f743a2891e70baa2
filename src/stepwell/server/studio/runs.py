"""Runs and experiments: lists, and what is known of one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from stepwell.catalog import components, experiments, notes, runs, tags
from stepwell.catalog.entities import Listing, Work
from stepwell.catalog.notes import Note
from stepwell.catalog.paging import Paging, Place
from stepwell.catalog.search.searching import search, uses_metrics
from stepwell.model.experiments import Kind, TrialComponent
from stepwell.model.names import fold
from stepwell.model.summaries import MetricSummary
from stepwell.server.studio.answers import (
    ExperimentDocument,
    ExperimentsDocument,
    MetricSummaryDocument,
    NoteDocument,
    RunDetailDocument,
    RunDocument,
    RunsDocument,
    number,
)
from stepwell.server.studio.requests import ExperimentsRequest, RunsRequest, decode_query
from stepwell.server.studio.service import Answer, Asked, Endpoint, Studio, answer


def _experiments(studio: Studio, asked: Asked) -> Answer:
    request = decode_query(asked.query, ExperimentsRequest)
    scope = _scope(asked, "ListExperiments", {})
    paging = Paging(request.limit, _place(studio, request.cursor, scope))
    with studio.control.reading(asked.author) as work:
        page = experiments.list_page(work, Listing("created_us", paging))
        counts = runs.count_by_experiment(work.connection, [each.id for each in page.entities])
    return answer(
        ExperimentsDocument(
            [
                ExperimentDocument(
                    each.name,
                    each.display_name,
                    each.stamp.created_us / 1000,
                    counts.get(each.id, 0),
                )
                for each in page.entities
            ],
            _cursor(studio, page.end, scope),
        )
    )


def _runs(studio: Studio, asked: Asked) -> Answer:
    request = decode_query(asked.query, RunsRequest)
    expression, sort_by = (
        runs.expression_of(request.experiment, request.text, request.status),
        runs.property_of(request.sort),
    )
    asked_for = {
        name: getattr(request, name) for name in ("experiment", "text", "status", "sort", "order")
    }
    scope = _scope(asked, "ListRuns", asked_for)
    paging = Paging(
        request.limit, _place(studio, request.cursor, scope), is_descending=request.order == "desc"
    )
    if uses_metrics(expression, sort_by):
        studio.control.components.refresh_summaries()
    with studio.control.reading(asked.author) as work:
        page, hits, is_exact = search(work, Kind.COMPONENT, expression, sort_by, paging)
        found = documents_of(studio, asked, work, page.rows)
    return answer(RunsDocument(found, _cursor(studio, page.end, scope), hits, is_exact))


def _run(studio: Studio, asked: Asked) -> Answer:
    return answer(detail_of(studio, asked, asked.path["name"]))


def detail_of(studio: Studio, asked: Asked, name: str) -> RunDetailDocument:
    """Describe one run.

    Raises:
        NotFoundError: there is none of that name.
    """
    with studio.control.reading(asked.author) as work:
        found = components.find(work, name)
        (document,) = _documents(studio, asked, work, [found])
        noted = notes.of_component(work.connection, found.id)
    (metrics,) = studio.control.components.summaries(asked.identity.account, [found.name])
    return RunDetailDocument(
        **{name: getattr(document, name) for name in document.__struct_fields__},
        metric_summaries=[_summary(each) for each in metrics],
        notes=[note_document(each) for each in noted],
    )


def note_document(note: Note) -> NoteDocument:
    """Describe a note."""
    return NoteDocument(
        str(note.id), note.metric, note.step, note.text, note.created_us / 1000, note.created_by
    )


def documents_of(
    studio: Studio, asked: Asked, work: Work, rows: Sequence[sa.Row[Any]]
) -> list[RunDocument]:
    """Describe runs, of their rows."""
    return _documents(studio, asked, work, [components.read(row) for row in rows])


def _documents(
    studio: Studio, asked: Asked, work: Work, found: Sequence[TrialComponent]
) -> list[RunDocument]:
    found = components.with_maps(work.connection, found)
    numbers = [each.id for each in found]
    tagged = tags.of_entities(work.connection, Kind.COMPONENT, numbers)
    parents = components.parents_of(work.connection, numbers)
    overviews = studio.store.overviews([asked.component(each.name) for each in found])
    return [
        RunDocument(
            ordinal=each.id,
            # As the store and the live feed name it; how it was written shows in the other one.
            name=fold(each.name),
            display_name=each.display_name,
            experiments=_once(parent.experiment_name for parent in parents.get(each.id, ())),
            trials=_once(parent.trial_name for parent in parents.get(each.id, ())),
            status=each.status,
            status_message=each.status_message,
            created_ms=each.stamp.created_us / 1000,
            modified_ms=each.stamp.modified_us / 1000,
            start_ms=_ms(each.start_us),
            end_ms=_ms(each.end_us),
            first_point_ms=None if overview is None else overview.first_us / 1000,
            last_point_ms=None if overview is None else overview.last_us / 1000,
            points=0 if overview is None else overview.points,
            metrics=0 if overview is None else overview.metrics,
            nan=0 if overview is None else overview.nan,
            inf=0 if overview is None else overview.infinite,
            parameters={
                name: value if isinstance(value, str) else number(value)
                for name, value in each.parameters.items()
            },
            tags={tag.key: tag.value for tag in tagged.get(each.id, ())},
        )
        for each, overview in zip(found, overviews, strict=True)
    ]


def _summary(summary: MetricSummary) -> MetricSummaryDocument:
    return MetricSummaryDocument(
        summary.metric,
        summary.count,
        number(summary.min),
        number(summary.max),
        number(summary.last),
        number(summary.avg),
        number(summary.std_dev),
        summary.timestamp_us / 1000,
    )


def _once(names: Any) -> list[str]:
    return list(dict.fromkeys(names))


def _ms(time_us: int | None) -> float | None:
    return None if time_us is None else time_us / 1000


def _scope(asked: Asked, operation: str, members: dict[str, Any]) -> bytes:
    """Give what a cursor is bound to: the listing and all that it was asked with."""
    return orjson.dumps(
        ["studio", operation, asked.identity.account, members], option=orjson.OPT_SORT_KEYS
    )


def _place(studio: Studio, cursor: str | None, scope: bytes) -> Place | None:
    return studio.control.tokens.decode(cursor, scope) if cursor else None


def _cursor(studio: Studio, end: Place | None, scope: bytes) -> str | None:
    return None if end is None else studio.control.tokens.encode(end, scope)


ENDPOINTS = [
    Endpoint(
        "GET",
        "experiments",
        "ListExperiments",
        "List the experiments, the newest first.",
        _experiments,
        ExperimentsRequest,
        ExperimentsDocument,
    ),
    Endpoint(
        "GET",
        "runs",
        "ListRuns",
        "List runs: filtered, sorted, a page at a time.",
        _runs,
        RunsRequest,
        RunsDocument,
    ),
    Endpoint(
        "GET",
        "runs/{name}",
        "GetRun",
        "Describe a run, with the summaries of all its metrics and its notes.",
        _run,
        None,
        RunDetailDocument,
    ),
]
