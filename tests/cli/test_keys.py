"""`stepwell keys`: what it takes, what it says, and what it refuses."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.key_commands import assert_refused, create, listed, rotate

if TYPE_CHECKING:
    from tests.cli.conftest import Command

_ID = re.compile("SWAK[A-Z2-7]{16}")

pytestmark = pytest.mark.usefixtures("config")


def test_create(stepwell: Command, data: Path) -> None:
    """Without --json it prints two lines that a shell can take in, and the rest to stderr."""
    done = stepwell("keys", "create", "--data", data)
    shell = f"{done.output}echo $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY"
    said = subprocess.run(["sh", "-euc", shell], capture_output=True, text=True, check=True)
    key_id, secret = said.stdout.split()
    assert _ID.fullmatch(key_id)
    assert len(secret) == 40
    assert done.output.count("\n") == 2
    for words in ("account 000000000000", "role write", "not shown again"):
        assert words in done.error
    assert secret not in done.error


def test_create_as_json(stepwell: Command, data: Path) -> None:
    """With --json it prints one object, with the members that AWS has."""
    options = ["--account", "123456789012", "--role", "read", "--name", "Ann's [b]", "--json"]
    done = stepwell("keys", "create", "--data", data, *options)
    assert (done.status, done.error) == (0, "")
    document = json.loads(done.output)
    assert _ID.fullmatch(document.pop("AccessKeyId"))
    assert len(document.pop("SecretAccessKey")) == 40
    assert document == {"Account": "123456789012", "Role": "read"}


def test_list(stepwell: Command, data: Path) -> None:
    """All keys are listed, oldest first, whatever became of them, as JSON and as a table."""
    made = [
        create(stepwell, data, "--name", "[red]first[/]", "--role", "admin"),
        create(stepwell, data, "--name", "[/]", "--account", "000000000001"),
        create(stepwell, data, "--expires", "1s"),
        create(stepwell, data, "--expires", "2100-01-01"),
    ]
    assert stepwell("keys", "revoke", made[1].id, "--data", data).status == 0
    rows = listed(stepwell, data)
    assert [row["AccessKeyId"] for row in rows] == [each.id for each in made]
    assert [row["Name"] for row in rows] == ["[red]first[/]", "[/]", None, None]
    assert [row["Role"] for row in rows] == ["admin", "write", "write", "write"]
    assert rows[1]["Account"] == "000000000001"
    assert rows[3]["Expires"] == "2100-01-01T00:00:00+00:00"
    age_s = time.time() - dt.datetime.fromisoformat(rows[0]["CreateDate"]).timestamp()
    assert 0 <= age_s < 60
    while listed(stepwell, data)[2]["Status"] == "active":
        assert time.time() < dt.datetime.fromisoformat(rows[2]["Expires"]).timestamp() + 2
    assert [row["Status"] for row in listed(stepwell, data)] == [
        *("active", "revoked", "expired", "active")
    ]
    table = stepwell("keys", "list", "--data", data)
    assert (table.status, table.error) == (0, "")
    for row in listed(stepwell, data):
        for value in row.values():
            assert str(value or "") in table.output


def test_the_secret_is_shown_once(stepwell: Command, data: Path) -> None:
    """No other command tells a secret."""
    key_id, secret, _ = create(stepwell, data)
    for command in (
        ["keys", "list"],
        ["keys", "list", "--json"],
        ["keys", "rotate", key_id],
        ["keys", "revoke", key_id],
        ["info"],
        ["check"],
    ):
        done = stepwell(*command, "--data", data)
        assert done.status == 0
        assert secret not in done.output + done.error


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [("45s", 45), ("30m", 1800), ("12h", 43_200), ("90d", 7_776_000), ("2w", 1_209_600)],
)
def test_spans(stepwell: Command, data: Path, text: str, expected_s: int) -> None:
    """--expires takes a span from now on."""
    create(stepwell, data, "--expires", text)
    (row,) = listed(stepwell, data)
    expires_s = dt.datetime.fromisoformat(row["Expires"]).timestamp()
    assert abs(expires_s - time.time() - expected_s) < 30


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2999-01-02", "2999-01-02T00:00:00+00:00"),
        ("2999-01-02T03:04", "2999-01-02T03:04:00+00:00"),
        ("2999-01-02T03:04:05Z", "2999-01-02T03:04:05+00:00"),
        ("2999-01-02T03:04:05+02:00", "2999-01-02T01:04:05+00:00"),
        ("29990102T030405", "2999-01-02T03:04:05+00:00"),
        ("9999-12-31T23:59:59", "9999-12-31T23:59:59+00:00"),
    ],
)
def test_times(stepwell: Command, data: Path, text: str, expected: str) -> None:
    """--expires takes a time in ISO 8601, which is UTC where it names no zone."""
    create(stepwell, data, "--expires", text)
    assert listed(stepwell, data)[0]["Expires"] == expected


_NOT_A_TIME = "neither a time in ISO 8601 nor a span"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        *(
            (["--expires", text], ["--expires", _NOT_A_TIME])
            for text in ("", "90", "d", "-1d", "1.5h", "90 d", "90D", "1y", "yesterday", "٣d")
        ),
        *(
            (["--expires", text], ["--expires", _NOT_A_TIME])
            for text in ("10000-01-01", "2999-02-30")
        ),
        *(
            (["--expires", text], ["--expires", "is over already"])
            for text in ("0s", "0d", "2020-01-01", "1970-01-01", "0001-01-01")
        ),
        *(
            (["--account", text], ["--account", "is not 12 digits"])
            for text in (
                "",
                "1",
                "1234567890123",
                "12345678901x",
                "٣" * 12,
                "-" * 12,
            )
        ),
        (["--role", "root"], ["--role", "read", "write", "admin"]),
        (["--role", ""], ["--role"]),
        (["--name", "n" * 257], ["--name", "256"]),
        (["--name", "two\nlines"], ["--name", "printed"]),
        (["--name", "\x1b[31m"], ["--name", "printed"]),
        (["--unknown"], ["--unknown"]),
        (["more"], ["more"]),
    ],
)
def test_wrong_options(stepwell: Command, data: Path, options: list[str], words: list[str]) -> None:
    """A wrong value ends with status 2 and a sentence on it, and no key is made."""
    done = stepwell("keys", "create", "--data", data, *options)
    assert (done.status, done.output) == (2, "")
    for word in words:
        assert word in done.problem
    assert not data.exists()


def test_what_is_not_there(stepwell: Command, data: Path) -> None:
    """Keys and folders that are not there are told of in one line, and not made."""
    for command in (["list"], ["revoke", "SWAKNONE"], ["rotate", "SWAKNONE"]):
        assert_refused(stepwell("keys", *command, "--data", data), str(data))
    assert not data.exists()
    key_id = create(stepwell, data, "--name", "n" * 256).id
    for command in ("revoke", "rotate"):
        for unknown in ("SWAKNONE", key_id.lower(), "", "[/]"):
            assert_refused(stepwell("keys", command, unknown, "--data", data), "no access key")
        assert stepwell("keys", command, "--data", data).status == 2
    assert listed(stepwell, data)[0]["Status"] == "active"


def test_revoke_and_rotate(stepwell: Command, data: Path) -> None:
    """A rotated key has another secret and all else as before; a revoked one stays revoked."""
    first = create(stepwell, data, "--account", "123456789012", "--role", "admin")
    key_id = first.id
    (before,) = listed(stepwell, data)
    assert rotate(stepwell, data, first).secret != first.secret
    done = stepwell("keys", "rotate", key_id, "--data", data)
    assert done.output.startswith(f"export AWS_ACCESS_KEY_ID={key_id}\n")
    assert "account 123456789012, role admin" in done.error
    assert listed(stepwell, data) == [before]
    for _ in range(2):
        done = stepwell("keys", "revoke", key_id, "--data", data)
        assert (done.status, done.output) == (0, f"revoked {key_id}\n")
    assert_refused(stepwell("keys", "rotate", key_id, "--data", data), "revoked or has expired")
    assert listed(stepwell, data) == [{**before, "Status": "revoked"}]
