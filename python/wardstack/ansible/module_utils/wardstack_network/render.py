# Copyright (c) Wardstack contributors
# SPDX-License-Identifier: Apache-2.0
"""From a list of bridges to the files of systemd-networkd. No file is read or written here."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

PREFIX = "05-wardstack-"
"""Sorted before what an installer leaves: networkd takes the first file that matches an interface."""

INTERFACE = re.compile(r"^[A-Za-z0-9_.-]{1,15}$")
BOND_MODES = ("802.3ad", "active-backup")


class NetworkError(Exception):
    """Bridges that cannot be; the message names the bridge and says what to do."""


class Device:
    """One network interface: what it is made of and what it carries."""

    def __init__(self, name: str, kind: str = "") -> None:
        """Start with an interface that carries nothing.

        Args:
            name: name of the interface.
            kind: ``bridge``, ``bond``, ``vlan``, or empty for a physical one.
        """
        self.name = name
        self.kind = kind
        self.bridge = ""
        self.bond = ""
        self.vlans: list[str] = []
        self.mode = ""
        self.number = 0
        self.address = ""
        self.gateway = ""

    @property
    def port(self) -> bool:
        """Whether it is part of a bridge or a bond and has no address of its own."""
        return bool(self.bridge or self.bond)


def check(bridges: list[dict[str, Any]], mtu: int, existing: set[str] | None) -> None:
    """Raise NetworkError for the first thing that is wrong.

    Args:
        bridges: the role's argument ``network_bridges``.
        mtu: bytes.
        existing: interfaces of this host, None when that is not known.
    """
    if not 1280 <= mtu <= 9216:
        raise NetworkError(f"an MTU of {mtu} bytes is none: 1280 (IPv6) to 9216")
    seen: set[str] = set()
    for bridge in bridges:
        name = bridge["name"]
        for word in [name, *bridge["interfaces"]]:
            if not INTERFACE.match(word):
                raise NetworkError(f"bridge {name}: '{word}' is not a name of an interface (1 to 15 characters)")
        if name in seen:
            raise NetworkError(f"bridge {name}: named twice")
        seen.add(name)
        if not bridge["interfaces"]:
            raise NetworkError(f"bridge {name}: has no interface; name the host's under host_interfaces")
        if len(bridge["interfaces"]) > 1 and not bridge["bond"]:
            raise NetworkError(
                f"bridge {name}: {len(bridge['interfaces'])} interfaces need a bond, or they make a loop"
            )
        if bridge["bond"] and bridge["bond"] not in BOND_MODES:
            raise NetworkError(f"bridge {name}: bond '{bridge['bond']}' is not one of {', '.join(BOND_MODES)}")
        if not 0 <= bridge["vlan"] < 4095:
            raise NetworkError(f"bridge {name}: VLAN {bridge['vlan']} is not 1 to 4094")
        check_addresses(bridge)
        for interface in bridge["interfaces"]:
            if existing is not None and interface not in existing:
                raise NetworkError(
                    f"bridge {name}: this host has no interface {interface}; it has {', '.join(sorted(existing))}"
                )


def check_addresses(bridge: dict[str, Any]) -> None:
    """Raise NetworkError where a bridge's address or gateway is wrong."""
    name = bridge["name"]
    try:
        own = ipaddress.ip_interface(bridge["address"]) if bridge["address"] else None
        gateway = ipaddress.ip_address(bridge["gateway"]) if bridge["gateway"] else None
    except ValueError as error:
        raise NetworkError(f"bridge {name}: {error}") from None
    if own is not None and "/" not in bridge["address"]:
        raise NetworkError(f"bridge {name}: address {bridge['address']} has no prefix length, such as /24")
    if gateway is not None and (own is None or gateway not in own.network):
        raise NetworkError(f"bridge {name}: gateway {gateway} is not in the network of its address {bridge['address']}")


def devices(bridges: list[dict[str, Any]]) -> dict[str, Device]:
    """Return every interface that the bridges need, lower ones first.

    Raises:
        NetworkError: two bridges want the same untagged interface.
    """
    found: dict[str, Device] = {}

    def take(name: str, kind: str = "") -> Device:
        return found.setdefault(name, Device(name, kind))

    for bridge in bridges:
        lower = bridge["interfaces"][0]
        for interface in bridge["interfaces"]:
            take(interface)
        if bridge["bond"]:
            lower = "bond-" + bridge["interfaces"][0][:10]
            bond = take(lower, "bond")
            bond.mode = bridge["bond"]
            for interface in bridge["interfaces"]:
                found[interface].bond = lower
        if bridge["vlan"]:
            tagged = f"{lower[:10]}.{bridge['vlan']}"
            take(tagged, "vlan").number = bridge["vlan"]
            found[lower].vlans.append(tagged)
            lower = tagged
        if found[lower].bridge:
            raise NetworkError(f"bridge {bridge['name']}: {lower} is already in {found[lower].bridge}; give one a VLAN")
        found[lower].bridge = bridge["name"]
        upper = take(bridge["name"], "bridge")
        upper.address, upper.gateway = bridge["address"], bridge["gateway"]
    return found


def netdev(device: Device, mtu: int) -> str:
    """Return the text of the .netdev file that makes an interface."""
    text = f"# Written by Wardstack (role network).\n[NetDev]\nName={device.name}\nKind={device.kind}\nMTUBytes={mtu}\n"
    if device.kind == "bridge":
        # The address of its interface, so that neighbours need not learn a new one; it keeps it, because a card's is
        # below those of VMs' ports (fe:54:00). Without spanning tree a port forwards at once; without snooping
        # multicast (VRRP) needs no querier.
        text += "MACAddress=none\n\n[Bridge]\nSTP=no\nForwardDelaySec=0\nMulticastSnooping=no\n"
    elif device.kind == "bond":
        text += f"\n[Bond]\nMode={device.mode}\nMIIMonitorSec=100ms\n"
        if device.mode == "802.3ad":
            text += "LACPTransmitRate=fast\nTransmitHashPolicy=layer3+4\n"
    elif device.kind == "vlan":
        text += f"\n[VLAN]\nId={device.number}\n"
    return text


def network(device: Device, mtu: int, dns: list[str]) -> str:
    """Return the text of the .network file that sets an interface up."""
    text = f"# Written by Wardstack (role network).\n[Match]\nName={device.name}\n"
    if not device.kind:
        # The VLANs on it may have the same name pattern; a type match would exclude a lab's virtual Ethernet.
        text += f"\n[Link]\nMTUBytes={mtu}\n"
    text += "\n[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n"
    if device.bond:
        text += f"Bond={device.bond}\n"
    if device.bridge:
        text += f"Bridge={device.bridge}\n"
    text += "".join(f"VLAN={name}\n" for name in device.vlans)
    if device.kind == "bridge":
        # A pulled cable takes neither the address nor the virtual machines' bridge away.
        text += "ConfigureWithoutCarrier=yes\nIgnoreCarrierLoss=yes\n"
        if device.address:
            text += f"Address={device.address}\n"
        if device.gateway:
            text += f"Gateway={device.gateway}\n"
        if device.address:
            text += "".join(f"DNS={server}\n" for server in dns)
    return text


def files(bridges: list[dict[str, Any]], mtu: int, dns: list[str]) -> dict[str, str]:
    """Return the wanted files of systemd-networkd by name."""
    found: dict[str, str] = {}
    for device in devices(bridges).values():
        if device.kind:
            found[f"{PREFIX}{device.name}.netdev"] = netdev(device, mtu)
        found[f"{PREFIX}{device.name}.network"] = network(device, mtu, dns)
    return found
