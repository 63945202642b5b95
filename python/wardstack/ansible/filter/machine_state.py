"""Ansible filter: what a machine told of itself in `playbooks/status.yml`, as data.

A plain shell tells, not a module: sending Python to an emulated node took 20 s before it said a word (measured), and a
machine without a working Python must still be able to say what is wrong with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree


def machine_state(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of one machine.

    Args:
        result: of the task that asked; its ``stdout`` has a line ``== NAME`` before what each command printed.

    Returns:
        Empty where the machine did not answer, else ``services`` (unit → state), ``failed_units``, ``addresses``,
        ``database`` (primary, standby, none), and on hosts that have them ``storage`` and ``cluster``.
    """
    if result.get("unreachable") or "== failed_units" not in result.get("stdout", ""):
        return {}
    # A shell on a terminal ends lines with \r\n.
    parts = re.split(r"^== (\w+)$", result["stdout"].replace("\r\n", "\n"), flags=re.MULTILINE)[1:]
    told: dict[str, Any] = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        if name in SECTIONS and (found := SECTIONS[name](text.strip())) is not None:
            told[name] = found
    return told


def services(text: str) -> dict[str, str]:
    """Return the state of each unit from ``systemctl show --property=Id,ActiveState``."""
    units = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.split("\n\n")]
    return {unit["Id"]: unit["ActiveState"] for unit in units if {"Id", "ActiveState"} <= unit.keys()}


def failed_units(text: str) -> list[str]:
    """Return names from ``systemctl list-units --failed --plain --no-legend``."""
    return sorted(line.split()[0] for line in text.splitlines() if line.strip())


def addresses(text: str) -> list[str]:
    """Return all but loopback and link addresses from ``ip -json address show``."""
    try:
        told = [one for link in json.loads(text) for one in link.get("addr_info", [])]
        return sorted(one["local"] for one in told if one.get("scope") == "global" and "local" in one)
    except (ValueError, TypeError, AttributeError):
        return []


def database(text: str) -> str:
    """Return the role of PostgreSQL, which the names of its processes tell without a connection."""
    ours = [line for line in text.splitlines() if line.startswith("postgres:")]
    if any("walwriter" in line for line in ours):
        return "primary"
    return "standby" if ours else "none"


def storage(text: str) -> dict[str, Any] | None:
    """Return Ceph's health, monitors, disks and fill level in bytes from ``ceph status --format=json``."""
    try:
        told = json.loads(text)
        return {
            "health": told["health"]["status"],
            "warnings": sorted(check["summary"]["message"] for check in told["health"].get("checks", {}).values()),
            "monitors": told["monmap"]["num_mons"],
            "quorum": sorted(told["quorum_names"]),
            "osds": told["osdmap"]["num_osds"],
            "osds_up": told["osdmap"]["num_up_osds"],
            "bytes_used": told["pgmap"]["bytes_used"],
            "bytes": told["pgmap"]["bytes_total"],
        }
    except (ValueError, KeyError, TypeError):
        return None


def cluster(text: str) -> dict[str, Any] | None:
    """Return Pacemaker's nodes and resources from ``crm_mon --output-as=xml``."""
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 (from a host whose root we are; libexpat limits expansion)
    except ElementTree.ParseError:
        return None
    if root.find("./nodes") is None:
        return None
    quorum = root.find("./summary/current_dc")
    resources = {}
    for resource in root.iterfind("./resources//resource"):
        on = resource.find("./node")
        resources[resource.get("id", "")] = {
            "role": resource.get("role", ""),
            "node": "" if on is None else on.get("name", ""),
            "failed": resource.get("failed") == "true",
        }
    return {
        "nodes": {node.get("name", ""): node_state(node) for node in root.iterfind("./nodes/node")},
        "resources": resources,
        "quorum": quorum is not None and quorum.get("with_quorum") == "true",
    }


def node_state(node: ElementTree.Element) -> str:
    """Return one word for a cluster node."""
    for flag in ("unclean", "maintenance", "standby", "pending"):
        if node.get(flag) == "true":
            return flag
    return "online" if node.get("online") == "true" else "offline"


SECTIONS: dict[str, Callable[[str], Any]] = {
    "services": services,
    "failed_units": failed_units,
    "addresses": addresses,
    "database": database,
    "storage": storage,
    "cluster": cluster,
}


class FilterModule:
    """What Ansible asks of a filter plugin."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {"machine_state": machine_state}
