"""Whose a request is: what a worker remembers of the keys, the clock, and what is compared."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.wire.signers import sign, with_headers

from stepwell.catalog import keys
from stepwell.catalog.database import Database, sqlite_url
from stepwell.catalog.keys import AccessKey
from stepwell.catalog.tables import access_key, meta
from stepwell.model.access import ANYONE, Identity, Role, role_for
from stepwell.model.errors import (
    AccessDeniedError,
    IncompleteSignatureError,
    KeyEncryptionError,
    RequestExpiredError,
    RequestSkewedError,
    SignatureError,
    StoreUnavailableError,
    UnknownKeyError,
    UnrecognizedClientError,
)
from stepwell.server.auth import Keys, NoAuthentication, SignatureAuthentication, allow
from stepwell.wire import sigv4
from stepwell.wire.operations import OPERATIONS

_URL = "http://127.0.0.1:7837/BatchPutMetrics"
_KEPT_S = 0.5
_ACCOUNT = "123456789012"


class Hand:
    """A clock that is set by hand: seconds that only count, and the time of day."""

    def __init__(self) -> None:
        """Start at the real time of day, which is when botocore signs."""
        self.s = 100.0
        self.day_s = dt.datetime.now(dt.UTC).timestamp()

    def monotonic(self) -> float:
        """Give the seconds."""
        return self.s

    def now_s(self) -> float:
        """Give the time of day."""
        return self.day_s

    def now_us(self) -> int:
        """Give the time of day in microseconds."""
        return int(self.day_s * 1e6)


class Bench(NamedTuple):
    """A catalog with keys, and one worker's view of it."""

    database: Database
    encryption: AESGCM
    clock: Hand
    known: Keys
    reads: list[str]

    def create(self, **changed: Any) -> tuple[AccessKey, str]:
        """Make a key in the catalog."""
        how = {"account": _ACCOUNT, "role": Role.WRITE, **changed}
        with self.database.write() as connection:
            return keys.create(connection, self.encryption, self.clock.now_us(), **how)

    def commit(self, name: str) -> None:
        """Change something in the catalog that is no key."""
        with self.database.write() as connection:
            connection.execute(sa.insert(meta).values(name=name, value=b""))
        self.reads.clear()

    def authentication(self, skew_s: float = 300) -> SignatureAuthentication:
        """Give what identifies requests."""
        return SignatureAuthentication(self.known, skew_s, self.clock.now_s)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give an empty catalog and a worker that knows nothing yet."""
    encryption, clock = AESGCM(b"k" * 32), Hand()
    reads: list[str] = []
    with contextlib.closing(Database(sqlite_url(tmp_path / "catalog"))) as database:
        known = Keys(database, encryption, clock.monotonic, clock.now_us)

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement != "BEGIN":
                reads.append(" ".join(statement.split()))

        sa.event.listen(database._engine, "before_cursor_execute", note)
        yield Bench(database, encryption, clock, known, reads)


def scope_of(request: sigv4.Request) -> dict[str, Any]:
    """Give a request as ASGI has it."""
    return {
        "method": request.method,
        "raw_path": request.path.encode("latin-1"),
        "query_string": request.query.encode("latin-1"),
        "headers": list(request.received),
    }


def signed(key: AccessKey, secret: str, **how: Any) -> dict[str, Any]:
    """Sign a put of no body with a key, now."""
    made = sign("PUT", _URL, key_id=key.id, secret=secret, **how)
    return scope_of(made.request)


def count(bench: Bench, table: str) -> int:
    """Count the reads of a table since the last time, and forget them."""
    found = sum(f"FROM {table}" in each for each in bench.reads)
    bench.reads.clear()
    return found


def test_a_known_key_is_not_read_again(bench: Bench) -> None:
    """As long as nothing is committed nothing is read, and after it the keys' version alone."""
    key, secret = bench.create()
    bench.reads.clear()
    assert bench.known.find(key.id) == (key, secret)
    assert (count(bench, "access_key"), len(bench.reads)) == (1, 0)
    for _ in range(100):
        bench.clock.s += 0.1
        assert bench.known.find(key.id) == (key, secret)
    assert bench.reads == []
    for number in range(3):
        bench.commit(f"n{number}")
        assert bench.known.find(key.id) == (key, secret)
        assert bench.reads == []
        bench.clock.s += _KEPT_S + 0.01
        assert bench.known.find(key.id) == (key, secret)
        assert len(bench.reads) == count(bench, "meta") == 1


def test_a_revoked_key(bench: Bench) -> None:
    """A key that is revoked stops within half a second, and not by a change of another key only."""
    key, _ = bench.create()
    assert bench.known.find(key.id) is not None
    with bench.database.write() as connection:
        keys.revoke(connection, key.id, bench.clock.now_us())
    bench.clock.s += _KEPT_S + 0.01
    assert bench.known.find(key.id) is None


