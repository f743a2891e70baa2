"""Edges between entities. Every function works within the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stepwell.catalog.entities import Listed, Listing, Work, word
from stepwell.catalog.lineage.nodes import TYPES, vertices
from stepwell.catalog.paging import fetch_page
from stepwell.catalog.tables import association, component, experiment, lineage_entity
from stepwell.model.errors import (
    AlreadyExistsError,
    ConstraintError,
    LimitExceededError,
    NotFoundError,
)
from stepwell.model.experiments import Kind
from stepwell.model.lineage import Association, Node


@dataclass(frozen=True, slots=True)
class Ends:
    """Which edges are asked for; None: any."""

    source: Node | None = None
    destination: Node | None = None
    source_type: str | None = None
    destination_type: str | None = None
    type: str | None = None


def add(work: Work, source: Node, destination: Node, type_: str | None) -> None:
    """Add an edge.

    Raises:
        AlreadyExistsError: the two are associated.
        ConstraintError: they are one and the same.
        LimitExceededError: the account has all the edges that it may have.
    """
    if source == destination:
        msg = "An entity cannot be associated with itself"
        raise ConstraintError(msg)
    if work.connection.scalar(sa.select(association.c.id).where(_between(source, destination))):
        msg = f"The association of {word(source.kind)} and {word(destination.kind)} already exists."
        raise AlreadyExistsError(msg)
    limit = work.limits.associations_per_account
    if limit is not None:
        used = work.connection.scalar(
            sa.select(sa.func.count()).where(association.c.account == work.author.account)
        )
        if (used or 0) >= limit:
            msg = (
                f"The account-level service limit 'Total number of associations' is {limit}, with"
                f" current utilization of {used} and a request delta of 1."
            )
            raise LimitExceededError(msg)
    work.connection.execute(
        sa.insert(association).values(
            account=work.author.account,
            source_kind=source.kind.value,
            source_id=source.id,
            destination_kind=destination.kind.value,
            destination_id=destination.id,
            type=type_,
            created_us=work.now_us,
            created_by=work.author.key_id,
        )
    )


def delete(work: Work, source: Node, destination: Node) -> None:
    """Delete an edge.

    Raises:
        NotFoundError: the two are not associated.
    """
    deleted = work.connection.execute(sa.delete(association).where(_between(source, destination)))
    if deleted.rowcount == 0:
        msg = f"Association of {word(source.kind)} and {word(destination.kind)} does not exist."
        raise NotFoundError(msg)


def list_page(work: Work, listing: Listing, ends: Ends) -> Listed[Association]:
    """List a page of edges, sorted by time or by an end's ARN or type."""
    edge = association.c
    source, destination = _End("source"), _End("destination")
    query = sa.select(association).where(edge.account == work.author.account)
    is_typed = ends.source_type is not None or ends.destination_type is not None
    if is_typed or listing.sort_by != "created_us":
        query = destination.joined(source.joined(query))
    for end, node, type_ in (
        (source, ends.source, ends.source_type),
        (destination, ends.destination, ends.destination_type),
    ):
        if node is not None:
            query = query.where(end.kind == node.kind.value, end.number == node.id)
        if type_ is not None:
            query = query.where(end.type == type_)
    if ends.type is not None:
        query = query.where(edge.type == ends.type)
    if listing.created_after_us is not None:
        query = query.where(edge.created_us >= listing.created_after_us)
    if listing.created_before_us is not None:
        query = query.where(edge.created_us < listing.created_before_us)
    by = {
        "source_arn": source.arn,
        "destination_arn": destination.arn,
        "source_type": source.type,
        "destination_type": destination.type,
        "created_us": edge.created_us,
    }[listing.sort_by]
    page = fetch_page(work.connection, query, by, edge.id, listing.paging)
    return Listed(_shown(work.connection, page.rows), page.end)


class _End:
    """One end of the edges in a query, with the tables that it may be in."""

    def __init__(self, side: str) -> None:
        self.kind = association.c[f"{side}_kind"]
        self.number = association.c[f"{side}_id"]
        self._experiment = experiment.alias(f"{side}_experiment")
        self._component = component.alias(f"{side}_component")
        self._entity = lineage_entity.alias(f"{side}_entity")
        entity = self._entity.c
        name = sa.func.coalesce(
            self._experiment.c.name,
            self._component.c.name,
            sa.case((self.kind == Kind.ARTIFACT.value, entity.identity), else_=entity.name),
        )
        self.arn = self.kind + "/" + name
        self.type = sa.func.coalesce(
            entity.type,
            sa.case(
                (self.kind == Kind.EXPERIMENT.value, TYPES[Kind.EXPERIMENT]),
                else_=TYPES[Kind.COMPONENT],
            ),
        )

    def joined(self, query: sa.Select[Any]) -> sa.Select[Any]:
        own = (Kind.EXPERIMENT.value, Kind.COMPONENT.value)
        for table, is_kind in (
            (self._experiment, self.kind == own[0]),
            (self._component, self.kind == own[1]),
            (self._entity, self.kind.not_in(own)),
        ):
            query = query.outerjoin(table, sa.and_(is_kind, table.c.id == self.number))
        return query


def _shown(connection: sa.Connection, rows: Any) -> list[Association]:
    ends = [
        (
            Node(Kind(row.source_kind), row.source_id),
            Node(Kind(row.destination_kind), row.destination_id),
        )
        for row in rows
    ]
    shown = vertices(connection, {node for pair in ends for node in pair})
    return [
        Association(shown[source], shown[destination], row.type, row.created_us, row.created_by)
        for (source, destination), row in zip(ends, rows, strict=True)
    ]


def _between(source: Node, destination: Node) -> sa.ColumnElement[bool]:
    edge = association.c
    return sa.and_(
        edge.source_kind == source.kind.value,
        edge.source_id == source.id,
        edge.destination_kind == destination.kind.value,
        edge.destination_id == destination.id,
    )
