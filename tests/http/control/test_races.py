"""Requests at once, from many threads to two workers: one wins, and nothing is half of anything."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .conftest import NOW, Service

THREADS = 8


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run calls at the same moment, each in a thread; give answers or errors."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=60)
        try:
            return call()
        except ClientError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [*pool.map(run, calls)]


def codes(answers: Sequence[Any]) -> list[str]:
    """Give the codes of the answers that are errors."""
    return [each.response["Error"]["Code"] for each in answers if isinstance(each, ClientError)]


def test_one_create_wins(service: Service, name: str) -> None:
    """Of many creates of one name, in any spelling, one is answered and the others are told."""
    api = service.api
    api.create_experiment(ExperimentName=f"{name}-parent")
    source = {"SourceUri": f"s3://{name}"}
    creates: dict[str, Callable[[str], Any]] = {
        "experiment": lambda spelled: api.create_experiment(ExperimentName=spelled),
        "trial": lambda spelled: api.create_trial(
            TrialName=spelled, ExperimentName=f"{name}-parent"
        ),
        "component": lambda spelled: api.create_trial_component(TrialComponentName=spelled),
        "action": lambda spelled: api.create_action(
            ActionName=spelled, Source=source, ActionType="T"
        ),
        "context": lambda spelled: api.create_context(
            ContextName=spelled, Source=source, ContextType="T"
        ),
        "artifact": lambda _: api.create_artifact(Source=source, ArtifactType="T"),
    }
    for kind, create in creates.items():
        for round_ in range(3):
            base = f"{name}-{kind}-{round_}"
            spelled = [base if index % 2 else base.upper() for index in range(THREADS)]
            if kind == "artifact":
                source["SourceUri"] = f"s3://{base}"
            answers = at_once([partial(create, one) for one in spelled])
            assert codes(answers) == ["ValidationException"] * (THREADS - 1)
            for each in answers:
                if isinstance(each, ClientError):
                    assert "already exists" in each.response["Error"]["Message"]


def test_one_association_wins(service: Service, name: str) -> None:
    """Of many equal lineage edges at once one is made; a membership is made once by all."""
    api = service.api
    api.create_experiment(ExperimentName=name)
    api.create_trial(TrialName=name, ExperimentName=name)
    ends = {}
    for side in ("Source", "Destination"):
        source = {"SourceUri": f"s3://{name}/{side}"}
        made = api.create_artifact(Source=source, ArtifactType="T")
        ends[f"{side}Arn"] = made["ArtifactArn"]
    answers = at_once([lambda: api.add_association(**ends)] * THREADS)
    assert codes(answers) == ["ValidationException"] * (THREADS - 1)
    assert len(api.list_associations(SourceArn=ends["SourceArn"])["AssociationSummaries"]) == 1
    api.create_trial_component(TrialComponentName=name)
    members = {"TrialComponentName": name, "TrialName": name}
    answers = at_once([lambda: api.associate_trial_component(**members)] * THREADS)
    assert codes(answers) == []
    (found,) = service.search(("TrialComponentName", "Equals", name))["Results"]
    assert found["TrialComponent"]["Parents"] == [{"TrialName": name, "ExperimentName": name}]


def test_updates_are_whole(service: Service, name: str) -> None:
    """Each update is there as a whole: no reader sees a part of one, and all keys are merged."""
    api = service.api
    api.create_trial_component(TrialComponentName=name)
    stop = threading.Event()
    torn: list[Any] = []

    def read() -> None:
        while not stop.is_set():
            found = api.describe_trial_component(TrialComponentName=name)
            message = found.get("Status", {}).get("Message")
            numbers = _shared(found)
            if len(numbers) > 1 or (message is not None and {float(message)} != numbers):
                torn.append((message, numbers))

    def write(rank: int) -> None:
        for step in range(10):
            number = float(rank * 100 + step)
            api.update_trial_component(
                TrialComponentName=name,
                Status={"PrimaryStatus": "InProgress", "Message": str(number)},
                Parameters={
                    "shared a": {"NumberValue": number},
                    "shared b": {"NumberValue": number},
                    f"own {rank} {step}": {"NumberValue": number},
                    f"gone {rank}": {"NumberValue": number},
                },
                ParametersToRemove=[f"gone {rank}"],
                OutputArtifacts={"shared": {"Value": str(number)}},
            )

    reader = threading.Thread(target=read)
    reader.start()
    try:
        answers = at_once([lambda rank=rank: write(rank) for rank in range(THREADS)])
    finally:
        stop.set()
        reader.join()
    assert codes(answers) == []
    assert torn == []
    found = api.describe_trial_component(TrialComponentName=name)
    own = {key for key in found["Parameters"] if key.startswith("own")}
    assert own == {f"own {rank} {step}" for rank in range(THREADS) for step in range(10)}
    assert not [key for key in found["Parameters"] if key.startswith("gone")]


def _shared(found: Any) -> set[float]:
    """Give what every update sets to its number: that number, once."""
    parameters, artifacts = found["Parameters"], found["OutputArtifacts"]
    numbers = {parameters[key]["NumberValue"] for key in parameters if key.startswith("shared")}
    return numbers | {float(each["Value"]) for each in artifacts.values()}


def test_tags_at_once(service: Service, name: str) -> None:
    """Tags added at once are all there, and never more than 50."""
    api = service.api
    arn = api.create_experiment(ExperimentName=name)["ExperimentArn"]

    def add(rank: int) -> None:
        tags = [{"Key": f"{rank}-{number}", "Value": ""} for number in range(8)]
        api.add_tags(ResourceArn=arn, Tags=tags)

    answers = at_once([lambda rank=rank: add(rank) for rank in range(THREADS)])
    assert codes(answers) == ["ValidationException"] * 2
    keys = [each["Key"] for each in api.list_tags(ResourceArn=arn)["Tags"]]
    assert len(keys) == 48
    assert len({key.split("-")[0] for key in keys}) == 6


def test_delete_against_put(service: Service, name: str) -> None:
    """A put that meets a delete is stored in what comes after, or told so: never lost unsaid.

    Whatever was answered without an error before the last delete is gone with it; what came after
    is there. CONFLICT_ERROR is the only other answer.
    """
    api = service.api
    seen: set[str] = set()
    for _ in range(5):
        service.put(name, 0.0)
        counts = [0] * THREADS

        def put(rank: int, counts: list[int] = counts) -> None:
            for step in range(15):
                item = {"MetricName": f"m{rank}", "Timestamp": NOW + step, "Value": 1.0}
                errors = service.metrics.batch_put_metrics(
                    TrialComponentName=name, MetricData=[item]
                )["Errors"]
                seen.update(each["Code"] for each in errors)
                counts[rank] += not errors

        def delete() -> None:
            for _ in range(5):
                try:
                    api.delete_trial_component(TrialComponentName=name)
                except api.exceptions.ResourceNotFound:
                    continue

        answers = at_once([lambda rank=rank: put(rank) for rank in range(THREADS)] + [delete])
        assert codes(answers) == []
        # One last put, so that there is a component whose points can be counted.
        service.put(name, 1.0, metric="last")
        found = {
            each["MetricName"]: each["Count"]
            for each in api.describe_trial_component(TrialComponentName=name)["Metrics"]
        }
        assert found["last"] == 1
        for rank in range(THREADS):
            assert found.get(f"m{rank}", 0) <= counts[rank]
        api.delete_trial_component(TrialComponentName=name)
        assert service.found(("TrialComponentName", "Equals", name)) == []
    assert seen <= {"CONFLICT_ERROR"}


def test_associate_against_delete(service: Service, name: str) -> None:
    """Of an association and a delete one comes first: the other is refused, and nothing dangles."""
    api = service.api
    api.create_experiment(ExperimentName=name)
    for round_ in range(10):
        each = f"{name}-{round_}"
        api.create_trial(TrialName=each, ExperimentName=name)
        api.create_trial_component(TrialComponentName=each)
        ends = {"TrialComponentName": each, "TrialName": each}
        first, second, third = at_once(
            [
                lambda ends=ends: api.associate_trial_component(**ends),
                lambda each=each: api.delete_trial_component(TrialComponentName=each),
                lambda each=each: api.delete_trial(TrialName=each),
            ]
        )
        if isinstance(first, ClientError):
            assert codes([first]) == ["ResourceNotFound"]
            assert len(codes([second, third])) < 2
        else:
            assert codes([second, third]) == ["ValidationException"] * 2
            assert service.found(("Parents.TrialName", "Equals", each)) == [each]
    listed = api.list_trial_components(ExperimentName=name, MaxResults=100)
    for each in listed["TrialComponentSummaries"]:
        api.describe_trial_component(TrialComponentName=each["TrialComponentName"])


def test_deletes_at_once(service: Service, name: str) -> None:
    """Of many deletes of one thing one is answered, and the others find nothing."""
    api = service.api
    for round_ in range(3):
        api.create_trial_component(TrialComponentName=name)
        service.put(name, float(round_))
        answers = at_once([lambda: api.delete_trial_component(TrialComponentName=name)] * THREADS)
        assert codes(answers) == ["ResourceNotFound"] * (THREADS - 1)
        assert service.server.count(name) == 0


def test_create_against_put(service: Service, name: str) -> None:
    """A create and a first put of one name make one component, with the put's points."""
    for round_ in range(10):
        each = f"{name}-{round_}"
        created, _, _ = at_once(
            [
                lambda each=each: service.api.create_trial_component(TrialComponentName=each),
                lambda each=each: service.put(each, 1.0),
                lambda each=each: service.put(each, 2.0, first=1),
            ]
        )
        assert codes([created]) in ([], ["ValidationException"])
        found = service.api.describe_trial_component(TrialComponentName=each)
        assert [one["Count"] for one in found["Metrics"]] == [2]
        assert service.found(("TrialComponentName", "Equals", each)) == [each]