def test_a_key_that_expires(bench: Bench) -> None:
    """A key works up to its last microsecond, without anything being read."""
    key, secret = bench.create(expires_us=bench.clock.now_us() + 60_000_000)
    assert bench.known.find(key.id) == (key, secret)
    bench.reads.clear()
    bench.clock.day_s += 59.9
    assert bench.known.find(key.id) is not None
    bench.clock.day_s += 0.2
    assert bench.known.find(key.id) is None
    assert bench.reads == []


def test_a_new_key_works_at_once(bench: Bench) -> None:
    """A key that is not known is looked up, but not at each of very many requests in a second."""
    for _ in range(10):
        assert bench.known.find("SWAK") is None
        key, secret = bench.create()
        assert bench.known.find(key.id) == (key, secret)
    bench.reads.clear()
    for _ in range(1000):
        assert bench.known.find("SWAK") is None
    assert bench.reads == []
    # Ten of them were read above.
    for number in range(200):
        bench.commit(f"n{number}")
        assert bench.known.find("SWAK") is None
        assert len(bench.reads) == (number < 90)
    key, secret = bench.create()
    bench.clock.s += 1
    assert bench.known.find(key.id) == (key, secret)


def test_a_rotated_key(bench: Bench) -> None:
    """A new secret works at once; the old one stops within half a second and is forgotten."""
    key, secret = bench.create()
    authentication = bench.authentication()
    assert authentication.identify(signed(key, secret), b"").key_id == key.id
    with bench.database.write() as connection:
        _, newer = keys.rotate(connection, bench.encryption, key.id, bench.clock.now_us())
    assert authentication.identify(signed(key, newer), b"").key_id == key.id
    with pytest.raises(SignatureError):
        authentication.identify(signed(key, secret), b"")
    assert list(bench.known._opened.values()) == [newer]


def test_wrong_secrets_are_cheap(bench: Bench) -> None:
    """Signatures that do not fit make the worker look for news, but not each of them."""
    key, _ = bench.create()
    assert bench.known.find(key.id) is not None
    authentication = bench.authentication()
    scope = signed(key, "wrong")
    for number in range(200):
        bench.commit(f"n{number}")
        with pytest.raises(SignatureError):
            authentication.identify(scope, b"")
        assert len(bench.reads) == count(bench, "meta") == (number < 100)
    bench.clock.s += 1
    for _ in range(200):
        with pytest.raises(SignatureError):
            authentication.identify(scope, b"")
    assert len(bench.reads) == 1


