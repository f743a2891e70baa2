"""Every operation with every role, without a key, and with a key of another account."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest
from tests.http import walk
from tests.http.signing import ACCOUNT, FOREIGN, Caller, Vault, error_code, item
from tests.http.walk import Names, Step, answer

from stepwell.model.access import Role
from stepwell.server.api import routes
from stepwell.server.control.plane import HANDLERS
from stepwell.wire.operations import OPERATIONS

if TYPE_CHECKING:
    from tests.http.conftest import Server, StartServer

#: What a key that only reads may do. A new operation is in here, or is refused.
_READ = {each.operation for each in walk.READS}
_OPEN = {"/healthz", "/readyz"}
_NATIVE = {"/metrics": "GetServerMetrics", "/api/v1/points": "GetPoints"}
_OTHERS = {"BatchPutMetrics", "BatchGetMetrics", "GetCallerIdentity", *_NATIVE.values()}


class World(NamedTuple):
    """A server with keys of two accounts, and nothing else in it."""

    server: Server
    vault: Vault
    owner: Caller
    foreign: Caller


def make_world(start_server: StartServer, folder: Path) -> World:
    """Start a server."""
    vault = Vault(folder)
    owner, foreign = vault.create(), vault.create(account=FOREIGN)
    server = start_server("--key-file", str(vault.key_file), data=vault.data)
    return World(server, vault, Caller(server, owner), Caller(server, foreign))


@pytest.fixture(scope="module")
def empty(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Give a server in which nothing was ever made."""
    return make_world(start_server, tmp_path_factory.mktemp("empty"))


