"""Edges between entities, and walks along them: the operations' handlers."""

from __future__ import annotations

from typing import Any

from stepwell.catalog.lineage import associations, traversal
from stepwell.catalog.lineage.associations import Ends
from stepwell.catalog.lineage.traversal import Walk
from stepwell.catalog.paging import Paging
from stepwell.model.experiments import Author, Kind
from stepwell.model.lineage import LineageFilters, Vertex
from stepwell.server.control.arns import find_entity
from stepwell.server.control.documents import seconds, user_document
from stepwell.server.control.listing import listing_of, place_of, token_of
from stepwell.server.control.service import Control, Handler

_Members = dict[str, Any]
_SORTED_BY = {
    "SourceArn": "source_arn",
    "DestinationArn": "destination_arn",
    "SourceType": "source_type",
    "DestinationType": "destination_type",
    "CreationTime": "created_us",
}
_LINEAGE_TYPES = {
    "TrialComponent": Kind.COMPONENT,
    "Artifact": Kind.ARTIFACT,
    "Context": Kind.CONTEXT,
    "Action": Kind.ACTION,
}
_LINEAGE_TYPE_OF = {kind: name for name, kind in _LINEAGE_TYPES.items()}
_VERTICES_MAX = 50
_DEPTH_MAX = 10


def _add(control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        source = find_entity(work, members["SourceArn"])
        destination = find_entity(work, members["DestinationArn"])
        associations.add(work, source, destination, members.get("AssociationType"))
    return {name: members[name] for name in ("SourceArn", "DestinationArn")}


def _delete(control: Control, author: Author, members: _Members) -> _Members:
    with control.writing(author) as work:
        source = find_entity(work, members["SourceArn"])
        associations.delete(work, source, find_entity(work, members["DestinationArn"]))
    return {name: members[name] for name in ("SourceArn", "DestinationArn")}


def _list(control: Control, author: Author, members: _Members) -> _Members:
    listing = listing_of(control, author, "ListAssociations", members, _SORTED_BY)
    with control.reading(author) as work:
        ends = Ends(
            find_entity(work, members["SourceArn"]) if "SourceArn" in members else None,
            find_entity(work, members["DestinationArn"]) if "DestinationArn" in members else None,
            members.get("SourceType"),
            members.get("DestinationType"),
            members.get("AssociationType"),
        )
        found = associations.list_page(work, listing, ends)
    return {
        "AssociationSummaries": [
            {
                "SourceArn": _arn(author, each.source),
                "SourceName": each.source.name,
                "SourceType": each.source.type,
                "DestinationArn": _arn(author, each.destination),
                "DestinationName": each.destination.name,
                "DestinationType": each.destination.type,
                "AssociationType": each.type,
                "CreationTime": seconds(each.created_us),
                "CreatedBy": user_document(author, each.created_by),
            }
            for each in found.entities
        ],
        "NextToken": token_of(control, author, "ListAssociations", members, found.end),
    }


def _query(control: Control, author: Author, members: _Members) -> _Members:
    direction = members.get("Direction", "Both")
    paging = Paging(
        max(1, members.get("MaxResults", _VERTICES_MAX)),
        place_of(control, author, "QueryLineage", members),
    )
    with control.reading(author) as work:
        starts = [find_entity(work, arn) for arn in members.get("StartArns", ())]
        walk = Walk(
            starts[0] if starts else None,
            direction in {"Both", "Ascendants"},
            direction in {"Both", "Descendants"},
            max(0, members.get("MaxDepth", _DEPTH_MAX)),
        )
        found = traversal.query(work, walk, _filters(members.get("Filters", {})), paging)
    edges = found.edges if members.get("IncludeEdges", True) else []
    return {
        "Vertices": [
            {
                "Arn": _arn(author, each),
                "Type": each.type,
                "LineageType": _LINEAGE_TYPE_OF.get(each.node.kind),
            }
            for each in found.vertices
        ],
        "Edges": [
            {
                "SourceArn": _arn(author, found.shown[edge.source]),
                "DestinationArn": _arn(author, found.shown[edge.destination]),
                "AssociationType": edge.type,
            }
            for edge in edges
        ],
        "NextToken": token_of(control, author, "QueryLineage", members, found.end),
    }


def _filters(members: _Members) -> LineageFilters:
    return LineageFilters(
        frozenset(members.get("Types", ())),
        frozenset(_LINEAGE_TYPES[name] for name in members.get("LineageTypes", ())),
        members.get("CreatedAfter"),
        members.get("CreatedBefore"),
        members.get("ModifiedAfter"),
        members.get("ModifiedBefore"),
        members.get("Properties"),
    )


def _arn(author: Author, vertex: Vertex) -> str:
    return author.arn(vertex.node.kind, vertex.identity)


HANDLERS: dict[str, Handler] = {
    "AddAssociation": _add,
    "DeleteAssociation": _delete,
    "ListAssociations": _list,
    "QueryLineage": _query,
}
