"""Search through boto3: orders, pages, hits, tokens, suggestions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import RUNS, Service, filter_of, numbers

Refused = Callable[..., str]
Pages = Callable[..., list[Any]]

LINEAR = list(range(RUNS))


def test_senseless_orders(runs: Service, refused: Refused) -> None:
    """What does not exist cannot be sorted by."""
    for sort_by in ("Foo", "Parents.Foo", "Tags", "parameters.n"):
        refused("ValidationException", runs.search, f"name: {sort_by}", SortBy=sort_by)


@pytest.mark.parametrize(
    ("sort_by", "expected"),
    [
        ("TrialComponentName", [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("CreationTime", LINEAR),
        ("StartTime", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("Parameters.n", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        # Numbers, then texts, then what has neither.
        ("Parameters.mixed", [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]),
        ("Metrics.loss", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("Metrics.loss.Avg", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("Tags.parity", [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]),
        ("Status.PrimaryStatus", [1, 2, 3, 5, 6, 7, 9, 10, 0, 4, 8, 11]),
        ("DisplayName", [11, 0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8]),
        ("Parents.ExperimentName", [0, 2, 4, 6, 8, 10, 3, 9, 1, 5, 7, 11]),
        ("OutputArtifacts.model", [0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9, 11]),
        ("MetadataProperties.CommitId", [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 100])
def test_orders(
    runs: Service, sort_by: str, expected: list[int], size: int, every_page: Pages
) -> None:
    """Any property sorts, in both directions, over pages; what lacks it comes last."""
    found = {}
    for order in ("Ascending", "Descending"):
        results = every_page(
            runs.api.search,
            "Results",
            Resource="ExperimentTrialComponent",
            SortBy=sort_by,
            SortOrder=order,
            MaxResults=size,
        )
        names = [each["TrialComponent"]["TrialComponentName"] for each in results]
        found[order] = [int(name.removeprefix("Run-")) for name in names]
    assert found["Ascending"] == expected
    assert sorted(found["Descending"]) == LINEAR
    if sort_by == "CreationTime":
        assert found["Descending"] == expected[::-1]
    elif sort_by in {"Parameters.n", "Metrics.loss", "StartTime"}:
        assert found["Descending"] == [*range(10, -1, -1), 11]


def test_the_default_order(runs: Service) -> None:
    """Without more said the last one that was changed comes first, ten to a page."""
    page = runs.search()
    found = [each["TrialComponent"]["LastModifiedTime"] for each in page["Results"]]
    assert len(found) == 10
    assert found == sorted(found, reverse=True)
    assert page["TotalHits"] == {"Value": RUNS, "Relation": "EqualTo"}
    assert "NextToken" in page


def test_hits_are_counted_on_every_page(runs: Service) -> None:
    """TotalHits is the number of all that fit, whichever page it stands on."""
    asked = ("Tags.parity", "Equals", "odd")
    page = runs.search(asked, MaxResults=2)
    for _ in range(2):
        assert page["TotalHits"] == {"Value": 5, "Relation": "EqualTo"}
        page = runs.search(asked, MaxResults=2, NextToken=page["NextToken"])
    assert len(page["Results"]) == 1
    assert "NextToken" not in page


def test_tokens_are_for_one_search(runs: Service, refused: Refused) -> None:
    """A token goes on with the very search that it came with; pages may change their size."""
    asked = ("Tags.parity", "Equals", "odd")
    token = runs.search(asked, SortBy="StartTime", MaxResults=2)["NextToken"]
    for filters, members in (
        ([], {"SortBy": "StartTime"}),
        ([("Tags.parity", "Equals", "even")], {"SortBy": "StartTime"}),
        ([("Tags.parity", "NotEquals", "odd")], {"SortBy": "StartTime"}),
        ([asked], {}),
        ([asked], {"SortBy": "EndTime"}),
        ([asked], {"SortBy": "StartTime", "SortOrder": "Ascending"}),
    ):
        expression = {"Filters": [filter_of(*each) for each in filters]}
        refused(
            "ValidationException",
            runs.search,
            "'nextToken'",
            SearchExpression=expression,
            NextToken=token,
            **members,
        )
    refused("ValidationException", runs.search, resource="ExperimentTrial", NextToken=token)
    rest = runs.found(asked, SortBy="StartTime", MaxResults=100, NextToken=token)
    assert numbers(rest) == [1, 3, 5]


def test_suggestions(runs: Service) -> None:
    """Names of properties are suggested: fixed ones, and what is stored, by a part of the name."""

    def suggest(resource: str, hint: str | None = None) -> list[str]:
        query = (
            {}
            if hint is None
            else {"SuggestionQuery": {"PropertyNameQuery": {"PropertyNameHint": hint}}}
        )
        answer = runs.api.get_search_suggestions(Resource=resource, **query)
        return [each["PropertyName"] for each in answer["PropertyNameSuggestions"]]

    component = "ExperimentTrialComponent"
    everything = suggest(component)
    assert {"TrialComponentName", "Parents.TrialName", "Tags.parity"} <= set(everything)
    assert {"Parameters.n", "Parameters.mixed", "Metrics.loss"} <= set(everything)
    assert suggest(component, "") == everything
    assert suggest(component, "PARAMETERS.M") == ["Parameters.mixed"]
    assert suggest(component, "loss") == ["Metrics.loss"]
    assert suggest(component, "%") == suggest(component, "' OR 1=1") == []
    assert suggest("Experiment", "Tags.") == ["Tags.k"]
    assert "TrialName" in suggest("ExperimentTrial")
    assert suggest("Model") == []
    for each in everything:
        runs.search((each, "Exists", None), SortBy=each)


def test_members_that_change_nothing(runs: Service, refused: Refused) -> None:
    """What has no meaning with one account per key is taken where it is valid."""
    asked = ("TrialComponentName", "Equals", "run-1")
    found = runs.found(
        asked,
        CrossAccountFilterOption="SameAccount",
        VisibilityConditions=[{"Key": "k", "Value": "v"}],
    )
    assert found == ["Run-1"]
    refused("ValidationException", runs.search, "enum", CrossAccountFilterOption="Other")
