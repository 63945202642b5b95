"""A hospital's site as typed data, after every check has passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from wardstack.site.groups import spread
from wardstack.standards.model import Deviation, Standards, Value, site_size

NETWORKS = ("cluster", "hospital")
"""Networks that every site has: cluster and storage traffic, and what modalities and users reach."""
DOMAINS = ("host", "rack", "switch", "power")
"""Kinds of failure domains."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the site; `vlan` and `bond` are None on a network without them."""

    name: str
    cidr: str
    prefix: int
    bridge: str
    gateway: str | None = None
    vlan: int | None = None
    bond_mode: str | None = None

    def as_vars(self) -> dict[str, object]:
        """Ansible's view, with every key present."""
        bond = {"mode": self.bond_mode} if self.bond_mode else None
        return {
            "cidr": self.cidr, "prefix": self.prefix, "bridge": self.bridge,
            "gateway": self.gateway, "vlan": self.vlan, "bond": bond,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bmc:
    """A host's management controller. Its password is the site secret ``bmc_<host>``."""

    address: str
    port: int
    system: str
    """Path of the Redfish system, e.g. ``/redfish/v1/Systems/1``."""
    user: str
    verify: bool = True
    """Whether its certificate must be the site authority's; a BMC that cannot take one has false."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk for the storage cluster: a block device, or a file where the host is a container."""

    id: str
    kind: str
    path: str
    size_gib: int | None


@dataclass(frozen=True, slots=True)
class Host:
    """An existing physical host (in the lab, a container)."""

    name: str
    ansible_host: str
    addresses: Mapping[str, str]
    interfaces: Mapping[str, tuple[str, ...]]
    domains: Mapping[str, str]
    bmc: Bmc | None
    disks: tuple[Disk, ...]

    def as_vars(self) -> dict[str, object]:
        """Ansible variables in which hosts.yml leaves something to defaults."""
        return {"host_bmc": asdict(self.bmc) if self.bmc else None}


@dataclass(frozen=True, slots=True)
class ArchiveNode:
    """A VM of the archive, by name and address per network."""

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
class Modality:
    """A device that sends to the archive."""

    aet: str
    address: str
    name: str


@dataclass(frozen=True, slots=True)
class Site:
    """A site whose documents have no problem."""

    name: str
    directory: Path
    title: Mapping[str, str]
    engine: str
    domain: str
    state_dir: Path
    lab: bool
    networks: Mapping[str, Network]
    hosts: tuple[Host, ...]
    archive_nodes: tuple[ArchiveNode, ...]
    floating_address: str
    time_servers: tuple[str, ...]
    mirrors: Mapping[str, str]
    modalities: tuple[Modality, ...]
    chosen: Mapping[str, Value]
    """What the site chose inside the bounds."""
    parameters: Mapping[str, Value]
    """Every parameter's value: the default, the choice or the deviation."""
    deviations: tuple[Deviation, ...]
    standards: Standards

    @property
    def size(self) -> str:
        """Small, medium or large; clauses apply by it."""
        return site_size(len(self.hosts))

    @property
    def std(self) -> dict[str, object]:
        """The Ansible variable `std`: every parameter's value, lists as lists."""
        return {name: _listed(value) for name, value in self.parameters.items()}

    def number(self, parameter: str) -> int:
        """Value of an integer parameter."""
        value = self.parameters[parameter]
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{parameter} is not a number")
        return value

    def word(self, parameter: str) -> str:
        """Value of a text or choice parameter."""
        value = self.parameters[parameter]
        if not isinstance(value, str):
            raise TypeError(f"{parameter} is not a text")
        return value

    def flag(self, parameter: str) -> bool:
        """Value of a boolean parameter."""
        value = self.parameters[parameter]
        if not isinstance(value, bool):
            raise TypeError(f"{parameter} is not true or false")
        return value

    def as_vars(self) -> dict[str, object]:
        """The Ansible variable `site`: site.yml with every key present."""
        return {
            "site": self.name,
            "title": dict(self.title),
            "engine": self.engine,
            "domain": self.domain,
            "state_dir": str(self.state_dir),
            "lab": self.lab,
            "size": self.size,
            "networks": {name: network.as_vars() for name, network in self.networks.items()},
            "archive": {
                "aet": self.word("archive_aet"),
                "node_addresses": {node.name: dict(node.addresses) for node in self.archive_nodes},
                "floating_address": self.floating_address,
            },
            "time_servers": list(self.time_servers),
            "mirrors": {name: self.mirrors.get(name) for name in ("debian", "security")},
            "modalities": [{"aet": m.aet, "address": m.address, "name": m.name} for m in self.modalities],
            "parameters": {name: _listed(value) for name, value in self.chosen.items()},
        }

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Computed groups and their members, in inventory order."""
        names = [host.name for host in self.hosts]
        kind = self.word("failure_domain")
        domains = {host.name: host.name if kind == "host" else host.domains[kind] for host in self.hosts}
        distinct = self.number("storage_replicas")

        def choose(parameter: str) -> tuple[str, ...]:
            return spread(names, domains, self.number(parameter), distinct)

        return {
            "ceph_mon": choose("storage_monitors"),
            "ceph_mgr": choose("storage_managers"),
            "ceph_mds": choose("storage_metadata_servers"),
            "ceph_osd": tuple(host.name for host in self.hosts if host.disks),
            "tang_servers": choose("disk_unlock_servers"),
        }


def _listed(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value
