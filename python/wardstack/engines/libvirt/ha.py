"""VMs, and rules between them, as objects of Pacemaker's configuration (CIB), in both directions."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from wardstack.blueprint.model import HaRule, Placement, Vm

PREFIX = "vm-"
MIGRATE_TIMEOUT_S = 300
MONITOR_S = 10
FAILURE_TIMEOUT_S = 300
"""After which failed starts are forgotten, so that a VM is tried again once what stopped it is repaired."""

SPREAD_SCORE = "-1000"
"""Soft: outweighs the cluster's stickiness (100), so VMs spread again by live migration when a host comes back;
yet a VM starts beside another rather than not at all."""

FIRST_SCORE = "50"
"""Where a VM starts first. Below the stickiness, so it never moves a running VM."""


def primitive(rule: HaRule, vm: Vm) -> dict[str, Any]:
    """The normalised Pacemaker resource of a VM."""
    # Native TLS between the two QEMUs, so memory is encrypted like the control connection.
    options = "--p2p --tls" if vm.migration_tls else "--p2p"
    return {
        "parameters": {
            "config": f"/etc/wardstack/vms/{vm.name}.xml",
            "hypervisor": "qemu:///system",
            "migration_transport": "tls" if vm.migration_tls else "tcp",
            "migrate_options": options,
            # The agent would write what it measures into the configuration and so make a difference on every run.
            "autoset_utilization_cpu": "false",
            "autoset_utilization_host_memory": "false",
            "autoset_utilization_hv_memory": "false",
        },
        "meta": {
            "allow-migrate": "true" if rule.allow_migrate else "false",
            "migration-threshold": str(rule.restart_attempts),
            "failure-timeout": f"{FAILURE_TIMEOUT_S}s",
            "target-role": "Started",
        },
        "operations": {
            "start": {"interval": "0s", "timeout": f"{rule.start_timeout_s}s"},
            "stop": {"interval": "0s", "timeout": f"{rule.stop_timeout_s}s"},
            "monitor": {"interval": f"{MONITOR_S}s", "timeout": "60s"},
            "migrate_to": {"interval": "0s", "timeout": f"{MIGRATE_TIMEOUT_S}s"},
            "migrate_from": {"interval": "0s", "timeout": f"{MIGRATE_TIMEOUT_S}s"},
        },
    }


def primitive_xml(vm: str, attributes: Mapping[str, Any]) -> str:
    """CIB XML of a normalised resource."""
    resource = PREFIX + vm

    def pairs(tag: str, values: Mapping[str, str]) -> str:
        inner = "".join(
            f'<nvpair id="{resource}-{tag}-{name}" name={quoteattr(name)} value={quoteattr(value)}/>'
            for name, value in sorted(values.items())
        )
        return f'<{tag} id="{resource}-{tag}">{inner}</{tag}>'

    operations = "".join(
        f'<op id="{resource}-{name}" name="{name}" interval="{op["interval"]}" timeout="{op["timeout"]}"/>'
        for name, op in sorted(attributes["operations"].items())
    )
    return (
        f'<primitive id="{resource}" class="ocf" provider="heartbeat" type="VirtualDomain">'
        f"{pairs('instance_attributes', attributes['parameters'])}{pairs('meta_attributes', attributes['meta'])}"
        f"<operations>{operations}</operations></primitive>"
    )


def first_host_xml(vm: str, host: str) -> str:
    """Preference for the host that a VM starts on first."""
    return f'<rsc_location id="first-{PREFIX}{vm}" rsc="{PREFIX}{vm}" node={quoteattr(host)} score="{FIRST_SCORE}"/>'


def read_primitives(cib: ET.Element) -> dict[str, dict[str, Any]]:
    """Normalised resources of all VMs in a CIB, by VM."""
    found = {}
    for element in cib.iterfind(".//resources//primitive"):
        name = element.get("id", "")
        if name.startswith(PREFIX) and element.get("type") == "VirtualDomain":
            found[name.removeprefix(PREFIX)] = {
                "parameters": _pairs(element, "instance_attributes"),
                "meta": _pairs(element, "meta_attributes"),
                "operations": {
                    op.get("name", ""): {"interval": op.get("interval", ""), "timeout": op.get("timeout", "")}
                    for op in element.iterfind("./operations/op")
                },
            }
    return found


def _pairs(element: ET.Element, tag: str) -> dict[str, str]:
    return {p.get("name", ""): p.get("value", "") for p in element.iterfind(f"./{tag}/nvpair")}


def spread_attribute(domain: str) -> str:
    """Node attribute that holds a host's failure domain; Pacemaker has the host's own built in."""
    return "#uname" if domain == "host" else f"wardstack-{domain}"


def _pair_id(placement: str, first: str, second: str) -> str:
    return f"spread-{placement}-{first}-{second}"


def placement_xml(placement: Placement) -> dict[str, str]:
    """Constraint id → CIB XML: every two VMs of a placement repel each other."""
    score = "-INFINITY" if placement.hard else SPREAD_SCORE
    attribute = spread_attribute(placement.domain)
    extra = "" if attribute == "#uname" else f' node-attribute="{attribute}"'
    return {
        _pair_id(placement.name, a, b): (
            f'<rsc_colocation id="{_pair_id(placement.name, a, b)}" rsc="{PREFIX}{b}" with-rsc="{PREFIX}{a}" '
            f'score="{score}"{extra}/>'
        )
        for a, b in itertools.combinations(sorted(placement.vms), 2)
    }


def node_attributes_xml(domains: Mapping[str, Mapping[str, str]], domain: str, nodes: Mapping[str, str]) -> list[str]:
    """CIB XML that tells the cluster every host's failure domain; none is needed for hosts themselves.

    Args:
        domains: host → failure domain → name.
        domain: kind of failure domain.
        nodes: host → node id in the CIB.
    """
    if domain == "host":
        return []
    name = spread_attribute(domain)
    return [
        f'<node id="{nodes[host]}" uname={quoteattr(host)}><instance_attributes id="nodes-{nodes[host]}">'
        f'<nvpair id="nodes-{nodes[host]}-{name}" name="{name}" value={quoteattr(values[domain])}/>'
        f"</instance_attributes></node>"
        for host, values in sorted(domains.items())
        if host in nodes
    ]


def read_placements(cib: ET.Element) -> dict[str, dict[str, Any]]:
    """Normalised placements in a CIB, by name.

    A placement of which a pair is missing (a plan was interrupted) has
    ``complete`` false, and so differs from every desired one.
    """
    pairs: dict[str, list[tuple[str, str, str, str]]] = {}
    for element in cib.iterfind(".//constraints/rsc_colocation"):
        a = element.get("with-rsc", "").removeprefix(PREFIX)
        b = element.get("rsc", "").removeprefix(PREFIX)
        identity = element.get("id", "")
        if identity.startswith("spread-") and identity.endswith(f"-{a}-{b}"):
            name = identity.removeprefix("spread-").removesuffix(f"-{a}-{b}")
            attribute = element.get("node-attribute", "#uname")
            pairs.setdefault(name, []).append((a, b, element.get("score", ""), attribute))
    found = {}
    for name, entries in pairs.items():
        vms = sorted({vm for a, b, *_ in entries for vm in (a, b)})
        scores = {score for *_, score, _ in entries}
        attributes = {attribute for *_, attribute in entries}
        domain = "host" if attributes == {"#uname"} else "/".join(sorted(attributes)).removeprefix("wardstack-")
        known = scores in ({"-INFINITY"}, {SPREAD_SCORE})
        found[name] = {
            "vms": vms,
            "domain": domain,
            "hard": scores == {"-INFINITY"},
            "complete": known and len(entries) == len(list(itertools.combinations(vms, 2))),
        }
    return found


def constraints_of(cib: ET.Element, vm: str) -> list[str]:
    """Ids of the constraints that name a VM."""
    resource = PREFIX + vm
    return [
        element.get("id", "")
        for constraints in cib.iterfind(".//constraints")
        for element in constraints
        if resource in (element.get("rsc"), element.get("with-rsc"), element.get("first"), element.get("then"))
    ]


def node_ids(cib: ET.Element) -> dict[str, str]:
    """Host → node id."""
    return {node.get("uname", ""): node.get("id", "") for node in cib.iterfind(".//nodes/node")}


def missing_domains(cib: ET.Element, domains: Mapping[str, Mapping[str, str]], kinds: Iterable[str]) -> bool:
    """Say whether the cluster lacks a host's failure domain that a placement needs."""
    known = {
        (node.get("uname"), pair.get("name")): pair.get("value")
        for node in cib.iterfind(".//nodes/node")
        for pair in node.iterfind("./instance_attributes/nvpair")
    }
    return any(
        known.get((host, spread_attribute(kind))) != values[kind]
        for kind in kinds
        if kind != "host"
        for host, values in domains.items()
    )
