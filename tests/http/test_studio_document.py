"""The OpenAPI document against the server: what it says is there, and answers are as it says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from stepwell.server.studio import openapi
from stepwell.server.studio.routes import ENDPOINTS
from stepwell.server.studio.service import Endpoint

if TYPE_CHECKING:
    from tests.http.conftest import Server

NOW = 1_700_000_000
ALL = [*ENDPOINTS, *openapi.OTHERS]
FRAMES = {"charts": [{"metric": "loss", "runs": ["documented", "nobody"]}], "buckets": 2}
#: A body or a query string for each operation that needs one.
ASKED: dict[str, Any] = {
    "QueryFrames": FRAMES,
    "QueryFramesJson": FRAMES,
    "QueryFramesCsv": FRAMES,
    "GetFrames": f"q={json.dumps(FRAMES)}".replace(" ", ""),
    "GetFramesJson": f"q={json.dumps(FRAMES)}".replace(" ", ""),
    "GetFramesCsv": f"q={json.dumps(FRAMES)}".replace(" ", ""),
    "QueryMetrics": {"runs": ["documented"]},
    "QueryRank": {"runs": ["documented"]},
    "QueryTargets": {"runs": ["documented", "nobody"], "metric": "loss", "above": 0.5},
    "QueryNotes": {"runs": ["documented", "nobody"], "x": "relative"},
    "QuerySummaries": {"runs": ["documented", "nobody"], "metrics": ["loss"]},
    "GetPointsJson": "run=documented&metric=loss",
    "GetPoints": "component=documented&metric=loss",
    "GetPointsCsv": "run=documented&metric=loss",
    "CreateNote": {"step": 1, "text": "x"},
    "UpdateRun": {"tags": {"a": "b"}},
    "CreateSession": {"access_key_id": "any", "secret_access_key": "any"},
}


def ask(server: Server, endpoint: Endpoint, path: str) -> Any:
    """Ask an endpoint what it stands for."""
    asked = ASKED.get(endpoint.operation)
    body = None if asked is None or isinstance(asked, str) else json.dumps(asked).encode()
    query = f"?{asked}".replace('"', "%22") if isinstance(asked, str) else ""
    headers = {"content-type": "application/json", "x-stepwell-csrf": "1"}
    return server.request(endpoint.method, f"/api/v1/{path}{query}", body, headers)


@pytest.fixture(scope="module")
def document(default_server: Server) -> dict[str, Any]:
    """Give the document; the server has a run that has a bit of everything."""
    for step, value in enumerate([1.0, "NaN", "Infinity"]):
        item = {"MetricName": "loss", "Timestamp": NOW + step, "Step": step, "Value": value}
        assert default_server.put("documented", [item]) == []
    found: dict[str, Any] = default_server.request("GET", "/api/v1/openapi.json").json()
    return found


def test_it_lists_every_endpoint(document: dict[str, Any]) -> None:
    """Every method on every path is in it, once, and no other."""
    listed = {
        (method.upper(), path.removeprefix("/"))
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert listed == {(each.method, each.path) for each in ALL}
    assert len(listed) == len(ALL)
    operations = [each.operation for each in ALL]
    assert len(set(operations)) == len(operations)


def test_what_it_refers_to_is_there(document: dict[str, Any]) -> None:
    """No schema is missing."""
    names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert names <= set(document["components"]["schemas"])
    assert document["openapi"] == "3.1.0"


def test_whoever_only_reads_may_ask_what_changes_nothing(document: dict[str, Any]) -> None:
    """An operation needs the role read exactly if it changes nothing."""
    for each in ALL:
        operation = document["paths"]["/" + each.path][each.method.lower()]
        if "Anyone" not in each.summary:
            assert ("role write" in operation["description"]) == each.changes


def test_answers_are_as_it_says(default_server: Server, document: dict[str, Any]) -> None:
    """Every endpoint answers in the type, and with the members, that the document gives it."""
    note = default_server.request(
        "POST",
        "/api/v1/runs/documented/notes",
        json.dumps(ASKED["CreateNote"]).encode(),
        {"x-stepwell-csrf": "1"},
    ).json()["id"]
    # What deletes comes last.
    for each in sorted(ALL, key=lambda each: (each.method == "DELETE", -len(each.path))):
        if each.operation == "GetLive":
            continue
        path = each.path.replace("{name}", "documented").replace("{id}", note)
        reply = ask(default_server, each, path)
        described = document["paths"]["/" + each.path][each.method.lower()]["responses"]
        assert str(reply.status) in described, (each.operation, reply)
        if reply.status == 204:
            assert reply.body == b""
            continue
        ((kind, _),) = described["200"]["content"].items()
        assert reply.headers["content-type"].split(";")[0] == kind, each.operation
        if each.response is not None:
            strict = msgspec.json.decode(reply.body, type=each.response)
            if isinstance(strict, msgspec.Struct):
                assert set(reply.json()) == set(msgspec.to_builtins(strict)), each.operation


def test_the_page_lists_it(default_server: Server) -> None:
    """The page names every path, and loads nothing but its own style."""
    reply = default_server.request("GET", "/api/v1/docs")
    text = reply.body.decode()
    for each in ALL:
        assert f"{each.method} api/v1/{each.path}" in text
    assert re.findall(r'(?:src|href)="([^"]*)"', text) == ["docs.css", "openapi.json"]
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    style = default_server.request("GET", "/api/v1/docs.css")
    assert style.headers["content-type"] == "text/css; charset=utf-8"
