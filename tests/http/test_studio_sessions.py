"""Signing in: what a session may, what it sees, and when it is worth nothing. Two workers serve."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from tests.http.conftest import ExpectError, Reply, Server, StartServer

ACCOUNT, OTHER_ACCOUNT = "000000000000", "111111111111"
RUN = "seeded"


class Key(NamedTuple):
    """An access key."""

    id: str
    secret: str


class Guarded:
    """A server that wants keys, and ways to be someone."""

    def __init__(self, server: Server, folder: Path) -> None:
        """Hold the server and where its data and its keys are."""
        self.server = server
        self.folder = folder

    def keys(self, *arguments: str) -> Any:
        """Run a command on the keys."""
        command = [sys.executable, "-m", "stepwell.cli.main", "keys", *arguments]
        found = subprocess.run(
            [*command, "--data", str(self.folder / "data")], capture_output=True, check=True
        )
        return json.loads(found.stdout) if "--json" in arguments else None

    def make_key(self, role: str = "write", account: str = ACCOUNT) -> Key:
        """Make a key."""
        file = str(self.folder / "key")
        made = self.keys(
            "create", "--json", "--role", role, "--account", account, "--key-file", file
        )
        return Key(made["AccessKeyId"], made["SecretAccessKey"])

    def sign_in(self, key: Key, **headers: str) -> Reply:
        """Sign in."""
        body = {"access_key_id": key.id, "secret_access_key": key.secret}
        sent = {"content-type": "application/json", **headers}
        return self.server.request("POST", "/api/v1/session", json.dumps(body).encode(), sent)

    def someone(self, key: Key) -> Someone:
        """Sign in and be someone."""
        deadline = time.monotonic() + 10
        while True:
            reply = self.sign_in(key)
            # A new key is known to every worker within a second.
            if reply.status == 200 or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert reply.status == 200, reply
        cookie = reply.headers["set-cookie"].partition(";")[0]
        return Someone(self.server, cookie, reply.json()["csrf"])


class Someone(NamedTuple):
    """Someone who has signed in."""

    server: Server
    cookie: str
    csrf: str

    def ask(self, method: str, path: str, body: Any = None, **headers: str | None) -> Reply:
        """Ask the native API."""
        sent = {
            "content-type": "application/json",
            "cookie": self.cookie,
            "x-stepwell-csrf": self.csrf,
            **headers,
        }
        content = None if body is None else json.dumps(body).encode()
        given = {name: value for name, value in sent.items() if value is not None}
        return self.server.request(method, f"/api/v1/{path}", content, given)


@pytest.fixture(scope="module")
def guarded(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    """Give a server of two workers that wants keys and has one run."""
    folder = tmp_path_factory.mktemp("guarded")
    open_server = start_server(data=folder / "data")
    items = [{"MetricName": "loss", "Timestamp": 1_700_000_000, "Step": 1, "Value": 0.5}]
    assert open_server.put(RUN, items) == []
    assert open_server.stop() == 0
    made = Guarded(open_server, folder)
    first = made.make_key()
    server = start_server("--workers", "2", "--key-file", str(folder / "key"), data=folder / "data")
    guarded = Guarded(server, folder)
    guarded.someone(first)
    return guarded


@pytest.fixture(scope="module")
def writer(guarded: Guarded) -> Someone:
    """Give someone who may write."""
    return guarded.someone(guarded.make_key())


def test_nobody_sees_anything(guarded: Guarded, expect_error: ExpectError) -> None:
    """Without a session or a signature everything is refused, and the session says so."""
    for path in ("runs", "experiments", f"runs/{RUN}", "live", "frames?q={}", "points.json"):
        reply = guarded.server.request("GET", f"/api/v1/{path}")
        expect_error(reply, 403, "MissingAuthenticationTokenException")
    for path in ("frames", "metrics", "metrics:rank", "runs:summaries"):
        reply = guarded.server.request("POST", f"/api/v1/{path}", b"{}")
        expect_error(reply, 403, "MissingAuthenticationTokenException")
    session = guarded.server.request("GET", "/api/v1/session").json()
    assert (session["auth"], session["signed_in"], session["csrf"]) == ("keys", False, None)
    assert session["account"] is session["key_id"] is None


def test_signing_in_and_out(guarded: Guarded) -> None:
    """A cookie that scripts cannot read lets its owner in, on both workers; signing out ends it."""
    key = guarded.make_key("read")
    someone = guarded.someone(key)
    reply = guarded.sign_in(key)
    _, *attributes = [part.strip().lower() for part in reply.headers["set-cookie"].split(";")]
    assert {"httponly", "samesite=strict", "path=/", "max-age=43200"} <= set(attributes)
    assert "secure" not in attributes
    secure = guarded.sign_in(key, **{"x-forwarded-proto": "https"}).headers["set-cookie"]
    assert "secure" in secure.lower()
    for _ in range(12):
        session = someone.ask("GET", "session").json()
        assert (session["signed_in"], session["role"], session["key_id"]) == (True, "read", key.id)
        assert someone.ask("GET", f"runs/{RUN}").status == 200
        assert someone.ask("GET", f"points?component={RUN}&metric=loss").status == 200
    reply = someone.ask("DELETE", "session")
    assert reply.status == 204
    assert 'stepwell_session=""' in reply.headers["set-cookie"]


def test_roles(guarded: Guarded, writer: Someone, expect_error: ExpectError) -> None:
    """Who may only read sees everything and changes nothing."""
    reader = guarded.someone(guarded.make_key("read"))
    charts = {"charts": [{"metric": "loss", "runs": [RUN]}]}
    assert reader.ask("POST", "frames.json", charts).json()["charts"][0]["series"][0]["points"] == 1
    assert reader.ask("POST", "metrics", {"runs": [RUN]}).status == 200
    for method, path, body in (
        ("PATCH", f"runs/{RUN}", {"display_name": "x"}),
        ("DELETE", f"runs/{RUN}", None),
        ("POST", f"runs/{RUN}/notes", {"step": 1, "text": "x"}),
        ("DELETE", f"runs/{RUN}/notes/1", None),
    ):
        expect_error(reader.ask(method, path, body), 403, "AccessDeniedException", "role read")
    assert writer.ask("PATCH", f"runs/{RUN}", {"display_name": "x"}).status == 200


def test_accounts_do_not_see_one_another(guarded: Guarded, writer: Someone) -> None:
    """Another account's session finds nothing of ours, in any endpoint."""
    other = guarded.someone(guarded.make_key("admin", OTHER_ACCOUNT))
    assert other.ask("GET", "runs").json()["total"] == 0
    assert other.ask("GET", f"runs/{RUN}").status == 404
    assert other.ask("POST", "metrics", {"runs": [RUN]}).json()["metrics"] == []
    assert other.ask("POST", "metrics:rank", {"runs": [RUN]}).json()["metrics"] == []
    charts = {"charts": [{"metric": "loss", "runs": [RUN]}]}
    (series,) = other.ask("POST", "frames.json", charts).json()["charts"][0]["series"]
    assert (series["points"], bool(series["error"])) == (0, True)
    asked = {"runs": [RUN], "metrics": ["loss"]}
    columns = other.ask("POST", "runs:summaries", asked).json()["columns"]
    assert columns["loss"]["count"] == [0]
    assert other.ask("GET", f"points.json?run={RUN}&metric=loss").status == 404
    for method, path in (("DELETE", f"runs/{RUN}"), ("PATCH", f"runs/{RUN}")):
        assert other.ask(method, path, {}).status == 404
    cursor = writer.ask("GET", "runs?limit=1").json()["next"]
    assert cursor is None or other.ask("GET", f"runs?limit=1&cursor={cursor}").status == 400
    assert writer.ask("GET", f"runs/{RUN}").status == 200


