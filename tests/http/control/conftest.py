"""The control plane through boto3: real requests to a real server of two workers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from tests.http.conftest import Server, StartServer

ARN = "arn:aws:sagemaker:us-east-1:000000000000:"
#: Seconds since the epoch, for points and times.
NOW = 1_795_435_200
#: How many runs there are to search.
RUNS = 12


class Service(NamedTuple):
    """A server, and boto3's clients for both of its planes."""

    server: Server
    api: Any
    metrics: Any

    def search(self, *filters: Any, resource: str = "ExperimentTrialComponent", **more: Any) -> Any:
        """Search with filters given as (name, operator, value)."""
        expression: dict[str, Any] = {"Filters": [filter_of(*each) for each in filters]}
        if "SearchExpression" in more:
            expression = more.pop("SearchExpression")
        if expression != {"Filters": []}:
            more["SearchExpression"] = expression
        return self.api.search(Resource=resource, **more)

    def found(self, *filters: Any, **more: Any) -> list[str]:
        """Search components and give their names."""
        results = self.search(*filters, **more)["Results"]
        return [each["TrialComponent"]["TrialComponentName"] for each in results]

    def put(self, component: str, *values: float, metric: str = "loss", first: int = 0) -> None:
        """Put values, one a step and second."""
        data = [
            {"MetricName": metric, "Timestamp": NOW + step, "Step": step, "Value": value}
            for step, value in enumerate(values, first)
        ]
        assert (
            self.metrics.batch_put_metrics(TrialComponentName=component, MetricData=data)["Errors"]
            == []
        )


def filter_of(name: str, operator: str, value: str | None = None) -> dict[str, str]:
    """Make a filter."""
    made = {"Name": name, "Operator": operator}
    return made if value is None else {**made, "Value": value}


def numbers(found: list[str]) -> list[int]:
    """Give the numbers of the runs that were found."""
    return sorted(int(name.removeprefix("Run-")) for name in found)


def service_of(server: Server, **config: Any) -> Service:
    """Make boto3's clients for a server."""
    options: dict[str, Any] = {
        "endpoint_url": f"http://127.0.0.1:{server.port}",
        "region_name": "us-east-1",
        "config": Config(
            signature_version=UNSIGNED,
            retries={"total_max_attempts": 1},
            max_pool_connections=50,
            read_timeout=60,
            **config,
        ),
    }
    session = boto3.session.Session()
    return Service(
        server,
        session.client("sagemaker", **options),
        session.client("sagemaker-metrics", **options),
    )


@pytest.fixture(scope="session")
def make_service() -> Callable[..., Service]:
    """Give the function that makes clients for a server."""
    return service_of


@pytest.fixture(scope="session")
def shared(start_server: StartServer) -> Service:
    """Give the server that most tests share: two workers, so that they see one another's work."""
    return service_of(start_server("--workers", "2"))


@pytest.fixture
def service(shared: Service) -> Iterator[Service]:
    """Give the shared server; whatever a test does to it, it must go on answering."""
    yield shared
    assert shared.server.process.poll() is None, shared.server.log.read_text()
    assert shared.server.request("GET", "/healthz").status == 200


@pytest.fixture
def api(service: Service) -> Any:
    """Give boto3's client of the control plane."""
    return service.api


_names = itertools.count()


@pytest.fixture
def name() -> str:
    """Give a name that no other test uses, and that is the beginning of no other one."""
    return f"n{next(_names)}x"


@pytest.fixture(scope="session")
def refused() -> Callable[..., str]:
    """Give a function that calls what must be refused, and gives the message."""

    def call(code: str, function: Callable[..., Any], *words: str, **members: Any) -> str:
        with pytest.raises(ClientError) as caught:
            function(**members)
        response = caught.value.response
        assert response["Error"]["Code"] == code, response
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
        message: str = response["Error"]["Message"]
        for word in words:
            assert word in message
        return message

    return call


@pytest.fixture(scope="session")
def every_page() -> Callable[..., list[Any]]:
    """Give a function that lists page by page to the end, and checks how pages end."""

    def pages(function: Callable[..., Any], member: str, **members: Any) -> list[Any]:
        found: list[Any] = []
        token: str | None = None
        while True:
            more = {} if token is None else {"NextToken": token}
            page = function(**members, **more)
            size = members.get("MaxResults", 10)
            assert len(page[member]) <= size
            found += page[member]
            # An empty token would have the SDK ask for ever.
            assert page.get("NextToken") != ""
            token = page.get("NextToken")
            if token is None:
                return found
            assert len(page[member]) == size
            assert len(token) <= 8192
            assert re.fullmatch(r"[\w=-]+", token)

    return pages


@pytest.fixture(scope="session")
def members_of() -> Callable[[Any], dict[str, Any]]:
    """Give a function that takes the metadata out of an answer."""
    return lambda answer: {key: each for key, each in answer.items() if key != "ResponseMetadata"}


@pytest.fixture(scope="session")
def runs(start_server: StartServer) -> Service:
    """Give a server with runs `Run-0` to `Run-11`, whose values tell their numbers.

    `Parameters.n` is the number, `Parameters.mixed` a number or a text, `Metrics.loss` puts the
    numbers 0, n and n / 2; `Tags.parity` is even or odd; even runs are in trial `T-a` of `E-1`,
    those divisible by three in `T-b` of `E-2`. Run 11 has nothing but its name.
    """
    service = service_of(start_server())
    api = service.api
    for number in (1, 2):
        api.create_experiment(
            ExperimentName=f"E-{number}",
            Description=f"the {number}.",
            Tags=[{"Key": "k", "Value": str(number)}],
        )
    api.create_trial(TrialName="T-a", ExperimentName="E-1", Tags=[{"Key": "k", "Value": "a"}])
    metadata = {"CommitId": "c0ffee"}
    api.create_trial(TrialName="T-b", ExperimentName="E-2", MetadataProperties=metadata)
    for number in range(RUNS - 1):
        name = f"Run-{number}"
        mixed = {"StringValue": f"word {number}"} if number % 2 else {"NumberValue": number / 4}
        api.create_trial_component(
            TrialComponentName=name,
            DisplayName=f"Shown-{number % 3}",
            Status={"PrimaryStatus": "Failed" if number % 4 == 0 else "Completed"},
            StartTime=NOW + number * 60,
            Parameters={"n": {"NumberValue": float(number)}, "mixed": mixed},
            InputArtifacts={"data": {"Value": f"s3://b/{number % 2}"}},
            OutputArtifacts={"model": {"Value": f"s3://b/{number}"}},
            MetadataProperties={"CommitId": f"c{number % 2}"},
            Tags=[{"Key": "parity", "Value": "odd" if number % 2 else "even"}],
        )
        service.put(name, 0.0, float(number), number / 2)
        for trial, factor in (("T-a", 2), ("T-b", 3)):
            if number % factor == 0:
                api.associate_trial_component(TrialComponentName=name, TrialName=trial)
    api.create_trial_component(TrialComponentName="Run-11")
    return service