def test_pages_while_others_come_and_go(service: Service, name: str) -> None:
    """A search page by page, while threads create and delete, has each old row exactly once."""
    api = service.api
    stays = [f"{name}-stays-{number}" for number in range(40)]
    for number, each in enumerate(stays):
        api.create_trial_component(
            TrialComponentName=each, Parameters={name: {"NumberValue": float(number % 7)}}
        )
    stop = threading.Event()

    def come_and_go(rank: int) -> None:
        number = 0
        while not stop.is_set():
            each = f"{name}-goes-{rank}-{number}"
            api.create_trial_component(
                TrialComponentName=each, Parameters={name: {"NumberValue": float(number % 7)}}
            )
            if number % 2:
                api.delete_trial_component(TrialComponentName=each)
            number += 1

    threads = [threading.Thread(target=come_and_go, args=[rank]) for rank in range(3)]
    for thread in threads:
        thread.start()
    try:
        for sort_by in (f"Parameters.{name}", "CreationTime", "TrialComponentName"):
            found: list[str] = []
            token: dict[str, str] = {}
            while True:
                page = service.search(
                    (f"Parameters.{name}", "Exists", None), SortBy=sort_by, MaxResults=3, **token
                )
                found += [each["TrialComponent"]["TrialComponentName"] for each in page["Results"]]
                # Who asks for the newest last would never come to the end.
                if "NextToken" not in page or len(found) > 2000:
                    break
                token = {"NextToken": page["NextToken"]}
            assert len(set(found)) == len(found)
            assert set(stays) <= set(found)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("kind", ["artifact", "action"])
def test_properties_at_once(service: Service, name: str, kind: str) -> None:
    """Updates of a lineage entity's properties at once are all merged."""
    api = service.api
    source = {"SourceUri": f"s3://{name}"}
    if kind == "artifact":
        key = {"ArtifactArn": api.create_artifact(Source=source, ArtifactType="T")["ArtifactArn"]}
    else:
        api.create_action(ActionName=name, Source=source, ActionType="T")
        key = {"ActionName": name}
    update, describe = getattr(api, f"update_{kind}"), getattr(api, f"describe_{kind}")
    answers = at_once(
        [
            lambda rank=rank: update(**key, Properties={f"k{rank}": str(rank)})
            for rank in range(THREADS)
        ]
    )
    assert codes(answers) == []
    wanted = {f"k{rank}": str(rank) for rank in range(THREADS)}
    assert describe(**key)["Properties"] == wanted