def test_changes_by_cookie_need_the_token(
    guarded: Guarded, writer: Someone, expect_error: ExpectError
) -> None:
    """A page that makes a browser send the cookie changes nothing."""
    path = f"runs/{RUN}"
    other = guarded.someone(guarded.make_key())
    for token in (None, "", "1", other.csrf, "\xe9"):
        reply = writer.ask("PATCH", path, {}, **{"x-stepwell-csrf": token})
        expect_error(reply, 403, "AccessDeniedException", "x-stepwell-csrf")
    for foreign in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        expect_error(writer.ask("PATCH", path, {}, **foreign), 403, "AccessDeniedException", "site")
    # A page of another site cannot sign its reader in as someone else either.
    body = json.dumps({"access_key_id": "a", "secret_access_key": "b"}).encode()
    reply = guarded.server.request("POST", "/api/v1/session", body, {"content-type": "text/plain"})
    expect_error(reply, 400, "ValidationException", "content-type")


@pytest.mark.parametrize(
    "cookie",
    ["", "x", "stepwell_session=", "stepwell_session=AAAA", f"stepwell_session={'A' * 5000}"],
)
def test_cookies_that_are_not_ours(guarded: Guarded, cookie: str) -> None:
    """Whatever a cookie is, it is refused quietly."""
    reply = guarded.server.request("GET", "/api/v1/runs", headers={"cookie": cookie})
    assert reply.status == 403


def test_a_forged_cookie(guarded: Guarded, writer: Someone) -> None:
    """A cookie with one character changed is worth nothing."""
    name, _, value = writer.cookie.partition("=")
    for index in range(0, len(value) - 2, 7):
        forged = value[:index] + ("A" if value[index] != "A" else "B") + value[index + 1 :]
        reply = guarded.server.request(
            "GET", "/api/v1/runs", headers={"cookie": f"{name}={forged}"}
        )
        assert reply.status == 403


def _is_refused(someone: Someone) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        # Both workers must have seen it.
        if all(someone.ask("GET", "runs").status == 403 for _ in range(8)):
            return True
        time.sleep(0.2)
    return False


