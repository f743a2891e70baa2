"""Summaries through the API: right at the moment of asking, whichever worker is asked."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stepwell.store.sqlite.maintenance import compact_folder

from .conftest import ARN, NOW, Service

if TYPE_CHECKING:
    from tests.http.conftest import StartServer


def summaries(service: Service, component: str) -> dict[str, dict[str, Any]]:
    """Describe a component's metrics, by both ways that there are, which must agree."""
    described = service.api.describe_trial_component(TrialComponentName=component)["Metrics"]
    (found,) = service.search(("TrialComponentName", "Equals", component))["Results"]
    assert found["TrialComponent"]["Metrics"] == described
    return {each["MetricName"]: each for each in described}


def test_all_members(service: Service, name: str) -> None:
    """A summary has its metric, the component, the six statistics and the last point's time."""
    service.put(name, 4.0, 1.0, 3.0, 2.0)
    (found,) = service.server.control(
        "DescribeTrialComponent", {"TrialComponentName": name}
    ).json()["Metrics"]
    assert found == {
        "MetricName": "loss",
        "SourceArn": f"{ARN}experiment-trial-component/{name}",
        "TimeStamp": NOW + 3,
        "Max": 4.0,
        "Min": 1.0,
        "Last": 2.0,
        "Count": 4,
        "Avg": 2.5,
        "StdDev": pytest.approx(statistics.pstdev([4.0, 1.0, 3.0, 2.0]), rel=1e-15),
    }
    assert isinstance(found["Count"], int)


def test_every_put_is_in_the_next_answer(service: Service, name: str) -> None:
    """After each put, on connections that different workers serve, the summary has it."""
    values: list[float] = []
    for step in range(30):
        values.append(random.Random(step).gauss(0, 1))
        service.put(name, values[-1], first=step)
        # A connection of its own may go to either worker.
        reply = service.server.control("DescribeTrialComponent", {"TrialComponentName": name})
        (found,) = reply.json()["Metrics"]
        assert (found["Count"], found["Last"]) == (len(values), values[-1])
        assert (found["Min"], found["Max"]) == (min(values), max(values))
        assert found["Avg"] == pytest.approx(statistics.fmean(values), rel=1e-12, abs=1e-15)
        asked = ("Metrics.loss.Count", "Equals", str(len(values)))
        assert service.found(("TrialComponentName", "Equals", name), asked) == [name]


def test_last_is_by_time(service: Service, name: str) -> None:
    """Last is the latest point's value; of several at one time that which came last."""
    data = [
        {"MetricName": "loss", "Timestamp": time, "Value": value}
        for time, value in ((NOW + 9, 1.0), (NOW + 9, 2.0), (NOW, 3.0))
    ]
    for each in data:
        service.metrics.batch_put_metrics(TrialComponentName=name, MetricData=[each])
    found = summaries(service, name)["loss"]
    assert (found["Last"], found["Count"]) == (2.0, 3)
    assert found["TimeStamp"].timestamp() == NOW + 9


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([math.nan], {"Count": 1}),
        ([math.inf], {"Count": 1, "StdDev": 0.0}),
        ([1.0, math.nan], {"Count": 2, "Min": 1.0, "Max": 1.0, "Avg": 1.0, "StdDev": 0.0}),
        (
            [math.nan, 1.0],
            {"Count": 2, "Min": 1.0, "Max": 1.0, "Avg": 1.0, "StdDev": 0.0, "Last": 1.0},
        ),
        ([math.inf, 1.0], {"Count": 2, "Min": 1.0, "Last": 1.0}),
        ([-math.inf, 1.0], {"Count": 2, "Max": 1.0, "Last": 1.0}),
        ([math.inf, -math.inf, 2.0], {"Count": 3, "Last": 2.0}),
    ],
)
def test_what_is_not_finite_is_left_out(
    service: Service, name: str, values: list[float], expected: dict[str, float]
) -> None:
    """A member that would be NaN or infinite is not there: JSON 1.1 could not say it."""
    service.put(name, *values)
    found = summaries(service, name)["loss"]
    for member in ("MetricName", "SourceArn", "TimeStamp"):
        del found[member]
    assert found == expected
    reply = service.server.control("DescribeTrialComponent", {"TrialComponentName": name})
    assert b"NaN" not in reply.body
    assert b"Infinity" not in reply.body


