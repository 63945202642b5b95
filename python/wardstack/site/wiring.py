"""Small translations from the site's inventory to lists that roles take as arguments.

They hold no policy: what is chosen, and by which clause, stands in
``playbooks/group_vars``. Only what would be unreadable as a template is here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

Plain = Mapping[str, Any]


def host_entries(machines: Mapping[str, Mapping[str, str]], domain: str) -> list[dict[str, Any]]:
    """Return the lines of ``/etc/hosts`` for all machines.

    A machine's own name stands for its address on the cluster network; on every other network it is
    called NAME-NETWORK.

    Args:
        machines: addresses by network, by machine.
        domain: the site's DNS domain.

    Returns:
        Entries with ``address`` and ``names``, sorted by name.
    """
    entries = []
    for name in sorted(machines):
        for network, address in machines[name].items():
            short = name if network == "cluster" else f"{name}-{network}"
            entries.append({"address": str(address), "names": [f"{short}.{domain}", short]})
    return entries


def host_bridges(
    networks: Mapping[str, Plain], interfaces: Plain, addresses: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the bridges of one host, as the role ``network`` takes them.

    Args:
        networks: ``networks`` of the site (``cidr``, ``bridge``, optionally ``gateway``, ``vlan``, ``bond``).
        interfaces: ``host_interfaces``: interface, or list of bond members, by network.
        addresses: ``host_addresses``: address by network.
    """
    bridges: list[dict[str, Any]] = []
    for name, network in networks.items():
        if name not in interfaces:
            continue
        given = interfaces[name]
        prefix = ipaddress.ip_network(str(network["cidr"])).prefixlen
        bond = network.get("bond") or {}
        bridges.append(
            {
                "name": network["bridge"],
                "interfaces": [given] if isinstance(given, str) else list(given),
                "address": f"{addresses[name]}/{prefix}" if name in addresses else "",
                "gateway": network.get("gateway") or "",
                "vlan": network.get("vlan") or 0,
                "bond": bond.get("mode", ""),
            }
        )
    return bridges


def cluster_nodes(addresses: Mapping[str, Mapping[str, str]], networks: list[str]) -> list[dict[str, Any]]:
    """Return the members of the availability cluster.

    A node's number comes from its address, so that adding or removing a host changes no other's number.

    Args:
        addresses: addresses by network, by host.
        networks: networks that the cluster's rings run over, the first one first.
    """
    nodes = []
    for name in sorted(addresses):
        number = int(ipaddress.ip_address(str(addresses[name][networks[0]]))) & 0xFFFF
        nodes.append({"name": name, "id": number, "addresses": [str(addresses[name][n]) for n in networks]})
    return nodes


def fencing_devices(bmcs: Mapping[str, Plain], passwords: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the fence devices of a site, as the role ``pacemaker`` takes them.

    Args:
        bmcs: ``host_bmc`` (``address``, ``user``, optionally ``port``, ``system``, ``verify``) by host.
        passwords: password of each host's BMC.
    """
    return [
        {
            "host": host,
            "address": str(bmcs[host]["address"]),
            "port": bmcs[host].get("port", 443),
            "user": bmcs[host]["user"],
            "password": passwords[host],
            "system": bmcs[host].get("system", "/redfish/v1/Systems/1"),
            "verify": bmcs[host].get("verify", True),
        }
        for host in sorted(bmcs)
    ]


CONNECTION = ("ansible_host", "ansible_user", "ansible_port", "ansible_ssh_private_key_file", "ansible_ssh_common_args")


def machine_connections(variables: Mapping[str, Plain], names: list[str]) -> dict[str, dict[str, Any]]:
    """Return how each machine is reached by ssh, for programs that reach it themselves.

    Args:
        variables: Ansible's ``hostvars``.
        names: machines.
    """
    return {name: {key: variables[name][key] for key in CONNECTION if key in variables[name]} for name in names}
