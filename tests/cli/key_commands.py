"""`stepwell keys` as tests call it: a key made, all of them listed, a command that is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.http.signing import Key

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Done


def create(stepwell: Command, data: Path, *options: object) -> Key:
    """Make a key."""
    done = stepwell("keys", "create", "--data", data, "--json", *options)
    assert done.status == 0, done
    document = json.loads(done.output)
    return Key(document["AccessKeyId"], document["SecretAccessKey"], document["Account"])


def rotate(stepwell: Command, data: Path, key: Key, *options: object) -> Key:
    """Give a key a new secret."""
    done = stepwell("keys", "rotate", key.id, "--data", data, "--json", *options)
    assert done.status == 0, done
    return key._replace(secret=json.loads(done.output)["SecretAccessKey"])


def listed(stepwell: Command, data: Path) -> list[dict[str, Any]]:
    """List the keys."""
    done = stepwell("keys", "list", "--data", data, "--json")
    assert (done.status, done.error) == (0, "")
    rows: list[dict[str, Any]] = json.loads(done.output)
    return rows


def assert_refused(done: Done, *words: str) -> None:
    """Check that a command ended with one line that says why."""
    assert (done.status, done.output) == (1, "")
    assert done.error.startswith("stepwell: ")
    assert done.error.count("\n") == 1
    for word in words:
        assert word in done.error
