"""TLS files: wrong ones are told in one line before anything listens."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stepwell.server import run
from stepwell.server.settings import Settings

if TYPE_CHECKING:
    from tests.cli.conftest import Command


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Give the settings that `serve` would have served; nothing is started."""
    settings: list[Settings] = []
    monkeypatch.setattr(run, "run", lambda given, _announce: settings.append(given))
    return settings


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Give a folder with a certificate, its key, another key, one with a password, and no PEM."""
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    for file, each, encryption in (
        ("key.pem", key, serialization.NoEncryption()),
        ("other.pem", other, serialization.NoEncryption()),
        ("secret.pem", key, serialization.BestAvailableEncryption(b"secret")),
    ):
        (tmp_path / file).write_bytes(
            each.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
            )
        )
    (tmp_path / "nonsense.pem").write_text("nonsense")
    return tmp_path


def test_files_that_fit(stepwell: Command, served: list[Settings], files: Path) -> None:
    """A certificate and its key are taken."""
    cert, key = files / "cert.pem", files / "key.pem"
    assert stepwell("serve", "--tls-cert", cert, "--tls-key", key).status == 0
    assert [(each.tls_cert, each.tls_key) for each in served] == [(cert, key)]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("cert", "key", "words"),
    [
        ("none.pem", "key.pem", "none.pem: No such file or directory"),
        ("cert.pem", "none.pem", "none.pem: No such file or directory"),
        ("cert.pem", "other.pem", "other.pem is not the key of the certificate"),
        ("cert.pem", "secret.pem", "in PEM, without a password"),
        ("nonsense.pem", "key.pem", "are not a certificate and its key in PEM"),
    ],
)
def test_files_that_do_not(
    stepwell: Command, files: Path, cert: str, key: str, words: str, workers: int
) -> None:
    """Others end with status 2 and a sentence, and nothing has listened."""
    options = ("--tls-cert", files / cert, "--tls-key", files / key, "--workers", workers)
    done = stepwell("serve", "--port", 0, "--data", files / "data", *options)
    assert (done.status, done.output) == (2, "")
    assert words in done.problem
    assert not (files / "data").exists()
