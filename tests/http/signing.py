"""Access keys for servers under test, and requests signed with them over plain HTTP."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree as ET

import boto3
import sqlalchemy as sa
from botocore.config import Config
from tests.wire.signers import sign

from stepwell.catalog import keys
from stepwell.catalog.database import Database, sqlite_url
from stepwell.model.access import Role
from stepwell.server import key_encryption
from stepwell.store.sqlite.folder import CATALOG_FILE, Folder

if TYPE_CHECKING:
    from tests.http.conftest import Reply, Server, StartServer

ACCOUNT = "111122223333"
FOREIGN = "444455556666"
REGION = "eu-west-9"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
_STS = "{https://sts.amazonaws.com/doc/2011-06-15/}"
WHO_AM_I = b"Action=GetCallerIdentity&Version=2011-06-15"


class Key(NamedTuple):
    """An access key and its secret."""

    id: str
    secret: str
    account: str = ACCOUNT


class Vault:
    """The keys of one data folder, changed as `stepwell keys` would."""

    def __init__(self, folder: Path) -> None:
        """Make the data folder, and the key-encryption key beside it."""
        self.data = folder / "data"
        self.key_file = folder / "key-encryption.key"
        Folder(self.data, create=True)
        self._encryption = key_encryption.load(self.key_file, self.data, make=True)

    def create(
        self, role: Role = Role.WRITE, account: str = ACCOUNT, expires_us: int | None = None
    ) -> Key:
        """Make a key."""
        with self._writing() as connection:
            key, secret = keys.create(
                connection,
                self._encryption,
                time.time_ns() // 1000,
                account=account,
                role=role,
                expires_us=expires_us,
            )
        return Key(key.id, secret, account)

    def revoke(self, key: Key) -> None:
        """Revoke a key."""
        with self._writing() as connection:
            keys.revoke(connection, key.id, time.time_ns() // 1000)

    def rotate(self, key: Key) -> Key:
        """Give a key a new secret."""
        with self._writing() as connection:
            _, secret = keys.rotate(connection, self._encryption, key.id, time.time_ns() // 1000)
        return key._replace(secret=secret)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        url = sqlite_url(self.data / CATALOG_FILE)
        with contextlib.closing(Database(url)) as database, database.write() as connection:
            yield connection


class Sent(NamedTuple):
    """A signed request, ready to be sent as often as one likes."""

    method: str
    target: str
    body: bytes
    headers: dict[str, str]

    def to(self, server: Server) -> Reply:
        """Send it."""
        return server.request(self.method, self.target, self.body or None, self.headers)

    def raw(self) -> bytes:
        """Give it as bytes."""
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append(f"content-length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


class Caller(NamedTuple):
    """Someone with a key (or without) who speaks to a server."""

    server: Server
    key: Key | None

    def signed(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        **how: Any,
    ) -> Sent:
        """Sign a request; see `tests.wire.signers.sign`. Without a key it is left as it is."""
        headers = headers or {}
        host = f"127.0.0.1:{self.server.port}"
        if self.key is None:
            return Sent(method, target, body, {"host": host, **headers})
        how = {"key_id": self.key.id, "secret": self.key.secret, "region": REGION, **how}
        url = f"http://{host}{target}"
        request = sign(method, url, list(headers.items()), body, **how).request
        target = request.path + (f"?{request.query}" if request.query else "")
        sent = {name.decode(): value.decode("latin-1") for name, value in request.received}
        return Sent(method, target, body, sent)

    def put(self, component: str, *items: Any, **headers: str) -> Sent:
        """Sign a BatchPutMetrics."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.signed("PUT", "/BatchPutMetrics", put_body(component, *items), named)

    def get(self, *queries: Any) -> Sent:
        """Sign a BatchGetMetrics."""
        return self.signed(
            "POST", "/BatchGetMetrics", json.dumps({"MetricQueries": queries}).encode()
        )

    def control(self, operation: str, members: dict[str, Any] | None = None, **how: Any) -> Sent:
        """Sign an operation of the control plane."""
        headers = {
            "X-Amz-Target": f"SageMaker.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
        }
        return self.signed("POST", "/", json.dumps(members or {}).encode(), headers, **how)

    def sts(self, **how: Any) -> Sent:
        """Sign STS GetCallerIdentity."""
        how = {"service": "sts", **how}
        if "expires_s" in how:
            return self.signed("GET", f"/?{WHO_AM_I.decode()}", **how)
        return self.signed("POST", "/", WHO_AM_I, {"Content-Type": FORM}, **how)

    def boto(self, service: str, path: str = "", **changed: Any) -> Any:
        """Make a boto3 client that tries once."""
        credentials = (
            {}
            if self.key is None
            else {
                "aws_access_key_id": self.key.id,
                "aws_secret_access_key": self.key.secret,
            }
        )
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.server.port}{path}",
            config=Config(retries={"total_max_attempts": 1}),
            **{"region_name": REGION, **credentials, **changed},
        )


def error_code(reply: Reply) -> str:
    """Give an answer's error code, having checked that it has the form of its plane."""
    assert reply.headers["x-amzn-requestid"]
    if reply.headers["content-type"] == "text/xml":
        error = ET.fromstring(reply.body).find(f"{_STS}Error")
        assert error is not None
        assert error.findtext(f"{_STS}Type") == "Sender"
        assert error.findtext(f"{_STS}Message")
        return error.findtext(f"{_STS}Code") or ""
    document = reply.json()
    assert document.keys() == {"__type", "message"}
    assert document["__type"] == reply.headers["x-amzn-errortype"]
    assert document["message"]
    return str(document["__type"])


class Keyed(NamedTuple):
    """A server with keys: one that writes, one that reads, one that was revoked."""

    server: Server
    vault: Vault
    writer: Caller
    reader: Caller
    revoked: Caller


def start_keyed(start_server: StartServer, folder: Path, *options: str) -> Keyed:
    """Make keys, and start a server that wants signatures because there are keys."""
    vault = Vault(folder)
    made = vault.create(), vault.create(Role.READ), vault.create()
    vault.revoke(made[-1])
    server = start_server("--key-file", str(vault.key_file), *options, data=vault.data)
    return Keyed(server, vault, *(Caller(server, key) for key in made))


def item(**changed: Any) -> dict[str, Any]:
    """Make an item."""
    return {"MetricName": "loss", "Timestamp": 1_700_000_000, "Value": 0.5, **changed}


def put_body(component: str, *items: Any) -> bytes:
    """Encode a BatchPutMetrics; of one point unless told otherwise."""
    data = items or (item(),)
    return json.dumps({"TrialComponentName": component, "MetricData": data}).encode()
