"""Where the secrets are: the key-encryption key's places and modes, stolen folders, backups."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.key_commands import assert_refused, create, listed, rotate
from tests.faults.server import assert_sound
from tests.http import walk
from tests.http.signing import Caller, item

from stepwell.server.key_encryption import VARIABLE

if TYPE_CHECKING:
    from tests.cli.conftest import Command
    from tests.http.conftest import StartServer

_KEY = base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def key_file(config: Path) -> Path:
    """Give the place where the key-encryption key is by default."""
    return config / "stepwell" / "key-encryption.key"


def test_the_key_encryption_key(stepwell: Command, data: Path, key_file: Path) -> None:
    """It is made when it is first needed, for its owner's eyes only, and not made again."""
    create(stepwell, data)
    text = key_file.read_text()
    assert len(base64.b64decode(text, validate=False)) == 32
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert key_file.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in key_file.parent.iterdir()] == [key_file.name]
    create(stepwell, data)
    assert key_file.read_text() == text


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o610, 0o601])
def test_a_key_that_others_can_read(
    stepwell: Command, data: Path, key_file: Path, mode: int
) -> None:
    """Whatever others may do with the file, it is refused."""
    key_id = create(stepwell, data).id
    key_file.chmod(mode)
    for command in (["create"], ["rotate", key_id]):
        done = stepwell("keys", *command, "--data", data)
        assert_refused(done, str(key_file), f"{mode:04o}", "0600")
    key_file.chmod(0o400)
    create(stepwell, data)


