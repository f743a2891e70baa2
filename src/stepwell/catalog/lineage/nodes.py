"""The ends of edges: entities of any kind, found by ARN and shown by kind and number."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa

from stepwell.catalog import components, experiments, trials
from stepwell.catalog.entities import Work
from stepwell.catalog.lineage import entities
from stepwell.catalog.tables import component, experiment, lineage_entity
from stepwell.model.experiments import Kind
from stepwell.model.lineage import Node, Vertex

#: What entities of the catalog's other tables are, where a type is shown.
TYPES = {Kind.EXPERIMENT: "Experiment", Kind.COMPONENT: "TrialComponent"}
_TABLES = {Kind.EXPERIMENT: experiment, Kind.COMPONENT: component}
_NUMBERS_AT_ONCE = 5000


def find(work: Work, kind: Kind, name: str) -> Node:
    """Find an entity by its kind and what stands in its ARN.

    Raises:
        NotFoundError: there is none.
    """
    if kind is Kind.EXPERIMENT:
        return Node(kind, experiments.get(work, name).id)
    if kind is Kind.TRIAL:
        return Node(kind, trials.get(work, name).id)
    if kind is Kind.COMPONENT:
        return Node(kind, components.find(work, name).id)
    return Node(kind, entities.get(work, kind, name).id)


def vertices(connection: sa.Connection, nodes: Iterable[Node]) -> dict[Node, Vertex]:
    """Look up how nodes are shown. One query for each kind of table and some thousand nodes."""
    found: dict[Node, Vertex] = {}
    for row in rows_of(connection, nodes):
        node = Node(Kind(row.kind), row.id)
        found[node] = Vertex(node, row.identity, row.name, row.type)
    return found


def rows_of(connection: sa.Connection, nodes: Iterable[Node]) -> list[sa.Row[Any]]:
    """Read nodes' rows: kind, id, identity, name, type, times, properties."""
    by_kind: dict[Kind, list[int]] = {}
    for node in nodes:
        by_kind.setdefault(node.kind, []).append(node.id)
    rows: list[sa.Row[Any]] = []
    for kind, numbers in by_kind.items():
        for first in range(0, len(numbers), _NUMBERS_AT_ONCE):
            rows += connection.execute(_select(kind, numbers[first : first + _NUMBERS_AT_ONCE]))
    return rows


def _select(kind: Kind, numbers: Collection[int]) -> sa.Select[Any]:
    table = _TABLES.get(kind)
    if table is None:
        own = lineage_entity.c
        identity = own.identity if kind is Kind.ARTIFACT else own.name
        shown = (own.type.label("type"), own.properties.label("properties"))
        columns, table = own, lineage_entity
    else:
        columns, identity = table.c, table.c.name
        shown = (
            sa.literal(TYPES[kind]).label("type"),
            sa.null().label("properties"),
        )
    return sa.select(
        sa.literal(kind.value).label("kind"),
        columns.id,
        identity.label("identity"),
        columns.name.label("name"),
        *shown,
        columns.created_us,
        columns.modified_us,
    ).where(columns.id.in_(numbers))
