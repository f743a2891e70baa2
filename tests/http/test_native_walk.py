"""Every endpoint of the native API with every role, without a key, and with a foreign account's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import pytest
from tests.http import walk
from tests.http.signing import FOREIGN, Caller, Sent, Vault, error_code, item

from stepwell.model.access import Role
from stepwell.server.studio.routes import ENDPOINTS

if TYPE_CHECKING:
    from tests.http.conftest import Reply, Server, StartServer

RUN = walk.COMPONENT
_CHARTS = {"charts": [{"metric": "loss", "runs": [RUN]}]}
_ASKED = "?q=" + quote(json.dumps(_CHARTS))
_SERIES = f"?run={RUN}&metric=loss"
#: What is asked of each endpoint: what follows its path, and its body.
ASKED: dict[str, tuple[str, object]] = {
    "QueryFrames": ("", _CHARTS),
    "GetFrames": (_ASKED, None),
    "QueryFramesJson": ("", _CHARTS),
    "GetFramesJson": (_ASKED, None),
    "QueryFramesCsv": ("", _CHARTS),
    "GetFramesCsv": (_ASKED, None),
    "QueryMetrics": ("", {"runs": [RUN]}),
    "GetPointsJson": (_SERIES, None),
    "GetPointsCsv": (_SERIES, None),
    "ListExperiments": ("", None),
    "ListRuns": ("", None),
    "GetRun": ("", None),
    "QuerySummaries": ("", {"runs": [RUN], "metrics": ["loss"]}),
    "QueryRank": ("", {"runs": [RUN], "by": "change"}),
    "QueryTargets": ("", {"runs": [RUN], "metric": "loss", "below": 0.5}),
    "QueryNotes": ("", {"runs": [RUN], "x": "wall"}),
    "UpdateRun": ("", {"display_name": "changed", "tags": {"changed": "yes"}}),
    "CreateNote": ("", {"step": 1, "text": "changed"}),
    "DeleteNote": ("", None),
    "DeleteRun": ("", None),
}


class World(NamedTuple):
    """A server with a run of the owner's, and callers of two accounts."""

    server: Server
    vault: Vault
    owner: Caller
    foreign: Caller


def make_world(start_server: StartServer, folder: Path, *, has_run: bool) -> World:
    """Start a server."""
    vault = Vault(folder)
    owner, foreign = vault.create(), vault.create(account=FOREIGN)
    server = start_server("--key-file", str(vault.key_file), data=vault.data)
    world = World(server, vault, Caller(server, owner), Caller(server, foreign))
    if has_run:
        sent = world.owner.put(RUN, item(Step=1, Value=0.5), item(Step=2, Value=0.25))
        assert sent.to(server).json() == {"Errors": []}
        members = {"ExperimentName": walk.EXPERIMENT}
        assert world.owner.control("CreateExperiment", members).to(server).status == 200
    return world


@pytest.fixture
def world(start_server: StartServer, tmp_path: Path) -> World:
    """Give a server with a run."""
    return make_world(start_server, tmp_path / "world", has_run=True)


def ask(caller: Caller, number: int, note: int = 1) -> Sent:
    """Make the request for an endpoint."""
    endpoint = ENDPOINTS[number]
    query, body = ASKED[endpoint.operation]
    path = endpoint.path.replace("{name}", RUN).replace("{id}", str(note))
    content = b"" if body is None else json.dumps(body).encode()
    return caller.signed(endpoint.method, f"/api/v1/{path}{query}", content)


def seen(caller: Caller) -> list[tuple[int, bytes]]:
    """Give what a caller reads at every endpoint."""
    replies: list[Reply] = [
        ask(caller, number).to(caller.server)
        for number, endpoint in enumerate(ENDPOINTS)
        if not endpoint.changes
    ]
    return [(reply.status, reply.body) for reply in replies]


def test_the_walk_is_complete() -> None:
    """A new endpoint must be put into the walk."""
    assert ASKED.keys() == {each.operation for each in ENDPOINTS}


def test_roles(world: World) -> None:
    """Unsigned every endpoint is refused; `read` reads, and only `write` and `admin` change."""
    reader, writer, admin = (
        Caller(world.server, world.vault.create(role))
        for role in (Role.READ, Role.WRITE, Role.ADMIN)
    )
    before = seen(world.owner)
    for number, endpoint in enumerate(ENDPOINTS):
        unsigned = ask(world.owner._replace(key=None), number).to(world.server)
        assert unsigned.status == 403, endpoint.operation
        assert error_code(unsigned) == "MissingAuthenticationTokenException"
        read = ask(reader, number).to(world.server)
        if endpoint.changes:
            assert (read.status, error_code(read)) == (403, "AccessDeniedException")
        else:
            assert read.status == 200, (endpoint.operation, read)
    assert seen(world.owner) == before
    for number, endpoint in enumerate(ENDPOINTS):
        note = 1
        if endpoint.operation == "DeleteNote":
            made = admin.signed("POST", f"/api/v1/runs/{RUN}/notes", b'{"step":1,"text":"x"}')
            note = made.to(world.server).json()["id"]
        if endpoint.operation == "DeleteRun":
            continue
        for able in (writer,) if endpoint.operation == "DeleteNote" else (writer, admin):
            done = ask(able, number, note).to(world.server)
            assert done.status in {200, 201, 204}, (endpoint.operation, done)
    (deletes,) = (number for number, each in enumerate(ENDPOINTS) if each.operation == "DeleteRun")
    assert ask(writer, deletes).to(world.server).status in {200, 204}
    assert writer.signed("GET", f"/api/v1/runs/{RUN}").to(world.server).status == 404


def test_another_account(world: World, start_server: StartServer, tmp_path: Path) -> None:
    """A foreign account gets what it would if nothing existed, and changes nothing of ours."""
    empty = make_world(start_server, tmp_path / "empty", has_run=False)
    before = seen(world.owner)
    assert any(b"0.25" in body for _, body in before)
    assert seen(world.foreign) == seen(empty.foreign)
    for number, endpoint in enumerate(ENDPOINTS):
        if endpoint.changes:
            found = ask(world.foreign, number).to(world.server)
            assert found.status == 404, (endpoint.operation, found)
    assert seen(world.owner) == before
