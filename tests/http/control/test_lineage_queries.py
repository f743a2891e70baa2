"""QueryLineage: directions, depth, cycles, filters, pages."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ARN

Refused = Callable[..., str]


class Graph:
    """Artifacts by short names, and what is asked of them."""

    def __init__(self, api: Any, name: str) -> None:
        """Make nothing yet."""
        self.api = api
        self.name = name
        self.arns: dict[str, str] = {}

    def artifact(self, word: str, kind: str = "T", **more: Any) -> str:
        """Make an artifact, once."""
        if word not in self.arns:
            source = {"SourceUri": f"s3://{self.name}/{word}"}
            made = self.api.create_artifact(Source=source, ArtifactType=kind, **more)
            self.arns[word] = made["ArtifactArn"]
        return self.arns[word]

    def edges(self, *pairs: str, kind: str = "ContributedTo") -> None:
        """Make edges, written as `a>b`."""
        for pair in pairs:
            source, destination = pair.split(">")
            self.api.add_association(
                SourceArn=self.artifact(source),
                DestinationArn=self.artifact(destination),
                AssociationType=kind,
            )

    def ask(self, start: str, **members: Any) -> tuple[list[str], list[str]]:
        """Query from a vertex, to the end of all pages; give vertices, and the edges as `a>b`."""
        words = {arn: word for word, arn in self.arns.items()}
        vertices: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = self.api.query_lineage(StartArns=[self.arns[start]], **members, **token)
            assert len(page["Vertices"]) <= members.get("MaxResults", 50)
            assert page.get("NextToken") != ""
            vertices += [words[each["Arn"]] for each in page["Vertices"]]
            edges = [
                f"{words[each['SourceArn']]}>{words[each['DestinationArn']]}"
                for each in page["Edges"]
            ]
            if "NextToken" not in page:
                assert len(set(vertices)) == len(vertices)
                assert len(set(edges)) == len(edges)
                return sorted(vertices), sorted(edges)
            token = {"NextToken": page["NextToken"]}


@pytest.fixture
def graph(api: Any, name: str) -> Graph:
    """Give an empty graph."""
    return Graph(api, name)


@pytest.fixture
def diamond(graph: Graph) -> Graph:
    """Give a > b, c > d > e, with x > d beside, and y below b."""
    graph.edges("a>b", "a>c", "b>d", "c>d", "d>e", "x>d", "b>y")
    return graph


def test_directions(diamond: Graph) -> None:
    """Descendants lie below, ascendants above; both are both, and nobody's siblings."""
    below = (["b", "d", "e", "y"], ["b>d", "b>y", "d>e"])
    above = (["a", "b"], ["a>b"])
    assert diamond.ask("b", Direction="Descendants") == below
    assert diamond.ask("b", Direction="Ascendants") == above
    both = (["a", "b", "d", "e", "y"], ["a>b", "b>d", "b>y", "d>e"])
    assert diamond.ask("b", Direction="Both") == both
    assert diamond.ask("b") == both
    assert diamond.ask("d", Direction="Ascendants") == (
        ["a", "b", "c", "d", "x"],
        ["a>b", "a>c", "b>d", "c>d", "x>d"],
    )
    assert diamond.ask("e", Direction="Descendants") == (["e"], [])


@pytest.mark.parametrize(
    ("depth", "vertices"),
    [
        (0, ["a"]),
        (1, ["a", "b", "c"]),
        (2, ["a", "b", "c", "d", "y"]),
        (10, ["a", "b", "c", "d", "e", "y"]),
    ],
)
def test_depth(diamond: Graph, depth: int, vertices: list[str]) -> None:
    """MaxDepth is how many edges a walk goes along."""
    found, edges = diamond.ask("a", Direction="Descendants", MaxDepth=depth)
    assert found == vertices
    assert all(edge[0] in vertices and edge[2] in vertices for edge in edges)


def test_the_greatest_depth(graph: Graph, refused: Refused) -> None:
    """A chain is walked for ten edges; more are not allowed."""
    words = "abcdefghijklmn"
    graph.edges(*(f"{one}>{two}" for one, two in itertools.pairwise(words)))
    assert graph.ask("a")[0] == [*words[:11]]
    assert graph.ask("n", Direction="Ascendants", MaxDepth=10)[0] == [*words[3:]]
    refused("ValidationException", graph.api.query_lineage, "'maxDepth'", MaxDepth=11)


def test_cycles(graph: Graph) -> None:
    """A walk around a cycle ends, with each vertex and edge once."""
    graph.edges("a>b", "b>c", "c>a", "c>d", "d>c")
    everything = (["a", "b", "c", "d"], ["a>b", "b>c", "c>a", "c>d", "d>c"])
    for direction in ("Descendants", "Ascendants", "Both"):
        assert graph.ask("a", Direction=direction) == everything
        assert graph.ask("a", Direction=direction, MaxResults=1)[0] == everything[0]


def test_edges_may_be_left_out(diamond: Graph) -> None:
    """Without IncludeEdges the vertices come alone."""
    assert diamond.ask("b", IncludeEdges=False) == (["a", "b", "d", "e", "y"], [])
    assert diamond.ask("b", IncludeEdges=True)[1] == ["a>b", "b>d", "b>y", "d>e"]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_pages(diamond: Graph, size: int) -> None:
    """Pages of any size have every vertex once."""
    assert diamond.ask("a", MaxResults=size)[0] == ["a", "b", "c", "d", "e", "y"]


