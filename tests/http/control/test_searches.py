"""Search through boto3: the forms that clients send, operators, properties, what is refused.

What an expression means is tested against a model in `tests/unit/test_search.py`; here the same
operators stand at the end of a request.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import ARN, NOW, RUNS, Service, filter_of, numbers

Refused = Callable[..., str]
Pages = Callable[..., list[Any]]

LINEAR = list(range(RUNS))


LARGE = [number for number in range(11) if number >= 10]
NUMBER_FILTERS: list[tuple[str, str | None, list[int]]] = [
    ("Equals", "7", [7]),
    ("Equals", "7.0", [7]),
    ("Equals", "70e-1", [7]),
    ("NotEquals", "7", [0, 1, 2, 3, 4, 5, 6, 8, 9, 10]),
    ("GreaterThan", "9", [10]),
    ("GreaterThanOrEqualTo", "9", [9, 10]),
    ("LessThan", "2", [0, 1]),
    ("LessThanOrEqualTo", "2", [0, 1, 2]),
    ("Exists", None, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ("NotExists", None, [11]),
    ("In", "1, 3,99", [1, 3]),
    # As numbers: as texts 10 would come before 2.
    ("LessThan", "1e1", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
]


@pytest.mark.parametrize(("operator", "value", "expected"), NUMBER_FILTERS)
@pytest.mark.parametrize("name", ["Parameters.n", "Metrics.loss.Max"])
def test_numbers(
    runs: Service, name: str, operator: str, value: str | None, expected: list[int]
) -> None:
    """Numbers are compared as numbers, parameters and statistics alike."""
    assert numbers(runs.found((name, operator, value), MaxResults=100)) == expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("Equals", "Shown-0", [0, 3, 6, 9]),
        ("Equals", "shown-0", []),
        ("NotEquals", "Shown-0", [1, 2, 4, 5, 7, 8, 10, 11]),
        ("Contains", "OWN-1", [1, 4, 7, 10]),
        ("Contains", "Shown_1", []),
        ("In", "Shown-0, Shown-2", [0, 2, 3, 5, 6, 8, 9]),
        ("In", "Run-11", [11]),
        ("Exists", None, LINEAR),
        ("NotExists", None, []),
    ],
)
def test_texts(runs: Service, operator: str, value: str | None, expected: list[int]) -> None:
    """Texts are compared as they are; Contains looks past case, and takes no wildcards."""
    assert numbers(runs.found(("DisplayName", operator, value), MaxResults=100)) == expected


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("Equals", "run-3", [3]),
        ("Equals", "RUN-3", [3]),
        ("NotEquals", "run-3", [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("Contains", "RUN-1", [1, 10, 11]),
        ("In", "run-1,RUN-2", [1, 2]),
        ("Exists", None, LINEAR),
        ("NotExists", None, []),
    ],
)
def test_names(runs: Service, operator: str, value: str | None, expected: list[int]) -> None:
    """Names are compared without regard to case."""
    found = runs.found(("TrialComponentName", operator, value), MaxResults=100)
    assert numbers(found) == expected


def iso(number: float) -> str:
    """Give the start of a run in ISO 8601."""
    return dt.datetime.fromtimestamp(NOW + number * 60, dt.UTC).isoformat()


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("Equals", iso(3), [3]),
        ("Equals", iso(3).replace("+00:00", "Z"), [3]),
        ("Equals", iso(3).replace("+00:00", ""), [3]),
        ("Equals", str(NOW + 180), [3]),
        ("NotEquals", iso(0), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("GreaterThan", iso(9), [10]),
        ("GreaterThanOrEqualTo", iso(9), [9, 10]),
        ("LessThan", iso(0.5), [0]),
        ("LessThanOrEqualTo", iso(1), [0, 1]),
        ("In", f"{iso(1)}, {iso(2)}", [1, 2]),
        ("Exists", None, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("NotExists", None, [11]),
        ("GreaterThan", "9999-12-31", []),
    ],
)
def test_times(runs: Service, operator: str, value: str | None, expected: list[int]) -> None:
    """Times are compared as moments, however they are written."""
    assert numbers(runs.found(("StartTime", operator, value), MaxResults=100)) == expected


@pytest.mark.parametrize(
    ("name", "operator", "value", "expected"),
    [
        ("Metrics.loss", "Equals", "2.5", [5]),
        ("Metrics.loss.Last", "Equals", "2.5", [5]),
        ("Metrics.loss.Min", "Equals", "0", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("Metrics.loss.Max", "GreaterThan", "8", [9, 10]),
        ("Metrics.loss.Avg", "Equals", "2", [4]),
        ("Metrics.loss.StdDev", "LessThanOrEqualTo", str(math.sqrt(1 / 6) + 1e-9), [0, 1]),
        ("Metrics.loss.Count", "Equals", "3", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("Metrics.loss.TimeStamp", "Equals", str(NOW + 2), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("Metrics.loss", "NotExists", None, [11]),
        ("Metrics.other", "Exists", None, []),
        ("Parameters.mixed", "Equals", "word 3", [3]),
        ("Parameters.mixed", "Equals", "0.5", [2]),
        ("Parameters.mixed", "GreaterThan", "2", [10]),
        ("Parameters.mixed", "Contains", "WORD", [1, 3, 5, 7, 9]),
        ("Parameters.mixed", "In", "word 1, 0.50", [1, 2]),
        ("Tags.parity", "Equals", "odd", [1, 3, 5, 7, 9]),
        ("Tags.parity", "NotExists", None, [11]),
        ("Parents.TrialName", "Equals", "t-A", [0, 2, 4, 6, 8, 10]),
        ("Parents.TrialName", "NotEquals", "T-b", [2, 4, 8, 10]),
        ("Parents.TrialName", "NotExists", None, [1, 5, 7, 11]),
        ("Parents.ExperimentName", "Equals", "e-2", [0, 3, 6, 9]),
        ("Parents.ExperimentName", "In", "e-1,e-2", [0, 2, 3, 4, 6, 8, 9, 10]),
        ("Parents.ExperimentName", "Contains", "E-", [0, 2, 3, 4, 6, 8, 9, 10]),
        ("Status.PrimaryStatus", "Equals", "Failed", [0, 4, 8]),
        ("InputArtifacts.data", "Equals", "s3://b/1", [1, 3, 5, 7, 9]),
        ("OutputArtifacts.model.Value", "Contains", "S3://B/1", [1, 10]),
        ("MetadataProperties.CommitId", "Equals", "c0", [0, 2, 4, 6, 8, 10]),
        ("TrialComponentArn", "Equals", f"{ARN}experiment-trial-component/run-1", [1]),
        ("CreationTime", "GreaterThan", "2020-01-01", LINEAR),
        ("CreatedBy.IamIdentity.PrincipalId", "Exists", None, []),
        ("Source.SourceArn", "Exists", None, []),
        ("LineageGroupArn", "NotExists", None, LINEAR),
    ],
)
def test_properties(
    runs: Service, name: str, operator: str, value: str | None, expected: list[int]
) -> None:
    """Attributes, parameters, statistics, tags, parents and artifacts can be searched by."""
    assert numbers(runs.found((name, operator, value), MaxResults=100)) == expected


def test_what_run_asks_first(runs: Service) -> None:
    """The SDK's `Run` asks whether a component is in a trial, and takes no operator for And."""
    for run, found in (("Run-2", 1), ("Run-3", 0)):
        expression = {
            "Filters": [
                filter_of("TrialComponentName", "Equals", run),
                filter_of("Parents.TrialName", "Equals", "T-a"),
            ]
        }
        results = runs.search(SearchExpression=expression)["Results"]
        assert len(results) == found


