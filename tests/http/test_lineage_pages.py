"""QueryLineage over HTTP: which edges come with which vertices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Server

#: a > b > c > d, a > c, and d > a: whatever a page ends after, edges go both ways across it.
PAIRS = ["ab", "bc", "cd", "ac", "da"]
_numbers = itertools.count()


class Graph:
    """Artifacts called by one letter each, and what is asked of them."""

    def __init__(self, server: Server) -> None:
        """Make the artifacts and their edges; a and c are models, the others are data."""
        self._server = server
        number = next(_numbers)
        self.arns: dict[str, str] = {}
        for word in "abcd":
            made = self._ask(
                "CreateArtifact",
                Source={"SourceUri": f"s3://lineage-pages-{number}/{word}"},
                ArtifactType="Model" if word in "ac" else "DataSet",
            )
            self.arns[word] = made["ArtifactArn"]
        for source, destination in PAIRS:
            ends = {"SourceArn": self.arns[source], "DestinationArn": self.arns[destination]}
            self._ask("AddAssociation", **ends)

    def pages(self, **members: Any) -> Iterator[tuple[list[str], list[str]]]:
        """Query from a, page by page; give vertices, and edges as two letters."""
        words = {arn: word for word, arn in self.arns.items()}
        token: dict[str, str] = {}
        while True:
            page = self._ask("QueryLineage", StartArns=[self.arns["a"]], **members, **token)
            yield (
                [words[each["Arn"]] for each in page["Vertices"]],
                [
                    words[each["SourceArn"]] + words[each["DestinationArn"]]
                    for each in page["Edges"]
                ],
            )
            if "NextToken" not in page:
                return
            token = {"NextToken": page["NextToken"]}

    def _ask(self, operation: str, **members: Any) -> Any:
        reply = self._server.control(operation, members)
        assert reply.status == 200, reply
        return reply.json()


@pytest.fixture
def graph(server: Server) -> Graph:
    """Give a graph of its own."""
    return Graph(server)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 50])
def test_every_edge_comes_once(graph: Graph, size: int) -> None:
    """All pages together have each edge once, and never before both of its ends were shown."""
    seen: set[str] = set()
    found: list[str] = []
    for vertices, edges in graph.pages(MaxResults=size):
        seen.update(vertices)
        for edge in edges:
            assert set(edge) <= seen
            assert set(edge) & set(vertices)
        found += edges
    assert sorted(found) == sorted(PAIRS)


@pytest.mark.parametrize("size", [1, 50])
def test_edges_are_between_what_is_shown(graph: Graph, size: int) -> None:
    """An edge to what the filters hold back is not shown."""
    pages = [*graph.pages(MaxResults=size, Filters={"Types": ["Model"]})]
    assert [*itertools.chain.from_iterable(vertices for vertices, _ in pages)] == ["a", "c"]
    assert [*itertools.chain.from_iterable(edges for _, edges in pages)] == ["ac"]


def test_no_vertices_have_no_edges(graph: Graph) -> None:
    """Where the filters let nothing through, there are no edges."""
    assert [*graph.pages(Filters={"Types": ["Nothing"]})] == [([], [])]
