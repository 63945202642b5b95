"""A hospital's site as typed data, after every check has passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wardstack.site.groups import spread

Value = bool | int | str | tuple[str, ...]
"""A parameter's value. Lists are tuples here and lists in Ansible."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the site. `vlan` and `bond` are absent on a network without them."""

    name: str
    cidr: str
    bridge: str
    gateway: str | None = None
    vlan: int | None = None
    bond: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """An existing physical host (in the lab, a container)."""

    name: str
    address: str
    addresses: Mapping[str, str]
    domains: Mapping[str, str]
    bmc_address: str | None
    disks: int
    """Number of storage disks."""


@dataclass(frozen=True, slots=True)
class ArchiveNode:
    """A VM of the archive, by name and addresses per network."""

    name: str
    addresses: Mapping[str, str]

    def as_vars(self, index: int) -> dict[str, object]:
        """Ansible variables of the node; `index` counts from 1."""
        return {
            "ansible_host": self.addresses["cluster"],
            "ansible_user": "ansible",
            "ansible_become": True,
            "node_addresses": dict(self.addresses),
            "archive_node_index": index,
        }


@dataclass(frozen=True, slots=True)
class Site:
    """A site whose documents have no problem."""

    name: str
    directory: Path
    variables: Mapping[str, object]
    """site.yml with defaults filled, as plain data."""
    std: Mapping[str, object]
    hosts: tuple[Host, ...]
    networks: Mapping[str, Network]
    archive_nodes: tuple[ArchiveNode, ...]

    def as_vars(self) -> dict[str, object]:
        """The Ansible variable `site`."""
        return dict(self.variables)

    def domain_of(self, host: Host) -> str:
        """Name of the failure domain that the host stands in; the host itself when that is the domain."""
        kind = str(self.std["failure_domain"])
        return host.name if kind == "host" else host.domains[kind]

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Computed groups and their members, in inventory order."""
        names = [host.name for host in self.hosts]
        domains = {host.name: self.domain_of(host) for host in self.hosts}
        distinct = _int(self.std["storage_replicas"])

        def choose(parameter: str) -> tuple[str, ...]:
            return spread(names, domains, _int(self.std[parameter]), distinct)

        return {
            "ceph_mon": choose("storage_monitors"),
            "ceph_mgr": choose("storage_managers"),
            "ceph_mds": choose("storage_metadata_servers"),
            "ceph_osd": tuple(host.name for host in self.hosts if host.disks),
            "tang_servers": choose("disk_unlock_servers"),
        }


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
