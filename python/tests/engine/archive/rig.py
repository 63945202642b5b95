"""A real archive of one node for tests: Debian's Orthanc behind Debian's HAProxy, with the site's TLS rules."""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wardstack.archive.config import VerifyConfig

ADDRESS = "127.0.0.1"
CIPHERS = ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384")
PASSWORD = "engine-test"
_CLONE_NEWNET = 0x40000000


@contextlib.contextmanager
def own_network() -> Iterator[Path]:
    """Put this thread, and what it starts, into a new network with nothing but loopback; give the way back."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if libc.unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield Path(f"/proc/{os.getpid()}/fd/{before}")
    finally:
        libc.setns(before, _CLONE_NEWNET)
        os.close(before)


@dataclass
class Authority:
    """A certificate authority in a folder."""

    folder: Path

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test site authority")])
        cert = self._build(self.name, self.key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.ca = self.folder / "ca.crt"
        self.ca.write_bytes(cert.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Issue a certificate for server and client, valid for the loopback address."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(ADDRESS))])
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        cert = (
            self._build(subject, key.public_key())
            .add_extension(names, critical=False)
            .add_extension(usages, critical=False)
        )
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        paths[0].write_bytes(cert.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paths

    def _build(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        start = datetime.now(UTC) - timedelta(hours=1)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        return (
            builder.serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=2))
        )


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 20.0) -> None:
    """Wait until a port of the loopback answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port), 0.2):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


class Archive:
    """Orthanc and, before it, HAProxy; each can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pki").mkdir()
        self.authority = Authority(folder / "pki")
        certificate, key = self.authority.issue("archive")
        (folder / "haproxy.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
        client, client_key = self.authority.issue("verify")
        self.config = VerifyConfig(
            address=ADDRESS,
            state_dir=folder / "state",
            ca=self.authority.ca,
            certificate=client,
            key=client_key,
            https_password=PASSWORD,
            timeout=10.0,
            patience=30.0,
        )
        self._write_orthanc()
        self._write_haproxy()
        self.orthanc: subprocess.Popen[bytes] | None = None
        self.haproxy: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.start_orthanc()
        self.haproxy = self._run("haproxy", ["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")])
        wait_for(self.config.dicom_port, self.haproxy)

    def start_orthanc(self) -> None:
        self.orthanc = self._run("orthanc", ["Orthanc", str(self.folder / "orthanc.json")])
        wait_for(4242, self.orthanc)
        wait_for(8042, self.orthanc)

    def stop(self) -> None:
        for process in (self.haproxy, self.orthanc):
            if process is not None:
                process.kill()
                process.wait()

    def stored_files(self) -> list[Path]:
        """Every file in Orthanc's storage."""
        return [path for path in (self.folder / "storage").rglob("*") if path.is_file() and len(path.name) == 36]

    def _run(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{name}.log").open("ab")
        path = f"{os.environ['PATH']}:/usr/sbin"
        program = shutil.which(command[0], path=path)
        assert program, f"install Debian's package of {command[0]}"
        environment = {**os.environ, "TCP_NODELAY": "1", "PATH": path}
        return subprocess.Popen([program, *command[1:]], stdout=log, stderr=log, env=environment)

    def _write_orthanc(self) -> None:
        (self.folder / "orthanc.json").write_text(
            json.dumps(
                {
                    "Name": "test",
                    "StorageDirectory": str(self.folder / "storage"),
                    "IndexDirectory": str(self.folder / "storage"),
                    "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
                    "DicomServerEnabled": True,
                    "DicomAet": "WARDSTACK",
                    "DicomCheckCalledAet": True,
                    "DicomCheckModalityHost": False,
                    "DicomAlwaysAllowStore": False,
                    "DicomAlwaysAllowEcho": False,
                    "DicomModalities": {
                        "verify": {"AET": self.config.calling_aet, "Host": ADDRESS, "Port": 104, "AllowGet": True},
                    },
                    "DicomThreadsCount": 16,
                    "DefaultEncoding": "Utf8",
                    "MaximumPduLength": 131072,
                    "OverwriteInstances": False,
                    "StableAge": 1,
                    "SaveJobs": False,
                    # What is read back has to come from the disk.
                    "MaximumStorageCacheSize": 0,
                    "RemoteAccessAllowed": True,
                    "AuthenticationEnabled": True,
                    "RegisteredUsers": {"wardstack": PASSWORD},
                    "DicomWeb": {"StudiesMetadata": "MainDicomTags", "SeriesMetadata": "Full"},
                }
            )
        )

    def _write_haproxy(self) -> None:
        pem = self.folder / "haproxy.pem"
        (self.folder / "haproxy.cfg").write_text(f"""
global
  ssl-default-bind-options ssl-min-ver TLSv1.2
  ssl-default-bind-ciphers {":".join(CIPHERS)}
defaults
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen dicom
  mode tcp
  bind {ADDRESS}:2762 ssl crt {pem} ca-file {self.authority.ca} verify required
  server a1 {ADDRESS}:4242
listen web
  mode http
  bind {ADDRESS}:443 ssl crt {pem} ca-file {self.authority.ca} verify optional
  server a1 {ADDRESS}:8042
""")