@pytest.mark.parametrize(
    "text", ["", "short", _KEY[:-4], _KEY + "AAAA", "é" * 44, _KEY.replace("a", "!"), "0" * 5000]
)
def test_a_key_of_another_form(
    stepwell: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """What is not 32 bytes in base64 is refused, in a file and in the variable, by name."""
    file = tmp_path / "own.key"
    file.write_text(text)
    file.chmod(0o600)
    done = stepwell("keys", "create", "--data", data, "--key-file", file)
    assert_refused(done, str(file), "key-encryption key")
    monkeypatch.setenv(VARIABLE, text)
    assert_refused(stepwell("keys", "create", "--data", data), VARIABLE, "32 bytes in base64")
    assert listed(stepwell, data) == []


def test_where_the_key_may_be(
    stepwell: Command,
    data: Path,
    tmp_path: Path,
    key_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An option, a variable with the file's name, or one with the key itself say which it is."""
    first, second = tmp_path / "a" / "first.key", tmp_path / "second.key"
    create(stepwell, data, "--key-file", first)
    assert first.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("STEPWELL_KEY_FILE", str(first))
    create(stepwell, data)
    monkeypatch.setenv("STEPWELL_KEY_FILE", str(second))
    assert_refused(stepwell("keys", "create", "--data", data), str(second), "is not there")
    create(stepwell, data, "--key-file", first)
    monkeypatch.setenv(VARIABLE, first.read_text())
    create(stepwell, data)
    assert len(listed(stepwell, data)) == 4
    assert not second.exists()
    assert not key_file.exists()
    monkeypatch.setenv(VARIABLE, _KEY)
    assert_refused(stepwell("keys", "create", "--data", data), "cannot be decrypted")


@pytest.mark.parametrize("place", ["data/x.key", "data/../data/sub/x.key", "link/x.key"])
def test_never_in_the_data_folder(
    stepwell: Command, data: Path, tmp_path: Path, place: str
) -> None:
    """A key-encryption key in the data folder, by whatever path, is refused."""
    data.mkdir()
    (tmp_path / "link").symlink_to(data)
    file = tmp_path / place
    assert_refused(stepwell("keys", "create", "--data", data, "--key-file", file), "data folder")
    assert not list(data.rglob("*.key"))


def test_a_key_that_is_lost(stepwell: Command, data: Path, key_file: Path) -> None:
    """Without the key-encryption key nothing is made in its place as long as keys need it."""
    key_id = create(stepwell, data).id
    key_file.unlink()
    for command in (["create"], ["rotate", key_id]):
        assert_refused(stepwell("keys", *command, "--data", data), "is not there", "revoke all")
    assert not key_file.exists()
    assert stepwell("keys", "revoke", key_id, "--data", data).status == 0
    create(stepwell, data)
    assert key_file.exists()


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret[::-1]
    yield base64.b64encode(secret).rstrip(b"=")[:-2]
    yield secret.hex().encode()
    yield secret.decode("latin-1").encode("utf-16-le")


def test_a_stolen_folder(
    stepwell: Command,
    data: Path,
    tmp_path: Path,
    key_file: Path,
    start_server: StartServer,
) -> None:
    """Neither a folder that was served nor its backup has a secret, or what decrypts one."""
    key = create(stepwell, data)
    server = start_server(data=data)
    caller = Caller(server, key)
    for step in range(20):
        assert caller.put("run", item(Step=step)).to(server).status == 200
    assert caller.control("CreateExperiment", {"ExperimentName": "e"}).to(server).status == 200
    newer = rotate(stepwell, data, key)
    assert Caller(server, newer).put("run").to(server).status == 200
    backup = tmp_path / "backup.tar"
    assert stepwell("backup", backup, "--data", data).status == 0
    files = [*(each for each in data.rglob("*") if each.is_file()), backup, server.log]
    assert server.stop() == 0
    files += [each for each in data.rglob("*") if each.is_file()]
    assert any(key.id.encode() in each.read_bytes() for each in files if each.exists())
    hidden = [key.secret.encode(), newer.secret.encode(), base64.b64decode(key_file.read_text())]
    hidden.append(key_file.read_text().strip().encode())
    for file in files:
        content = file.read_bytes() if file.exists() else b""
        for secret in hidden:
            assert not [form for form in _forms(secret) if form in content], file


def test_backup_and_restore(
    stepwell: Command, data: Path, tmp_path: Path, start_server: StartServer, config: Path
) -> None:
    """A restored folder knows its keys, under the same key-encryption key and under no other."""
    key, revoked = create(stepwell, data), create(stepwell, data)
    assert stepwell("keys", "revoke", revoked.id, "--data", data).status == 0
    backup, restored = tmp_path / "backup.tar", tmp_path / "restored"
    assert stepwell("backup", backup, "--data", data).status == 0
    assert stepwell("restore", backup, "--data", restored).status == 0
    assert listed(stepwell, restored) == listed(stepwell, data)
    other = tmp_path / "other.key"
    other.write_text(_KEY)
    other.chmod(0o600)
    done = stepwell("keys", "create", "--data", restored, "--key-file", other)
    assert_refused(done, "cannot be decrypted")
    server = start_server(data=restored)
    for each, status in ((key, 200), (revoked, 403)):
        assert Caller(server, each).put("run").to(server).status == status
    assert server.stop() == 0
    assert_sound(restored)


def test_what_was_made_with_a_key_is_restored(
    stepwell: Command, data: Path, tmp_path: Path, start_server: StartServer, config: Path
) -> None:
    """Experiments, lineage, tags and points of a running server are in its backup, every answer."""
    key = create(stepwell, data)
    server = start_server(data=data)
    caller = Caller(server, key)
    names = walk.Names("")
    for step in walk.CREATES:
        reply = step.make(caller, names).to(server)
        assert reply.status == 200, (step.operation, reply)
        if step.operation == "CreateArtifact":
            names = walk.Names(reply.json()["ArtifactArn"])
    asked = (*walk.READS, *walk.PRYING)
    before = [walk.answer(step, caller, names) for step in asked]
    backup, restored = tmp_path / "backup.tar", tmp_path / "restored"
    assert stepwell("backup", backup, "--data", data).status == 0
    # What comes after the backup is not in it.
    for step in walk.DELETES:
        assert step.make(caller, names).to(server).status == 200
    assert stepwell("restore", backup, "--data", restored).status == 0
    again = caller._replace(server=start_server(data=restored))
    assert [walk.answer(step, again, names) for step in asked] == before
    # It goes on from there: what is new is found, and what is deleted is gone.
    assert again.put("new-run").to(again.server).status == 200
    described = again.control("DescribeTrialComponent", {"TrialComponentName": "new-run"})
    assert described.to(again.server).status == 200
    for step in walk.DELETES:
        assert step.make(again, names).to(again.server).status == 200