def test_what_list_runs_asks(runs: Service) -> None:
    """The SDK's `list_runs` looks for one component and reads its tags."""
    expression = {
        "Filters": [filter_of("TrialComponentName", "Equals", "run-4")],
        "Operator": "And",
    }
    (found,) = runs.search(SearchExpression=expression, MaxResults=1)["Results"]
    assert found["TrialComponent"]["Tags"] == [{"Key": "parity", "Value": "even"}]


def test_what_analytics_asks(runs: Service, every_page: Pages) -> None:
    """ExperimentAnalytics pages an experiment's components in the order of a parameter."""
    expression = {
        "Filters": [
            filter_of("Parents.ExperimentName", "Equals", "e-1"),
            filter_of("Parameters.n", "GreaterThanOrEqualTo", "4"),
        ]
    }
    for order, wanted in (("Ascending", [4, 6, 8, 10]), ("Descending", [10, 8, 6, 4])):
        results = every_page(
            runs.api.search,
            "Results",
            Resource="ExperimentTrialComponent",
            SearchExpression=expression,
            SortBy="Parameters.n",
            SortOrder=order,
            MaxResults=2,
        )
        found = [each["TrialComponent"] for each in results]
        assert [each["Parameters"]["n"]["NumberValue"] for each in found] == wanted
        for each in found:
            assert {"TrialName": "T-a", "ExperimentName": "E-1"} in each["Parents"]
            assert [one["MetricName"] for one in each["Metrics"]] == ["loss"]


