"""Retries over HTTP: one invocation id counts once, whatever comes back with it (rules 2 and 4)."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import Server, StartServer

ITEM = {"MetricName": "loss", "Timestamp": 1_700_000_000, "Value": 0.5, "Step": 1}
BROKEN = {**ITEM, "Value": None}


def body(component: str, data: Any) -> bytes:
    """Encode a request."""
    return json.dumps({"TrialComponentName": component, "MetricData": data}).encode()


@pytest.fixture
def put_id() -> str:
    """Give an id as SDKs make them."""
    return str(uuid.uuid4())


@pytest.mark.parametrize("attempts", [2, 5])
def test_a_retry_is_stored_once(server: Server, component: str, put_id: str, attempts: int) -> None:
    """However often a put comes with its id, it is stored once and answered alike."""
    data = [ITEM, BROKEN, ITEM]
    answers = [server.put(component, data, put_id) for _ in range(attempts)]
    assert answers == [[(1, "VALIDATION_ERROR")]] * attempts
    assert server.count(component) == 2


@pytest.mark.parametrize(
    "name", ["amz-sdk-invocation-id", "Idempotency-Key", "AMZ-SDK-INVOCATION-ID"]
)
@pytest.mark.parametrize("text", ["x", "7b1c", "é", "a b", "x" * 4_000])
def test_ids_of_any_form(server: Server, component: str, name: str, text: str) -> None:
    """Both headers carry an id of any form, in any case."""
    request = body(component, [ITEM])
    replies = [server.put_body(request, {name: text}) for _ in range(2)]
    assert [(reply.status, reply.json()) for reply in replies] == [(200, {"Errors": []})] * 2
    assert server.count(component) == 1


def test_an_empty_id_is_none(server: Server, component: str) -> None:
    """A header without a value is no id."""
    for _ in range(2):
        server.put_body(body(component, [ITEM]), {"amz-sdk-invocation-id": ""})
    assert server.count(component) == 2


def test_puts_without_an_id_all_count(server: Server, component: str) -> None:
    """Without an id each put is a new one."""
    for _ in range(3):
        assert server.put(component, [ITEM]) == []
    assert server.count(component) == 3


@pytest.mark.parametrize("count", [1, 2, 7])
def test_other_content_conflicts(server: Server, component: str, put_id: str, count: int) -> None:
    """An id that was used with other content gives each item CONFLICT_ERROR and stores nothing."""
    assert server.put(component, [ITEM], put_id) == []
    other = [{**ITEM, "Value": 0.75}] * count
    expected = [(index, "CONFLICT_ERROR") for index in range(count)]
    assert server.put(component, other, put_id) == expected
    assert server.put(component, other, put_id) == expected
    assert server.put(component, [ITEM], put_id) == []
    assert server.count(component) == 1


def test_another_component_is_independent(server: Server, component: str, put_id: str) -> None:
    """One id for two components is two puts."""
    other = f"{component}-b"
    for name in (component, other, component, other):
        assert server.put(name, [ITEM], put_id) == []
    assert (server.count(component), server.count(other)) == (1, 1)


def test_case_does_not_make_another_component(server: Server, component: str, put_id: str) -> None:
    """A folded name is the same component, so other bytes with one id are other content."""
    assert server.put(component, [ITEM], put_id) == []
    assert server.put(component.upper(), [ITEM], put_id) == [(0, "CONFLICT_ERROR")]
    assert server.count(component) == 1


def test_a_refused_request_leaves_no_id(server: Server, component: str, put_id: str) -> None:
    """A request that was refused as a whole does not use its id up."""
    headers = {"amz-sdk-invocation-id": put_id}
    assert server.put_body(body(component, []), headers).status == 400
    assert server.put(component, [ITEM], put_id) == []
    assert server.count(component) == 1


def test_a_put_that_stored_nothing_is_told_the_same_again(
    server: Server, component: str, put_id: str
) -> None:
    """A retry of a put whose items were all refused gets the same errors."""
    for _ in range(3):
        assert server.put(component, [BROKEN, BROKEN], put_id) == [
            (0, "VALIDATION_ERROR"),
            (1, "VALIDATION_ERROR"),
        ]


def test_attempts_at_the_same_time(server: Server, component: str) -> None:
    """Sixteen attempts of each of eight puts, all at once, store each put once."""
    ids = [str(uuid.uuid4()) for _ in range(8)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda each: server.put(component, [ITEM, BROKEN, ITEM], each), ids * 16)
        )
    assert answers == [[(1, "VALIDATION_ERROR")]] * len(answers)
    assert server.count(component) == 2 * len(ids)


def test_different_puts_with_one_id_at_the_same_time(server: Server, component: str) -> None:
    """Of different puts with one id, all at once, what is answered without errors is stored."""
    bodies = [[BROKEN], [ITEM] * 2, [ITEM] * 3, [BROKEN] * 4]
    for _ in range(20):
        put_id = str(uuid.uuid4())
        before = server.count(component)
        with ThreadPoolExecutor(len(bodies)) as pool:
            answers = list(
                pool.map(lambda data, each=put_id: server.put(component, data, each), bodies)
            )
        answered = sum(
            len(data) - len(errors) for data, errors in zip(bodies, answers, strict=True)
        )
        assert server.count(component) - before == answered


def test_a_retry_after_a_restart(start_server: StartServer, tmp_path: Path, put_id: str) -> None:
    """A retry that comes after the server was stopped and started is still the same put."""
    data = tmp_path / "data"
    first = start_server(data=data)
    items = [ITEM, BROKEN]
    assert first.put("run", items, put_id) == [(1, "VALIDATION_ERROR")]
    assert first.stop() == 0
    second = start_server(data=data)
    assert second.put("run", items, put_id) == [(1, "VALIDATION_ERROR")]
    assert second.put("run", [ITEM], put_id) == [(0, "CONFLICT_ERROR")]
    assert second.count("run") == 1
    assert second.stop() == 0
