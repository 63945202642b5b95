"""The site's own certificate authority: one CA, one certificate per machine.

Everything lives in ``pki/`` of the site's state directory: ``ca.key``,
``ca.crt`` and ``certs/NAME.{crt,key}``. A call states which certificates have
to exist; what is missing, wrong or close to its end is issued again with a new
key. The authority's own key is never replaced: its certificate is renewed over
the same key, so that everything it signed stays valid.

Keys are ECDSA: P-384 for the authority and P-256 for the machines, both in
NIST SP 800-186; RSA 3072 can be asked for where a device needs it. A signature
with P-256 costs a small part of one with RSA 3072, which an emulated guest
notices at every TLS handshake.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KeyType = Literal["ecdsa", "rsa"]

_NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]{0,126}$", re.IGNORECASE)
_CLOCK_SKEW = timedelta(hours=1)
"""Certificates start this long ago: a BMC's clock may be slow."""


class AuthorityError(Exception):
    """The authority cannot do what was asked; the message says what to do."""


@dataclass(frozen=True)
class Validity:
    """How long certificates live, in days.

    Attributes:
        authority: life of the authority's certificate.
        certificate: life of a machine's certificate.
        renew: a certificate with fewer days left is issued again.
    """

    authority: int
    certificate: int
    renew: int

    def __post_init__(self) -> None:
        if not 0 < self.renew < self.certificate:
            raise AuthorityError(
                f"certificates of {self.certificate} days cannot be renewed {self.renew} days before their end"
            )
        if self.authority <= self.certificate + self.renew:
            raise AuthorityError(
                f"an authority of {self.authority} days ends before a certificate of {self.certificate} days"
                f" renewed {self.renew} days early"
            )


@dataclass(frozen=True)
class CertificateSpec:
    """A certificate that has to exist.

    Attributes:
        name: file name below ``pki/certs``.
        common_name: subject; for a DICOM device its AE title.
        dns: DNS names it is valid for.
        ip: addresses it is valid for (text, IPv4 or IPv6).
        server: may be shown by a TLS server.
        client: may be shown by a TLS client.
        key_type: ``ecdsa`` (P-256) or ``rsa`` (3072 bits).
    """

    name: str
    common_name: str
    dns: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    server: bool = True
    client: bool = True
    key_type: KeyType = "ecdsa"

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise AuthorityError(f"certificate name {self.name!r} may hold only letters, digits, '_', '.' and '-'")
        if not 0 < len(self.common_name) <= 64:
            raise AuthorityError(f"certificate {self.name}: a common name has 1 to 64 characters (RFC 5280)")
        if not (self.server or self.client):
            raise AuthorityError(f"certificate {self.name}: it is for neither a server nor a client")
        for address in self.ip:
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise AuthorityError(f"certificate {self.name}: {address!r} is not an address") from None

    def general_names(self) -> list[x509.GeneralName]:
        """Return the subject alternative names, each once, in a fixed order."""
        addresses = sorted({ipaddress.ip_address(a) for a in self.ip}, key=lambda a: (a.version, int(a)))
        names: list[x509.GeneralName] = [x509.DNSName(d) for d in sorted(set(self.dns))]
        return names + [x509.IPAddress(a) for a in addresses]

    def usages(self) -> list[x509.ObjectIdentifier]:
        """Return the extended key usages."""
        wanted = ((self.server, ExtendedKeyUsageOID.SERVER_AUTH), (self.client, ExtendedKeyUsageOID.CLIENT_AUTH))
        return [oid for on, oid in wanted if on]


@dataclass(frozen=True)
class Issue:
    """A certificate to issue, or issued, and why.

    Attributes:
        name: name of the certificate; ``ca`` is the authority's own.
        reason: what was wrong with the one before.
    """

    name: str
    reason: str