def test_searches_pass_over_what_is_not_a_number(service: Service, name: str) -> None:
    """A statistic that is NaN fits no filter but NotExists, and comes last when sorted by."""
    for index, value in enumerate((math.nan, 2.0, math.inf, 1.0, -math.inf)):
        service.put(f"{name}-{index}", value, metric=name)
    asked = (f"Metrics.{name}", "GreaterThan", "0")
    ours = ("TrialComponentName", "Contains", name)
    assert sorted(service.found(asked)) == [f"{name}-1", f"{name}-2", f"{name}-3"]
    assert service.found(ours, (f"Metrics.{name}", "NotExists", None)) == [f"{name}-0"]
    for order, wanted in (("Ascending", [4, 3, 1, 2, 0]), ("Descending", [2, 1, 3, 4, 0])):
        found = service.found(ours, SortBy=f"Metrics.{name}", SortOrder=order)
        assert found == [f"{name}-{index}" for index in wanted]


def test_many_metrics(service: Service, name: str) -> None:
    """Hundreds of metrics all come, by name, each with its own numbers."""
    body = [
        {"MetricName": f"m{number:04}", "Timestamp": NOW, "Value": float(number)}
        for number in range(1000)
    ]
    assert (
        service.metrics.batch_put_metrics(TrialComponentName=name, MetricData=body)["Errors"] == []
    )
    found = summaries(service, name)
    assert [*found] == [f"m{number:04}" for number in range(1000)]
    assert [each["Avg"] for each in found.values()] == [float(number) for number in range(1000)]


def test_compaction_and_restarts_change_nothing(
    start_server: StartServer,
    make_service: Callable[..., Service],
    tmp_path: Path,
) -> None:
    """Summaries and searches by them are the same over points in any form, after any restart."""
    data = tmp_path / "data"
    rng = random.Random(7)
    values: dict[str, list[float]] = {f"run-{number}": [] for number in range(3)}
    for round_ in range(3):
        service = make_service(start_server("--workers", "2", data=data))
        # What an earlier process has refreshed may be newer or older than what is there now.
        _check(service, values)
        for component, known in values.items():
            new = [rng.gauss(0, 1) for _ in range(50)]
            service.put(component, *new, first=len(known))
            known.extend(new)
            _check(service, {component: known})
        _check(service, values)
        assert service.server.stop() == 0
        if round_ % 2 == 0:
            compact_folder(data)


def _check(service: Service, values: dict[str, list[float]]) -> None:
    for component, known in values.items():
        if not known:
            continue
        found = summaries(service, component)["loss"]
        assert (found["Count"], found["Last"]) == (len(known), known[-1])
        assert (found["Min"], found["Max"]) == (min(known), max(known))
        assert found["Avg"] == pytest.approx(statistics.fmean(known), abs=1e-15, rel=1e-13)
        assert found["StdDev"] == pytest.approx(statistics.pstdev(known), rel=1e-13)
        for statistic, value in (("Last", known[-1]), ("Min", min(known)), ("Max", max(known))):
            asked = (f"Metrics.loss.{statistic}", "Equals", repr(value))
            assert component in service.found(asked)
    filled = {component: known for component, known in values.items() if known}
    if len(filled) > 1:
        order = sorted(filled, key=lambda component: filled[component][-1])
        assert service.found(SortBy="Metrics.loss", SortOrder="Ascending") == order


def test_a_new_component_of_an_old_name(service: Service, name: str) -> None:
    """Nothing of a deleted component's numbers is in the summary of the next one, or found."""
    for value in (1.0, 2.0, 3.0):
        service.put(name, value)
        assert summaries(service, name)["loss"]["Max"] == value
        asked = ("TrialComponentName", "Equals", name)
        assert service.found(asked, ("Metrics.loss", "Equals", str(value))) == [name]
        assert service.found(asked, ("Metrics.loss", "NotEquals", str(value))) == []
        service.api.delete_trial_component(TrialComponentName=name)


def test_a_search_sees_components_of_other_connections(service: Service, name: str) -> None:
    """The first put of a component is in the search that comes next, wherever it arrives."""
    for number in range(20):
        body = [{"MetricName": name, "Timestamp": NOW, "Value": float(number)}]
        assert service.server.put(f"{name}-{number}", body) == []
        members = {
            "Resource": "ExperimentTrialComponent",
            "SearchExpression": {
                "Filters": [{"Name": f"Metrics.{name}", "Operator": "Equals", "Value": str(number)}]
            },
        }
        results = service.server.control("Search", members).json()["Results"]
        names = [each["TrialComponent"]["TrialComponentName"] for each in results]
        assert names == [f"{name}-{number}"]
