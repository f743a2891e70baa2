"""Searches over HTTP, page by page."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Server

_names = itertools.count()


def pages(server: Server, members: dict[str, Any]) -> Iterator[list[str]]:
    """Search for components page by page, and give the names of each page."""
    token: dict[str, str] = {}
    while True:
        reply = server.control(
            "Search", {"Resource": "ExperimentTrialComponent", **members, **token}
        )
        assert reply.status == 200, reply
        found = reply.json()
        yield [each["TrialComponent"]["TrialComponentName"] for each in found["Results"]]
        if "NextToken" not in found:
            return
        token = {"NextToken": found["NextToken"]}


@pytest.mark.parametrize("statistic", ["Last", "Min", "Max", "Avg"])
@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_infinities_at_the_borders_of_pages(server: Server, statistic: str, order: str) -> None:
    """A search sorted by a metric goes on after infinities as after any other number."""
    metric = f"infinities-{next(_names)}"
    values: list[Any] = ["-Infinity", "-Infinity", -1.5, 2.5, "Infinity", "Infinity"]
    names = [f"{metric}-{number}" for number in range(len(values))]
    for name, value in zip(names, values, strict=True):
        item = {"MetricName": metric, "Timestamp": 1_700_000_000, "Value": value}
        assert server.put(name, [item]) == []
    members = {
        "SearchExpression": {"Filters": [{"Name": f"Metrics.{metric}", "Operator": "Exists"}]},
        "SortBy": f"Metrics.{metric}.{statistic}",
        "SortOrder": order,
        "MaxResults": 1,
    }
    found = [*itertools.chain.from_iterable(pages(server, members))]
    assert found == (names if order == "Ascending" else names[::-1])