class Authority:
    """The authority of one site.

    Args:
        state_dir: the site's state directory (absolute).
        title: name of the site, in the authority's subject.
        validity: how long certificates live.
        now: the present, for tests.
    """

    def __init__(self, state_dir: str | Path, title: str, validity: Validity, now: datetime | None = None) -> None:
        self.directory = Path(state_dir) / "pki"
        self.title = title[:50]
        self.validity = validity
        self.now = (now or datetime.now(UTC)).replace(microsecond=0)

    @property
    def ca_certificate(self) -> Path:
        """File of the authority's certificate."""
        return self.directory / "ca.crt"

    def paths(self, name: str) -> tuple[Path, Path]:
        """Return the files of a certificate and its key."""
        return (self.directory / "certs" / f"{name}.crt", self.directory / "certs" / f"{name}.key")

    def plan(self, specs: Iterable[CertificateSpec]) -> list[Issue]:
        """Say what :meth:`ensure` would issue, without writing anything.

        Raises:
            AuthorityError: two specs share a name, or the authority is damaged.
        """
        specs = _unique(specs)
        reason = self._authority_reason()
        issues = [Issue("ca", reason)] if reason else []
        ca = _load_certificate(self.ca_certificate) if self.ca_certificate.exists() else None
        for spec in specs:
            leaf = self._leaf_reason(spec, ca)
            if leaf:
                issues.append(Issue(spec.name, leaf))
        return issues

    def ensure(self, specs: Iterable[CertificateSpec]) -> list[Issue]:
        """Issue what is missing, wrong or close to its end.

        Returns:
            What was issued and why; empty when nothing had to change.

        Raises:
            AuthorityError: as :meth:`plan`, or a file cannot be written.
        """
        specs = _unique(specs)
        by_name = {spec.name: spec for spec in specs}
        if not self.plan(specs):
            return []
        try:
            with self._lock():
                issues = self.plan(specs)
                if any(issue.name == "ca" for issue in issues):
                    self._issue_authority()
                key = _load_key(self.directory / "ca.key")
                ca = _load_certificate(self.ca_certificate)
                for issue in issues:
                    if issue.name != "ca":
                        self._issue(by_name[issue.name], ca, key)
        except OSError as error:
            raise AuthorityError(f"the authority cannot write to {self.directory}: {error}") from None
        return issues

    def expiry(self, specs: Iterable[CertificateSpec]) -> dict[str, datetime]:
        """Return the end of each existing certificate, the authority's as ``ca``."""
        files = {"ca": self.ca_certificate} | {spec.name: self.paths(spec.name)[0] for spec in specs}
        return {name: _load_certificate(path).not_valid_after_utc for name, path in files.items() if path.exists()}

    def _authority_reason(self) -> str | None:
        key_file = self.directory / "ca.key"
        if not key_file.exists():
            if self.ca_certificate.exists():
                raise AuthorityError(
                    f"{key_file} is missing but {self.ca_certificate} exists: restore the key from your backup."
                    " Only if it is lost for good, remove the certificate too: every machine then gets new ones"
                )
            return "no authority yet"
        if not self.ca_certificate.exists():
            return "the authority has a key and no certificate"
        ca = _load_certificate(self.ca_certificate)
        if _public_bytes(ca.public_key()) != _public_bytes(_load_key(key_file).public_key()):
            raise AuthorityError(f"{key_file} does not belong to {self.ca_certificate}: restore both from your backup")
        left = (ca.not_valid_after_utc - self.now).days
        if left < self.validity.certificate + self.validity.renew:
            return f"{left} days left, fewer than a new certificate needs"
        return None

    def _leaf_reason(self, spec: CertificateSpec, ca: x509.Certificate | None) -> str | None:
        certificate_file, key_file = self.paths(spec.name)
        if ca is None:
            return "its authority is new"
        if not certificate_file.exists() or not key_file.exists():
            return "no certificate yet"
        try:
            certificate, key = _load_certificate(certificate_file), _load_key(key_file)
        except AuthorityError as error:
            return str(error)
        left = (certificate.not_valid_after_utc - self.now).days
        if left < self.validity.renew:
            return f"{left} days left, renewed from {self.validity.renew}"
        if _public_bytes(certificate.public_key()) != _public_bytes(key.public_key()):
            return "its key does not belong to it"
        if isinstance(key, rsa.RSAPrivateKey) != (spec.key_type == "rsa"):
            return f"its key is not of the type {spec.key_type}"
        try:
            certificate.verify_directly_issued_by(ca)
        except (ValueError, TypeError, InvalidSignature):
            return "signed by another authority"
        if not _says(certificate, spec):
            return "its names or usages differ"
        return None

    def _issue_authority(self) -> None:
        key_file = self.directory / "ca.key"
        if key_file.exists():
            key = _load_key(key_file)
        else:
            key = ec.generate_private_key(ec.SECP384R1())
            _write(key_file, _key_pem(key), 0o600)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.title),
                x509.NameAttribute(NameOID.COMMON_NAME, f"{self.title} authority"),
            ]
        )
        if self.ca_certificate.exists():
            # A renewed authority keeps its subject, or what it signed loses its issuer.
            subject = _load_certificate(self.ca_certificate).subject
        builder = (
            self._builder(subject, subject, key, key, self.validity.authority)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
        )
        _write(self.ca_certificate, _pem(builder.sign(key, hashes.SHA384())), 0o644)

    def _issue(self, spec: CertificateSpec, ca: x509.Certificate, ca_key: PrivateKey) -> None:
        key: PrivateKey
        if spec.key_type == "rsa":
            key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
        else:
            key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, spec.common_name)])
        builder = (
            self._builder(subject, ca.subject, key, ca_key, self.validity.certificate)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            # Not critical: libvirt and QEMU then accept that an ECDSA key has no keyEncipherment (RFC 8813).
            .add_extension(_key_usage(rsa_key=spec.key_type == "rsa"), critical=False)
            .add_extension(x509.ExtendedKeyUsage(spec.usages()), critical=False)
        )
        names = spec.general_names()
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate_file, key_file = self.paths(spec.name)
        # Killed between the two writes, the pair does not match: the next run sees that and issues again.
        _write(key_file, _key_pem(key), 0o600)
        _write(certificate_file, _pem(builder.sign(ca_key, hashes.SHA384())), 0o644)

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, key: PrivateKey, signer: PrivateKey, days: int
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - _CLOCK_SKEW)
            .not_valid_after(self.now + timedelta(days=days))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep a second run out while files are written."""
        for folder in (self.directory.parent, self.directory):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.directory / ".lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield


def _unique(specs: Iterable[CertificateSpec]) -> list[CertificateSpec]:
    found: dict[str, CertificateSpec] = {}
    for spec in specs:
        if spec.name == "ca" or found.setdefault(spec.name, spec) != spec:
            raise AuthorityError(f"certificate {spec.name} is asked for twice with different content")
    return list(found.values())


def _says(certificate: x509.Certificate, spec: CertificateSpec) -> bool:
    """Whether a certificate has the subject, names and usages of its spec."""
    extensions = certificate.extensions
    try:
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    try:
        usages = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        usages = []
    subject = [attribute.value for attribute in certificate.subject]
    return names == spec.general_names() and usages == spec.usages() and subject == [spec.common_name]


def _key_usage(*, authority: bool = False, rsa_key: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=rsa_key,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _load_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise AuthorityError(f"{path} is not a readable certificate: {error}") from None


def _load_key(path: Path) -> PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise AuthorityError(f"{path} is not a readable key: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise AuthorityError(f"{path} holds neither an ECDSA nor an RSA key")
    return key


def _public_bytes(key: object) -> bytes:
    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file as a whole: after a crash it is the old or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
