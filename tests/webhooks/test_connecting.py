"""Whom a connection is made to: every address a name has is looked at, once, and TLS asks for the name."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from registry.core import fetching
from registry.core.fetching import get_json
from registry.core.outbound import OutboundError
from registry.core.posting import Posted, post
from tests.webhooks.receiver import Receiver, receiver

NAME = "hooks.example.com"


@pytest.fixture
def far() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


class Names:
    """What the resolver says; how often it was asked."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self.addresses = addresses
        self.asked = 0

    def __call__(self, host: str, port: int, **options: Any) -> list[Any]:
        self.asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in self.addresses]


def send(url: str, *allow: str) -> Posted:
    return post(url, b"{}", headers={}, own={}, allow=frozenset(allow))


@pytest.mark.parametrize("private", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"])
def test_name__with_a_private_address_among_others__is_not_connected_to(
    far: Receiver, monkeypatch: pytest.MonkeyPatch, private: str
) -> None:
    for addresses in ([(private, far.port)], [("93.184.216.34", 8080), (private, far.port)]):
        monkeypatch.setattr(fetching.socket, "getaddrinfo", Names(*addresses))
        assert "private addresses need" in send(f"http://{NAME}:8080/").error
        with pytest.raises(OutboundError, match="private addresses need"):
            get_json(f"http://{NAME}:8080", "x", headers={}, allow=frozenset())
    assert far.got == []


def test_name__that_the_operator_allows__is_resolved_once_and_asked_for_by_its_name(
    far: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(("127.0.0.1", far.port))
    monkeypatch.setattr(fetching.socket, "getaddrinfo", names)
    assert send(f"http://{NAME}:{far.port}/", f"{NAME}:{far.port}").is_accepted
    assert (names.asked, far.got[0].headers["host"]) == (1, f"{NAME}:{far.port}")


def over_tls(far: Receiver, folder: Path, name: str) -> str:
    """Put the receiver behind a certificate for `name` that nobody knows; where the certificate is."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    far.server.socket = context.wrap_socket(far.server.socket, server_side=True)
    return str(path)


def test_tls__of_somebody_unknown_or_for_another_name__is_not_spoken_to(
    far: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fetching.socket, "getaddrinfo", Names(("127.0.0.1", far.port)))
    allow = (f"{NAME}:{far.port}", f"other.example.com:{far.port}")
    certificate, real = over_tls(far, tmp_path, NAME), ssl.create_default_context
    assert "SSLCertVerificationError" in send(f"https://{NAME}:{far.port}/", *allow).error
    monkeypatch.setattr(fetching.ssl, "create_default_context", lambda: real(cafile=certificate))
    assert send(f"https://{NAME}:{far.port}/", *allow).is_accepted
    assert "SSLCertVerificationError" in send(f"https://other.example.com:{far.port}/", *allow).error
    assert len(far.got) == 1


def test_redirect__from_https_to_plain_http__is_not_followed(
    far: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate, real = over_tls(far, tmp_path, NAME), ssl.create_default_context
    with receiver() as plain:
        monkeypatch.setattr(fetching.ssl, "create_default_context", lambda: real(cafile=certificate))
        monkeypatch.setattr(fetching.socket, "getaddrinfo", Names(("127.0.0.1", far.port)))
        far.status, far.headers = 307, {"Location": plain.url}
        told = send(f"https://{NAME}:{far.port}/", f"{NAME}:{far.port}", plain.allow)
        assert "redirects from https to plain http" in told.error and plain.got == []
