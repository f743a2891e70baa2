"""Search and suggestions: the operations' handlers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from stepwell.catalog import components, experiments, tags, trials
from stepwell.catalog.entities import Work
from stepwell.catalog.paging import Paging
from stepwell.catalog.search.expressions import Expression, Filter, NestedFilters, Operator
from stepwell.catalog.search.searching import search, uses_metrics
from stepwell.catalog.search.suggestions import suggest
from stepwell.model.experiments import Author, Kind, TrialComponent
from stepwell.server.control.documents import (
    component_document,
    experiment_document,
    tag_documents,
    trial_document,
)
from stepwell.server.control.listing import PAGE_ROWS, place_of, token_of
from stepwell.server.control.service import Control, Handler

_Members = dict[str, Any]
#: Of the other resources of the API this service has none: searches for them find nothing.
_KINDS = {
    "Experiment": Kind.EXPERIMENT,
    "ExperimentTrial": Kind.TRIAL,
    "ExperimentTrialComponent": Kind.COMPONENT,
}


def _search(control: Control, author: Author, members: _Members) -> _Members:
    kind = _KINDS.get(members["Resource"])
    place = place_of(control, author, "Search", members)
    if kind is None:
        return {"Results": [], "TotalHits": {"Value": 0, "Relation": "EqualTo"}}
    expression = _expression(members.get("SearchExpression", {}))
    sort_by = members.get("SortBy", "LastModifiedTime")
    paging = Paging(
        members.get("MaxResults", PAGE_ROWS),
        place,
        members.get("SortOrder", "Descending") == "Descending",
    )
    if uses_metrics(expression, sort_by):
        control.components.refresh_summaries()
    with control.reading(author) as work:
        page, hits, is_exact = search(work, kind, expression, sort_by, paging)
        results = _results(control, work, kind, page.rows)
    return {
        "Results": results,
        "NextToken": token_of(control, author, "Search", members, page.end),
        "TotalHits": {
            "Value": hits,
            "Relation": "EqualTo" if is_exact else "GreaterThanOrEqualTo",
        },
    }


def _suggest(control: Control, author: Author, members: _Members) -> _Members:
    kind = _KINDS.get(members["Resource"])
    query = members.get("SuggestionQuery", {}).get("PropertyNameQuery", {})
    names: list[str] = []
    if kind is not None:
        if kind is Kind.COMPONENT:
            control.components.refresh_summaries()
        with control.reading(author) as work:
            names = suggest(work, kind, query.get("PropertyNameHint", ""))
    return {"PropertyNameSuggestions": [{"PropertyName": name} for name in names]}


def _results(
    control: Control, work: Work, kind: Kind, rows: Sequence[sa.Row[Any]]
) -> list[_Members]:
    tagged = tags.of_entities(work.connection, kind, [row.id for row in rows])
    if kind is Kind.EXPERIMENT:
        return [
            {
                "Experiment": {
                    **experiment_document(work.author, experiments.read(row)),
                    **_tags(tagged, row),
                }
            }
            for row in rows
        ]
    if kind is Kind.TRIAL:
        return [
            {"Trial": {**trial_document(work.author, trials.read(row)), **_tags(tagged, row)}}
            for row in rows
        ]
    found = components.with_maps(work.connection, [components.read(row) for row in rows])
    return _component_results(control, work, found, tagged)


def _component_results(
    control: Control, work: Work, found: list[TrialComponent], tagged: dict[int, Any]
) -> list[_Members]:
    author = work.author
    parents = components.parents_of(work.connection, [each.id for each in found])
    metrics = control.components.summaries(author.account, [each.name for each in found])
    return [
        {
            "TrialComponent": {
                **component_document(author, each, summaries),
                "Tags": tag_documents(tagged.get(each.id, [])),
                "Parents": [
                    {"TrialName": parent.trial_name, "ExperimentName": parent.experiment_name}
                    for parent in parents.get(each.id, ())
                ],
            }
        }
        for each, summaries in zip(found, metrics, strict=True)
    ]


def _tags(tagged: dict[int, Any], row: sa.Row[Any]) -> _Members:
    return {"Tags": tag_documents(tagged.get(row.id, []))}


def _expression(members: _Members) -> Expression:
    return Expression(
        tuple(map(_filter, members.get("Filters", ()))),
        tuple(
            NestedFilters(each["NestedPropertyName"], tuple(map(_filter, each["Filters"])))
            for each in members.get("NestedFilters", ())
        ),
        tuple(map(_expression, members.get("SubExpressions", ()))),
        members.get("Operator") == "Or",
    )


def _filter(members: _Members) -> Filter:
    return Filter(
        members["Name"], Operator(members.get("Operator", "Equals")), members.get("Value")
    )


HANDLERS: dict[str, Handler] = {"Search": _search, "GetSearchSuggestions": _suggest}
