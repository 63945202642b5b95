"""Read site.yml: what a site says of itself beside its hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from wardstack.site.addresses import AddressBook
from wardstack.site.model import NETWORKS, ArchiveNode, Modality, Network
from wardstack.standards.document import Node
from wardstack.standards.model import ENGINES, Standards, Value
from wardstack.standards.parameters import read_value
from wardstack.standards.problems import Mark, suggest
from wardstack.standards.reader import Reader

BUILT_ENGINES = ("libvirt",)
"""Engines that this version can build with; the standards already speak of the others."""
LAB_HOSTS = ("container", "vm")
"""What a lab's hosts are; only the lab itself needs to know."""
DOMAIN = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
_NEEDED = ("plugin", "site", "title", "engine", "domain", "state_dir", "networks", "archive")
_OPTIONAL = ("lab", "lab_hosts", "management", "time_servers", "mirrors", "modalities", "parameters")
_BRIDGE = r"[a-z][a-z0-9-]{0,14}"
_AET = r"[A-Za-z0-9_-]{1,16}"
_NODE = r"a[1-9]"
_BOND_MODES = ("802.3ad", "active-backup")


@dataclass(slots=True)
class SiteDocument:
    """site.yml, read but not yet held against the standards and the hosts."""

    name: str = ""
    title: Mapping[str, str] = field(default_factory=dict)
    engine: str = ""
    domain: str = ""
    state_dir: str = "/"
    lab: bool = False
    networks: dict[str, Network] = field(default_factory=dict)
    nodes: tuple[ArchiveNode, ...] = ()
    floating_address: str = ""
    time_servers: tuple[str, ...] = ()
    mirrors: dict[str, str] = field(default_factory=dict)
    modalities: tuple[Modality, ...] = ()
    chosen: dict[str, Value] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    """Where a parameter was chosen, and where the parts stand that checks name."""


