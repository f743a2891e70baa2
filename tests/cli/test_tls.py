"""`stepwell serve --tls-cert --tls-key`: https for boto3, and files that will not do."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.cli.key_commands import create
from tests.faults.server import Server, wait_until
from tests.http.signing import Key, item

if TYPE_CHECKING:
    from tests.cli.conftest import Command

pytestmark = pytest.mark.usefixtures("config")

_PLAIN = serialization.NoEncryption()


class Pair(NamedTuple):
    """A certificate's file and its key's."""

    cert: Path
    key: Path


def make_pair(folder: Path, name: str, encryption: Any = _PLAIN) -> Pair:
    """Make a certificate for 127.0.0.1 that signs itself."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
    )
    return pair


@contextlib.contextmanager
def serving(data: Path, pair: Pair, workers: int) -> Iterator[Server]:
    """Serve https, and wait until it answers."""
    options = ["--data", str(data), "--port", "0", "--workers", str(workers)]
    options += ["--tls-cert", str(pair.cert), "--tls-key", str(pair.key)]
    server = Server(data, data.parent / "logs", workers=workers, options=options)
    trusted = ssl.create_default_context(cafile=str(pair.cert))

    def is_ready() -> bool:
        with contextlib.suppress(OSError):
            address = f"{server.address}/readyz"
            with urllib.request.urlopen(address, timeout=10, context=trusted) as answer:
                return bool(answer.status == 200)
        return False

    server.launch()
    with server:
        wait_until(is_ready, "the server answers over TLS", 30)
        yield server
        assert server.stop() == 0


def boto(server: Server, service: str, key: Key, verify: object) -> Any:
    """Make a boto3 client that tries once."""
    return boto3.client(
        service,
        endpoint_url=server.address,
        region_name="us-east-1",
        aws_access_key_id=key.id,
        aws_secret_access_key=key.secret,
        verify=verify,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_https(stepwell: Command, data: Path, tmp_path: Path, workers: int) -> None:
    """boto3 puts, describes and asks who it is over https, if it trusts the certificate."""
    pair, other = make_pair(tmp_path, "own"), make_pair(tmp_path, "other")
    key = create(stepwell, data)
    with serving(data, pair, workers) as server:
        assert server.address.startswith("https://127.0.0.1:")
        verify = str(pair.cert)
        metrics = boto(server, "sagemaker-metrics", key, verify)
        for step in range(10):
            sent = metrics.batch_put_metrics(
                TrialComponentName="run", MetricData=[item(Step=step)] * 10
            )
            assert sent["Errors"] == []
        control = boto(server, "sagemaker", key, verify)
        described = control.describe_trial_component(TrialComponentName="run")
        assert described["Metrics"][0]["Count"] == 100
        identity = boto(server, "sts", key, verify).get_caller_identity()
        assert identity["UserId"] == key.id
        for wrong in (True, str(other.cert)):
            with pytest.raises(SSLError):
                boto(server, "sagemaker", key, wrong).list_experiments()
        assert server.log() == ""
