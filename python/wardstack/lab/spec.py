"""What the lab needs to know of the site: hosts, cables, BMCs and disks."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wardstack.lab.command import LabError


@dataclass(frozen=True)
class Cable:
    """One interface of a host and the switch it is plugged into."""

    network: str
    bridge: str
    interface: str
    address: ipaddress.IPv4Interface


@dataclass(frozen=True)
class Disk:
    """A disk of a host: ``path`` is where the host sees it, ``size_gib`` its size."""

    name: str
    path: str
    size_gib: int


@dataclass(frozen=True)
class HostSpec:
    """One host as the inventory describes it."""

    name: str
    cables: tuple[Cable, ...]
    bmc_address: str
    bmc_port: int
    bmc_user: str
    bmc_system: str
    disks: tuple[Disk, ...]


@dataclass(frozen=True)
class LabSpec:
    """The whole lab: its hosts, the bridges of its networks and where its state lies."""

    site: str
    state_dir: Path
    networks: dict[str, tuple[str, ipaddress.IPv4Network]]
    hosts: tuple[HostSpec, ...]

    def host(self, name: str) -> HostSpec:
        """Return the host of this name.

        Raises:
            LabError: There is none; the message lists those that exist.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise LabError(f"{name}: no such host in the lab; its hosts are {known}")


def read_spec(inventory: Path) -> LabSpec:
    """Read the lab's shape from ``hosts.yml`` and ``site.yml`` of its inventory.

    The documents are checked in full by :mod:`wardstack.site`; this reads only
    what a bare machine room needs.
    """
    site: dict[str, Any] = yaml.safe_load((inventory / "site.yml").read_text())
    tree: dict[str, Any] = yaml.safe_load((inventory / "hosts.yml").read_text())
    if not site.get("lab"):
        raise LabError(f"{inventory}/site.yml: `lab` is not true, this is a hospital's own site")
    networks = {name: (network["bridge"], ipaddress.IPv4Network(network["cidr"])) for name, network in site["networks"].items()}
    found = _hypervisors(tree)
    return LabSpec(
        site=site["site"],
        state_dir=Path(site["state_dir"]),
        networks=networks,
        hosts=tuple(_host(name, values, networks) for name, values in found.items()),
    )


def _hypervisors(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    for name, group in tree.items():
        if name == "hypervisors":
            return dict(group["hosts"])
        if nested := _hypervisors(group.get("children") or {}):
            return nested
    return {}


def _host(
    name: str,
    values: dict[str, Any],
    networks: dict[str, tuple[str, ipaddress.IPv4Network]],
) -> HostSpec:
    cables = tuple(
        Cable(
            network,
            networks[network][0],
            values["host_interfaces"][network],
            ipaddress.IPv4Interface(f"{address}/{networks[network][1].prefixlen}"),
        )
        for network, address in values["host_addresses"].items()
    )
    bmc = values["host_bmc"]
    disks = tuple(Disk(disk["id"], disk["path"], disk["size_gib"]) for disk in values.get("host_disks", ()))
    return HostSpec(name, cables, bmc["address"], bmc["port"], bmc["user"], bmc["system"], disks)
