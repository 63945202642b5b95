"""What the lab needs to know of the site: hosts, cables, BMCs and disks."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wardstack.lab.command import LabError

FORMS = ("container", "vm")


@dataclass(frozen=True)
class Lan:
    """A network of the site: the switch that carries it, its addresses, its VLAN where it is tagged."""

    bridge: str
    subnet: ipaddress.IPv4Network
    vlan: int | None


@dataclass(frozen=True)
class Cable:
    """One interface of a host and the switch it is plugged into; ``tagged`` where the network is a VLAN on it."""

    network: str
    bridge: str
    interface: str
    address: ipaddress.IPv4Interface
    tagged: bool


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

    def addressed(self) -> list[Cable]:
        """Return the cables whose interfaces an installer gives the host's addresses.

        One of each network; VLANs and bonds are made by the role `network`.
        """
        first = {cable.network: cable for cable in reversed(self.cables)}
        return [cable for cable in self.cables if first[cable.network] is cable and not cable.tagged]


@dataclass(frozen=True)
class LabSpec:
    """The whole lab: its hosts and their form, its networks and where its state lies."""

    site: str
    state_dir: Path
    form: str
    networks: dict[str, Lan]
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
    form = site.get("lab_hosts", "container")
    if form not in FORMS:
        raise LabError(f"{inventory}/site.yml: lab_hosts is {form!r}, it must be one of {', '.join(FORMS)}")
    networks = {
        name: Lan(entry["bridge"], ipaddress.IPv4Network(entry["cidr"]), entry.get("vlan"))
        for name, entry in site["networks"].items()
    }
    if form == "container" and (tagged := [name for name, lan in networks.items() if lan.vlan is not None]):
        raise LabError(
            f"{inventory}/site.yml: network {tagged[0]} has a VLAN, which container hosts cannot have;"
            " set `lab_hosts: vm` or leave the VLAN out"
        )
    found = _hypervisors(tree)
    return LabSpec(
        site=site["site"],
        state_dir=Path(site["state_dir"]),
        form=form,
        networks=networks,
        hosts=tuple(_host(name, values, networks, form) for name, values in found.items()),
    )


def _hypervisors(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    for name, group in tree.items():
        if name == "hypervisors":
            return dict(group["hosts"])
        if nested := _hypervisors(group.get("children") or {}):
            return nested
    return {}


def _host(name: str, values: dict[str, Any], networks: dict[str, Lan], form: str) -> HostSpec:
    cables = tuple(
        Cable(
            network,
            networks[network].bridge,
            interface,
            ipaddress.IPv4Interface(f"{address}/{networks[network].subnet.prefixlen}"),
            networks[network].vlan is not None,
        )
        for network, address in values["host_addresses"].items()
        for interface in _interfaces(values["host_interfaces"][network])
    )
    bmc = values["host_bmc"]
    disks = tuple(_disk(name, disk, form) for disk in values.get("host_disks", ()))
    return HostSpec(name, cables, bmc["address"], bmc["port"], bmc["user"], bmc["system"], disks)


def _interfaces(named: str | list[str]) -> list[str]:
    """One interface, or the members of a bond."""
    return [named] if isinstance(named, str) else named


def _disk(host: str, entry: dict[str, Any], form: str) -> Disk:
    """A container shows its host a file, a VM a block device that is named by its serial number."""
    name, path, size = entry["id"], entry["path"], entry.get("size_gib")
    if size is None:
        raise LabError(f"disk {name} of {host}: the lab needs its size_gib")
    if form == "container" and entry["kind"] != "file":
        raise LabError(
            f"disk {name} of {host}: a container host has disks of kind file; set `lab_hosts: vm` for devices"
        )
    device = f"/dev/disk/by-id/virtio-{name}"
    if form == "vm" and (entry["kind"] != "device" or path != device):
        raise LabError(f"disk {name} of {host}: a full-VM host has it as kind device with the path {device}")
    return Disk(name, path, size)
