"""First-boot configuration of a VM (cloud-init, NoCloud): name, addresses, one public key, and no secret."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interface:
    """A guest's interface; the guest names it by its MAC address, so the order on the bus does not matter."""

    name: str
    mac: str
    address: str
    """With prefix length."""
    mtu: int
    gateway: str | None


def user_data(hostname: str, domain: str, public_key: str) -> str:
    """The `user-data` document.

    The golden image's default user gets the key and no password. Host keys survive a changed document, because a
    node that keeps its disks is the same node to whoever trusts it.
    """
    document = {
        "hostname": hostname,
        "fqdn": f"{hostname}.{domain}",
        "prefer_fqdn_over_hostname": False,
        "ssh_authorized_keys": [public_key],
        "ssh_pwauth": False,
        "ssh_deletekeys": False,
        "disable_root": True,
    }
    return "#cloud-config\n" + _yaml(document)


def network_config(interfaces: Sequence[Interface]) -> str:
    """The `network-config` document, version 2 (netplan's words)."""
    ethernets: dict[str, object] = {}
    for interface in interfaces:
        entry: dict[str, object] = {
            "match": {"macaddress": interface.mac},
            "set-name": interface.name,
            "addresses": [interface.address],
            "mtu": interface.mtu,
        }
        if interface.gateway:
            entry["routes"] = [{"to": "0.0.0.0/0", "via": interface.gateway}]
        ethernets[interface.name] = entry
    return _yaml({"version": 2, "ethernets": ethernets})


def _yaml(document: dict[str, object]) -> str:
    """One line per key, each value as JSON, which every YAML reader takes: no second rule of quoting to get wrong."""
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in document.items())