def test_a_session_ends_with_its_key(guarded: Guarded) -> None:
    """A key that is revoked, or has another secret, takes its sessions along."""
    revoked, rotated = guarded.make_key(), guarded.make_key()
    of_revoked, of_rotated = guarded.someone(revoked), guarded.someone(rotated)
    guarded.keys("revoke", revoked.id)
    guarded.keys("rotate", rotated.id, "--key-file", str(guarded.folder / "key"))
    assert _is_refused(of_revoked)
    assert _is_refused(of_rotated)
    session = of_rotated.ask("GET", "session").json()
    assert session["signed_in"] is False


def sign(key: Key, method: str, path: str, port: int, body: bytes) -> dict[str, str]:
    """Sign a request as an AWS client does; give its headers."""
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = [moment[:8], "us-east-1", "sagemaker", "aws4_request"]
    host = f"127.0.0.1:{port}"
    canonical = "\n".join(
        [
            *(method, path, ""),
            *(f"host:{host}", f"x-amz-date:{moment}", "", "host;x-amz-date"),
            hashlib.sha256(body).hexdigest(),
        ]
    )
    to_sign = "\n".join(
        [
            *("AWS4-HMAC-SHA256", moment, "/".join(scope)),
            hashlib.sha256(canonical.encode()).hexdigest(),
        ]
    )
    derived = f"AWS4{key.secret}".encode()
    for part in (*scope, to_sign):
        derived = hmac.digest(derived, part.encode(), "sha256")
    credential = f"Credential={key.id}/{'/'.join(scope)}, SignedHeaders=host;x-amz-date"
    return {
        "host": host,
        "x-amz-date": moment,
        "authorization": f"AWS4-HMAC-SHA256 {credential}, Signature={derived.hex()}",
    }


def test_signed_requests(guarded: Guarded, expect_error: ExpectError) -> None:
    """A request that is signed needs no session and no token; its key's role holds."""
    port = guarded.server.port
    path = f"/api/v1/runs/{RUN}"
    reader, writer = guarded.make_key("read"), guarded.make_key("write")
    for each in (reader, writer):
        # Whoever has signed in is known to every worker.
        guarded.someone(each)
    body = b'{"tags": {"signed": "yes"}}'

    def ask(key: Key, method: str, content: bytes) -> Reply:
        headers = sign(key, method, path, port, content)
        return guarded.server.request(method, path, content or None, headers)

    assert ask(reader, "GET", b"").json()["name"] == RUN
    expect_error(ask(reader, "PATCH", body), 403, "AccessDeniedException", "role read")
    assert ask(writer, "PATCH", body).json()["tags"] == {"signed": "yes"}
    forged = Key(writer.id, reader.secret)
    expect_error(ask(forged, "PATCH", body), 403, "InvalidSignatureException")


class Listening:
    """Someone who listens to what changes."""

    def __init__(self, someone: Someone, seconds: float) -> None:
        """Wait for an event for so long."""
        port = someone.server.port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
        self._connection.request("GET", "/api/v1/live", headers={"cookie": someone.cookie})
        self._response = self._connection.getresponse()
        assert self._response.status == 200
        assert self._response.readline().startswith(b"retry")

    def event(self) -> Any:
        """Give the next event; None where the time is over."""
        try:
            while not (line := self._response.readline()).startswith(b"data: "):
                assert line
        except TimeoutError:
            return None
        return json.loads(line.removeprefix(b"data: "))

    def close(self) -> None:
        """Stop listening."""
        self._response.close()
        self._connection.close()


def test_both_workers_tell(guarded: Guarded, writer: Someone) -> None:
    """A change is told by whichever worker one listens to, and to nobody of another account."""
    other = guarded.someone(guarded.make_key("admin", OTHER_ACCOUNT))
    with contextlib.ExitStack() as stack:
        listeners = [
            stack.enter_context(contextlib.closing(Listening(writer, 10))) for _ in range(6)
        ]
        stranger = stack.enter_context(contextlib.closing(Listening(other, 1.5)))
        assert writer.ask("DELETE", f"runs/{RUN}").status == 204
        for each in listeners:
            assert each.event()["deleted"] == [RUN]
        assert stranger.event() is None


def test_wrong_secrets_are_throttled(guarded: Guarded, expect_error: ExpectError) -> None:
    """A wrong secret, or an unknown key, is a 401; after some of them there is a pause."""
    key = guarded.make_key()
    wrong = [Key(key.id, "wrong"), Key("SWAKNONE", key.secret), Key(key.id, "")]
    expect_error(guarded.sign_in(wrong[0]), 401, "SignInFailed")
    expect_error(guarded.sign_in(wrong[1]), 401, "SignInFailed")
    expect_error(guarded.sign_in(wrong[2]), 400, "ValidationException", "secret_access_key")
    codes = [guarded.sign_in(wrong[0]).status for _ in range(40)]
    assert set(codes) == {401, 429}
    # Even the right secret waits then: nobody learns which one it is.
    assert guarded.sign_in(key).status in {200, 429}