def test_a_result_is_what_describe_says(runs: Service, members_of: Any) -> None:
    """A component that was found has all that it is described with, its tags and its parents."""
    (found,) = runs.search(("TrialComponentName", "Equals", "run-6"))["Results"]
    component = found["TrialComponent"]
    assert component.pop("Tags") == [{"Key": "parity", "Value": "even"}]
    assert component.pop("Parents") == [
        {"TrialName": "T-a", "ExperimentName": "E-1"},
        {"TrialName": "T-b", "ExperimentName": "E-2"},
    ]
    described = runs.api.describe_trial_component(TrialComponentName="run-6")
    assert component == members_of(described)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("ExperimentName", "Equals", "e-1"), ["E-1"]),
        (("ExperimentArn", "Contains", "/E-"), ["E-1", "E-2"]),
        (("Description", "Equals", "the 2."), ["E-2"]),
        (("DisplayName", "Contains", "e"), ["E-1", "E-2"]),
        (("Tags.k", "Equals", "1"), ["E-1"]),
        (("CreationTime", "LessThan", "2020-01-01"), []),
    ],
)
def test_experiments(runs: Service, asked: Any, expected: list[str], members_of: Any) -> None:
    """Experiments are searched by what they have, and come back as they are described."""
    answer = runs.search(asked, resource="Experiment")
    found = [each["Experiment"] for each in answer["Results"]]
    assert sorted(each["ExperimentName"] for each in found) == expected
    assert answer["TotalHits"] == {"Value": len(expected), "Relation": "EqualTo"}
    for each in found:
        assert each.pop("Tags") == [{"Key": "k", "Value": each["ExperimentName"][-1]}]
        described = runs.api.describe_experiment(ExperimentName=each["ExperimentName"])
        assert each == members_of(described)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("TrialName", "Equals", "t-A"), ["T-a"]),
        (("ExperimentName", "Equals", "e-2"), ["T-b"]),
        (("MetadataProperties.CommitId", "Equals", "c0ffee"), ["T-b"]),
        (("Tags.k", "Exists", None), ["T-a"]),
        (("TrialArn", "Equals", f"{ARN}experiment-trial/T-a"), ["T-a"]),
    ],
)
def test_trials(runs: Service, asked: Any, expected: list[str], members_of: Any) -> None:
    """Trials are searched by what they have, their experiment among it."""
    results = runs.search(asked, resource="ExperimentTrial", SortBy="ExperimentName")["Results"]
    assert [each["Trial"]["TrialName"] for each in results] == expected
    for each in results:
        del each["Trial"]["Tags"]
        described = runs.api.describe_trial(TrialName=each["Trial"]["TrialName"])
        assert each["Trial"] == members_of(described)


@pytest.mark.parametrize("resource", ["TrainingJob", "Endpoint", "Model", "Pipeline", "HubContent"])
def test_other_resources(runs: Service, resource: str) -> None:
    """Of what is not kept here nothing is found, whatever is asked of it."""
    answer = runs.search(("TrainingJobName", "Equals", "a"), resource=resource)
    assert answer["Results"] == []
    assert answer["TotalHits"] == {"Value": 0, "Relation": "EqualTo"}


