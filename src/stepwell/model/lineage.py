"""Artifacts, actions, contexts, and the edges between them and other entities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from stepwell.model.experiments import Kind, Stamp


@dataclass(frozen=True, slots=True)
class LineageEntity:
    """An artifact, an action or a context.

    Attributes:
        kind: which of them.
        identity: what stands in its ARN: an artifact's hash, the others' name.
        name: its name; an artifact may have none.
        type: what its user calls it, such as `Model` or `DataSet`.
        source: the source's members but the URI, as they were given.
    """

    id: int
    kind: Kind
    identity: str
    name: str | None
    type: str
    source_uri: str
    source: Mapping[str, Any]
    description: str | None
    status: str | None
    properties: Mapping[str, str]
    metadata: Mapping[str, str]
    stamp: Stamp


class Node(NamedTuple):
    """An end of an edge, by number."""

    kind: Kind
    id: int


@dataclass(frozen=True, slots=True)
class Vertex:
    """An end of an edge as it is shown."""

    node: Node
    identity: str
    name: str | None
    type: str


@dataclass(frozen=True, slots=True)
class Association:
    """An edge."""

    source: Vertex
    destination: Vertex
    type: str | None
    created_us: int
    created_by: str


@dataclass(frozen=True, slots=True)
class LineageFilters:
    """Which vertices a lineage query shows; None or empty: all. Times are half-open ranges."""

    types: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    created_after_us: int | None = None
    created_before_us: int | None = None
    modified_after_us: int | None = None
    modified_before_us: int | None = None
    properties: Mapping[str, str] | None = None