def test_a_catalog_that_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the catalog a key is good for as long as it was known for, and then it is a 503."""
    key, secret = bench.create()
    assert bench.known.find(key.id) == (key, secret)

    def away() -> Any:
        msg = "the catalog is away"
        raise StoreUnavailableError(msg)

    monkeypatch.setattr(bench.known, "_catalog_state", away)
    assert bench.known.find(key.id) == (key, secret)
    bench.clock.s += _KEPT_S + 0.01
    with pytest.raises(StoreUnavailableError):
        bench.known.find(key.id)


@pytest.mark.parametrize(
    ("column", "value"),
    [("role", "admin"), ("account", "999999999999"), ("expires_us", None), ("secret", b"x" * 40)],
)
def test_a_changed_row(
    bench: Bench, caplog: pytest.LogCaptureFixture, column: str, value: Any
) -> None:
    """A key whose role, account, end or secret was changed in the file works no more: said once."""
    key, _ = bench.create(expires_us=bench.clock.now_us() + 60_000_000)
    with bench.database.write() as connection:
        connection.execute(sa.update(access_key).values({column: value}))
    for _ in range(3):
        with pytest.raises(KeyEncryptionError, match="cannot be decrypted"):
            bench.known.find(key.id)
    (record,) = caplog.records
    assert (record.levelno, key.id in record.getMessage()) == (logging.ERROR, True)


def test_another_encryption_key(bench: Bench) -> None:
    """Keys that were made under different encryption keys do not mix, in any operation."""
    key, secret = bench.create()
    other = AESGCM(b"o" * 32)
    for change in (
        lambda connection: keys.create(connection, other, 0, account=_ACCOUNT, role=Role.READ),
        lambda connection: keys.rotate(connection, other, key.id, 0),
        lambda connection: keys.check_encryption(connection, other),
    ):
        with pytest.raises(KeyEncryptionError), bench.database.write() as connection:
            change(connection)
    assert bench.known.find(key.id) == (key, secret)
    with pytest.raises(KeyEncryptionError):
        Keys(bench.database, other).find(key.id)


def test_keys_are_unlike(bench: Bench) -> None:
    """Ids and secrets are random, of the right form and length, and stored encrypted each time."""
    made = [bench.create() for _ in range(20)]
    assert len({key.id for key, _ in made}) == len({secret for _, secret in made}) == 20
    for key, secret in made:
        assert key.id.startswith("SWAK")
        assert (len(key.id), len(secret)) == (20, 40)
        assert key.id.isalnum()
    with bench.database.read() as connection:
        rows = connection.execute(sa.select(access_key.c.secret)).scalars().all()
        assert len({bytes(row)[:12] for row in rows}) == 20
        for _, secret in made:
            assert not [row for row in rows if secret.encode() in bytes(row)]


def test_unknown_keys_cannot_be_changed(bench: Bench) -> None:
    """Revoking and rotating a key that is not there, or not valid any more, is refused."""
    key, _ = bench.create(expires_us=bench.clock.now_us() + 1)
    now_us = bench.clock.now_us() + 2
    with bench.database.write() as connection:
        for call in (
            lambda: keys.revoke(connection, "SWAKNONE", now_us),
            lambda: keys.rotate(connection, bench.encryption, "SWAKNONE", now_us),
            lambda: keys.rotate(connection, bench.encryption, key.id, now_us),
        ):
            with pytest.raises(UnknownKeyError):
                call()
        before = keys.version(connection)
        keys.revoke(connection, key.id, now_us)
        revoked = keys.version(connection)
        keys.revoke(connection, key.id, now_us + 5)
        (found,) = keys.list_all(connection)
        assert (found.revoked_us, keys.version(connection)) == (now_us, revoked)
        assert before != revoked


def test_signing_keys_are_kept() -> None:
    """The key of a day, region and service is derived once, for each of them and each secret."""
    sigv4.signing_key.cache_clear()
    parts = ("secret", "20231114", "us-east-1", "sagemaker")
    found = {sigv4.signing_key(*parts) for _ in range(5)}
    assert (len(found), sigv4.signing_key.cache_info().misses) == (1, 1)
    for index in range(len(parts)):
        found.add(sigv4.signing_key(*parts[:index], "other", *parts[index + 1 :]))
    assert len(found) == 5
    assert sigv4.signing_key.cache_info().maxsize == 1024


def test_signatures_are_compared_in_constant_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What decides on a signature is `hmac.compare_digest`, over both of them whole."""
    key, secret = bench.create()
    right, wrong = signed(key, secret), signed(key, "wrong")
    compared: list[tuple[str, str]] = []

    def note(left: str, other: str) -> bool:
        compared.append((left, other))
        return True

    monkeypatch.setattr(sigv4.hmac, "compare_digest", note)
    authentication = bench.authentication()
    for scope in (right, wrong):
        # It says yes to both: nothing else has a say.
        assert authentication.identify(scope, b"").key_id == key.id
    (first, second) = compared
    assert (len(first[0]), len(first[1]), first[0]) == (64, 64, first[1])
    assert (len(second[0]), len(second[1])) == (64, 64)
    assert second[0] != second[1]


@pytest.mark.parametrize("skew_s", [0.0, 5.0, 300.0])
def test_the_clock(bench: Bench, skew_s: float) -> None:
    """A signature passes up to the skew before and after its time, and not a second more."""
    key, secret = bench.create()
    authentication = bench.authentication(skew_s)
    scope = signed(key, secret)
    time_text = dict(scope["headers"])[b"x-amz-date"].decode()
    made_s = dt.datetime.strptime(time_text, "%Y%m%dT%H%M%S%z").timestamp()
    for off_s in (-skew_s, 0.0, skew_s):
        bench.clock.day_s = made_s + off_s
        assert authentication.identify(scope, b"").key_id == key.id
    for off_s, words in ((-skew_s - 1, "not yet current"), (skew_s + 1, "Signature expired")):
        bench.clock.day_s = made_s + off_s
        with pytest.raises(RequestSkewedError, match=words) as caught:
            authentication.identify(scope, b"")
        assert f"they may differ by {skew_s:g} s" in str(caught.value)
        assert time_text in str(caught.value)


def test_presigned_requests_and_the_clock(bench: Bench) -> None:
    """A presigned request passes until it expires, however long; and not before it was signed."""
    key, secret = bench.create()
    authentication = bench.authentication()
    scope = signed(key, secret, expires_s=3600)
    made_s = bench.clock.day_s
    for off_s in (-299, 0, 3598):
        bench.clock.day_s = made_s + off_s
        assert authentication.identify(scope, b"").key_id == key.id
    bench.clock.day_s = made_s + 3602
    with pytest.raises(RequestExpiredError, match="for 3600 s"):
        authentication.identify(scope, b"")
    bench.clock.day_s = made_s - 302
    with pytest.raises(RequestSkewedError, match="not yet current"):
        authentication.identify(scope, b"")