def test_more_than_a_page(graph: Graph, refused: Refused) -> None:
    """A page has at most 50 vertices, which is what it has without more said."""
    for number in range(60):
        graph.edges(f"hub>s{number}")
    page = graph.api.query_lineage(StartArns=[graph.arns["hub"]])
    assert len(page["Vertices"]) == 50
    assert len(graph.ask("hub")[0]) == 61
    assert len(graph.ask("hub", MaxResults=7)[0]) == 61
    refused("ValidationException", graph.api.query_lineage, "'maxResults'", MaxResults=51)


def test_tokens_are_for_one_query(diamond: Graph, refused: Refused) -> None:
    """A token goes on with its own query only."""
    query = diamond.api.query_lineage
    start = [diamond.arns["a"]]
    token = query(StartArns=start, MaxResults=2)["NextToken"]
    for members in (
        {"StartArns": [diamond.arns["b"]]},
        {"StartArns": start, "Direction": "Descendants"},
        {"StartArns": start, "Filters": {"Types": ["T"]}},
    ):
        refused("ValidationException", query, "'nextToken'", NextToken=token, **members)


def test_filters(graph: Graph, name: str) -> None:
    """Filters choose what is shown, by type, kind, property and time; walks go through the rest."""
    api = graph.api
    graph.artifact("data", "DataSet", Properties={"p": "1", "q": "2"})
    graph.artifact("model", "Model", Properties={"p": "1"})
    made = api.create_trial_component(TrialComponentName=name)
    graph.arns["run"] = made["TrialComponentArn"]
    source = {"SourceUri": f"s3://{name}"}
    graph.arns["deploy"] = api.create_action(
        ActionName=name, Source=source, ActionType="Deployment"
    )["ActionArn"]
    graph.arns["endpoint"] = api.create_context(
        ContextName=name, Source=source, ContextType="Endpoint"
    )["ContextArn"]
    graph.edges("data>run", "run>model", "model>deploy", "deploy>endpoint")

    def shown(**filters: Any) -> list[str]:
        return graph.ask("data", Filters=filters)[0]

    everything = ["data", "deploy", "endpoint", "model", "run"]
    assert shown() == everything
    assert shown(Types=["Model", "Endpoint"]) == ["endpoint", "model"]
    assert shown(Types=["TrialComponent"]) == shown(LineageTypes=["TrialComponent"]) == ["run"]
    assert shown(LineageTypes=["Artifact", "Context"]) == ["data", "endpoint", "model"]
    assert shown(LineageTypes=["Action"]) == ["deploy"]
    assert shown(Properties={"p": "1"}) == ["data", "model"]
    assert shown(Properties={"p": "1", "q": "2"}) == ["data"]
    assert shown(Properties={"p": "2"}) == []
    assert shown(LineageTypes=["Artifact"], Types=["Endpoint"]) == []
    created = api.describe_artifact(ArtifactArn=graph.arns["model"])["CreationTime"]
    assert shown(CreatedBefore=created) == ["data"]
    assert shown(CreatedAfter=created) == ["deploy", "endpoint", "model", "run"]
    changed = api.describe_context(ContextName=name)["LastModifiedTime"]
    later = changed + dt.timedelta(microseconds=1)
    api.update_artifact(ArtifactArn=graph.arns["data"], Properties={"r": ""})
    assert shown(ModifiedAfter=later) == ["data"]
    assert shown(ModifiedBefore=later) == ["deploy", "endpoint", "model", "run"]
    # A page is a page of what the filters let through.
    assert graph.ask("data", Filters={"Properties": {"p": "1"}}, MaxResults=1)[0] == [
        "data",
        "model",
    ]


def test_vertices_say_what_they_are(graph: Graph, name: str) -> None:
    """A vertex has its ARN, its own type and its kind; an edge its type."""
    api = graph.api
    graph.artifact("data", "DataSet")
    made = api.create_trial_component(TrialComponentName=name)
    graph.arns["run"] = made["TrialComponentArn"]
    graph.edges("data>run", kind="DerivedFrom")
    page = api.query_lineage(StartArns=[graph.arns["run"]], Direction="Ascendants")
    assert sorted(page["Vertices"], key=lambda each: each["LineageType"]) == [
        {"Arn": graph.arns["data"], "Type": "DataSet", "LineageType": "Artifact"},
        {"Arn": graph.arns["run"], "Type": "TrialComponent", "LineageType": "TrialComponent"},
    ]
    assert page["Edges"] == [
        {
            "SourceArn": graph.arns["data"],
            "DestinationArn": graph.arns["run"],
            "AssociationType": "DerivedFrom",
        }
    ]


def test_without_a_start(graph: Graph, name: str) -> None:
    """Without a start, what the filters let through of the whole account is shown."""
    arn = graph.artifact("only", f"{name}-type")
    for start in ({}, {"StartArns": []}):
        page = graph.api.query_lineage(**start, Filters={"Types": [f"{name}-type"]})
        assert [each["Arn"] for each in page["Vertices"]] == [arn]
        assert page["Edges"] == []


def test_starts_that_are_none(graph: Graph, name: str, refused: Refused) -> None:
    """A start that does not exist is ResourceNotFound; two, or what has no lineage, are refused."""
    query = graph.api.query_lineage
    with pytest.raises(graph.api.exceptions.ResourceNotFound):
        query(StartArns=[f"{ARN}artifact/{name}"])
    arn = graph.artifact("a")
    refused("ValidationException", query, "'startArns'", StartArns=[arn, arn])
    refused("ValidationException", query, StartArns=[f"{ARN}experiment-trial/{name}"])
