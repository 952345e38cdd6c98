"""HTTPS to a server with a certificate of our own making."""

import datetime
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalogs.sources.net.client import Client
from catalogs.sources.net.hosts import Policy
from fault_server import FaultServer, answer
from schemas.errors import Fault

x509 = pytest.importorskip("cryptography.x509")


def certificate(folder: Path, name: str) -> Path:
    """Key and certificate of a host in one file, signed by itself."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2100, 1, 1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "pair.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FaultServer, Path]]:
    """`tiles.example` at this machine, over TLS."""
    pair = certificate(tmp_path, "tiles.example")
    server = FaultServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    listener = server._listener
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    resolve = socket.getaddrinfo

    def lookup(host: str, *args: Any, **kwargs: Any) -> Any:
        return resolve("127.0.0.1" if host.endswith(".example") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setenv("EARTHLOOM_ALLOW_HOSTS", "tiles.example,other.example")
    yield server, pair
    server.close()


def test_the_certificate_is_checked_against_the_name(
    secure: tuple[FaultServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting to a checked address leaves the host's name in charge of the certificate."""
    server, pair = secure
    server.on("/a", answer(200, b"data"))
    port = server.place.partition(":")[2]
    monkeypatch.setenv("SSL_CERT_FILE", str(pair))
    client = Client(Policy(attempts=3))
    assert client.get(f"https://tiles.example:{port}/a") == b"data"
    with pytest.raises(Fault) as caught:
        client.get(f"https://other.example:{port}/a")
    assert (caught.value.code, caught.value.retryable) == ("tls", False)
    assert server.paths() == ["/a"]


def test_an_unknown_certificate_is_final(secure: tuple[FaultServer, Path]) -> None:
    server, _ = secure
    port = server.place.partition(":")[2]
    client = Client(Policy(attempts=3))
    with pytest.raises(Fault) as caught:
        client.get(f"https://tiles.example:{port}/a?sig=CANARY")
    assert (caught.value.code, client.counts().retries) == ("tls", 0)
    assert server.hits == []
