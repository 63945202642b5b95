"""Read hosts.yml: an ordinary Ansible inventory whose hosts in group `hypervisors` describe themselves."""

from __future__ import annotations

import re

from wardstack.site.addresses import AddressBook
from wardstack.site.model import DOMAINS, Bmc, Disk, Host
from wardstack.standards.document import Node
from wardstack.standards.problems import suggest
from wardstack.standards.reader import Reader

HOST_NAME = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
INTERFACE = r"[A-Za-z0-9_.:@-]{1,15}"
_NEEDED = ("ansible_host", "host_addresses", "host_interfaces", "host_domains", "host_disks")
_KNOWN = (*_NEEDED, "host_bmc")


def read_hosts(
    root: Node, networks: tuple[str, ...], book: AddressBook, reader: Reader
) -> tuple[tuple[Host, Node], ...]:
    """Read all hosts, each with its node, whose mark later problems name."""
    groups = reader.mapping(root, "the inventory", required=("hypervisors",), optional=None)
    group = reader.mapping(groups.get("hypervisors"), "hypervisors", required=("hosts",), optional=("vars",))
    hosts = group.get("hosts")
    if hosts is not None and not hosts.value:
        reader.problems.add(hosts.mark, "hypervisors has no hosts", "name the existing hosts", "STD-01.3")
        return ()
    found: list[tuple[Host, Node]] = []
    for name, child in reader.mapping(hosts, "hosts", optional=None).items():
        if not re.fullmatch(HOST_NAME, name):
            reader.problems.add(
                child.mark, f"a host has the name '{name}'", "a name is lower-case letters, digits and '-'"
            )
        found.append((_read_host(name, child, networks, book, reader), child))
    return tuple(found)


def _read_host(name: str, node: Node, networks: tuple[str, ...], book: AddressBook, reader: Reader) -> Host:
    entries = reader.mapping(node, f"host {name}", _NEEDED, None)
    for key, child in entries.items():
        if key not in _KNOWN and not key.startswith("ansible_"):
            mark = node.keys[key] if node.keys else child.mark
            reader.problems.add(mark, f"host {name} has the unknown key '{key}'", suggest(key, _KNOWN))
    addresses = reader.mapping(entries.get("host_addresses"), f"host_addresses of {name}", networks)
    interfaces = reader.mapping(entries.get("host_interfaces"), f"host_interfaces of {name}", networks)
    domains = reader.mapping(entries.get("host_domains"), f"host_domains of {name}", optional=DOMAINS[1:])
    disks = [
        _read_disk(name, child, reader) for child in reader.items(entries.get("host_disks"), f"host_disks of {name}")
    ]
    _report_twins(name, disks, reader)
    return Host(
        name=name,
        ansible_host=reader.text(entries.get("ansible_host"), f"ansible_host of {name}"),
        addresses={net: book.claim(addresses.get(net), f"{net} address of {name}", net) for net in networks},
        interfaces={net: _read_interfaces(name, net, interfaces.get(net), reader) for net in networks},
        domains={
            kind: _word(child, f"{kind} domain of {name}", reader) for kind, child in domains.items() if kind in DOMAINS
        },
        bmc=_read_bmc(name, entries["host_bmc"], book, reader) if "host_bmc" in entries else None,
        disks=tuple(disk for disk, _ in disks),
    )


def _word(node: Node, what: str, reader: Reader) -> str:
    """A short name; a number is taken as one (rack: 12)."""
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.text
    return reader.text(node, what, r"[^\s].{0,62}", "a short name")


def _read_interfaces(host: str, network: str, node: Node | None, reader: Reader) -> tuple[str, ...]:
    what = f"{network} interface of {host}"
    if node is not None and isinstance(node.value, list):
        return reader.texts(node, what, INTERFACE, "the name of a network interface")
    name = reader.text(node, what, INTERFACE, "the name of a network interface, or a list of them for a bond")
    return (name,) if name else ()


def _read_bmc(host: str, node: Node, book: AddressBook, reader: Reader) -> Bmc:
    entries = reader.mapping(node, f"host_bmc of {host}", ("address", "user"), ("port", "system", "verify"))
    system = entries.get("system")
    port = entries.get("port")
    return Bmc(
        address=book.claim(entries.get("address"), f"BMC address of {host}", "management"),
        port=reader.integer(port, f"BMC port of {host}", 1, 65535) if port else 443,
        system=reader.text(
            system, f"BMC system of {host}", r"/[\w./-]+", "a Redfish path such as /redfish/v1/Systems/1"
        )
        if system
        else "/redfish/v1/Systems/1",
        user=reader.text(entries.get("user"), f"BMC user of {host}", r"\S{1,64}", "a user name"),
        verify=reader.boolean(entries.get("verify"), f"verify of the BMC of {host}", default=True),
    )


def _read_disk(host: str, node: Node, reader: Reader) -> tuple[Disk, Node]:
    entries = reader.mapping(node, f"a disk of {host}", ("id", "kind", "path"), ("size_gib",))
    name = reader.text(
        entries.get("id"), f"id of a disk of {host}", r"[a-z][a-z0-9-]{0,30}", "a short name such as osd0"
    )
    what = f"disk {name or '?'} of {host}"
    kind = reader.choice(entries.get("kind"), f"kind of {what}", ("device", "file"))
    stable = r"/dev/disk/by-(id|path|partlabel|partuuid)/\S+"
    if kind == "device":
        path = reader.text(
            entries.get("path"), f"path of {what}", stable, "a name that survives a restart: /dev/disk/by-id/..."
        )
    else:
        path = reader.text(entries.get("path"), f"path of {what}", r"/\S+", "an absolute path")
    if kind == "file" and isinstance(node.value, dict) and "size_gib" not in entries:
        reader.problems.add(node.mark, f"{what} lacks 'size_gib'", "a file needs its size")
    size = reader.integer(entries["size_gib"], f"size_gib of {what}", 4, 1_000_000) if "size_gib" in entries else None
    return Disk(name, kind, path, size), node


def _report_twins(host: str, disks: list[tuple[Disk, Node]], reader: Reader) -> None:
    for field in ("id", "path"):
        seen: set[str] = set()
        for disk, node in disks:
            value = getattr(disk, field)
            if value and value in seen:
                reader.problems.add(node.mark, f"two disks of {host} have the {field} '{value}'", "give each its own")
            seen.add(value)
