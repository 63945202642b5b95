"""A certificate of an authority that is not the site's: valid, and a stranger.

It is shown to an archive that must refuse it, and it serves the peer that a
benchmark compares with, so that the site's own keys stay where they are.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Stranger:
    """Files of a foreign authority and of a certificate that it issued, for a client or a server on loopback."""

    ca: Path
    certificate: Path
    key: Path


def create(folder: Path, common_name: str) -> Stranger:
    """Make a foreign authority and a certificate of it.

    Args:
        folder: An existing private folder; the files are PEM.
        common_name: Subject of the certificate. A stranger copies the
            name of a real client.

    Returns:
        Where the files are.
    """
    start = datetime.now(UTC) - timedelta(hours=1)
    ca_key = rsa.generate_private_key(65537, 2048)
    ca_name = _name("Foreign authority")
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), start)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    key = rsa.generate_private_key(65537, 2048)
    usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])
    leaf = (
        _builder(_name(common_name), ca_name, key.public_key(), start)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usages, critical=False)
        .add_extension(names, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    stranger = Stranger(folder / "ca.crt", folder / "client.crt", folder / "client.key")
    stranger.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    stranger.certificate.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    stranger.key.touch(mode=0o600)
    stranger.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return stranger


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, start: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1))
    )