def read_site_document(root: Node, standards: Standards, book: AddressBook, reader: Reader) -> SiteDocument:
    """Read site.yml; problems go to the reader, addresses to the book."""
    entries = reader.mapping(root, "the site", _NEEDED, _OPTIONAL)
    site = SiteDocument()
    site.marks["site"] = root.mark
    reader.choice(entries.get("plugin"), "plugin", ("wardstack_site",))
    site.name = reader.text(entries.get("site"), "site", r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", "a short lower-case name")
    site.title = reader.bilingual(entries.get("title"), "title")
    site.engine = _engine(entries.get("engine"), reader)
    site.domain = reader.text(entries.get("domain"), "domain", DOMAIN, "a domain such as pacs.hospital.internal")
    site.state_dir = (
        reader.text(entries.get("state_dir"), "state_dir", r"/\S+", "an absolute path on the controller") or "/"
    )
    site.lab = reader.boolean(entries.get("lab"), "lab")
    reader.choice(entries.get("lab_hosts"), "lab_hosts", LAB_HOSTS)
    _read_networks(site, entries, book, reader)
    _read_archive(site, entries.get("archive"), book, reader)
    _read_parameters(site, entries.get("parameters"), standards, reader)
    site.time_servers = reader.texts(
        entries.get("time_servers"), "time_servers", r"[A-Za-z0-9.:-]{1,253}", "a host name or address"
    )
    mirrors = reader.mapping(entries.get("mirrors"), "mirrors", optional=("debian", "security"))
    site.mirrors = {
        name: reader.text(
            node, f"mirror {name}", r"https?://\S+", "an address such as http://mirror.hospital.example/debian"
        )
        for name, node in mirrors.items()
    }
    _read_modalities(site, entries.get("modalities"), book, reader)
    return site


def _engine(node: Node | None, reader: Reader) -> str:
    engine = reader.choice(node, "engine", ENGINES)
    if engine and engine not in BUILT_ENGINES and node is not None:
        reader.problems.add(
            node.mark, f"this version cannot build with the engine '{engine}'", f"choose {', '.join(BUILT_ENGINES)}"
        )
    return engine


def _read_networks(site: SiteDocument, entries: dict[str, Node], book: AddressBook, reader: Reader) -> None:
    """Networks come before any address, because an address is held against its network."""
    networks = reader.mapping(entries.get("networks"), "networks", NETWORKS)
    for name in NETWORKS:
        node = networks.get(name)
        parts = reader.mapping(node, f"network {name}", ("cidr", "bridge"), ("gateway", "vlan", "bond"))
        if node is None:
            continue
        site.marks[f"network {name}"] = node.mark
        cidr = book.network(name, parts.get("cidr"))
        bond = reader.mapping(parts.get("bond"), f"bond of network {name}", ("mode",))
        site.networks[name] = Network(
            name=name,
            cidr=str(cidr) if cidr else "",
            prefix=cidr.prefixlen if cidr else 0,
            bridge=reader.text(
                parts.get("bridge"), f"bridge of network {name}", _BRIDGE, "up to 15 letters, digits and '-'"
            ),
            gateway=book.claim(parts.get("gateway"), f"gateway of network {name}", name) or None,
            vlan=reader.integer(parts["vlan"], f"vlan of network {name}", 1, 4094) if "vlan" in parts else None,
            bond_mode=reader.choice(bond.get("mode"), f"bond mode of network {name}", _BOND_MODES) or None,
        )
    if len({network.bridge for network in site.networks.values()}) < len(site.networks):
        reader.problems.add(
            site.marks["network hospital"], "two networks use the same bridge", "give each its own", "STD-02.1"
        )
    # Management controllers usually stand on the cluster network; a site with a network of their own says so.
    if "management" in entries:
        parts = reader.mapping(entries["management"], "management", ("cidr",))
        book.network("management", parts.get("cidr"))
    elif "cluster" in book.networks:
        book.networks["management"] = book.networks["cluster"]


def _read_archive(site: SiteDocument, node: Node | None, book: AddressBook, reader: Reader) -> None:
    entries = reader.mapping(node, "archive", ("node_addresses", "floating_address"), ("aet",))
    if node is not None:
        site.marks["archive"] = node.mark
    if "aet" in entries:
        site.marks["archive_aet"] = entries["aet"].mark
        site.chosen["archive_aet"] = reader.text(
            entries["aet"], "aet of the archive", _AET, "1 to 16 letters, digits, '_' or '-'"
        )
    nodes = reader.mapping(entries.get("node_addresses"), "node_addresses", optional=None)
    found = []
    for name, child in nodes.items():
        if not re.fullmatch(_NODE, name):
            reader.problems.add(
                child.mark,
                f"an archive node has the name '{name}'",
                "archive nodes are called a1, a2, a3 and so on",
                "STD-06.1",
            )
        parts = reader.mapping(child, f"addresses of {name}", NETWORKS)
        addresses = {net: book.claim(parts.get(net), f"{net} address of {name}", net) for net in NETWORKS}
        found.append(ArchiveNode(name, addresses))
    site.nodes = tuple(sorted(found, key=lambda item: item.name))
    site.floating_address = book.claim(entries.get("floating_address"), "floating_address", "hospital")


def _read_parameters(site: SiteDocument, node: Node | None, standards: Standards, reader: Reader) -> None:
    for name, child in reader.mapping(node, "parameters", optional=None).items():
        mark = node.keys[name] if node is not None and node.keys else child.mark
        parameter = standards.parameters.get(name)
        if parameter is None:
            reader.problems.add(mark, f"there is no parameter '{name}'", suggest(name, standards.parameters))
            continue
        value = read_value(parameter, child, reader)
        if name in site.chosen and site.chosen[name] != value:
            reader.problems.add(mark, f"{name} and archive.aet differ", "keep one of them", parameter.clause)
        site.chosen[name], site.marks[name] = value, child.mark


def _read_modalities(site: SiteDocument, node: Node | None, book: AddressBook, reader: Reader) -> None:
    found: list[Modality] = []
    for child in reader.items(node, "modalities"):
        parts = reader.mapping(child, "a modality", ("aet", "address", "name"))
        aet = reader.text(parts.get("aet"), "aet of a modality", _AET, "1 to 16 letters, digits, '_' or '-'")
        if aet and aet in {other.aet for other in found}:
            reader.problems.add(
                child.mark, f"two modalities have the AE title '{aet}'", "an AE title names one device", "STD-07.5"
            )
        # Not claimed: devices behind one gateway share its address.
        address = book.read(parts.get("address"), f"address of modality {aet or '?'}")
        found.append(
            Modality(aet, str(address or ""), reader.text(parts.get("name"), f"name of modality {aet or '?'}"))
        )
    site.modalities = tuple(found)