def test_expressions_in_expressions(runs: Service) -> None:
    """And, Or and sub-expressions mean what they say, on several levels."""
    n = "Parameters.n"
    expression = {
        "Operator": "Or",
        "Filters": [filter_of(n, "Equals", "10")],
        "SubExpressions": [
            {"Filters": [filter_of(n, "LessThan", "3"), filter_of(n, "GreaterThan", "0")]},
            {
                "Operator": "And",
                "Filters": [filter_of("Tags.parity", "Equals", "odd")],
                "SubExpressions": [
                    {
                        "Operator": "Or",
                        "Filters": [filter_of(n, "Equals", "7"), filter_of(n, "Equals", "8")],
                    }
                ],
            },
        ],
    }
    assert numbers(runs.found(SearchExpression=expression)) == [1, 2, 7, 10]


def test_one_parent_that_fits_all(runs: Service) -> None:
    """Nested filters ask for one parent with all of it; plain ones are content with several."""
    asked = [
        filter_of("Parents.TrialName", "Equals", "t-a"),
        filter_of("Parents.ExperimentName", "Equals", "e-2"),
    ]
    assert numbers(runs.found(SearchExpression={"Filters": asked})) == [0, 6]
    nested = {"NestedFilters": [{"NestedPropertyName": "Parents", "Filters": asked}]}
    assert runs.found(SearchExpression=nested) == []
    asked[1]["Value"] = "e-1"
    assert numbers(runs.found(SearchExpression=nested)) == [0, 2, 4, 6, 8, 10]


def deep(levels: int, filters: int = 1) -> dict[str, Any]:
    """Make an expression of so many levels, with so many filters on each."""
    here = [filter_of("Parameters.n", "GreaterThan", "8")] * filters
    expression: dict[str, Any] = {"Filters": here}
    for _ in range(levels - 1):
        expression = {"Filters": here, "SubExpressions": [expression]}
    return expression


def test_how_deep_expressions_may_be(runs: Service, refused: Refused) -> None:
    """20 levels are searched; one more is refused, and the message says how many there may be."""
    assert numbers(runs.found(SearchExpression=deep(20))) == [9, 10]
    for levels in (21, 40):
        refused("ValidationException", runs.search, "20 levels", SearchExpression=deep(levels))


def test_how_wide_expressions_may_be(runs: Service, refused: Refused) -> None:
    """At most 50 filters and expressions in all, 20 in each list, and none of them empty."""
    assert numbers(runs.found(SearchExpression=deep(2, 20))) == [9, 10]
    for expression in (deep(3, 17), deep(20, 3), {"SubExpressions": [deep(1, 17)] * 3}):
        refused("ValidationException", runs.search, "at most 50", SearchExpression=expression)
    refused("ValidationException", runs.search, "equal to 20", SearchExpression=deep(1, 21))
    for member in ("Filters", "NestedFilters", "SubExpressions"):
        reply = runs.server.control(
            "Search", {"Resource": "Experiment", "SearchExpression": {member: []}}
        )
        assert reply.status == 400
        assert "greater than or equal to 1" in reply.json()["message"]


@pytest.mark.parametrize(
    ("name", "operator", "value", "words"),
    [
        ("Foo", "Equals", "1", "Unknown property name: Foo"),
        ("trialcomponentname", "Equals", "1", "Unknown property name: trialcomponentname"),
        ("Parents.Foo", "Equals", "1", "Unknown property name: Parents.Foo"),
        ("DisplayName", "GreaterThan", "1", "texts have no order"),
        ("Parameters.n", "GreaterThan", "many", "'many' of property Parameters.n is not a number"),
        ("Metrics.loss", "Equals", "low", "not a number"),
        ("Metrics.loss", "Contains", "1", "texts only"),
        ("CreationTime", "LessThan", "yesterday", "not a time in ISO 8601"),
        ("DisplayName", "Equals", None, "needs a Value"),
        ("DisplayName", "Like", "a", "enum value set"),
        ("DisplayName", "Equals", "v" * 1025, "less than or equal to 1024"),
        ("N" * 256, "Equals", "v", "less than or equal to 255"),
    ],
)
def test_senseless_filters(
    runs: Service, name: str, operator: str, value: str | None, words: str, refused: Refused
) -> None:
    """A filter that makes no sense is refused with the reason, not answered with nothing."""
    expression = {"Filters": [filter_of(name, operator, value)]}
    refused("ValidationException", runs.search, words, SearchExpression=expression)
