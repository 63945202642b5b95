"""What the engine must know of a site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wardstack.engines.base import EngineError, Problem
from wardstack.site.model import Site
from wardstack.site.secrets import SecretError, SecretStore

TANG_PORT = 7500
"""As role ``tang`` sets it (``site_tang_port``)."""

SYSTEM_RESERVE_MIB = 1024
"""Memory of a host for Debian, libvirt, Pacemaker, a monitor, a manager, a metadata server (measured 600-700 MiB)."""

CRUSH_TYPES: Mapping[str, str] = {"host": "host", "rack": "rack", "switch": "pod", "power": "pdu"}
"""Failure domain → CRUSH bucket type, the same as in role ``ceph``: Ceph knows no switches and power feeds by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtConfig:
    """The site as this engine sees it.

    Attributes:
        site: its name; part of every generated UUID.
        domains: host → failure domain → name.
        reserve_mib: host → memory that VMs may not use.
        tang: host that is a Tang server → its URL.
        unlock_threshold: how many of them open a volume.
        secret: gives a site secret by name.
    """

    site: str
    domains: Mapping[str, Mapping[str, str]]
    reserve_mib: Mapping[str, int]
    tang: Mapping[str, str]
    unlock_threshold: int
    secret: Callable[[str], str]

    @classmethod
    def from_site(cls, site: Site) -> LibvirtConfig:
        """Read it from a checked site."""
        osd_mib = site.number("storage_osd_memory_mib")
        addresses = {host.name: host.addresses["cluster"] for host in site.hosts}
        store = SecretStore(site.state_dir)

        def secret(name: str) -> str:
            try:
                value = store.read(name)
            except SecretError as error:
                raise EngineError(Problem("site", str(error), "Then run again")) from None
            if value is None:
                raise EngineError(
                    Problem(
                        "site", f"secret {name} does not exist", "Run the playbook certificates.yml, which makes it"
                    )
                )
            return value

        return cls(
            site=site.name,
            domains={host.name: {**host.domains, "host": host.name} for host in site.hosts},
            reserve_mib={host.name: SYSTEM_RESERVE_MIB + osd_mib * len(host.disks) for host in site.hosts},
            tang={host: f"http://{addresses[host]}:{TANG_PORT}" for host in site.groups()["tang_servers"]},
            unlock_threshold=site.number("disk_unlock_threshold"),
            secret=secret,
        )
