"""QueryLineage: from one entity along the edges, a level at a time, one query a level and kind."""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from stepwell.catalog.entities import Work
from stepwell.catalog.lineage.nodes import rows_of
from stepwell.catalog.paging import Paging, Place
from stepwell.catalog.tables import association, lineage_entity
from stepwell.model.errors import ConstraintError
from stepwell.model.experiments import Kind
from stepwell.model.lineage import LineageFilters, Node, Vertex

#: Entities that one query walks over at most.
NODES_MAX = 10_000
_NUMBERS_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Walk:
    """From where, in which direction, how far."""

    start: Node | None
    is_up: bool
    is_down: bool
    depth_max: int


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge that was walked along."""

    source: Node
    destination: Node
    type: str | None

    @property
    def ends(self) -> tuple[Node, Node]:
        """Give both ends."""
        return self.source, self.destination


@dataclass(frozen=True, slots=True)
class Found:
    """A page of vertices, the edges that come with it, and how their ends are shown.

    Only edges between two vertices that the filters let through. Each comes on one page: the one
    of that end which comes later.
    """

    vertices: list[Vertex]
    edges: list[Edge]
    shown: dict[Node, Vertex]
    end: Place | None


def query(work: Work, walk: Walk, filters: LineageFilters, paging: Paging) -> Found:
    """Walk, then show a page of what the filters let through; the start is one of them.

    Raises:
        ConstraintError: the walk is over too many entities.
    """
    edges: list[Edge] = []
    if walk.start is None:
        nodes = _all(work)
    else:
        nodes, edges = _walk(work.connection, walk, walk.start)
    rows = {Node(Kind(row.kind), row.id): row for row in rows_of(work.connection, nodes)}
    shown = {node: Vertex(node, row.identity, row.name, row.type) for node, row in rows.items()}
    # By kind and number, so that a page goes on where the last one ended whatever comes meanwhile.
    fitting = sorted(node for node, row in rows.items() if _fits(node, row, filters))
    start = 0
    if paging.after is not None:
        after = (str(paging.after.value), paging.after.id)
        start = bisect.bisect_right(fitting, after)
    stop = start + paging.limit
    page, so_far = set(fitting[start:stop]), set(fitting[:stop])
    kept = [each for each in edges if so_far.issuperset(each.ends) and page.intersection(each.ends)]
    end = None
    if len(fitting) > stop:
        last = fitting[stop - 1]
        end = Place(last.kind.value, last.id)
    return Found([shown[node] for node in fitting[start:stop]], kept, shown, end)


def _walk(connection: sa.Connection, walk: Walk, start: Node) -> tuple[set[Node], list[Edge]]:
    """Go up and down from the start, not down again from what lies above it."""
    seen: set[Node] = {start}
    edges: dict[tuple[Node, Node], Edge] = {}
    for is_down, is_wanted in ((False, walk.is_up), (True, walk.is_down)):
        if not is_wanted:
            continue
        reached, frontier = {start}, {start}
        for _ in range(walk.depth_max):
            found = _edges_of(connection, frontier, is_down=is_down)
            edges.update({(each.source, each.destination): each for each in found})
            frontier = {each.destination if is_down else each.source for each in found} - reached
            reached |= frontier
            if len(reached) > NODES_MAX:
                msg = f"The lineage has more than {NODES_MAX:,} entities; use a smaller MaxDepth"
                raise ConstraintError(msg)
            if not frontier:
                break
        seen |= reached
    return seen, list(edges.values())


def _edges_of(connection: sa.Connection, frontier: Iterable[Node], *, is_down: bool) -> list[Edge]:
    side = "source" if is_down else "destination"
    kind, number = association.c[f"{side}_kind"], association.c[f"{side}_id"]
    by_kind: dict[Kind, list[int]] = {}
    for node in frontier:
        by_kind.setdefault(node.kind, []).append(node.id)
    found = []
    for each, numbers in by_kind.items():
        for first in range(0, len(numbers), _NUMBERS_AT_ONCE):
            some = numbers[first : first + _NUMBERS_AT_ONCE]
            rows = connection.execute(
                sa.select(association)
                .where(kind == each.value, number.in_(some))
                .order_by(association.c.id)
            )
            found += [
                Edge(
                    Node(Kind(row.source_kind), row.source_id),
                    Node(Kind(row.destination_kind), row.destination_id),
                    row.type,
                )
                for row in rows
            ]
    return found


def _all(work: Work) -> set[Node]:
    """Give every artifact, action and context of the account: where no start is named."""
    rows = work.connection.execute(
        sa.select(lineage_entity.c.kind, lineage_entity.c.id)
        .where(lineage_entity.c.account == work.author.account)
        .limit(NODES_MAX + 1)
    ).all()
    if len(rows) > NODES_MAX:
        msg = f"The account has more than {NODES_MAX:,} lineage entities; name one in StartArns"
        raise ConstraintError(msg)
    return {Node(Kind(row.kind), row.id) for row in rows}


def _fits(node: Node, row: sa.Row[Any], filters: LineageFilters) -> bool:
    if filters.types and row.type not in filters.types:
        return False
    if filters.kinds and node.kind not in filters.kinds:
        return False
    for time_us, after, before in (
        (row.created_us, filters.created_after_us, filters.created_before_us),
        (row.modified_us, filters.modified_after_us, filters.modified_before_us),
    ):
        if (after is not None and time_us < after) or (before is not None and time_us >= before):
            return False
    own = row.properties or {}
    return all(own.get(name) == value for name, value in (filters.properties or {}).items())
