"""Suggests properties to search by: those that always are there, and those that are stored."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from stepwell.catalog.entities import Work
from stepwell.catalog.paging import fetch_few
from stepwell.catalog.search import properties
from stepwell.catalog.search.properties import TABLES
from stepwell.catalog.search.values import contains
from stepwell.catalog.tables import metric_summary, parameter, tag
from stepwell.model.experiments import Kind
from stepwell.model.names import fold_ascii

_SUGGESTIONS_MAX = 100


class _Source(NamedTuple):
    """A table with names of properties: what stands before them, the names, whose they are."""

    prefix: str
    name: sa.Column[str]
    owner: sa.Column[int]
    chosen: sa.ColumnElement[bool]


def suggest(work: Work, kind: Kind, hint: str) -> list[str]:
    """List properties whose names contain a hint, past the case of ASCII; the fixed ones first."""
    hint = fold_ascii(hint)
    found = properties.fixed_names(kind)
    table = TABLES[kind]
    ours = sa.select(table.c.id).where(table.c.account == work.author.account)
    few = fetch_few(work.connection, ours)
    sources = [_Source("Tags.", tag.c.key, tag.c.entity_id, tag.c.entity_kind == kind.value)]
    if kind is Kind.COMPONENT:
        summary = metric_summary.c
        sources += [
            _Source("Parameters.", parameter.c.name, parameter.c.component_id, sa.true()),
            _Source("Metrics.", summary.metric, summary.component_id, sa.true()),
        ]
    for source in sources:
        query = _of_many(source, table, work) if few is None else _of_few(source, few)
        name = query.selected_columns[0]
        rest = hint.removeprefix(source.prefix.lower())
        if rest and not source.prefix.lower().startswith(hint):
            query = query.where(contains(name, rest))
        names = work.connection.scalars(query.order_by(name).limit(_SUGGESTIONS_MAX))
        found += [source.prefix + each for each in names]
    return [name for name in found if hint in fold_ascii(name)][:_SUGGESTIONS_MAX]


def _of_few(source: _Source, few: list[int]) -> sa.Select[str]:
    """Select the names that a few entities have, by the entities."""
    return sa.select(source.name).where(source.owner.in_(few), source.chosen).distinct()


def _of_many(source: _Source, table: sa.Table, work: Work) -> sa.Select[str]:
    """Select the names that an account's entities have, leaping from name to name in the index.

    A name costs one look then, not one for each entity that has it.
    """
    least = sa.func.min(source.name)
    names = sa.select(least.label("name")).cte("names", recursive=True)
    following = sa.select(least).where(source.name > names.c.name).scalar_subquery()
    names = names.union_all(sa.select(following).where(names.c.name.is_not(None)))
    is_ours = (
        sa.select(sa.literal(1))
        .select_from(source.name.table.join(table, table.c.id == source.owner))
        .where(
            source.name == names.c.name,
            source.chosen,
            table.c.account == work.author.account,
        )
        .correlate(names)
        .exists()
    )
    return sa.select(names.c.name).where(names.c.name.is_not(None), is_ours)
