"""What a client of the archive has to know: addresses, names, certificates."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

#: Application entity title of the verification, known to the archive.
CALLING_AET = "WSVERIFY"
#: Network namespace of the lab's networks.
LAB_NAMESPACE = "/run/netns/ws-lab"

Scope = Literal["all", "proof", "some"]
#: Objects of the longest series that a reading of ``some`` reads.
SOME_OBJECTS = 25


@dataclass(frozen=True)
class VerifyConfig:
    """Where the archive is and as whom to speak to it.

    Attributes:
        address: Floating address (or name) of the archive.
        state_dir: The site's state folder; ledger and report go there.
        ca: The site's certificate authority, PEM.
        certificate: Client certificate of the verification, PEM.
        key: Its private key, PEM.
        dicom_port: TLS port of DICOM.
        https_port: Port of DICOMweb.
        called_aet: The archive's application entity title.
        calling_aet: The verification's.
        https_user: User of DICOMweb; empty if none is asked for.
        https_password: Password of DICOMweb.
        tls_min_version: ``1.2`` or ``1.3``.
        certificate_required: Whether a device without a certificate of the
            site's authority has to be refused.
        netns: Network namespace file from which the archive is reached, empty
            for the caller's own.
        associations: Associations in parallel.
        attempts: How often a device offers one object that is answered with a
            failure status before it gives up.
        patience: How long a device goes on trying while the archive cannot be
            reached, seconds.
        timeout: How long to wait for one answer, seconds.
        matrix: Rows and columns of the generated slices.
        ct_slices: Slices of the generated CT.
        tls_ciphers: TLS 1.2 cipher suites that the standard allows, OpenSSL names.
        load_minimum: Least number of objects of the second study.
        load_may_fail: Failed tries in the second study are allowed as long as
            each object is acknowledged in the end: for power cuts, not for a
            live migration.
        max_downtime_ms: Longest allowed pause of a virtual machine that is
            migrated meanwhile, ms; 0 for no limit.
        read: What is read back: ``all`` of the ledger; ``proof``: the studies of
            the proof and what this run sent; ``some``: the same, but series
            of more than :data:`SOME_OBJECTS` are only found and counted when
            this run sent nothing.
    """

    address: str
    state_dir: Path
    ca: Path
    certificate: Path
    key: Path
    dicom_port: int = 2762
    https_port: int = 443
    called_aet: str = "WARDSTACK"
    calling_aet: str = CALLING_AET
    https_user: str = "wardstack"
    https_password: str = field(default="", repr=False)
    tls_min_version: str = "1.2"
    tls_ciphers: tuple[str, ...] = ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384")
    certificate_required: bool = True
    netns: str = ""
    associations: int = 4
    attempts: int = 10
    patience: float = 180.0
    timeout: float = 30.0
    matrix: int = 96
    ct_slices: int = 100
    load_minimum: int = 20
    load_may_fail: bool = False
    max_downtime_ms: float = 0.0
    read: Scope = "proof"

    @property
    def ledger_dir(self) -> Path:
        """Folder of ledger and seed."""
        return self.state_dir / "ledger"

    @classmethod
    def from_site(cls, site: Mapping[str, Any], std: Mapping[str, Any], **overrides: Any) -> VerifyConfig:
        """Take the configuration from a site, as the inventory gives it.

        Args:
            site: The inventory's ``site``: ``state_dir``, ``lab``, ``archive``.
            std: The inventory's ``std``: parameters of the standards.
            overrides: Attributes to set otherwise.

        Returns:
            The configuration. The password of DICOMweb is read from the
            site's secrets; a missing one stays empty.

        Raises:
            KeyError: The site names no state folder or floating address.
        """
        state_dir = Path(site["state_dir"])
        secret = state_dir / "secrets" / "orthanc_http"
        given: dict[str, Any] = {
            "address": str(site["archive"]["floating_address"]),
            "state_dir": state_dir,
            "ca": state_dir / "pki" / "ca.crt",
            "certificate": state_dir / "pki" / "certs" / "verify.crt",
            "key": state_dir / "pki" / "certs" / "verify.key",
            "dicom_port": int(std.get("dicom_tls_port", 2762)),
            "https_port": int(std.get("https_port", 443)),
            "called_aet": str(site["archive"].get("aet") or std.get("archive_aet", "WARDSTACK")),
            "https_password": secret.read_text().strip() if secret.exists() else "",
            "tls_min_version": str(std.get("tls_min_version", "1.2")),
            "tls_ciphers": tuple(std.get("tls_ciphers", cls.tls_ciphers)),
            "certificate_required": bool(std.get("dicom_client_certificate_required", True)),
            "max_downtime_ms": float(std.get("vm_migration_max_downtime_ms", 0)),
            "netns": LAB_NAMESPACE if site.get("lab") else "",
        }
        return cls(**{**given, **overrides})

    def to_json(self) -> str:
        """Return the configuration for a child process; holds the password."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return json.dumps(values, default=str)

    @classmethod
    def from_json(cls, text: str) -> VerifyConfig:
        """Read what :meth:`to_json` wrote."""
        values = json.loads(text)
        for name in ("state_dir", "ca", "certificate", "key"):
            values[name] = Path(values[name])
        values["tls_ciphers"] = tuple(values["tls_ciphers"])
        return cls(**values)