@pytest.fixture(scope="module")
def world(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Give another one, for what is made in tests."""
    return make_world(start_server, tmp_path_factory.mktemp("world"))


def names_of(caller: Caller) -> Names:
    """Make an artifact, see what it is called, and delete it."""
    members = {"Source": {"SourceUri": walk.URI}, "ArtifactType": "t"}
    made = caller.control("CreateArtifact", members).to(caller.server).json()
    deleted = caller.control("DeleteArtifact", made).to(caller.server)
    assert deleted.status == 200
    return Names(made["ArtifactArn"])


def test_the_walk_is_complete() -> None:
    """The tests below walk every operation that there is: a new one must be put into the walk."""
    walked = {each.operation for each in walk.STEPS}
    assert walked == {*HANDLERS, *_OTHERS}
    assert set(OPERATIONS) == set(HANDLERS)
    # The native API has a walk of its own, in test_native_walk.py.
    # Routes hold on to the parts of a server, and look at them when they are asked.
    assert {route.path for route in routes(cast("Any", None))} == {*_OPEN, *_NATIVE}


@pytest.mark.parametrize("role", [Role.WRITE, Role.ADMIN])
def test_roles(world: World, role: Role) -> None:
    """Unsigned every operation is refused, `read` reads, `write` and `admin` do everything."""
    reader = Caller(world.server, world.vault.create(Role.READ))
    able = Caller(world.server, world.vault.create(role))
    names = names_of(able)
    for step in walk.STEPS:
        unsigned = walk.unsigned_of(step, able, names).to(world.server)
        assert unsigned.status == 403, step.operation
        assert error_code(unsigned).startswith("MissingAuthenticationToken"), step.operation
        read = step.make(reader, names).to(world.server)
        # Had the reader's request done anything, this one would fail: it would come too late.
        done = step.make(able, names).to(world.server)
        if step.operation in walk.NOT_FOUND:
            assert error_code(done) == "ResourceNotFound"
        else:
            assert done.status == 200, (step.operation, done)
        if step.operation in _READ:
            assert read.status == done.status, step.operation
        else:
            assert (read.status, error_code(read)) == (403, "AccessDeniedException")
            assert step.operation in read.json()["message"]


@pytest.mark.parametrize("operation", sorted(set(HANDLERS) - _READ))
def test_a_reader_is_told_nothing(world: World, operation: str) -> None:
    """Who may not do an operation is not told what is wrong with the request."""
    reader = Caller(world.server, world.vault.create(Role.READ))
    for members in ({}, {"Nonsense": 1}, {"ExperimentName": 5, "Tags": "x"}):
        reply = reader.control(operation, members).to(world.server)
        assert (reply.status, error_code(reply)) == (403, "AccessDeniedException")
    unsigned = reader._replace(key=None).control(operation).to(world.server)
    assert error_code(unsigned) == "MissingAuthenticationTokenException"


def test_the_owner_finds_everything(world: World) -> None:
    """What the next test asks for in vain is there, for its owner: no question finds nothing."""
    names = names_of(world.owner)
    for step in walk.CREATES:
        assert step.make(world.owner, names).to(world.server).status == 200
    seen = [answer(step, world.owner, names) for step in walk.PRYING]
    assert {status for _, status, _ in seen} == {200}
    blank = [text for _, _, text in seen if "secret" not in text.lower() and "0.5" not in text]
    # A start or an end that has no edges, and a training job that is not there.
    assert all('"AssociationSummaries":[]' in text or "Suggestions" in text for text in blank), (
        blank
    )
    for step in walk.DELETES:
        assert step.make(world.owner, names).to(world.server).status == 200


def test_another_account(world: World, empty: World) -> None:
    """A foreign account gets, and does, what it would if nothing existed, by whatever name."""
    names = names_of(world.owner)
    for step in walk.CREATES:
        assert step.make(world.owner, names).to(world.server).status == 200
    asked = (*walk.READS, *walk.PRYING)
    before = [answer(step, world.owner, names) for step in asked]
    # First as a stranger, then with entities of its own of the same names, then changing them.
    walks: tuple[tuple[Step, ...], ...] = (
        *(asked, walk.UPDATES, walk.DELETES, walk.CREATES[4:5], walk.CREATES[8:]),
        *(walk.CREATES, walk.CREATES, asked, walk.UPDATES, asked, walk.DELETES, asked),
    )
    for step in (each for steps in walks for each in steps):
        found = answer(step, world.foreign, names)
        assert found == answer(step, empty.foreign, names)
        assert world.owner.key is not None
        assert world.owner.key.id not in found[2]
    assert [answer(step, world.owner, names) for step in asked] == before
    for step in walk.DELETES:
        assert step.make(world.owner, names).to(world.server).status == 200


def test_page_tokens(world: World) -> None:
    """A page token goes on for any key of its account, and for no key of another one."""
    for caller in (world.owner, world.foreign):
        for number in range(3):
            members = {"ExperimentName": f"page-{number}"}
            assert caller.control("CreateExperiment", members).to(world.server).status == 200
    second = Caller(world.server, world.vault.create(Role.READ))
    search = {"Resource": "Experiment"}
    for operation, asked in (("ListExperiments", {}), ("Search", search)):
        members = {**asked, "MaxResults": 1}
        first = world.owner.control(operation, members).to(world.server).json()
        members["NextToken"] = first["NextToken"]
        assert second.control(operation, members).to(world.server).status == 200
        refused = world.foreign.control(operation, members).to(world.server)
        garbage = world.foreign.control(operation, {**members, "NextToken": "x"}).to(world.server)
        assert (refused.status, refused.body) == (garbage.status, garbage.body)
        assert error_code(refused) == "ValidationException"


def test_names_are_an_accounts_own(world: World) -> None:
    """Two accounts have entities, points and ids of puts of the same names, in whatever case."""
    callers = {ACCOUNT: world.owner, FOREIGN: world.foreign}
    for number, (account, caller) in enumerate(callers.items()):
        name = "Same-Name" if number else "same-name"
        members = {"ExperimentName": name, "Description": account}
        assert caller.control("CreateExperiment", members).to(world.server).status == 200
        data = [item(Step=step, Value=number) for step in range(number + 2)]
        sent = caller.put("same-run", *data, amz_sdk_invocation_id="same-id")
        for _ in range(2):
            assert sent.to(world.server).json() == {"Errors": []}
    for number, (account, caller) in enumerate(callers.items()):
        found = caller.control("DescribeExperiment", {"ExperimentName": "SAME-NAME"})
        document = found.to(world.server).json()
        assert document["Description"] == account
        assert document["ExperimentArn"].split(":")[4] == account
        members = {"TrialComponentName": "same-run"}
        (metric,) = (
            caller.control("DescribeTrialComponent", members).to(world.server).json()["Metrics"]
        )
        assert (metric["Count"], metric["Avg"]) == (number + 2, number)
    members = {"TrialComponentName": "same-run"}
    deleted = world.foreign.control("DeleteTrialComponent", members).to(world.server)
    assert deleted.status == 200
    assert world.foreign.control("DescribeTrialComponent", members).to(world.server).status == 400
    assert world.owner.control("DescribeTrialComponent", members).to(world.server).status == 200


def test_created_by_is_the_key(world: World) -> None:
    """Entities say which key made them and which changed them last."""
    other = Caller(world.server, world.vault.create())
    name = {"ExperimentName": "by-keys"}
    assert world.owner.control("CreateExperiment", name).to(world.server).status == 200
    changed = other.control("UpdateExperiment", {**name, "Description": "d"})
    assert changed.to(world.server).status == 200
    document = other.control("DescribeExperiment", name).to(world.server).json()
    for member, caller in (("CreatedBy", world.owner), ("LastModifiedBy", other)):
        assert caller.key is not None
        assert caller.key.id in json.dumps(document[member])
        assert caller.key.secret not in json.dumps(document)