@pytest.mark.parametrize(
    "text", ["20231114", "20231114T", "20231114T221320", "20231114T221320.5Z", "20231114T996320Z"]
)
def test_times_of_another_form(bench: Bench, text: str) -> None:
    """A date of another form than AWS's is incomplete, and no failure."""
    key, secret = bench.create()
    made = sign("PUT", _URL, key_id=key.id, secret=secret).request
    header = made.headers["authorization"]
    day = made.headers["x-amz-date"][:8]
    changed = {
        b"x-amz-date": text.encode(),
        b"authorization": header.replace(day, "20231114").encode(),
    }
    with pytest.raises(IncompleteSignatureError):
        bench.authentication().identify(scope_of(with_headers(made, changed)), b"")


@pytest.mark.parametrize("key_id", ["é", "\xff" * 1000, "SWAK\x00", "😀", "a/b", "' OR 1=1 --"])
def test_odd_key_ids(bench: Bench, key_id: str) -> None:
    """An id of any characters is unknown, in a short message."""
    bench.create()
    header = sign("PUT", _URL).request
    credential = header.headers["authorization"].replace("SWAKEXAMPLE", key_id)
    request = with_headers(header, {b"authorization": credential.encode()})
    with pytest.raises(UnrecognizedClientError, match="no valid access key") as caught:
        bench.authentication().identify(scope_of(request), b"")
    assert len(str(caught.value)) < 800


def test_the_cheap_checks_come_first(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is computed over the body of a request whose key or time is wrong."""
    key, secret = bench.create()
    scope = signed(key, secret)

    def fail(*_: object) -> Any:
        msg = "the body was hashed"
        raise AssertionError(msg)

    monkeypatch.setattr(sigv4, "payload_of", fail)
    authentication = bench.authentication()
    with pytest.raises(SignatureError, match="correct service: 'sts'"):
        authentication.identify(scope, b"", "sts")
    unknown = signed(dataclasses.replace(key, id="SWAKNONE"), secret)
    with pytest.raises(UnrecognizedClientError):
        authentication.identify(unknown, b"")
    bench.clock.day_s += 3600
    with pytest.raises(RequestSkewedError):
        authentication.identify(scope, b"")


def test_the_identity(bench: Bench) -> None:
    """A request is its key's: account, id and role; the region is the one that was signed for."""
    for role in Role:
        key, secret = bench.create(role=role, account="000000000001")
        bench.clock.s += 1
        identity = bench.authentication().identify(signed(key, secret), b"")
        assert identity == Identity("000000000001", key.id, role, "x-local-1")


@pytest.mark.parametrize(
    ("header", "region"),
    [
        (None, "us-east-1"),
        ("AWS4-HMAC-SHA256 Credential=any/20231114/eu-west-3/sagemaker/aws4_request", "eu-west-3"),
        ("AWS4-HMAC-SHA256 Credential=any/20231114/<b>/sagemaker/aws4_request", "us-east-1"),
        ("AWS4-HMAC-SHA256 Credential=any/20231114/é/sagemaker/aws4_request", "us-east-1"),
        ("AWS4-HMAC-SHA256 Credential=any/20231114//sagemaker/aws4_request", "us-east-1"),
        ("/////", "us-east-1"),
        ("", "us-east-1"),
    ],
)
def test_anyone(header: str | None, region: str) -> None:
    """Where authentication is off everyone is the same, in the region that a signature names."""
    headers = [] if header is None else [(b"authorization", header.encode())]
    identity = NoAuthentication().identify({"headers": headers}, b"")
    assert identity == ANYONE._replace(region=region)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_which_role_an_operation_needs(operation: str) -> None:
    """What begins like a question reads; everything else, and what is new, needs `write`."""
    reads = operation.startswith(("Describe", "List", "Search", "Get", "Query"))
    assert role_for(operation) is (Role.READ if reads else Role.WRITE)


def test_roles_cover_each_other() -> None:
    """Each role may do what those before it may, and a refusal names key, role and operation."""
    ranks = [Role.READ, Role.WRITE, Role.ADMIN]
    for index, role in enumerate(ranks):
        assert [role.covers(each) for each in ranks] == [each <= index for each in range(3)]
    reader = Identity(_ACCOUNT, "SWAKREADER", Role.READ, "us-east-1")
    allow(reader, "Search")
    with pytest.raises(AccessDeniedError) as caught:
        allow(reader, "CreateTrial")
    for word in ("SWAKREADER", "role read", "CreateTrial", "role write"):
        assert word in str(caught.value)
